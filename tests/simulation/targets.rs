//! The target files, one for each account: what they contain when, and the port that reads them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_transfer_exporter::discovery::files::{FileListing, FileSystem};

use crate::plan::{Ms, Scenario, TargetFault};
use crate::world::{World, connector_id, transfer_id};

/// What a reader of a target file finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A list of transfers. No two writes have the same text.
    List { write: usize, transfers: Vec<usize> },
    /// No list, or no permission to read it.
    Fault(TargetFault),
}

/// The target file of one account.
#[derive(Clone, Debug)]
pub(crate) struct TargetFile {
    /// What was written when; a second write may be in the future.
    written: Vec<(Ms, Content)>,
    /// Kind, from, until.
    faults: Vec<(TargetFault, Ms, Ms)>,
    /// Kind, time after the next read, duration.
    next_fault: Option<(TargetFault, Ms, Ms)>,
}

/// A content, and when it began and ended.
#[derive(Clone, Debug)]
pub(crate) struct Period {
    pub(crate) from: Ms,
    pub(crate) until: Ms,
    pub(crate) content: Content,
}

impl TargetFile {
    /// A file that has listed these transfers from the beginning.
    pub(crate) fn new(transfers: Vec<usize>) -> Self {
        let content = Content::List {
            write: 0,
            transfers,
        };
        Self {
            written: vec![(0, content)],
            faults: Vec::new(),
            next_fault: None,
        }
    }

    /// Writes a list; in two writes if there is a `gap`, between which the file has its first half.
    pub(crate) fn write(&mut self, transfers: Vec<usize>, gap: Option<Ms>, now: Ms) {
        self.written.retain(|(at, _)| *at <= now);
        let write = self.written.len();
        if gap.is_some() {
            let half = transfers[..transfers.len() / 2].to_vec();
            let torn = if half.is_empty() {
                Content::Fault(TargetFault::Empty)
            } else {
                Content::List {
                    write,
                    transfers: half,
                }
            };
            self.written.push((now, torn));
        }
        let write = write + 1;
        let at = now + gap.unwrap_or(0);
        self.written.push((at, Content::List { write, transfers }));
    }

    pub(crate) fn break_until(&mut self, fault: TargetFault, now: Ms, until: Ms) {
        self.faults.push((fault, now, until));
    }

    /// Breaks it for a while, `after` its next read.
    pub(crate) fn break_after_read(&mut self, fault: TargetFault, after: Ms, lasting: Ms) {
        self.next_fault = Some((fault, after, lasting));
    }

    /// A reader lists the folder, before it reads the file.
    fn listed(&mut self, now: Ms) {
        if let Some((fault, after, lasting)) = self.next_fault.take() {
            self.break_until(fault, now + after, now + after + lasting);
        }
    }

    /// Ends all faults.
    pub(crate) fn repair(&mut self, now: Ms) {
        self.next_fault = None;
        for (.., until) in &mut self.faults {
            *until = now.min(*until);
        }
    }

    /// Returns what a reader finds at a moment.
    pub(crate) fn at(&self, at: Ms) -> Content {
        let active = self.faults.iter();
        let active = active.filter(|(_, from, until)| (*from..*until).contains(&at));
        if let Some(fault) = active.map(|(fault, ..)| *fault).max() {
            return Content::Fault(fault);
        }
        let written = self.written.iter().rev().find(|(since, _)| *since <= at);
        written.map_or(Content::Fault(TargetFault::Removed), |(_, content)| {
            content.clone()
        })
    }

    /// Returns the contents from `from` to `to`, at which the last one ends.
    pub(crate) fn periods(&self, from: Ms, to: Ms) -> Vec<Period> {
        let writes = self.written.iter().map(|(at, _)| *at);
        let faults = self
            .faults
            .iter()
            .flat_map(|(_, from, until)| [*from, *until]);
        let moments = writes.chain(faults).filter(|at| (from..to).contains(at));
        let moments: BTreeSet<_> = moments.chain([from]).collect();
        let mut periods: Vec<Period> = Vec::new();
        for from in moments {
            let content = self.at(from);
            match periods.last_mut() {
                Some(last) if last.content == content => {}
                last => {
                    if let Some(last) = last {
                        last.until = from;
                    }
                    periods.push(Period {
                        from,
                        until: to,
                        content,
                    });
                }
            }
        }
        periods
    }
}

/// Returns the glob of the target files of an account.
pub(crate) fn glob(account: usize) -> String {
    format!("/targets/{account}/*.yml")
}

fn path(account: usize) -> PathBuf {
    format!("/targets/{account}/list.yml").into()
}

fn text(scenario: &Scenario, write: usize, transfers: &[usize]) -> String {
    let mut text = format!("# write {write}\n");
    for script in transfers.iter().filter_map(|id| scenario.transfer(*id)) {
        let connector = connector_id(script.account, script.connector);
        let id = transfer_id(script.id);
        let _ = writeln!(
            text,
            "- {{connector_id: {connector}, transfer_ids: [{id}]}}"
        );
    }
    if transfers.is_empty() {
        text.push_str("[]\n");
    }
    text
}

/// The file system of the target files.
pub(crate) struct SimulatedFileSystem(pub(crate) Arc<World>);

impl SimulatedFileSystem {
    fn content(&self, path: &Path) -> Option<(usize, Content)> {
        let state = self.0.state();
        let now = state.now();
        let mut files = state.targets.iter().enumerate();
        let (account, file) = files.find(|(account, _)| {
            let own = self::path(*account);
            own == path || own.parent() == path.parent()
        })?;
        Some((account, file.at(now)))
    }
}

impl FileSystem for SimulatedFileSystem {
    fn list(&self, globs: &[String]) -> FileListing {
        let mut listing = FileListing::default();
        for glob in globs {
            let content = self.content(Path::new(glob));
            if let Some((account, _)) = content {
                let mut state = self.0.state();
                let now = state.now();
                state.targets[account].listed(now);
            }
            match content {
                None | Some((_, Content::Fault(TargetFault::Removed))) => {}
                Some((account, Content::Fault(TargetFault::NoFolder))) => {
                    let folder = path(account).parent().map(Path::to_owned);
                    let error = io::Error::from(io::ErrorKind::PermissionDenied).to_string();
                    listing.faults.extend(folder.map(|folder| (folder, error)));
                }
                Some((account, _)) => {
                    listing.files.insert(path(account));
                }
            }
        }
        listing
    }

    fn read(&self, path: &Path) -> io::Result<Option<String>> {
        match self.content(path) {
            None | Some((_, Content::Fault(TargetFault::Removed))) => Ok(None),
            Some((_, Content::Fault(TargetFault::Empty))) => Ok(Some(String::new())),
            Some((_, Content::Fault(TargetFault::Unreadable | TargetFault::NoFolder))) => {
                Err(io::ErrorKind::PermissionDenied.into())
            }
            Some((_, Content::List { write, transfers })) => {
                let scenario = Arc::clone(&self.0.state().scenario);
                Ok(Some(text(&scenario, write, &transfers)))
            }
        }
    }

    /// Runs it at once: nothing here blocks, and threads would make runs slow.
    fn run_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        work();
    }
}
