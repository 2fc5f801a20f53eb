//! Lists the files that globs match. Unlike the `glob` crate, it reports every folder and file that
//! cannot be read: a file is only gone if its folder was listed and has no such name.
//!
//! As in a shell, `*` and `**` match no name that begins with a dot.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The result of listing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FileListing {
    /// The files, each once.
    pub files: BTreeSet<PathBuf>,
    /// Paths that could not be read, with the error.
    pub faults: BTreeMap<PathBuf, String>,
}

/// A component of a glob.
enum Component {
    Name(String),
    Wildcard(Pattern),
    /// `**`: any number of folders.
    AnyDepth,
}

/// Lists the files that `globs` match.
pub(super) fn list(globs: &[String]) -> FileListing {
    let mut walk = Walk::default();
    for glob in globs {
        let root = if glob.starts_with('/') { "/" } else { "" };
        walk.folder(Path::new(root), &components(glob), false);
    }
    walk.listing
}

fn components(glob: &str) -> Vec<Component> {
    let mut components: Vec<_> = glob
        .split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .map(|name| match Pattern::new(name) {
            _ if name == "**" => Component::AnyDepth,
            Ok(pattern) if name.contains(['*', '?', '[']) => Component::Wildcard(pattern),
            // The globs of a plan are valid.
            _ => Component::Name(name.to_owned()),
        })
        .collect();
    if let Some(Component::AnyDepth) = components.last()
        && let Ok(pattern) = Pattern::new("*")
    {
        components.push(Component::Wildcard(pattern));
    }
    components
}

#[derive(Default)]
struct Walk {
    listing: FileListing,
    /// Device and inode of the folders between a `**` and the current one, to detect loops of links.
    open: Vec<(u64, u64)>,
}

impl Walk {
    /// Lists what `components` match in `folder`. `found` is true if a wildcard matched the folder
    /// or one above it: then it may be missing.
    fn folder(&mut self, folder: &Path, components: &[Component], found: bool) {
        match components {
            [] => {}
            [Component::Name(name)] => self.named_file(folder, &folder.join(name), found),
            [Component::Name(name), rest @ ..] => self.folder(&folder.join(name), rest, found),
            [Component::Wildcard(pattern), rest @ ..] => {
                for path in self.entries(folder, found) {
                    let matches = path
                        .file_name()
                        .and_then(|name| name.to_str())
                        .is_some_and(|name| pattern.matches_with(name, OPTIONS));
                    if matches && rest.is_empty() {
                        self.file(&path);
                    } else if matches {
                        self.folder(&path, rest, true);
                    }
                }
            }
            [Component::AnyDepth, rest @ ..] => {
                self.folder(folder, rest, found);
                for path in self.entries(folder, found) {
                    let hidden = path
                        .file_name()
                        .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
                    let Some(metadata) = (!hidden).then(|| self.metadata(&path)).flatten() else {
                        continue;
                    };
                    let id = (metadata.dev(), metadata.ino());
                    if metadata.is_dir() && !self.open.contains(&id) {
                        self.open.push(id);
                        self.folder(&path, components, true);
                        self.open.pop();
                    }
                }
            }
        }
    }

    /// Adds a file that is named without wildcards.
    fn named_file(&mut self, folder: &Path, path: &Path, found: bool) {
        if self.file(path) {
            let is_other = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file());
            if is_other && !found {
                self.fault(path, &io::Error::other("not a regular file"));
            }
            return;
        }
        if found {
            return;
        }
        // Nothing is known of a file whose folder is missing.
        match fs::metadata(or_current(folder)) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => self.fault(folder, &ErrorKind::NotADirectory.into()),
            Err(error) => self.fault(folder, &error),
        }
    }

    /// Adds `path` if it is a file, or a link to nothing, which then cannot be read. Returns false
    /// if there is no such name.
    fn file(&mut self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(metadata) => {
                if metadata.is_file() {
                    self.listing.files.insert(path.to_owned());
                }
                true
            }
            Err(error) if is_absent(&error) => {
                let is_link = fs::symlink_metadata(path).is_ok();
                if is_link {
                    self.listing.files.insert(path.to_owned());
                }
                is_link
            }
            Err(error) => {
                self.fault(path, &error);
                true
            }
        }
    }

    /// Returns the metadata of an entry; `None` if it is gone, or a link to nothing.
    fn metadata(&mut self, path: &Path) -> Option<Metadata> {
        match fs::metadata(path) {
            Ok(metadata) => Some(metadata),
            Err(error) => {
                if !is_absent(&error) {
                    self.fault(path, &error);
                }
                None
            }
        }
    }

    fn entries(&mut self, folder: &Path, found: bool) -> Vec<PathBuf> {
        let entries = match fs::read_dir(or_current(folder)) {
            Ok(entries) => entries,
            Err(error) => {
                if !(found && is_absent(&error)) {
                    self.fault(folder, &error);
                }
                return Vec::new();
            }
        };
        let mut paths = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(folder.join(entry.file_name())),
                Err(error) => self.fault(folder, &error),
            }
        }
        paths
    }

    fn fault(&mut self, path: &Path, error: &io::Error) {
        let path = or_current(path).to_owned();
        self.listing.faults.insert(path, error.to_string());
    }
}

