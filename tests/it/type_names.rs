//! No file can import two types of one name, so that a name means one thing wherever it is read.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::architecture::collect;

/// Where the crates are, and which of the others they can import.
const CRATES: [(&str, &[&str]); 3] = [
    ("src", &["crates/model/src", "crates/simulator/src"]),
    ("crates/simulator/src", &["crates/model/src"]),
    ("crates/model/src", &[]),
];

#[derive(Debug)]
struct TypeName {
    name: String,
    file: PathBuf,
    home: &'static str,
    /// The module below which it can be imported within its crate.
    scope: Vec<String>,
    /// Whether other crates can import it.
    is_exported: bool,
}

impl TypeName {
    fn meets(&self, other: &Self) -> bool {
        let sees = |user: &Self, used: &Self| {
            let mut crates = CRATES.iter().filter(|(home, _)| *home == user.home);
            used.is_exported && crates.any(|(_, imported)| imported.contains(&used.home))
        };
        let is_within_crate = self.home == other.home
            && (self.scope.starts_with(&other.scope) || other.scope.starts_with(&self.scope));
        is_within_crate || sees(self, other) || sees(other, self)
    }
}

/// Finds the types that a file declares for others, which do not begin with spaces.
fn declared(home: &'static str, file: &Path, text: &str, exported: &str) -> Vec<TypeName> {
    let mut module: Vec<String> = file
        .iter()
        .map(|part| part.to_str().unwrap().trim_end_matches(".rs").to_owned())
        .collect();
    module.retain(|part| !["mod", "lib", "main"].contains(&part.as_str()));
    let find = |line: &str| {
        let rest = line.strip_prefix("pub")?;
        let (visibility, rest) = match rest.strip_prefix('(') {
            Some(rest) => rest.split_once(')')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let keyword = words.next()?;
        if !["struct", "enum", "trait", "type", "union"].contains(&keyword) {
            return None;
        }
        let name = words.next()?;
        let end = name.find(|c: char| !c.is_alphanumeric());
        let name = &name[..end.unwrap_or(name.len())];
        let scope = match visibility {
            "" | "crate" => Vec::new(),
            "super" => module[..module.len() - 1].to_vec(),
            path => {
                let path = path.strip_prefix("in crate::")?;
                path.split("::").map(str::to_owned).collect()
            }
        };
        Some(TypeName {
            is_exported: visibility.is_empty()
                && exported
                    .split(|c: char| !c.is_alphanumeric())
                    .any(|word| word == name),
            name: name.to_owned(),
            file: Path::new(home).join(file),
            home,
            scope,
        })
    };
    text.lines().filter_map(find).collect()
}

fn all_types() -> Vec<TypeName> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut types = Vec::new();
    for (home, _) in CRATES {
        let folder = root.join(home);
        let exported = fs::read_to_string(folder.join("lib.rs")).unwrap();
        let mut files = Vec::new();
        collect(&folder, &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let file = file.strip_prefix(&folder).unwrap();
            types.extend(declared(home, file, &text, &exported));
        }
    }
    types
}

/// Returns each pair of types with one name that a file could import both, as names with files.
fn pairs(types: &[TypeName]) -> Vec<String> {
    let mut by_name: BTreeMap<&str, Vec<&TypeName>> = BTreeMap::new();
    for declared in types {
        by_name.entry(&declared.name).or_default().push(declared);
    }
    let mut found = Vec::new();
    for (name, same) in by_name {
        for (at, one) in same.iter().enumerate() {
            let others = same[at + 1..].iter().filter(|other| one.meets(other));
            let pair = |other: &&TypeName| {
                format!(
                    "{name}: {} and {}",
                    one.file.display(),
                    other.file.display()
                )
            };
            found.extend(others.map(pair));
        }
    }
    found
}

#[test]
fn no_file_can_import_two_types_of_one_name() {
    let types = all_types();
    assert!(types.len() > 300, "only {} types were found", types.len());
    assert_eq!(pairs(&types), [""; 0]);
}

#[test]
fn names_meet_where_both_can_be_imported() {
    let exported = "pub use snapshot::Snapshot;";
    let one = |home, file: &str, text| declared(home, Path::new(file), text, exported);
    let meet = |a: Vec<TypeName>, b: Vec<TypeName>| {
        let both: Vec<_> = a.into_iter().chain(b).collect();
        assert_eq!(both.len(), 2);
        pairs(&both).len() == 1
    };
    let model = || one("crates/model/src", "snapshot.rs", "pub struct Snapshot {");
    let lease = || {
        one(
            "src",
            "store/table/lease.rs",
            "pub(super) struct Snapshot {",
        )
    };
    let frame = || {
        one(
            "src",
            "store/table/frame.rs",
            "pub(super) enum Snapshot<T> {",
        )
    };
    let state = || one("src", "metrics/state.rs", "pub(super) struct Snapshot;");
    let path = || {
        one(
            "src",
            "web/deep/mod.rs",
            "pub(in crate::store) type Snapshot = u8;",
        )
    };
    assert!(meet(model(), lease()));
    assert!(meet(lease(), frame()));
    assert!(meet(path(), frame()));
    assert!(!meet(lease(), state()));
    assert!(!meet(path(), state()));
}
