//! Lists of transfers in files. A file is applied when the hash of its content changes: a mounted
//! `ConfigMap` changes by a swap of links, which file watchers do not see.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use super::{Sink, SourceMetrics};
use crate::config::{AccountPlan, FilesPlan, parse_targets};
use crate::metrics::self_metrics::DiscoveryMetrics;
use model::{AccountName, Clock, Origin, TransferKey};

/// Largest file, in bytes.
const MAX_SIZE: u64 = 64 << 20;

/// All target files that the configuration names.
pub struct Files {
    sources: Vec<FileSource>,
    accounts: Vec<AccountPlan>,
    /// What each source lists now, by its index.
    listed: Mutex<Vec<BTreeMap<PathBuf, ListedFile>>>,
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
}

struct FileSource {
    account: Option<AccountName>,
    paths: Vec<String>,
    interval: Duration,
    metrics: SourceMetrics,
}

/// State of one file.
struct ListedFile {
    /// Hash of the content that was read last, valid or not.
    hash: u64,
    /// Whether that content is valid.
    is_valid: bool,
    /// Transfers of the last valid content.
    transfers: Arc<BTreeSet<TransferKey>>,
}

/// Result of reading one file.
struct Reading {
    file: ListedFile,
    changed: bool,
    new: usize,
}

impl Files {
    /// Creates the sources of `plans`, whose entries may name `accounts`.
    pub fn new(
        plans: &[FilesPlan],
        accounts: &[AccountPlan],
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
                "files",
                plan.paths.first().map_or("", |path| path),
            ),
        };
        Self {
            sources: plans.iter().map(source).collect(),
            accounts: accounts.to_vec(),
            listed: Mutex::new(plans.iter().map(|_| BTreeMap::new()).collect()),
            sink,
            clock,
        }
    }

    /// Returns the label `target` of each source.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|source| &*source.metrics.target)
    }

    /// Reads every file once.
    pub fn read_all(&self) {
        (0..self.sources.len()).for_each(|source| self.read_source(source));
    }

    /// Reads the files at their intervals. Never returns.
    pub async fn run(self: Arc<Self>) {
        let mut tasks = tokio::task::JoinSet::new();
        for source in 0..self.sources.len() {
            let files = Arc::clone(&self);
            tasks.spawn(async move {
                loop {
                    tokio::time::sleep(files.sources[source].interval).await;
                    let files = Arc::clone(&files);
                    // A panic in reading a file must not end the source.
                    let _: Result<(), _> =
                        tokio::task::spawn_blocking(move || files.read_source(source)).await;
                }
            });
        }
        while tasks.join_next().await.is_some() {}
    }

    fn read_source(&self, index: usize) {
        let source = &self.sources[index];
        let start = self.clock.now();
        let paths = source.matching_paths();
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut listed[index]);
        let mut changed = before.keys().any(|path| !paths.contains(path));
        let (mut new, mut is_valid) = (0, true);
        for path in paths {
            let known = before.remove(&path);
            let reading = self.read_file(&path, source, known);
            changed |= reading.changed;
            new += reading.new;
            is_valid &= reading.file.is_valid;
            listed[index].insert(path, reading.file);
        }
        if changed {
            let transfers = listed
                .iter()
                .flat_map(BTreeMap::values)
                .flat_map(|file| file.transfers.iter().cloned());
            self.sink
                .replace_transfers(Origin::Files, transfers.collect());
        }
        drop(listed);
        if is_valid {
            source.metrics.succeeded(start);
            source.metrics.add_transfers(new);
        } else {
            source.metrics.failed(start);
        }
    }

    fn read_file(&self, path: &Path, source: &FileSource, known: Option<ListedFile>) -> Reading {
        let text = read_text(path).map_err(|error| error.to_string());
        let hash = model::stable_hash(text.as_ref().unwrap_or_else(|error| error));
        let before = known
            .as_ref()
            .map_or_else(Arc::default, |known| Arc::clone(&known.transfers));
        if let Some(known) = known.filter(|known| known.hash == hash) {
            return Reading {
                file: known,
                changed: false,
                new: 0,
            };
        }
        let file = path.display().to_string();
        let result = text.and_then(|text| {
            parse_targets(&file, &text, &self.accounts, source.account.as_ref())
                .map_err(|problems| problems.to_string())
        });
        match result {
            Ok(transfers) => {
                let transfers = BTreeSet::from_iter(transfers);
                let new = transfers.difference(&before).count();
                info!(
                    event = "targets_loaded",
                    file,
                    transfers = transfers.len(),
                    new,
                    "loaded target file"
                );
                Reading {
                    file: ListedFile {
                        hash,
                        is_valid: true,
                        transfers: Arc::new(transfers),
                    },
                    changed: true,
                    new,
                }
            }
            Err(error) => {
                warn!(
                    event = "targets_load_failed",
                    file,
                    kept = before.len(),
                    error,
                    "failed to load target file, keeping its last valid transfers"
                );
                Reading {
                    file: ListedFile {
                        hash,
                        is_valid: false,
                        transfers: before,
                    },
                    changed: false,
                    new: 0,
                }
            }
        }
    }
}

impl FileSource {
    /// Returns the files that the globs match, each once.
    fn matching_paths(&self) -> BTreeSet<PathBuf> {
        self.paths
            .iter()
            .filter_map(|path| glob::glob(path).ok())
            .flatten()
            .filter_map(Result::ok)
            .filter(|path| path.is_file())
            .collect()
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_SIZE + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(io::Error::other("more than 64 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("not UTF-8"))
}
