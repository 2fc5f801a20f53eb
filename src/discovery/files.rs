//! Lists of transfers in files. A file is taken up when its content changes: the hash of the content is compared, since a
//! mounted `ConfigMap` changes by a swap of links that watchers of files do not see.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{info, warn};

use super::{Report, Sink};
use crate::config::{AccountPlan, FilesPlan, parse_targets};
use crate::metrics::self_metrics::DiscoveryMetrics;
use model::{AccountName, Clock, Origin, TransferKey};

/// No file of targets is larger than this, in bytes.
const LARGEST: u64 = 64 << 20;

/// All files that the configuration names.
pub struct Files {
    sources: Vec<Source>,
    accounts: Vec<AccountPlan>,
    /// What each source lists now, by its index.
    listed: Mutex<Vec<BTreeMap<PathBuf, Listed>>>,
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
}

struct Source {
    account: Option<AccountName>,
    paths: Vec<String>,
    interval: Duration,
    report: Report,
}

/// One file's content.
struct Listed {
    /// Of the content that was read last, whether it was sound or not.
    content: u64,
    /// What is wrong with that content.
    fault: Option<String>,
    /// Of the last sound content.
    transfers: Arc<BTreeSet<TransferKey>>,
}

impl Files {
    /// The files of `plans`, read with the names of `accounts`.
    pub fn new(
        plans: &[FilesPlan],
        accounts: &[AccountPlan],
        sink: Arc<dyn Sink>,
        metrics: &Arc<DiscoveryMetrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let source = |plan: &FilesPlan| Source {
            account: plan.account.clone(),
            paths: plan.paths.clone(),
            interval: plan.refresh_interval,
            report: Report::new(
                Arc::clone(metrics),
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

    /// The label `target` of each entry.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(Source::target)
    }

    /// Reads every file once.
    pub fn look(&self) {
        (0..self.sources.len()).for_each(|source| self.look_at(source));
    }

    /// Reads the files at their intervals. Never ends.
    pub async fn run(self: Arc<Self>) {
        let mut each = tokio::task::JoinSet::new();
        for source in 0..self.sources.len() {
            let files = Arc::clone(&self);
            each.spawn(async move {
                loop {
                    tokio::time::sleep(files.sources[source].interval).await;
                    let files = Arc::clone(&files);
                    // A panic in reading a file must not end the source.
                    let _: Result<(), _> =
                        tokio::task::spawn_blocking(move || files.look_at(source)).await;
                }
            });
        }
        while each.join_next().await.is_some() {}
    }

    fn look_at(&self, index: usize) {
        let source = &self.sources[index];
        let start = self.clock.now();
        let paths = source.found();
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        let before: BTreeMap<PathBuf, Listed> = std::mem::take(&mut listed[index]);
        let (mut changed, mut new, mut sound) =
            (before.keys().any(|path| !paths.contains(path)), 0, true);
        let mut before = before;
        for path in paths {
            let known = before.remove(&path);
            let read = self.read(&path, source, known);
            changed |= read.changed;
            new += read.new;
            sound &= read.listed.fault.is_none();
            listed[index].insert(path, read.listed);
        }
        if changed {
            let all = listed
                .iter()
                .flat_map(BTreeMap::values)
                .flat_map(|file| file.transfers.iter().cloned());
            self.sink.replace(Origin::Files, all.collect());
        }
        drop(listed);
        let now = self.clock.now();
        let duration = now.since(start.instant);
        if sound {
            source.report.succeeded(now, duration, new);
        } else {
            source.report.failed(duration);
        }
    }

    fn read(&self, path: &Path, source: &Source, known: Option<Listed>) -> ReadFile {
        let (text, content) = match text(path) {
            Ok(text) => {
                let hash = model::stable_hash(&text);
                (Ok(text), hash)
            }
            Err(error) => {
                let error = error.to_string();
                let hash = model::stable_hash(&error);
                (Err(error), hash)
            }
        };
        let before = known
            .as_ref()
            .map_or_else(Arc::default, |known| Arc::clone(&known.transfers));
        if let Some(known) = known.filter(|known| known.content == content) {
            return ReadFile {
                listed: known,
                changed: false,
                new: 0,
            };
        }
        let name = path.display().to_string();
        let read = text.and_then(|text| {
            parse_targets(&name, &text, &self.accounts, source.account.as_ref())
                .map_err(|problems| problems.to_string())
        });
        match read {
            Ok(transfers) => {
                let transfers = BTreeSet::from_iter(transfers);
                let new = transfers.difference(&before).count();
                info!(
                    file = name,
                    transfers = transfers.len(),
                    new,
                    "targets read"
                );
                ReadFile {
                    listed: Listed {
                        content,
                        fault: None,
                        transfers: Arc::new(transfers),
                    },
                    changed: true,
                    new,
                }
            }
            Err(fault) => {
                warn!(file = name, kept = before.len(), %fault, "targets cannot be read: what the file last listed is kept");
                ReadFile {
                    listed: Listed {
                        content,
                        fault: Some(fault),
                        transfers: before,
                    },
                    changed: false,
                    new: 0,
                }
            }
        }
    }
}

struct ReadFile {
    listed: Listed,
    changed: bool,
    new: usize,
}

impl Source {
    fn target(&self) -> &str {
        self.paths.first().map_or("", |path| path)
    }

    /// The files that the globs find, each once.
    fn found(&self) -> BTreeSet<PathBuf> {
        let found = self
            .paths
            .iter()
            .filter_map(|path| glob::glob(path).ok())
            .flatten();
        found
            .filter_map(Result::ok)
            .filter(|path| path.is_file())
            .collect()
    }
}

fn text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(io::Error::other("more than 64 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("not UTF-8"))
}