/// Returns whether there is no such name. A file in place of a folder has no names either.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Returns the path of a folder for the system: an empty path is the working directory.
fn or_current(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with files, empty folders (ending with `/`) and links (`name -> target`).
    fn folder(entries: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for entry in entries {
            let (name, target) = entry.split_once(" -> ").unwrap_or((entry, ""));
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
            } else if target.is_empty() {
                fs::write(path, "").unwrap();
            } else {
                symlink(target, path).unwrap();
            }
        }
        folder
    }

    /// Lists `globs` in `folder`, and returns the names of files and of faults.
    fn names(folder: &tempfile::TempDir, globs: &[&str]) -> (Vec<String>, Vec<String>) {
        let root = folder.path();
        let globs: Vec<_> = globs
            .iter()
            .map(|glob| root.join(glob).display().to_string())
            .collect();
        let listing = list(&globs);
        let name = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
        (
            listing.files.iter().map(name).collect(),
            listing.faults.keys().map(name).collect(),
        )
    }

    #[test]
    fn globs_match_as_in_a_shell() {
        let folder = folder(&[
            "a.yml",
            "b.yml",
            "c.json",
            ".d.yml",
            ".hidden/e.yml",
            "f/g.yml",
            "f/h/i.yml",
            "j.yml/",
            "k.yml -> a.yml",
            "l -> f",
        ]);
        for (globs, expected) in [
            (&["*.yml"][..], &["a.yml", "b.yml", "k.yml"][..]),
            (
                &["a.yml", "*.json", "[ab].yml"],
                &["a.yml", "b.yml", "c.json"],
            ),
            (&["?.json", "missing.yml"], &["c.json"]),
            (
                &["f/*.yml", "*/h/*.yml"],
                &["f/g.yml", "f/h/i.yml", "l/h/i.yml"],
            ),
            (
                &["**/*.yml"],
                &[
                    "a.yml",
                    "b.yml",
                    "f/g.yml",
                    "f/h/i.yml",
                    "k.yml",
                    "l/g.yml",
                    "l/h/i.yml",
                ],
            ),
            (&["f/**"], &["f/g.yml", "f/h/i.yml"]),
            (&[".*.yml"], &[".d.yml"]),
        ] {
            let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(names(&folder, globs), (expected, Vec::new()), "{globs:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_fault() {
        let folder = folder(&["a/loop -> loop", "b/x.yml -> x.yml", "c/d", "e/"]);
        for (glob, faults) in [
            ("missing/*.yml", vec!["missing"]),
            ("missing/x.yml", vec!["missing"]),
            ("a/loop/*.yml", vec!["a/loop"]),
            ("a/loop/x.yml", vec!["a/loop/x.yml"]),
            ("a/*/*.yml", vec!["a/loop"]),
            ("a/**/*.yml", vec!["a/loop"]),
            ("b/*.yml", vec!["b/x.yml"]),
            ("c/d/*.yml", vec!["c/d"]),
            // Below a wildcard, a missing folder is no match.
            ("*/missing/*.yml", vec![]),
            ("c/*/*.yml", vec![]),
            ("e/x.yml", vec![]),
            ("e/*.yml", vec![]),
        ] {
            let faults: Vec<_> = faults.into_iter().map(ToOwned::to_owned).collect();
            assert_eq!(names(&folder, &[glob]), (Vec::new(), faults), "{glob}");
        }
    }

    #[test]
    fn a_link_to_nothing_is_a_file_that_cannot_be_read() {
        let folder = folder(&["a.yml -> nothing"]);
        for glob in ["*.yml", "a.yml"] {
            assert_eq!(names(&folder, &[glob]), (vec!["a.yml".to_owned()], vec![]));
        }
    }

    #[test]
    fn a_loop_of_links_is_listed_once() {
        let folder = folder(&["a/b.yml", "a/up -> ../a"]);
        let (files, faults) = names(&folder, &["**/*.yml"]);
        assert_eq!((files, faults), (vec!["a/b.yml".to_owned()], vec![]));
    }
}
