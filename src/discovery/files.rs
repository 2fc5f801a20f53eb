//! Lists of transfers in files. A file is applied when the hash of its content changes: a mounted
//! `ConfigMap` changes by a swap of links, which file watchers do not see.
//!
//! | observation | effect |
//! | --- | --- |
//! | a content changed, and a second read `SETTLE_TIME` later (or `refresh_interval`, if that is shorter) is alike | it is judged; otherwise the next cycle tries again |
//! | the same at the start and at a reload | the second read follows after `FIRST_PAUSE`, a few times if need be |
//! | a valid list, `[]` included | its transfers replace those of the file |
//! | an empty, unparsable or unreadable file, a folder that cannot be listed | a fault: what is known stays, `discovery_up` is 0, one log record |
//! | a known name was twice absent from a listing without faults | the file is gone, with its transfers |
//! | a file was never read, because of a fault | no transfer of this origin is removed, since the file may list it |

mod file_system;
mod listing;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tracing::{debug, info, warn};

pub use self::file_system::{FileSystem, LocalFileSystem};
pub use self::listing::FileListing;
use super::{Sink, SourceMetrics};
use crate::config::{AccountPlan, FilesPlan, parse_targets};
use crate::metrics::self_metrics::{DiscoveryMetrics, SourceLabels};
use model::{AccountName, Clock, Now, Origin, TransferKey};

/// Longest time between the two reads of a changed content: a file that is being written changes
/// again by then.
const SETTLE_TIME: Duration = Duration::from_secs(1);
/// Time between the two reads at the start and at a reload, which wait for them.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Second reads at the start and at a reload, while the content keeps changing.
const FIRST_ATTEMPTS: usize = 5;

/// All target files that the configuration names.
pub struct Files {
    sources: Vec<FileSource>,
    accounts: Vec<AccountPlan>,
    state: Mutex<State>,
    file_system: Arc<dyn FileSystem>,
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
}

struct FileSource {
    account: Option<AccountName>,
    paths: Vec<String>,
    interval: Duration,
    metrics: SourceMetrics,
    /// Held during a cycle: its reads belong together.
    cycle: tokio::sync::Mutex<()>,
}

/// What all sources list.
struct State {
    /// By the index of the source.
    sources: Vec<SourceState>,
    /// Whether the sink has received a set, and whether that was complete.
    published: Option<bool>,
    /// Whether others have taken their place: what is still read of them has no effect.
    retired: bool,
}

/// What one source lists.
#[derive(Default)]
struct SourceState {
    files: BTreeMap<PathBuf, TargetFile>,
    /// What was judged last; `None` before the first time.
    judged: Option<Fingerprint>,
    /// Whether something was left out, because two reads of it differed.
    unsettled: bool,
    /// Whether all its files were once valid at the same time. From then on its list is known.
    complete: bool,
}

/// State of one file.
#[derive(Default)]
struct TargetFile {
    /// Hash of the last valid content; `None` if there was none.
    hash: Option<u64>,
    /// Transfers of that content.
    transfers: BTreeSet<TransferKey>,
    /// Why the present content is not used.
    fault: Option<String>,
}

/// One read of a source.
#[derive(Default)]
struct Reading {
    files: BTreeMap<PathBuf, Content>,
    /// Paths that could not be listed, with the error.
    faults: BTreeMap<PathBuf, String>,
}

/// What was read from a file.
enum Content {
    Text { hash: u64, text: String },
    Fault(String),
}

/// Identity of a reading: a hash for each file, and the faults.
#[derive(Clone, Default, PartialEq, Eq)]
struct Fingerprint {
    files: BTreeMap<PathBuf, u64>,
    faults: BTreeMap<PathBuf, String>,
}

impl Content {
    /// Reads a file; `None` if it is gone since it was listed.
    fn read(file_system: &dyn FileSystem, path: &Path) -> Option<Self> {
        match file_system.read(path) {
            Ok(text) => text.map(|text| Self::Text {
                hash: model::stable_hash(&text),
                text,
            }),
            Err(error) => Some(Self::Fault(error.to_string())),
        }
    }

