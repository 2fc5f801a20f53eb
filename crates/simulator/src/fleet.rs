//! A fleet of connectors that transfer files continuously, for the demo.

use std::future::Future;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;

use crate::Simulator;
use crate::domain::{FileScript, RemoteKind, SplitMix64};
use crate::profiles::{PARTNERS, Partner};
use model::{ConnectorId, TransferId};

/// A transfer started by the fleet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The connector.
    pub connector: ConnectorId,
    /// The transfer id.
    pub transfer: TransferId,
    /// The start time.
    pub started_at: SystemTime,
}

/// Six partners: a healthy one, one with connection errors, a slow one, one whose files stay
/// QUEUED, one with missing files, and one with a mix of everything.
#[derive(Clone, Debug)]
pub struct Fleet {
    random: SplitMix64,
    files: usize,
}

/// A transfer to start.
struct PlannedTransfer {
    partner: &'static Partner,
    /// Age at the start: how far the start is backdated.
    age: Duration,
    files: Vec<FileScript>,
}

impl Fleet {
    /// Creates a fleet. Equal seeds give equal fleets.
    pub fn new(seed: u64) -> Self {
        Self {
            random: SplitMix64::new(seed),
            files: 0,
        }
    }

    /// Returns the connectors with their names and partner labels.
    pub fn connectors() -> Vec<(ConnectorId, &'static str, &'static str)> {
        PARTNERS
            .iter()
            .map(|partner| (partner.connector(), partner.name, partner.label))
            .collect()
    }

    /// Adds the connectors to the simulator.
    pub fn install(simulator: &Simulator) {
        for partner in &PARTNERS {
            simulator.add_connector(partner.connector(), partner.spec());
        }
    }

    /// Adds the connectors and starts transfers: a first batch at once, then one every 1 to 3
    /// seconds, until `shutdown` completes or the receiver is dropped. The first batch contains one
    /// transfer that only CloudTrail knows. With every other transfer, a directory is listed or a
    /// file moved or deleted.
    pub async fn run(
        mut self,
        simulator: Simulator,
        sender: mpsc::Sender<Started>,
        shutdown: impl Future<Output = ()>,
    ) {
        Self::install(&simulator);
        let work = async {
            let mut started: Vec<Started> = self
                .first()
                .into_iter()
                .map(|batch| batch.start(&simulator))
                .collect();
            started.push(lost(&simulator));
            for partner in &PARTNERS {
                self.operate(partner, &simulator);
            }
            loop {
                for transfer in started.drain(..) {
                    if sender.send(transfer).await.is_err() {
                        return;
                    }
                }
                tokio::time::sleep(self.pause()).await;
                let batch = self.next();
                if self.random.chance(0.5) {
                    self.operate(batch.partner, &simulator);
                }
                started.push(batch.start(&simulator));
            }
        };
        let (mut work, mut shutdown) = (pin!(work), pin!(shutdown));
        tokio::select! {
            () = &mut work => {}
            () = &mut shutdown => {}
        }
    }

    /// Returns the time until the next transfer.
    fn pause(&mut self) -> Duration {
        Duration::from_secs(1) + Duration::from_secs(2).mul_f64(self.random.unit())
    }

    /// Starts a directory listing, move or delete.
    fn operate(&mut self, partner: &Partner, simulator: &Simulator) {
        let path = partner.path(self.files);
        let directory = path
            .rsplit_once('/')
            .map_or("/", |(directory, _)| directory)
            .to_owned();
        let kind = match self.random.below(3) {
            0 => RemoteKind::List {
                directory,
                output: "/transfer-inbound/listings".to_owned(),
                max_items: 1000,
            },
            1 => RemoteKind::Move {
                target: format!("{directory}/done"),
                source: path,
            },
            _ => RemoteKind::Delete { path },
        };
        // Cannot fail: the fleet has added the connector.
        let _ = simulator.start_operation(&partner.connector(), kind, simulator.now().wall);
    }

    /// Returns the next transfer of a random partner.
    fn next(&mut self) -> PlannedTransfer {
        let partner = &PARTNERS[self.random.below(PARTNERS.len())];
        let count = 1 + self.random.below(10);
        let files = (0..count)
            .map(|_| partner.draw(&mut self.random, next_number(&mut self.files)))
            .collect();
        PlannedTransfer {
            partner,
            age: Duration::ZERO,
            files,
        }
    }

