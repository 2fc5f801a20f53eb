//! Reads configuration files from disk.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::yaml::escape;
use super::{ConfigFile, Plan, Problem, Problems, WebPlan};

/// Maximum size of a file, in bytes.
const MAX_SIZE: u64 = 64 << 20;

/// A kind of configuration file, for hints.
struct FileKind {
    flag: &'static str,
    example: &'static str,
}

const CONFIG: FileKind = FileKind {
    flag: "--config.file",
    example: "example.yml",
};
const WEB_CONFIG: FileKind = FileKind {
    flag: "--web.config.file",
    example: "docs/web-config.yml",
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

/// Returns the whole path, with control characters escaped.
fn display_path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().any(char::is_control) {
        escape(&text)
    } else {
        text
    }
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

    fn from_io(error: &io::Error, FileKind { flag, example }: &FileKind) -> Self {
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
    let bytes = read_bytes(path).map_err(|error| LoadError::from_io(&error, kind))?;
    if bytes.len() as u64 > MAX_SIZE {
        let hint = format!("pass a configuration file with `{}`", kind.flag);
        return Err(LoadError::new("the file is larger than 64 MiB", hint));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let lines = error.as_bytes()[..valid].split(|byte| *byte == b'\n');
        LoadError {
            line: Some(lines.count()),
            ..LoadError::new("the file is not UTF-8", "save the file as UTF-8")
        }
    })
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    // No more than the file has: a vector that grows holds up to three times as much.
    let size = file.metadata()?.len().min(MAX_SIZE);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    file.take(MAX_SIZE + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

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