    fn identity(&self) -> u64 {
        match self {
            Self::Text { hash, .. } => *hash,
            Self::Fault(error) => model::stable_hash(&format!("fault\0{error}")),
        }
    }
}

impl Reading {
    fn fingerprint(&self) -> Fingerprint {
        let identity = |(path, content): (&PathBuf, &Content)| (path.clone(), content.identity());
        Fingerprint {
            files: self.files.iter().map(identity).collect(),
            faults: self.faults.clone(),
        }
    }
}

/// What differs between two readings.
#[derive(Default)]
struct Unsettled {
    files: BTreeSet<PathBuf>,
    /// Paths whose listing has failed in one of them only, or in another way.
    folders: BTreeSet<PathBuf>,
}

impl Unsettled {
    fn between(a: &Fingerprint, b: &Fingerprint) -> Self {
        Self {
            files: changed(&a.files, &b.files),
            folders: changed(&a.faults, &b.faults),
        }
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.folders.is_empty()
    }
}

/// Returns the keys whose values differ, those that only one of the maps has included.
fn changed<T: PartialEq>(a: &BTreeMap<PathBuf, T>, b: &BTreeMap<PathBuf, T>) -> BTreeSet<PathBuf> {
    let paths = a.keys().chain(b.keys());
    paths
        .filter(|path| a.get(*path) != b.get(*path))
        .cloned()
        .collect()
}

impl Files {
    /// Creates the sources of `plans`, whose entries may name `accounts`. `regions` are those of
    /// the accounts, for labels.
    pub fn new(
        plans: &[FilesPlan],
        accounts: &[AccountPlan],
        regions: &BTreeMap<AccountName, String>,
        file_system: Arc<dyn FileSystem>,
        sink: Arc<dyn Sink>,
        metrics: &Arc<DiscoveryMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let source = |plan: &FilesPlan| FileSource {
            account: plan.account.clone(),
            paths: plan.paths.clone(),
            interval: plan.refresh_interval,
            metrics: SourceMetrics::new(
                Arc::clone(metrics),
                Arc::clone(&clock),
                labels(plan, regions),
            ),
            cycle: tokio::sync::Mutex::default(),
        };
        Self {
            sources: plans.iter().map(source).collect(),
            accounts: accounts.to_vec(),
            state: Mutex::new(State {
                sources: plans.iter().map(|_| SourceState::default()).collect(),
                published: None,
                retired: false,
            }),
            file_system,
            sink,
            clock,
        }
    }

    /// Returns the labels of each source.
    pub fn labels(&self) -> impl Iterator<Item = &SourceLabels> {
        self.sources.iter().map(|source| &*source.metrics.labels)
    }

    /// Ends them: a read that still runs, of a slow disk for example, has no effect any more.
    pub fn retire(&self) {
        self.state().retired = true;
    }

    /// Reads every file, at the start and at a reload.
    pub async fn read_all(self: &Arc<Self>) {
        let sources = 0..self.sources.len();
        join_all(sources.map(|source| self.cycle(source, FIRST_PAUSE, FIRST_ATTEMPTS))).await;
    }

    /// Reads the files at their intervals. Never returns.
    pub async fn run(self: Arc<Self>) {
        let files = &self;
        let sources = files.sources.iter().enumerate();
        join_all(sources.map(|(index, source)| async move {
            loop {
                tokio::time::sleep(source.interval).await;
                files
                    .cycle(index, SETTLE_TIME.min(source.interval), 1)
                    .await;
            }
        }))
        .await;
    }

