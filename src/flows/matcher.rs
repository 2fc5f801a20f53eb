//! Which flow owns a file: the first one whose connector, operation and path match.

use std::collections::{BTreeMap, BTreeSet};

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use super::FlowConfig;
use model::Direction;

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

/// Selects connectors.
#[derive(Debug)]
struct ConnectorMatcher {
    /// IDs and names without wildcards.
    exact: BTreeSet<String>,
    globs: Vec<GlobMatcher>,
}

impl ConnectorMatcher {
    fn new(connectors: &[String]) -> Self {
        let is_glob = |text: &&String| text.contains(['*', '?', '[', '{', '\\']);
        let globs = connectors.iter().filter(is_glob);
        Self {
            exact: connectors.iter().cloned().collect(),
            globs: globs
                .filter_map(|glob| Some(parse_glob(glob).ok()?.compile_matcher()))
                .collect(),
        }
    }

    fn matches(&self, connector: ConnectorRef<'_>) -> bool {
        let is_exact = |text: &str| self.exact.contains(text);
        let is_like = |text: &str| self.globs.iter().any(|glob| glob.is_match(text));
        is_exact(connector.id)
            || connector
                .name
                .is_some_and(|name| is_exact(name) || is_like(name))
    }
}

#[derive(Debug)]
struct FlowMatcher {
    connectors: ConnectorMatcher,
    operation: Option<Direction>,
}

/// Finds the flow of a file among all flows: one pass over the path, whatever their number.
#[derive(Debug, Default)]
pub struct Matcher {
    flows: Vec<FlowMatcher>,
    paths: GlobSet,
    /// The flow of each glob of `paths`.
    flow_of_path: Vec<usize>,
    folders: GlobSet,
    flow_of_folder: Vec<usize>,
}

impl Matcher {
    /// Compiles the globs of flows, which are valid.
    pub fn new(flows: &[FlowConfig]) -> Self {
        let mut paths = GlobSetBuilder::new();
        let mut folders = GlobSetBuilder::new();
        let (mut flow_of_path, mut flow_of_folder) = (Vec::new(), Vec::new());
        for (flow, config) in flows.iter().enumerate() {
            let any = ["**".to_owned()];
            let globs = if config.title.paths.is_empty() {
                &any[..]
            } else {
                &config.title.paths
            };
            for glob in globs {
                if let Ok(glob) = parse_glob(glob) {
                    paths.add(glob);
                    flow_of_path.push(flow);
                }
                let folder = glob.rsplit_once('/').map_or("**", |(folder, _)| folder);
                if let Ok(folder) = parse_glob(folder) {
                    folders.add(folder);
                    flow_of_folder.push(flow);
                }
            }
        }
        let matcher = |config: &FlowConfig| FlowMatcher {
            connectors: ConnectorMatcher::new(&config.title.connectors),
            operation: config.title.operation,
        };
        Self {
            flows: flows.iter().map(matcher).collect(),
            paths: paths.build().unwrap_or_default(),
            flow_of_path,
            folders: folders.build().unwrap_or_default(),
            flow_of_folder,
        }
    }

    /// Returns the index of the flow that owns a file. A poll does not report the operation, which is
    /// then not compared.
    pub fn flow_of(
        &self,
        connector: ConnectorRef<'_>,
        operation: Option<Direction>,
        path: &str,
    ) -> Option<usize> {
        if self.flows.is_empty() {
            return None;
        }
        let found = self.paths.matches(path).into_iter();
        let mut flows: Vec<_> = found.filter_map(|at| self.flow_of_path.get(at)).collect();
        flows.sort_unstable();
        flows.dedup();
        flows
            .into_iter()
            .copied()
            .find(|flow| self.accepts(*flow, connector, operation))
    }