    /// Returns one transfer per partner, scripted so that every state occurs within the first
    /// minute, and two that have already finished.
    fn first(&mut self) -> Vec<PlannedTransfer> {
        let [acme, globex, initech, northwind, contoso, tailspin] = &PARTNERS;
        let mut number = || next_number(&mut self.files);
        let seconds = Duration::from_secs;
        let minutes = Duration::from_mins;
        let now = Duration::ZERO;
        vec![
            PlannedTransfer {
                partner: acme,
                age: minutes(5),
                files: (0..3)
                    .map(|n| acme.completing(number(), seconds(1), seconds(2 + n)))
                    .collect(),
            },
            PlannedTransfer {
                partner: contoso,
                age: minutes(3),
                files: vec![
                    contoso.completing(number(), seconds(1), seconds(3)),
                    contoso.failing(number(), "RETRIEVE_FILE_NOT_FOUND", seconds(1)),
                ],
            },
            PlannedTransfer {
                partner: acme,
                age: now,
                files: (0..6)
                    .map(|n| acme.completing(number(), seconds(2 + n), seconds(3)))
                    .collect(),
            },
            PlannedTransfer {
                partner: globex,
                age: now,
                files: vec![
                    globex.failing(number(), "CONNECTION_ERROR", seconds(3)),
                    globex.failing(number(), "ASSUME_ROLE_ERROR", seconds(8)),
                    globex.completing(number(), seconds(4), seconds(6)),
                ],
            },
            PlannedTransfer {
                partner: initech,
                age: now,
                files: vec![
                    initech.completing(number(), seconds(3), minutes(6)),
                    initech.completing(number(), seconds(6), seconds(25)),
                    initech.completing(number(), seconds(30), seconds(40)),
                    initech.failing(number(), "TIMEOUT_ERROR", seconds(35)),
                ],
            },
            PlannedTransfer {
                partner: northwind,
                age: now,
                files: vec![
                    northwind.completing(number(), seconds(2), seconds(4)),
                    northwind.completing(number(), minutes(5), seconds(4)),
                    northwind.completing(number(), minutes(7), seconds(4)),
                ],
            },
            PlannedTransfer {
                partner: contoso,
                age: now,
                files: vec![
                    contoso.failing(number(), "RETRIEVE_FILE_NOT_FOUND", seconds(2)),
                    contoso.failing(number(), "DIRECTORY_NOT_FOUND", seconds(9)),
                    contoso.completing(number(), seconds(5), seconds(5)),
                ],
            },
            PlannedTransfer {
                partner: tailspin,
                age: now,
                files: vec![
                    tailspin.failing(number(), "", seconds(6)),
                    tailspin.failing(number(), "WRITE_FILE_ERROR", seconds(12)),
                    tailspin.completing(number(), seconds(3), seconds(15)),
                ],
            },
        ]
    }
}

impl PlannedTransfer {
    fn start(self, simulator: &Simulator) -> Started {
        let started_at = simulator.now().wall - self.age;
        let (connector, transfer) = (self.partner.connector(), simulator.unknown_transfer());
        simulator.put_transfer_of(
            self.partner.direction,
            &connector,
            &transfer,
            self.files,
            started_at,
        );
        Started {
            connector,
            transfer,
            started_at,
        }
    }
}

impl Partner {
    fn connector(&self) -> ConnectorId {
        self.id.parse().expect("the fleet's ids are connector ids")
    }
}

fn next_number(files: &mut usize) -> usize {
    *files += 1;
    *files
}