    /// Reads a source. If anything has changed, reads it again after `pause`, up to `attempts`
    /// times until two reads are alike, and judges what is alike.
    async fn cycle(self: &Arc<Self>, index: usize, pause: Duration, attempts: usize) {
        let _cycle = self.sources[index].cycle.lock().await;
        let start = self.clock.now();
        let result = async {
            // The texts of the first reading are dropped before the second.
            let mut before = self.read(index).await?.fingerprint();
            let (files, first) = (Arc::clone(self), before.clone());
            let is_judged = self.blocking(move || files.record_if_judged(index, &first, start));
            if is_judged.await? {
                return Some(());
            }
            let (mut reading, mut unsettled) = (Reading::default(), Unsettled::default());
            for _ in 0..attempts {
                drop(std::mem::take(&mut reading));
                tokio::time::sleep(pause).await;
                reading = self.read(index).await?;
                let after = reading.fingerprint();
                unsettled = Unsettled::between(&before, &after);
                before = after;
                if unsettled.is_empty() {
                    break;
                }
            }
            let files = Arc::clone(self);
            self.blocking(move || files.judge(index, &reading, &unsettled, start))
                .await
        }
        .await;
        if result.is_none() {
            self.sources[index].metrics.panicked();
        }
    }

    async fn read(self: &Arc<Self>, index: usize) -> Option<Reading> {
        let files = Arc::clone(self);
        self.blocking(move || {
            let file_system = &*files.file_system;
            let listing = file_system.list(&files.sources[index].paths);
            let read = |path: PathBuf| {
                let content = Content::read(file_system, &path)?;
                Some((path, content))
            };
            Reading {
                files: listing.files.into_iter().filter_map(read).collect(),
                faults: listing.faults,
            }
        })
        .await
    }

