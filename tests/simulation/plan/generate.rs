//! Draws a scenario from a seed.

mod apart;

use simulator::SplitMix64;

use super::{
    ApiFault, BEGIN, Body, Change, DAY, FileScript, HOUR, MINUTE, MessageScript, Ms, Restart,
    SECOND, Scenario, Setup, Step, Stop, StoreFault, TransferScript,
};

/// Returns the scenario of a seed.
pub(crate) fn scenario(seed: u64) -> Scenario {
    let mut dice = Dice(SplitMix64::new(seed));
    // The first draws of neighbouring seeds are alike enough to matter.
    dice.0.bits();
    let horizon = match dice.below(20) {
        0 => dice.between(8 * DAY, 12 * DAY),
        1..=4 => dice.between(DAY, 2 * DAY),
        5..=9 => dice.between(5 * MINUTE, 40 * MINUTE),
        _ => dice.between(HOUR, 10 * HOUR),
    };
    let long = apart::long_horizon(seed);
    let horizon = long.unwrap_or(horizon);
    let accounts = 1 + usize::from(dice.one_in(3));
    let transfers = dice.transfers(accounts, horizon);
    let messages = dice.messages(&transfers, horizon);
    let setup = dice.setup(accounts, &transfers, horizon);
    let steps = dice.steps(&setup, &transfers, &messages, horizon);
    let mut scenario = Scenario {
        seed,
        setup,
        transfers,
        messages,
        flows: apart::flows(seed, horizon),
        steps,
    };
    apart::add_targets(&mut scenario, horizon);
    apart::add_moves(&mut scenario, horizon);
    if long.is_some() {
        apart::add_replays(&mut scenario, horizon);
    }
    apart::add_flickers(&mut scenario, horizon);
    apart::add_limits(&mut scenario);
    scenario.steps.sort_by_key(|(at, _)| *at);
    scenario
}

