//! Reads configuration files from disk.

use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::{ConfigFile, Plan, Problem, Problems, WebPlan};

/// A kind of configuration file, for hints.
struct FileKind {
    flag: &'static str,
    example: &'static str,
    /// Largest size, in MiB.
    max_mib: u64,
}

impl FileKind {
    fn max_bytes(&self) -> u64 {
        self.max_mib << 20
    }
}

const CONFIG: FileKind = FileKind {
    flag: "--config.file",
    example: "example.yml",
    max_mib: 12,
};
const WEB_CONFIG: FileKind = FileKind {
    flag: "--web.config.file",
    example: "docs/web-config.yml",
    max_mib: 1,
};

/// Loads the configuration at `path`; `env` looks up an environment variable.
///
/// # Errors
/// All problems of the file, or the one that prevented reading it.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Problems> {
    read(path)?.resolve(env)
}

/// Reads the configuration at `path` without parsing it.
///
/// # Errors
/// The problem that prevented reading it.
pub fn read(path: &Path) -> Result<ConfigText, Problems> {
    let file = display_path(path);
    match read_text(path, &CONFIG) {
        Ok(text) => Ok(ConfigText { file, text }),
        Err(error) => Err(error.into_problems(&file)),
    }
}

/// Loads the web configuration at `path`. The certificates that it names are not read.
///
/// # Errors
/// All problems of the file, or the one that prevented reading it.
pub fn load_web(path: &Path) -> Result<WebPlan, Problems> {
    let file = display_path(path);
    match read_text(path, &WEB_CONFIG) {
        Ok(text) => WebPlan::read(&file, path.parent().unwrap_or(Path::new("")), &text),
        Err(error) => Err(error.into_problems(&file)),
    }
}

/// The text of a configuration file.
pub struct ConfigText {
    file: String,
    text: String,
}

impl ConfigText {
    /// Resolves the text; `env` looks up an environment variable.
    ///
    /// # Errors
    /// All problems of the text.
    pub fn resolve(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Problems> {
        Plan::resolve(ConfigFile::read(&self.file, &self.text, env))
    }

    /// Returns the hash of the text.
    pub fn hash(&self) -> ConfigHash {
        ConfigHash(Sha256::digest(&self.text).into())
    }
}

/// The SHA-256 of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigHash([u8; 32]);

impl ConfigHash {
    /// Returns the first 48 bits, which a gauge holds without loss.
    pub fn as_gauge(self) -> f64 {
        self.0
            .iter()
            .take(6)
            .fold(0.0, |number, byte| number * 256.0 + f64::from(*byte))
    }
}

/// Returns the whole path, with invisible characters escaped.
fn display_path(path: &Path) -> String {
    model::visible(&path.to_string_lossy()).to_string()
}

/// A file that cannot be read.
struct LoadError {
    line: Option<usize>,
    message: String,
    hint: String,
}

impl LoadError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            line: None,
            message: message.into(),
            hint: hint.into(),
        }
    }

    fn from_io(error: &io::Error, kind: &FileKind) -> Self {
        let FileKind {
            flag,
            example,
            max_mib,
        } = kind;
        match error.kind() {
            ErrorKind::NotFound => Self::new(
                "failed to read the file: no such file",
                format!("create it from `{example}`, or pass another file with `{flag}`"),
            ),
            ErrorKind::PermissionDenied => Self::new(
                "failed to read the file: permission denied",
                "allow the exporter's user to read it",
            ),
            ErrorKind::IsADirectory => Self::new(
                "failed to read the file: it is a directory",
                format!("pass a file in it with `{flag}`"),
            ),
            ErrorKind::FileTooLarge => Self::new(
                format!("the file is larger than {max_mib} MiB"),
                format!("pass a configuration file with `{flag}`"),
            ),
            _ => Self::new(
                format!("failed to read the file: {error}"),
                format!("pass a readable file with `{flag}`"),
            ),
        }
    }

    fn into_problems(self, file: &str) -> Problems {
        Problem {
            file: file.into(),
            line: self.line,
            key: String::new(),
            message: self.message,
            hint: Some(self.hint),
        }
        .into()
    }
}

fn read_text(path: &Path, kind: &FileKind) -> Result<String, LoadError> {
    let bytes = read_regular_file(path, kind.max_bytes())
        .map_err(|error| LoadError::from_io(&error, kind))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let lines = error.as_bytes()[..valid].split(|byte| *byte == b'\n');
        LoadError {
            line: Some(lines.count()),
            ..LoadError::new("the file is not UTF-8", "save the file as UTF-8")
        }
    })
}

/// Reads a file of limited size that is no pipe and no device, which might block for ever.
///
/// # Errors
/// [`ErrorKind::FileTooLarge`] for more than `max` bytes, [`ErrorKind::IsADirectory`], and an error
/// with the kind of a file that is not a regular one.
pub(crate) fn read_regular_file(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    // Before it is opened, since that already waits for the writer of a FIFO.
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        let name = name(found.file_type());
        return Err(io::Error::other(format!(
            "it is {name}, not a regular file"
        )));
    }
    let file = File::open(path)?;
    // No more than the file has: a vector that grows holds up to three times as much.
    let size = file.metadata()?.len().min(max);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        Err(ErrorKind::FileTooLarge.into())
    } else {
        Ok(bytes)
    }
}

fn name(kind: FileType) -> &'static str {
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "abc").unwrap();
        assert_eq!(read_regular_file(&path, 3).unwrap(), b"abc");
        let error = read_regular_file(&path, 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        let error = read_regular_file(folder.path(), 3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        let error = read_regular_file(&folder.path().join("b"), 3).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[test]
    fn other_kinds_of_files_are_named_and_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let message = |path: &Path| read_regular_file(path, 3).unwrap_err().to_string();
        assert_eq!(message(&path), "it is a socket, not a regular file");
        let device = Path::new("/dev/zero");
        assert_eq!(message(device), "it is a device, not a regular file");
    }

    #[test]
    fn the_gauge_is_the_head_of_the_sha_256() {
        let gauge = |text: &str| {
            ConfigText {
                file: String::new(),
                text: text.to_owned(),
            }
            .hash()
            .as_gauge()
        };
        // `sha256sum` prints ba7816bf8f01...
        let head = f64::from(0xba78_16bf_u32) * 65_536.0 + f64::from(0x8f01);
        assert!((gauge("abc") - head).abs() < 0.5);
        assert!((gauge("abc") - gauge("abd")).abs() > 0.5);
    }
}
