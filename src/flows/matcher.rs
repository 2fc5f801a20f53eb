//! Which flow owns a file: the first one whose connector, operation and path match.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use hashbrown::HashMap;

use super::FlowConfig;
use model::{Direction, FlowTitle};

/// Compiles a glob on paths or names: `*` and `?` do not match `/`, `**` does.
///
/// # Errors
/// If it is not a valid glob; the message has no position.
pub fn parse_glob(glob: &str) -> Result<globset::Glob, String> {
    GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| error.kind().to_string())
}

/// A connector, by its id and the name that the configuration or its tag `Name` gives it.
#[derive(Clone, Copy, Debug)]
pub struct ConnectorRef<'a> {
    /// Its ID.
    pub id: &'a str,
    /// Its name.
    pub name: Option<&'a str>,
}

/// A glob on paths. Few paths begin like a glob: it is compiled for the first one that does.
#[derive(Debug)]
struct PathGlob {
    text: String,
    /// Length of the text before the first wildcard.
    literal: usize,
    compiled: OnceLock<Option<GlobMatcher>>,
}

/// Characters that begin something else than themselves in a glob.
const WILDCARDS: [char; 5] = ['*', '?', '[', '{', '\\'];

impl PathGlob {
    fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            literal: text.find(WILDCARDS).unwrap_or(text.len()),
            compiled: OnceLock::new(),
        }
    }

    /// Returns whether a path matches; never if the glob is not valid.
    fn matches(&self, path: &str) -> bool {
        let (literal, rest) = self.text.split_at(self.literal);
        if rest.is_empty() {
            return path == literal;
        }
        if !path.starts_with(literal) {
            return false;
        }
        let compile = || Some(parse_glob(&self.text).ok()?.compile_matcher());
        let compiled = self.compiled.get_or_init(compile).as_ref();
        compiled.is_some_and(|glob| glob.is_match(path))
    }
}

#[derive(Debug)]
struct FlowMatcher {
    operation: Option<Direction>,
    /// `None` if all paths match.
    paths: Option<Vec<PathGlob>>,
    /// The directories of `paths`.
    folders: Vec<PathGlob>,
}

impl FlowMatcher {
    fn new(title: &FlowTitle) -> Self {
        let folder = |glob: &String| {
            let folder = glob.rsplit_once('/').map_or("**", |(folder, _)| folder);
            PathGlob::new(folder)
        };
        let paths = title.paths.iter();
        Self {
            operation: title.operation,
            folders: paths.clone().map(folder).collect(),
            paths: (!title.paths.is_empty()).then(|| paths.map(|it| PathGlob::new(it)).collect()),
        }
    }

    /// Returns whether it may have files of an operation.
    fn has_operation(&self, operation: Option<Direction>) -> bool {
        let both = self.operation.zip(operation);
        both.is_none_or(|(wanted, found)| wanted == found)
    }

    fn has_folder(&self, folder: &str) -> bool {
        self.paths.is_none() || self.folders.iter().any(|glob| glob.matches(folder))
    }
}

/// A glob of a flow, with the bytes by which most paths are rejected. Small, since all of a connector are
/// read for each file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    flow: u32,
    /// Which of its globs; [`ALL_PATHS`] if it has none.
    glob: u32,
    /// The first bytes of the glob's literal text.
    head: u64,
    /// How many bits of them a path must have.
    bits: u32,
}

/// The glob of a flow that has all paths of its connectors.
const ALL_PATHS: u32 = u32::MAX;

/// Returns the first eight bytes of a text; zeros follow a shorter one.
fn head(text: &str) -> u64 {
    match text.as_bytes().first_chunk() {
        Some(first) => u64::from_le_bytes(*first),
        None => text
            .bytes()
            .rev()
            .fold(0, |head, byte| head << 8 | u64::from(byte)),
    }
}

/// Returns the lowest bits of a number.
fn low(number: u64, bits: u32) -> u64 {
    number & u64::MAX.checked_shr(64 - bits).unwrap_or(0)
}

/// Converts an index, of which there are fewer than the configuration has bytes.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Candidate {
    fn of(flow: usize, matcher: &FlowMatcher) -> Vec<Self> {
        let flow = index(flow);
        let Some(globs) = &matcher.paths else {
            return vec![Self {
                flow,
                glob: ALL_PATHS,
                head: 0,
                bits: 0,
            }];
        };
        let candidate = |(at, glob): (usize, &PathGlob)| {
            let bits = 8 * index(glob.literal.min(8));
            Self {
                flow,
                glob: index(at),
                head: low(head(&glob.text), bits),
                bits,
            }
        };
        globs.iter().enumerate().map(candidate).collect()
    }

    fn may_match(&self, first: u64) -> bool {
        low(first, self.bits) == self.head
    }
}

/// Finds the flow of a file: the globs of its connector's flows are looked up, and compared in turn.
#[derive(Debug, Default)]
pub struct Matcher {
    flows: Vec<FlowMatcher>,
    /// By an ID or name that a flow lists, in order of the flows.
    listed: HashMap<String, Vec<Candidate>>,
    /// Globs on names, and the flow of each.
    names: GlobSet,
    flow_of_name: Vec<usize>,
}

