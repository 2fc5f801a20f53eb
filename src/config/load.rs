//! Reads the file. The one place of this floor that touches the disk.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::error::shown;
use super::{ConfigFile, Plan, Problem, Problems};

/// No configuration is larger than this, in bytes.
const LARGEST: u64 = 64 << 20;

/// Loads the configuration at `path`; `env` answers an environment variable. The errors are all problems of the file,
/// or the one that kept it from being read: not there, a directory, not readable, not UTF-8, more than 64 MiB.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Problems> {
    let file = shown_path(path);
    match text(path) {
        Ok(text) => Plan::resolve(ConfigFile::read(&file, &text, env)),
        Err(refusal) => Err(Problem {
            file: file.into(),
            line: refusal.line,
            key: String::new(),
            message: refusal.message,
            hint: Some(refusal.hint.to_owned()),
        }
        .into()),
    }
}

/// The path as messages show it: whole, control characters escaped.
fn shown_path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().any(char::is_control) { shown(&text) } else { text }
}

struct Refusal {
    line: Option<usize>,
    message: String,
    hint: &'static str,
}

fn text(path: &Path) -> Result<String, Refusal> {
    let bytes = bytes(path).map_err(|error| refused(&error))?;
    if bytes.len() as u64 > LARGEST {
        let message = "more than 64 MiB".to_owned();
        return Err(Refusal { line: None, message, hint: "name the configuration by `--config.file`" });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|byte| *byte == b'\n').count();
        Refusal { line: Some(line), message: "not UTF-8".to_owned(), hint: "save the file as UTF-8" }
    })
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refused(error: &io::Error) -> Refusal {
    let (message, hint) = match error.kind() {
        ErrorKind::NotFound => ("no such file", "write one after `example.yml`, or name another by `--config.file`"),
        ErrorKind::PermissionDenied => ("no permission to read it", "let the exporter's user read the file"),
        ErrorKind::IsADirectory => ("a directory, not a file", "name the file in it by `--config.file`"),
        _ => {
            let message = format!("cannot be read: {error}");
            return Refusal { line: None, message, hint: "name a readable file by `--config.file`" };
        }
    };
    Refusal { line: None, message: message.to_owned(), hint }
}
