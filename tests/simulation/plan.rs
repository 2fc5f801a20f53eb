//! A scenario: what AWS and the operators do, as a plain list that is drawn from a seed. Generated
//! first and run afterwards, so that the shrinker can remove parts of it.

mod generate;
mod print;

use std::collections::BTreeSet;

use model::ConnectorId;

use crate::world::{EPOCH, connector_id};

pub(crate) use generate::scenario;
pub(crate) use print::{clock, span};

/// Milliseconds; as a moment, since the beginning of the world.
pub(crate) type Ms = u64;

pub(crate) const SECOND: Ms = 1_000;
pub(crate) const MINUTE: Ms = 60 * SECOND;
pub(crate) const HOUR: Ms = 60 * MINUTE;
pub(crate) const DAY: Ms = 24 * HOUR;

/// When the exporter starts. Transfers may have started before.
pub(crate) const BEGIN: Ms = 8 * DAY;
/// Number of queues. All but the last belong to the first account.
pub(crate) const QUEUES: usize = 3;
/// A queue of the second account, with the name of one of the first.
pub(crate) const SECOND_QUEUE: usize = 2;
/// How long AWS keeps results.
pub(crate) const RESULTS_KEPT: Ms = 7 * DAY;

/// A world and what happens in it.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    pub(crate) setup: Setup,
    pub(crate) transfers: Vec<TransferScript>,
    pub(crate) messages: Vec<MessageScript>,
    pub(crate) flows: Vec<FlowScript>,
    /// Sorted by time.
    pub(crate) steps: Vec<(Ms, Step)>,
}

/// What holds from the start.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// AWS accounts, configured from the start.
    pub(crate) accounts: usize,
    pub(crate) store: bool,
    pub(crate) min_refresh: Ms,
    pub(crate) max_refresh: Ms,
    pub(crate) gone_after: Ms,
    pub(crate) keep_settled: Ms,
    /// Interval of CloudTrail polls, if the event history is a source from the start.
    pub(crate) trail: bool,
    pub(crate) trail_interval: Ms,
    /// Queues that are sources from the start.
    pub(crate) queues: Vec<usize>,
    /// Transfers of the configuration.
    pub(crate) configured: Vec<usize>,
    /// Transfers in the target file.
    pub(crate) listed: Vec<usize>,
    /// Interval of reads of the target files.
    pub(crate) files_interval: Ms,
    pub(crate) concurrency: usize,
    /// Calls for results per second and account that are allowed, if that is a bound that matters.
    pub(crate) rate: Option<u32>,
    pub(crate) latency: Ms,
    /// AWS answers an unknown transfer with an empty page instead of an error.
    pub(crate) empty_if_unknown: bool,
    /// The wall clock's error at the start.
    pub(crate) wall_offset: i64,
    /// The wall clock's error per second, in microseconds.
    pub(crate) drift: i64,
}

/// A flow of the configuration, with deadlines at equal intervals that divide a day.
#[derive(Clone, Debug)]
pub(crate) struct FlowScript {
    /// Numbers of its connectors, in each account.
    pub(crate) connectors: Vec<usize>,
    /// The numbers of its paths are less.
    pub(crate) paths: usize,
    pub(crate) every: Ms,
    /// A deadline, and when windows open, since midnight.
    pub(crate) phase: Ms,
    pub(crate) from: Option<Ms>,
    pub(crate) grace: Ms,
    pub(crate) files: u64,
    pub(crate) min_bytes: u64,
}

/// A transfer as AWS performs it.
#[derive(Clone, Debug)]
pub(crate) struct TransferScript {
    pub(crate) id: usize,
    pub(crate) account: usize,
    pub(crate) connector: usize,
    pub(crate) start: Ms,
    /// When `ListFileTransferResults` first knows it.
    pub(crate) known: Ms,
    pub(crate) files: Vec<FileScript>,
    /// Events format paths otherwise than the API.
    pub(crate) odd_paths: bool,
    /// When CloudTrail lists the start; duplicates are listed again.
    pub(crate) trail: Vec<Ms>,
    /// The API returns newer rows first.
    pub(crate) reversed: bool,
}

/// A file as AWS transfers it.
#[derive(Clone, Debug)]
pub(crate) struct FileScript {
    pub(crate) id: usize,
    /// Number of its path; two files of a transfer may share one.
    pub(crate) path: usize,
    /// When its row appears.
    pub(crate) visible: Ms,
    pub(crate) begins: Ms,
    pub(crate) ends: Ms,
    /// Index of its failure code, if it fails.
    pub(crate) failure: Option<usize>,
}

/// A message of a queue. A lost event has none, a duplicate has two.
#[derive(Clone, Debug)]
pub(crate) struct MessageScript {
    pub(crate) queue: usize,
    /// When it can be received.
    pub(crate) at: Ms,
    /// `SentTimestamp`.
    pub(crate) sent: Ms,
    pub(crate) transfer: usize,
    pub(crate) body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// The end of a file.
    FileEnded(usize),
    /// A caller reports its transfer, perhaps with the time of the start and the number of files.
    Started { started_at: bool, files: bool },
    /// EventBridge forwards the record of CloudTrail.
    Recorded,
}

