use proptest::prelude::*;

use super::*;
use crate::flows::tests::config;

#[test]
fn the_first_flow_that_matches_connector_operation_and_path_owns_a_file() {
    let flow = |name: &str, connectors: &[&str], paths: &[&str]| config(name, connectors, paths);
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

proptest! {
    #[test]
    fn the_owner_is_the_first_flow_of_which_any_glob_matches(
        globs in proptest::collection::vec(
            proptest::collection::vec("(/long/ab|/[ab]|[ab]){0,4}(\\*|\\*\\*|[ab])?", 0..3),
            1..6,
        ),
        paths in proptest::collection::vec("(/long/ab|/[ab]|[ab]){0,4}", 1..20),
    ) {
        let flows: Vec<_> = globs
            .iter()
            .enumerate()
            .map(|(at, globs)| {
                let globs: Vec<_> = globs.iter().map(String::as_str).collect();
                let connector = ["c-1", "acme", "ac*"][at % 3];
                config(&format!("flow-{at}"), &[connector], &globs)
            })
            .collect();
        let matcher = Matcher::new(&flows);
        let acme = ConnectorRef { id: "c-1", name: Some("acme") };
        for path in paths {
            let matches = |glob: &String| {
                parse_glob(glob).is_ok_and(|glob| glob.compile_matcher().is_match(&path))
            };
            let expected = flows.iter().position(|flow| {
                let paths = &flow.title.paths;
                paths.is_empty() || paths.iter().any(matches)
            });
            prop_assert_eq!(matcher.flow_of(acme, None, &path), expected, "{}", path);
        }
    }
}

proptest! {
    #[test]
    fn a_path_matches_a_glob_as_the_library_matches_it(
        glob in r"(/|[ab]|\*|\*\*|\?|\[ab\]|\{a,b/\}|\\\\a|,|\]){0,8}",
        paths in proptest::collection::vec("[ab/,]{0,8}", 1..20),
    ) {
        let ours = PathGlob::new(&glob);
        let library = parse_glob(&glob).ok().map(|glob| glob.compile_matcher());
        for path in paths {
            let expected = library.as_ref().is_some_and(|it| it.is_match(&path));
            prop_assert_eq!(ours.matches(&path), expected, "{} {}", glob, path);
        }
    }
}
