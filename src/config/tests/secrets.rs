//! Secrets are not shown, whatever key contains them.

use super::{PAIR, env, read};
use crate::config::file::RootSection;
use crate::config::yaml::{FromNode, KeyKind};
use crate::config::{ConfigFile, Plan};

/// Returns the paths of all keys whose value is a scalar, or is not.
fn paths(scalars: bool) -> Vec<String> {
    let mut paths = Vec::new();
    RootSection::visit_keys("", &mut |path, kind| {
        let path = match kind {
            KeyKind::Names if scalars => format!("{path}.x"),
            _ => path.to_owned(),
        };
        if scalars == matches!(kind, KeyKind::Scalar | KeyKind::Names) || kind == KeyKind::Names {
            paths.push(path);
        }
    });
    if !scalars {
        paths.extend(["unknown_key", "accounts[].unknown_key"].map(str::to_owned));
    }
    assert!(paths.len() > 15);
    paths
}

/// Returns a document with `value` at `path`.
fn with(path: &str, value: &str) -> String {
    path.split('.').rev().fold(value.to_owned(), |inner, step| {
        match step.strip_suffix("[]") {
            Some(key) => format!("{{{key}: [{inner}]}}"),
            None => format!("{{{step}: {inner}}}"),
        }
    })
}

#[test]
fn errors_do_not_show_the_value_of_a_variable() {
    for path in paths(true).iter().chain(&paths(false)) {
        for value in [
            "'${SECRET}'",
            "'x${SECRET}'",
            "'${SECRET}${UNSET}'",
            "'${SECRET} ${'",
        ] {
            let file = ConfigFile::read("x.yml", &with(path, value), &env);
            let debug = format!("{file:?}");
            assert!(!debug.contains("hunter2"), "{path}: {debug}");
            let problems = match Plan::resolve(file) {
                Err(problems) => problems,
                // Nearly any text is a pattern.
                Ok(_) if path.ends_with("paths[]") || path.ends_with("include[]") => continue,
                Ok(_) => panic!("{path}: {value}"),
            };
            for text in [problems.to_string(), format!("{problems:?}")] {
                assert!(!text.contains("hunter2"), "{path}: {text}");
            }
        }
    }
}

#[test]
fn errors_do_not_show_the_settings_of_accounts() {
    for path in paths(true)
        .iter()
        .filter(|path| path.starts_with("accounts"))
        .chain(&paths(false))
    {
        for value in [
            "'hunter2 \u{e9} '",
            "hunter2",
            "!hunter2 x",
            "!!int hunter2",
            "'hunter2\n",
            "*hunter2",
            "&hunter2 &x",
            "[hunter2, @",
        ] {
            if let Err(text) = read(&with(path, value)) {
                assert!(!text.contains("hunter2"), "{path}: {text}");
            }
        }
    }
}

#[test]
fn debug_output_does_not_show_the_external_id() {
    let role = "{role_arn: 'arn:aws:iam::123456789012:role/x', external_id: hunter2}";
    let text = format!("accounts: [{{name: a, assume_role: {role}}}]\n{PAIR}");
    let file = ConfigFile::read("x.yml", &text, &env);
    assert!(!format!("{file:?}").contains("hunter2"));
    let plan = Plan::resolve(file).unwrap();
    assert!(!format!("{plan:?}").contains("hunter2"));
    let secret = plan.accounts[0]
        .assume_role
        .as_ref()
        .unwrap()
        .external_id
        .as_ref()
        .unwrap();
    assert_eq!(secret.expose(), "hunter2");
}