/// What an operator, the machine or the network does.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A scrape, whose client may disconnect.
    Scrape {
        budget: Ms,
        patience: Option<Ms>,
    },
    Reload(Change),
    /// The target files are rewritten. With a gap there are two writes, which leave half of the list
    /// between them.
    List {
        transfers: Vec<usize>,
        gap: Option<Ms>,
    },
    /// The target file of an account cannot be read, or has no list. It may begin some time after the
    /// next read, so that the second read of a change finds it.
    TargetFault {
        account: usize,
        fault: TargetFault,
        after_read: Option<Ms>,
        lasting: Ms,
    },
    Put {
        transfer: usize,
        started_at: bool,
        files: bool,
    },
    Delete {
        transfer: usize,
    },
    Restart(Restart),
    /// The wall clock is set.
    Wall(i64),
    ApiFault {
        account: usize,
        fault: ApiFault,
        lasting: Ms,
    },
    TrailFault {
        lasting: Ms,
    },
    /// The next receive of the queue fails.
    QueueFault {
        queue: usize,
    },
    StoreFault {
        fault: StoreFault,
        lasting: Ms,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Add(usize),
    Remove(usize),
    Rename(usize),
    Track(usize),
    Untrack(usize),
    AddQueue(usize),
    RemoveQueue(usize),
    AddTrail,
    RemoveTrail,
    /// Index and total of the shard: connectors are grouped otherwise, so that transfers move.
    Shard(u32, u32),
    /// Nothing has changed.
    Same,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Restart {
    pub(crate) stop: Stop,
    pub(crate) down: Ms,
    /// The store is lost.
    pub(crate) wipe: bool,
    /// Index and total of the shard after the restart.
    pub(crate) shard: Option<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Graceful,
    Kill,
    /// At the next write, after or before it is durable.
    KillAtSave {
        durable: bool,
    },
    /// While a call for results is in flight.
    KillAtPoll,
    /// After the next receive from a queue, before or after its messages are deleted.
    KillAtDelete {
        deleted: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ApiFault {
    Throttled,
    Internal,
    Denied,
    /// Answers after 30 s with a timeout.
    Hanging,
    /// Answers after 4 s.
    Slow,
}

/// Why a target file has no list. The last of those that apply is what a reader finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TargetFault {
    /// It was truncated.
    Empty,
    /// The exporter may not read it.
    Unreadable,
    /// There is no such name.
    Removed,
    /// The folder cannot be listed.
    NoFolder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreFault {
    /// Nothing is written.
    Full,
    /// Everything is written, and the write is reported as failed.
    Torn,
    /// The file is removed once.
    Removed,
}

impl Scenario {
    pub(crate) fn transfer(&self, id: usize) -> Option<&TransferScript> {
        self.transfers.iter().find(|transfer| transfer.id == id)
    }

    /// Returns those of `transfers` that belong to an account.
    pub(crate) fn of_account(&self, transfers: &[usize], account: usize) -> Vec<usize> {
        let mut own = transfers.to_vec();
        own.retain(|id| self.transfer(*id).is_some_and(|it| it.account == account));
        own
    }

    /// Returns when the last scripted change of AWS has become visible.
    pub(crate) fn quiet_at(&self) -> Ms {
        let files = self.transfers.iter().flat_map(|transfer| {
            let files = transfer
                .files
                .iter()
                .flat_map(|file| [file.ends, file.visible]);
            files
                .chain(transfer.trail.iter().copied())
                .chain([transfer.known])
        });
        let messages = self.messages.iter().map(|message| message.at);
        let steps = self.steps.iter().map(|(at, _)| *at);
        files
            .chain(messages)
            .chain(steps)
            .max()
            .unwrap_or(BEGIN)
            .max(BEGIN)
    }
}

/// Returns the first moment at or after `after` that is `phase` after a multiple of `every`, which
/// divides a day.
pub(crate) fn next_at(after: Ms, every: Ms, phase: Ms) -> Ms {
    let past = (EPOCH * SECOND + after + every - phase % every) % every;
    after + (every - past) % every
}

impl FlowScript {
    /// Returns its connectors, those of both accounts.
    pub(crate) fn connector_ids(&self) -> BTreeSet<ConnectorId> {
        let numbers = self.connectors.iter();
        let ids = numbers.flat_map(|number| [0, 1].map(|account| connector_id(account, *number)));
        ids.collect()
    }
}

impl TransferScript {
    pub(crate) fn file(&self, id: usize) -> Option<&FileScript> {
        self.files.iter().find(|file| file.id == id)
    }

    /// Returns whether AWS knows the transfer.
    pub(crate) fn is_known(&self, now: Ms) -> bool {
        now >= self.known && now < self.start + RESULTS_KEPT
    }

    /// Returns whether both sources distinguish the files, at any time.
    pub(crate) fn has_clear_rows(&self) -> bool {
        self.has_plain_paths() && self.files.iter().all(|file| file.visible <= self.known)
    }

    /// Returns whether a path stands for one file in both sources.
    pub(crate) fn has_plain_paths(&self) -> bool {
        let mut paths: Vec<_> = self.files.iter().map(|file| file.path).collect();
        paths.sort_unstable();
        paths.dedup();
        !self.odd_paths && paths.len() == self.files.len()
    }
}
