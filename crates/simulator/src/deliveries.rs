//! Deliveries with deadlines, for the demo: one feed is on time and sends its file twice, one is late,
//! one missing, one invalid, and one polls for its file and has another that fails.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::Simulator;
use crate::domain::{FileScript, LifeScript, failure_message};
use crate::profiles::{PARTNERS, Partner};
use model::{ConnectorId, Direction};

/// The code of a file that is not there yet.
const NOT_FOUND: &str = "RETRIEVE_FILE_NOT_FOUND";

/// The code of a file that fails again and again.
const TIMED_OUT: &str = "TIMEOUT_ERROR";

/// Periods in which a file fails, the last of which completes it: half an hour. Longer than the wait of
/// the alert about unresolved failures.
const ATTEMPTS: u64 = 15;

/// A feed whose files are due again and again.
#[derive(Clone, Copy, Debug)]
pub struct Feed {
    /// Its name.
    pub name: &'static str,
    /// The name of its connector.
    pub connector: &'static str,
    /// The directory of its files.
    pub folder: &'static str,
    /// Number of files that a delivery needs.
    pub files: u64,
    /// Whether its deadlines are at odd minutes.
    pub is_odd: bool,
    /// Seconds after a deadline at which a file completes.
    completes: &'static [u64],
    /// Seconds after a deadline at which a file is not found.
    fails: &'static [u64],
    /// Seconds after a deadline at which another file fails, with the same path for [`ATTEMPTS`] periods.
    attempts: &'static [u64],
}

impl Feed {
    /// Time between two deadlines.
    pub const PERIOD: Duration = Duration::from_mins(2);

    /// The feeds.
    pub const ALL: [Self; 5] = [
        Self {
            name: "prices",
            connector: "acme-inbound",
            folder: "/deliveries/prices",
            files: 1,
            is_odd: false,
            completes: &[60, 75],
            fails: &[],
            attempts: &[],
        },
        Self {
            name: "orders",
            connector: "acme-inbound",
            folder: "/deliveries/orders",
            files: 1,
            is_odd: true,
            completes: &[10],
            fails: &[],
            attempts: &[],
        },
        Self {
            name: "stock",
            connector: "northwind-stock",
            folder: "/deliveries/stock",
            files: 1,
            is_odd: false,
            completes: &[],
            fails: &[],
            attempts: &[],
        },
        Self {
            name: "invoices",
            connector: "acme-inbound",
            folder: "/deliveries/invoices",
            files: 2,
            is_odd: true,
            completes: &[90],
            fails: &[],
            attempts: &[],
        },
        Self {
            name: "reports",
            connector: "contoso-catalogue",
            folder: "/deliveries/reports",
            files: 1,
            is_odd: false,
            completes: &[105],
            fails: &[45, 75],
            attempts: &[90],
        },
    ];

    /// Returns the scripts of the files that start in the second of `at`.
    fn files_at(&self, at: SystemTime) -> Option<FileScript> {
        let seconds = at.duration_since(UNIX_EPOCH).ok()?.as_secs();
        let since = seconds + if self.is_odd { 60 } else { 0 };
        let phase = since % Self::PERIOD.as_secs();
        let number = since / Self::PERIOD.as_secs();
        let path = format!("{}/{number}.csv", self.folder);
        if self.completes.contains(&phase) {
            return Some(FileScript::new(path, LifeScript::completed()));
        }
        if self.attempts.contains(&phase) {
            let path = format!("{}/summary-{}.csv", self.folder, number / ATTEMPTS);
            let is_last = number % ATTEMPTS == ATTEMPTS - 1;
            return Some(if is_last {
                FileScript::new(path, LifeScript::completed())
            } else {
                self.failed(path, TIMED_OUT)
            });
        }
        let is_absent = self.fails.contains(&phase);
        is_absent.then(|| self.failed(path, NOT_FOUND))
    }

    fn failed(&self, path: String, code: &str) -> FileScript {
        let host = self.partner().map_or("", |partner| partner.host);
        let message = failure_message(code, host, &path);
        FileScript::new(path, LifeScript::failed(code, &message))
    }

    fn partner(&self) -> Option<&'static Partner> {
        PARTNERS.iter().find(|it| it.name == self.connector)
    }

    fn connector_id(&self) -> Option<(ConnectorId, Direction)> {
        let partner = self.partner()?;
        Some((partner.id.parse().ok()?, partner.direction))
    }

    /// Starts the transfers of all feeds, for ever.
    pub async fn deliver_all(simulator: Simulator) {
        let mut seconds = tokio::time::interval(Duration::from_secs(1));
        loop {
            seconds.tick().await;
            let now = simulator.now().wall;
            for feed in &Self::ALL {
                let file = feed.files_at(now);
                if let Some((file, (connector, direction))) = file.zip(feed.connector_id()) {
                    let transfer = simulator.unknown_transfer();
                    simulator.put_transfer_of(direction, &connector, &transfer, vec![file], now);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feed_delivers_in_its_own_way() {
        let start = UNIX_EPOCH + Duration::from_mins(29_000_000);
        let counts = Feed::ALL.map(|feed| {
            assert!(feed.connector_id().is_some(), "{}", feed.name);
            let seconds = (0..120).filter_map(|s| feed.files_at(start + Duration::from_secs(s)));
            seconds.count()
        });
        assert_eq!(counts, [2, 1, 0, 1, 4]);
    }

    #[test]
    fn a_file_fails_for_half_an_hour_and_then_completes() {
        let feed = &Feed::ALL[4];
        let start = UNIX_EPOCH + Feed::PERIOD * 15_000_000;
        let files: Vec<FileScript> = (0..ATTEMPTS)
            .filter_map(|period| feed.files_at(start + Duration::from_secs(120 * period + 90)))
            .collect();
        assert!(files.iter().all(|file| file.path == files[0].path));
        let completed = files
            .iter()
            .filter(|file| file.life == LifeScript::completed());
        assert_eq!((files.len(), completed.count()), (15, 1));
        assert_eq!(files[14].life, LifeScript::completed());
    }
}