    /// Returns the flows whose files are in a remote directory.
    pub fn flows_of_folder(&self, connector: ConnectorRef<'_>, folder: &str) -> Vec<usize> {
        let folder = folder.strip_suffix('/').unwrap_or(folder);
        let found = self.folders.matches(folder).into_iter();
        let flows: BTreeSet<_> = found
            .filter_map(|at| self.flow_of_folder.get(at).copied())
            .collect();
        flows
            .into_iter()
            .filter(|flow| self.accepts(*flow, connector, Some(Direction::Retrieve)))
            .collect()
    }

    fn accepts(
        &self,
        flow: usize,
        connector: ConnectorRef<'_>,
        operation: Option<Direction>,
    ) -> bool {
        let matcher = &self.flows[flow];
        let is_other = matcher
            .operation
            .zip(operation)
            .is_some_and(|(wanted, found)| wanted != found);
        !is_other && matcher.connectors.matches(connector)
    }

    /// Returns the flows that match none of the connectors.
    pub fn without_connectors(&self, connectors: &[ConnectorRef<'_>]) -> Vec<usize> {
        let matches_any = |flow: &FlowMatcher| {
            connectors
                .iter()
                .any(|connector| flow.connectors.matches(*connector))
        };
        let flows = self.flows.iter().enumerate();
        flows
            .filter(|(_, flow)| !matches_any(flow))
            .map(|(at, _)| at)
            .collect()
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
mod tests {
    use super::*;
    use crate::flows::tests::config;

    #[test]
    fn the_first_flow_that_matches_connector_operation_and_path_owns_a_file() {
        let flow =
            |name: &str, connectors: &[&str], paths: &[&str]| config(name, connectors, paths);
        let mut retrieve = flow("retrieve", &["acme*"], &["/in/**"]);
        std::sync::Arc::make_mut(&mut retrieve.title).operation = Some(Direction::Retrieve);
        let matcher = Matcher::new(&[
            flow("prices", &["c-1"], &["/out/prices/*.csv"]),
            flow("all of c-1", &["c-1"], &[]),
            retrieve,
            flow("names", &["acme-*"], &["/*/today", "/in/*"]),
        ]);
        let c1 = ConnectorRef {
            id: "c-1",
            name: None,
        };
        let acme = ConnectorRef {
            id: "c-2",
            name: Some("acme-eu"),
        };
        let find = |connector, operation, path| matcher.flow_of(connector, operation, path);
        assert_eq!(find(c1, None, "/out/prices/a.csv"), Some(0));
        assert_eq!(find(c1, None, "/out/prices/old/a.csv"), Some(1));
        assert_eq!(find(acme, None, "/out/prices/a.csv"), None);
        assert_eq!(find(acme, Some(Direction::Retrieve), "/in/a/b"), Some(2));
        assert_eq!(find(acme, Some(Direction::Send), "/in/a"), Some(3));
        assert_eq!(
            find(acme, None, "/in/a"),
            Some(2),
            "a poll has no operation"
        );
        assert_eq!(find(acme, Some(Direction::Send), "/x/today"), Some(3));
        assert_eq!(matcher.flows_of_folder(c1, "/out/prices/"), [0, 1]);
        assert_eq!(matcher.flows_of_folder(c1, "/elsewhere"), [1]);
        assert_eq!(matcher.without_connectors(&[acme]), [0, 1]);
    }

    #[test]
    fn flows_with_the_same_connector_and_path_overlap() {
        let mut send = config("send", &["a"], &["/x/*"]);
        std::sync::Arc::make_mut(&mut send.title).operation = Some(Direction::Send);
        let mut retrieve = send.clone();
        std::sync::Arc::make_mut(&mut retrieve.title).operation = Some(Direction::Retrieve);
        let flows = [
            send,
            retrieve,
            config("both", &["b", "a"], &["/y", "/x/*"]),
            config("other", &["c"], &["/x/*"]),
        ];
        assert_eq!(overlaps(&flows), [(0, 2), (1, 2)]);
    }
}