    /// Runs `work` where it may block; `None` if it panics, which the runtime reports.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, result) = tokio::sync::oneshot::channel();
        self.file_system.run_blocking(Box::new(move || {
            // The cycle may have been cancelled.
            let _ = sender.send(work());
        }));
        result.await.ok()
    }

    /// Records the health of a source whose reading was judged before, else returns false.
    fn record_if_judged(&self, index: usize, reading: &Fingerprint, start: Now) -> bool {
        let is_judged = {
            let state = self.state();
            let source = &state.sources[index];
            // What was left out may be gone by now, which looks the same.
            !source.unsettled && source.judged.as_ref() == Some(reading)
        };
        if is_judged {
            self.record(index, start, true);
        }
        is_judged
    }

    /// Applies a reading, except for what is `unsettled`.
    fn judge(&self, index: usize, reading: &Reading, unsettled: &Unsettled, start: Now) {
        let source = &self.sources[index];
        let mut state = self.state();
        if state.retired {
            return;
        }
        let known = &mut state.sources[index];
        let mut judged = reading.fingerprint();
        judged
            .files
            .retain(|path, _| !unsettled.files.contains(path));
        judged
            .faults
            .retain(|path, _| !unsettled.folders.contains(path));
        let listed = judged.faults.is_empty() && unsettled.folders.is_empty();
        let before = known.judged.as_ref().map(|judged| &judged.faults);
        log_folders(before.unwrap_or(&BTreeMap::new()), &judged.faults);
        known.judged = Some(judged);
        known.unsettled = !unsettled.is_empty();
        let (mut changed, mut new) = (false, 0);
        known.files.retain(|path, file| {
            let is_gone =
                listed && !reading.files.contains_key(path) && !unsettled.files.contains(path);
            changed |= is_gone && !file.transfers.is_empty();
            !is_gone
        });
        for (path, content) in &reading.files {
            let file = known.files.entry(path.clone()).or_default();
            if unsettled.files.contains(path) {
                let path = path.display();
                debug!(event = "targets_unsettled", file = %path, "target file is still changing");
                continue;
            }
            if let Some(transfers) = file.apply(path, content, source, &self.accounts) {
                changed = true;
                new += transfers;
            }
        }
        known.complete |= listed
            && unsettled.files.is_empty()
            && known.files.values().all(|file| file.hash.is_some());
        self.publish(&mut state, changed);
        drop(state);
        source.metrics.add_transfers(new);
        self.record(index, start, unsettled.is_empty());
    }

    /// Passes the transfers of all sources on, if they have changed or nothing was passed on.
    fn publish(&self, state: &mut State, changed: bool) {
        let complete = state.sources.iter().all(|source| source.complete);
        if !changed && state.published == Some(complete) {
            return;
        }
        let transfers = state.transfers();
        self.sink
            .replace_transfers(Origin::Files, transfers, complete);
        state.published = Some(complete);
    }

    /// Records the health of a source. If it is not `settled`, it has not succeeded, and has only
    /// failed if it is faulty besides.
    fn record(&self, index: usize, start: Now, settled: bool) {
        let state = self.state();
        let source = &state.sources[index];
        let folders = source
            .judged
            .as_ref()
            .is_some_and(|judged| !judged.faults.is_empty());
        let is_faulty = folders || source.files.values().any(|file| file.fault.is_some());
        // With the lock, so that its series do not come back after they were removed.
        let metrics = &self.sources[index].metrics;
        match (state.retired, is_faulty) {
            (false, true) => metrics.failed(start),
            (false, false) if settled => metrics.succeeded(start),
            _ => {}
        }
        drop(state);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TargetFile {
    /// Applies a content. Returns the number of new transfers if the list has changed.
    fn apply(
        &mut self,
        path: &Path,
        content: &Content,
        source: &FileSource,
        accounts: &[AccountPlan],
    ) -> Option<usize> {
        let file = path.display().to_string();
        let parsed = match content {
            Content::Text { hash, .. } if self.hash == Some(*hash) => {
                if self.fault.take().is_some() {
                    info!(
                        event = "targets_recovered",
                        file, "target file is valid again"
                    );
                }
                return None;
            }
            Content::Text { hash, text } => {
                parse_targets(&file, text, accounts, source.account.as_ref())
                    .map(|transfers| (*hash, transfers))
                    .map_err(|problems| problems.to_string())
            }
            Content::Fault(error) => Err(error.clone()),
        };
        match parsed {
            Ok((hash, transfers)) => {
                let before =
                    std::mem::replace(&mut self.transfers, transfers.into_iter().collect());
                let new = self.transfers.difference(&before).count();
                (self.hash, self.fault) = (Some(hash), None);
                info!(
                    event = "targets_loaded",
                    file,
                    transfers = self.transfers.len(),
                    new,
                    "loaded target file"
                );
                Some(new)
            }
            Err(error) => {
                if self.fault.as_ref() != Some(&error) {
                    warn!(
                        event = "targets_load_failed",
                        file,
                        kept = self.transfers.len(),
                        error,
                        "failed to load target file, keeping its last valid transfers"
                    );
                }
                self.fault = Some(error);
                None
            }
        }
    }
}

/// Returns the labels of a source: its first path, and its account. A source without an account
/// belongs to the only one, if there is only one.
fn labels(plan: &FilesPlan, regions: &BTreeMap<AccountName, String>) -> SourceLabels {
    let account = plan.account.as_ref();
    SourceLabels {
        source: "files",
        account: account.map(ToString::to_string).unwrap_or_default(),
        region: account
            .and_then(|account| regions.get(account).cloned())
            .unwrap_or_default(),
        target: plan.paths.first().cloned().unwrap_or_default(),
    }
}

/// Logs folders that cannot be listed any more, and those that can again.
fn log_folders(before: &BTreeMap<PathBuf, String>, after: &BTreeMap<PathBuf, String>) {
    for (path, error) in after {
        if before.get(path) != Some(error) {
            let path = path.display();
            warn!(
                event = "targets_list_failed",
                %path,
                error,
                "failed to list target files, keeping those that are known"
            );
        }
    }
    for path in before.keys().filter(|path| !after.contains_key(*path)) {
        let path = path.display();
        info!(event = "targets_list_recovered", %path, "target files can be listed again");
    }
}

#[cfg(test)]
mod tests;