/// Records the start of a transfer that the API does not know.
fn lost(simulator: &Simulator) -> Started {
    let [.., tailspin] = &PARTNERS;
    let (connector, started_at) = (
        tailspin.connector(),
        simulator.now().wall - Duration::from_mins(4),
    );
    let files = vec![tailspin.completing(0, Duration::ZERO, Duration::ZERO)];
    let transfer = simulator.put_lost(&connector, files, started_at);
    Started {
        connector,
        transfer,
        started_at,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Settings;
    use crate::domain::Lookup;
    use crate::testing::{now, simulator};
    use model::{DOCUMENTED_FAILURE_CODES, FileCounts, FileStatus};

    /// Returns the transfers that start within `stretch`, with their start.
    fn batches(seed: u64, stretch: Duration) -> Vec<(Duration, PlannedTransfer)> {
        let mut fleet = Fleet::new(seed);
        let mut all: Vec<_> = fleet
            .first()
            .into_iter()
            .map(|batch| (Duration::ZERO, batch))
            .collect();
        let mut at = fleet.pause();
        while at < stretch {
            all.push((at, fleet.next()));
            at += fleet.pause();
        }
        all
    }

    fn count(batch: &PlannedTransfer, elapsed: Duration) -> FileCounts {
        let mut counts = FileCounts::default();
        for file in batch.files.iter().map(|file| file.result_at(elapsed)) {
            counts.add_file(&file.status, file.failure_code.as_ref());
        }
        counts
    }

    #[test]
    fn every_state_shows_within_the_first_minute() {
        let minute = Duration::from_mins(1);
        let all = batches(1, minute);
        let counts: Vec<_> = all
            .iter()
            .map(|(at, batch)| count(batch, minute.saturating_sub(*at) + batch.age))
            .collect();
        assert!(
            counts
                .iter()
                .any(|counts| counts.completed == counts.total())
        );
        assert!(
            counts
                .iter()
                .any(|counts| counts.unfinished_files() == 0 && counts.failed_files() > 0)
        );
        assert!(counts.iter().any(|counts| counts.failed_without_code > 0));
        let codes: BTreeSet<_> = counts
            .iter()
            .flat_map(|counts| &counts.failed)
            .map(|(code, _)| code.as_str())
            .collect();
        assert!(codes.len() >= 5, "{codes:?}");
        let stuck = |status: &FileStatus| {
            let first = all
                .iter()
                .filter(|(at, _)| at.is_zero())
                .flat_map(|(_, batch)| &batch.files);
            first
                .clone()
                .any(|file| file.life.status_at(minute) == *status)
                && first
                    .clone()
                    .any(|file| file.life.status_at(Duration::from_secs(290)) == *status)
        };
        assert!(stuck(&FileStatus::Queued) && stuck(&FileStatus::InProgress));
    }

    #[test]
    fn transfers_come_steadily_with_one_to_ten_files_and_documented_codes() {
        let hour = batches(2, Duration::from_hours(1));
        assert!((1500..2200).contains(&hour.len()), "{}", hour.len());
        let files: Vec<_> = hour.iter().flat_map(|(_, batch)| &batch.files).collect();
        assert!(
            hour.iter()
                .all(|(_, batch)| (1..=10).contains(&batch.files.len()))
        );
        let ends: Vec<_> = files
            .iter()
            .map(|file| file.result_at(Duration::from_hours(1)))
            .collect();
        assert!(
            ends.iter().all(|file| file.status.is_finished()),
            "nothing stays unfinished for ever"
        );
        let completed = ends
            .iter()
            .filter(|file| file.status == FileStatus::Completed)
            .count();
        assert!(
            completed * 10 > ends.len() * 7,
            "most complete: {completed} of {}",
            ends.len()
        );
        for code in ends.iter().filter_map(|file| file.failure_code.as_ref()) {
            assert!(DOCUMENTED_FAILURE_CODES.contains(&code.as_str()), "{code}");
        }
        let paths: BTreeSet<_> = files.iter().map(|file| &file.path).collect();
        assert_eq!(paths.len(), files.len());
    }

    #[test]
    fn one_seed_gives_one_fleet() {
        let files = |seed| -> Vec<_> {
            let all = batches(seed, Duration::from_mins(10));
            all.into_iter()
                .map(|(at, batch)| (at, batch.partner.id, batch.files))
                .collect()
        };
        assert_eq!(files(3), files(3));
        assert_ne!(files(3), files(4));
    }

    #[test]
    fn the_connectors_have_ids_and_names_of_their_own() {
        let connectors = Fleet::connectors();
        let names: BTreeSet<_> = connectors.iter().map(|(_, name, _)| name).collect();
        let ids: BTreeSet<_> = connectors.iter().map(|(id, _, _)| id).collect();
        assert_eq!((connectors.len(), names.len(), ids.len()), (6, 6, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn started_transfers_are_reported_and_all_but_one_are_known() {
        let simulator = simulator(Settings::default());
        let (sender, mut receiver) = mpsc::channel(1);
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let run = Fleet::new(1).run(simulator.clone(), sender, async { drop(stopped.await) });
        let running = tokio::spawn(run);
        let mut unknown = 0;
        for _ in 0..40 {
            let started = receiver.recv().await.unwrap();
            let looked_up =
                simulator
                    .state()
                    .lookup(&started.connector, &started.transfer, now().wall);
            unknown += usize::from(looked_up == Lookup::NoTransfer);
        }
        assert_eq!((unknown, simulator.transfer_count() >= 39), (1, true));
        stop.send(()).unwrap();
        running.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_fleet_stops_when_the_receiver_is_dropped() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        Fleet::new(1)
            .run(
                simulator(Settings::default()),
                sender,
                std::future::pending(),
            )
            .await;
    }
}