impl Matcher {
    /// Prepares the search among flows, whose globs are valid.
    pub fn new(configs: &[FlowConfig]) -> Self {
        let flows = configs.iter().map(|config| FlowMatcher::new(&config.title));
        let flows: Vec<_> = flows.collect();
        let mut listed: HashMap<String, Vec<Candidate>> = HashMap::new();
        let (mut names, mut flow_of_name) = (GlobSetBuilder::new(), Vec::new());
        for (flow, config) in configs.iter().enumerate() {
            for text in &config.title.connectors {
                let known = listed.entry(text.clone()).or_default();
                if known.last().is_none_or(|last| last.flow != index(flow)) {
                    known.extend(Candidate::of(flow, &flows[flow]));
                }
                if let Some(glob) = parse_glob(text).ok().filter(|_| text.contains(WILDCARDS)) {
                    names.add(glob);
                    flow_of_name.push(flow);
                }
            }
        }
        Self {
            flows,
            listed,
            names: names.build().unwrap_or_default(),
            flow_of_name,
        }
    }

    /// Returns the globs of a connector's flows, in order of the flows.
    fn candidates(&self, connector: ConnectorRef<'_>) -> Cow<'_, [Candidate]> {
        let listed = |text: &str| self.listed.get(text).map_or(&[][..], Vec::as_slice);
        let of_id = listed(connector.id);
        let Some(name) = connector.name else {
            return of_id.into();
        };
        let of_name = listed(name);
        if of_name.is_empty() && self.names.is_empty() {
            return of_id.into();
        }
        let like = self.names.matches(name).into_iter();
        let like = like.map(|at| self.flow_of_name[at]);
        let like = like.flat_map(|flow| Candidate::of(flow, &self.flows[flow]));
        let mut all: Vec<_> = of_id.iter().chain(of_name).copied().chain(like).collect();
        all.sort_unstable();
        all.dedup();
        all.into()
    }

    /// Returns the flows of a connector, in order.
    fn flows_of(&self, connector: ConnectorRef<'_>) -> Vec<usize> {
        let candidates = self.candidates(connector);
        let flows = candidates.iter().map(|candidate| candidate.flow as usize);
        let mut flows: Vec<_> = flows.collect();
        flows.dedup();
        flows
    }

    /// Returns the index of the flow that owns a file. A poll does not report the operation, which is
    /// then not compared.
    pub fn flow_of(
        &self,
        connector: ConnectorRef<'_>,
        operation: Option<Direction>,
        path: &str,
    ) -> Option<usize> {
        let first = head(path);
        let has_path = |candidate: &&Candidate| {
            let flow = &self.flows[candidate.flow as usize];
            let glob = flow
                .paths
                .as_ref()
                .and_then(|globs| globs.get(candidate.glob as usize));
            flow.has_operation(operation)
                && (candidate.glob == ALL_PATHS || glob.is_some_and(|glob| glob.matches(path)))
        };
        let candidates = self.candidates(connector);
        let mut possible = candidates.iter().filter(|it| it.may_match(first));
        possible.find(has_path).map(|owner| owner.flow as usize)
    }

    /// Returns the flows whose files are in a remote directory.
    pub fn flows_of_folder(&self, connector: ConnectorRef<'_>, folder: &str) -> Vec<usize> {
        let folder = folder.strip_suffix('/').unwrap_or(folder);
        let mut flows = self.flows_of(connector);
        flows.retain(|flow| {
            let flow = &self.flows[*flow];
            flow.has_operation(Some(Direction::Retrieve)) && flow.has_folder(folder)
        });
        flows
    }

    /// Returns the flows that match none of the connectors.
    pub fn without_connectors(&self, connectors: &[ConnectorRef<'_>]) -> Vec<usize> {
        let flows = connectors.iter().map(|connector| self.flows_of(*connector));
        let matched: BTreeSet<_> = flows.flatten().collect();
        let all = 0..self.flows.len();
        all.filter(|flow| !matched.contains(flow)).collect()
    }
}

/// Returns pairs of flows, the earlier one first, that share a connector and a path as they are written,
/// so that the later one gets no file of it.
pub fn overlaps(flows: &[FlowConfig]) -> Vec<(usize, usize)> {
    let mut first: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for (at, config) in flows.iter().enumerate() {
        let title = &config.title;
        let paths: Vec<&str> = if title.paths.is_empty() {
            vec!["**"]
        } else {
            title.paths.iter().map(String::as_str).collect()
        };
        for connector in &title.connectors {
            for path in &paths {
                let earlier = first.entry((connector, *path)).or_default();
                for other in earlier.iter() {
                    let is_same = |a: Option<Direction>, b| a.zip(b).is_none_or(|(a, b)| a == b);
                    if *other != at && is_same(flows[*other].title.operation, title.operation) {
                        found.insert((*other, at));
                    }
                }
                earlier.push(at);
            }
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests;