struct Dice(SplitMix64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound)
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Returns a number in `from ..= to`.
    fn between(&mut self, from: Ms, to: Ms) -> Ms {
        from + self.0.bits() % (to.saturating_sub(from) + 1)
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Returns each element with the probability 1 in `n`.
    fn some(&mut self, all: impl Iterator<Item = usize>, n: usize) -> Vec<usize> {
        all.filter(|_| self.one_in(n)).collect()
    }

    fn setup(&mut self, accounts: usize, transfers: &[TransferScript], horizon: Ms) -> Setup {
        let ids = || transfers.iter().map(|transfer| transfer.id);
        let all_sources = self.one_in(2);
        let wall_offset = if self.one_in(5) {
            self.pick(&[-7_200_000, -90_000, 45_000, 5_400_000])
        } else {
            0
        };
        Setup {
            accounts,
            store: !self.one_in(4),
            min_refresh: self.pick(&[5, 10, 10, 30]) * SECOND,
            max_refresh: self.pick(&[1, 5, 5]) * MINUTE,
            gone_after: self.pick(&[1, 10, 60]) * MINUTE,
            keep_settled: self.pick(&[10 * MINUTE, HOUR, DAY]),
            trail: all_sources || self.one_in(3),
            trail_interval: self.between(MINUTE, MINUTE + horizon / 60),
            queues: if all_sources {
                vec![0, 1]
            } else {
                self.some(0..2, 2)
            },
            configured: self.some(ids(), 3),
            listed: self.some(ids(), 4),
            files_interval: 0,
            concurrency: 1 + self.below(4),
            rate: None,
            latency: self.pick(&[20, 200, 1_500]),
            empty_if_unknown: self.one_in(3),
            wall_offset,
            drift: if self.one_in(4) {
                self.pick(&[-200, -20, 20, 200])
            } else {
                0
            },
        }
    }

    fn transfers(&mut self, accounts: usize, horizon: Ms) -> Vec<TransferScript> {
        let count = 1 + self.below(4);
        (0..count)
            .map(|id| self.transfer(id, accounts, horizon))
            .collect()
    }

    fn transfer(&mut self, id: usize, accounts: usize, horizon: Ms) -> TransferScript {
        let start = match self.below(8) {
            0 => BEGIN - self.between(0, 8 * DAY - HOUR),
            1 | 2 => {
                let before = self.pick(&[MINUTE, 10 * MINUTE, 2 * HOUR]);
                BEGIN - self.between(0, before)
            }
            _ => BEGIN + self.between(0, horizon * 3 / 4),
        };
        let known = if self.one_in(4) {
            start + self.between(0, 20 * MINUTE)
        } else {
            start
        };
        let count = match self.below(8) {
            0 => 10 + self.below(4),
            1 | 2 => 1,
            _ => 1 + self.below(5),
        };
        let longest = self
            .pick(&[30 * SECOND, 10 * MINUTE, 2 * HOUR])
            .min(horizon);
        let late_rows = self.one_in(3);
        let failing = self.below(3);
        let files = (0..count)
            .map(|file| {
                let begins = start + self.between(0, longest / 2);
                let visible = if late_rows && self.one_in(3) {
                    known + self.between(0, longest + 5 * MINUTE)
                } else {
                    known
                };
                FileScript {
                    id: file,
                    path: file,
                    visible,
                    begins,
                    ends: begins + self.between(1, longest),
                    failure: (self.below(4) < failing).then(|| self.below(3)),
                }
            })
            .collect();
        let mut transfer = TransferScript {
            id,
            account: self.below(accounts),
            connector: self.below(2),
            start,
            known,
            files,
            odd_paths: self.one_in(4),
            trail: Vec::new(),
            reversed: self.one_in(3),
        };
        if count > 1 && self.one_in(5) {
            transfer.files[1].path = transfer.files[0].path;
        }
        if !self.one_in(5) {
            let delay = self.pick(&[5 * SECOND, 5 * MINUTE, 15 * MINUTE, 3 * HOUR]);
            transfer.trail.push(start + self.between(0, delay));
            if self.one_in(5) {
                transfer.trail.push(start + self.between(0, 2 * delay));
            }
        }
        transfer
    }

    fn messages(&mut self, transfers: &[TransferScript], horizon: Ms) -> Vec<MessageScript> {
        let mut messages = Vec::new();
        for transfer in transfers {
            // Some transfers have all events, some none, some lose a few.
            let lost = self.pick(&[0, 0, 2, 5, 10]);
            for file in &transfer.files {
                if self.below(10) < lost {
                    continue;
                }
                let copies = 1 + usize::from(self.one_in(5));
                for _ in 0..copies {
                    let delay = match self.below(6) {
                        0 => self.between(0, HOUR.min(horizon)),
                        1 => self.between(0, 5 * MINUTE),
                        _ => self.between(0, 3 * SECOND),
                    };
                    messages.push(MessageScript {
                        queue: self.below(2),
                        at: file.ends + delay,
                        sent: file.ends + delay.min(SECOND),
                        transfer: transfer.id,
                        body: Body::FileEnded(file.id),
                    });
                }
            }
            if self.one_in(6) {
                let sent = transfer.start + self.between(0, 10 * MINUTE);
                messages.push(MessageScript {
                    queue: self.below(2),
                    at: sent,
                    sent,
                    transfer: transfer.id,
                    body: Body::Recorded,
                });
            }
            // A message that names no account belongs to the account of the queue.
            if transfer.account == 0 && self.one_in(3) {
                let sent = transfer.start + self.between(0, 2 * SECOND);
                let delay = self.pick(&[0, 0, 30 * SECOND, 20 * MINUTE]);
                let body = Body::Started {
                    started_at: self.one_in(2),
                    files: self.one_in(3),
                };
                messages.push(MessageScript {
                    queue: self.below(2),
                    at: sent + delay,
                    sent,
                    transfer: transfer.id,
                    body,
                });
            }
        }
        // SQS keeps messages for days; one that was sent long before the start is gone.
        messages.retain(|message| message.at + 4 * DAY > BEGIN);
        messages
    }

    fn steps(
        &mut self,
        setup: &Setup,
        transfers: &[TransferScript],
        messages: &[MessageScript],
        horizon: Ms,
    ) -> Vec<(Ms, Step)> {
        // Times around which something happens: collisions are what finds faults.
        let mut anchors = vec![BEGIN, BEGIN + horizon / 2];
        for transfer in transfers {
            anchors.push(transfer.start);
            anchors.push(transfer.known);
            anchors.extend(
                transfer
                    .files
                    .iter()
                    .flat_map(|file| [file.ends, file.visible]),
            );
        }
        anchors.extend(messages.iter().map(|message| message.at));
        anchors.retain(|at| (BEGIN..BEGIN + horizon).contains(at));
        let mut steps = Vec::new();
        for _ in 0..self.below(7) {
            let at = self.moment(&anchors, horizon);
            let step = self.disturbance(setup, transfers);
            anchors.push(at);
            steps.push((at, step));
        }
        let scrapes = 2 + self.below(14);
        for _ in 0..scrapes {
            let at = self.moment(&anchors, horizon);
            let budget = self.pick(&[SECOND, 10 * SECOND, 10 * SECOND, MINUTE]);
            let (count, gap) = match self.below(6) {
                0 => (1 + self.below(3), 0),
                1 => (2 + self.below(4), 15 * SECOND),
                2 => (2 + self.below(4), MINUTE),
                3 => (2, 35 * SECOND),
                _ => (1, 0),
            };
            let mut at = at;
            for _ in 0..count {
                let patience = self.one_in(12).then(|| self.between(1, 2 * SECOND));
                steps.push((at, Step::Scrape { budget, patience }));
                at += gap;
            }
        }
        // A clock that is wrong at boot is often set soon.
        if setup.wall_offset != 0 && self.one_in(2) {
            let at = BEGIN + self.between(1, 10 * MINUTE);
            steps.push((at, Step::Wall(-setup.wall_offset)));
        }
        steps
    }

    fn moment(&mut self, anchors: &[Ms], horizon: Ms) -> Ms {
        let at = if self.one_in(3) {
            BEGIN + self.between(0, horizon)
        } else {
            let near = self.pick(&[SECOND, 20 * SECOND, 5 * MINUTE]);
            self.pick(anchors) + self.between(0, 2 * near) - near
        };
        at.max(BEGIN + 1)
    }

    fn disturbance(&mut self, setup: &Setup, transfers: &[TransferScript]) -> Step {
        let ids: Vec<_> = transfers.iter().map(|transfer| transfer.id).collect();
        let transfer = self.pick(&ids);
        let account = self.below(setup.accounts);
        let lasting = self.pick(&[5 * SECOND, MINUTE, 10 * MINUTE]);
        match self.below(16) {
            0..=2 => Step::Put {
                transfer,
                started_at: self.one_in(2),
                files: self.one_in(2),
            },
            3 => Step::Delete { transfer },
            4 | 5 => {
                let change = self.change(account, transfer);
                Step::Reload(change)
            }
            6 => {
                let transfers = if self.one_in(3) {
                    Vec::new()
                } else {
                    self.some(ids.into_iter(), 2)
                };
                Step::List {
                    transfers,
                    gap: None,
                }
            }
            7 | 8 => {
                let shard = self.one_in(5).then(|| {
                    let total = self.pick(&[1, 2, 2, 3]);
                    let index = u32::try_from(self.below(total)).unwrap_or(0);
                    (index, u32::try_from(total).unwrap_or(1))
                });
                Step::Restart(Restart {
                    stop: self.stop(),
                    down: self.pick(&[0, SECOND, 30 * SECOND, 30 * MINUTE]),
                    wipe: self.one_in(8),
                    shard,
                })
            }
            9 => {
                let step = self.pick(&[-7_200_000, -60_000, -2_000, 2_000, 90_000, 3_600_000]);
                Step::Wall(step)
            }
            10 | 11 => Step::ApiFault {
                account,
                fault: self.pick(&[
                    ApiFault::Throttled,
                    ApiFault::Internal,
                    ApiFault::Denied,
                    ApiFault::Hanging,
                    ApiFault::Slow,
                ]),
                lasting,
            },
            12 => Step::TrailFault { lasting },
            13 => Step::QueueFault {
                queue: self.below(2),
            },
            14 => Step::StoreFault {
                fault: self.pick(&[StoreFault::Full, StoreFault::Torn, StoreFault::Removed]),
                lasting,
            },
            _ => Step::Reload(Change::Same),
        }
    }

    fn change(&mut self, account: usize, transfer: usize) -> Change {
        let queue = self.below(2);
        match self.below(11) {
            0 | 1 => Change::Remove(account),
            2 | 3 => Change::Add(account),
            4 => Change::Rename(account),
            5 => Change::Track(transfer),
            6 => Change::Untrack(transfer),
            7 => Change::AddQueue(queue),
            8 => Change::RemoveQueue(queue),
            9 => Change::AddTrail,
            _ => Change::RemoveTrail,
        }
    }

    fn stop(&mut self) -> Stop {
        match self.below(7) {
            0 => Stop::Graceful,
            1 => Stop::KillAtSave { durable: true },
            2 => Stop::KillAtSave { durable: false },
            3 => Stop::KillAtPoll,
            4 => Stop::KillAtDelete { deleted: false },
            5 => Stop::KillAtDelete { deleted: true },
            _ => Stop::Kill,
        }
    }
}
