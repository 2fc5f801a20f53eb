//! Reads the file. The one place of this floor that touches the disk.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::error::shown;
use super::{ConfigFile, Plan, Problem, Problems, WebPlan};

/// No configuration is larger than this, in bytes.
const LARGEST: u64 = 64 << 20;

/// What messages say of one of the two files.
struct Named {
    flag: &'static str,
    example: &'static str,
}

const CONFIG: Named = Named { flag: "--config.file", example: "example.yml" };
const WEB_CONFIG: Named = Named { flag: "--web.config.file", example: "docs/web-config.yml" };

/// Loads the configuration at `path`; `env` answers an environment variable. The errors are all problems of the file,
/// or the one that kept it from being read: not there, a directory, not readable, not UTF-8, more than 64 MiB.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Problems> {
    let file = shown_path(path);
    match text(path, &CONFIG) {
        Ok(text) => Plan::resolve(ConfigFile::read(&file, &text, env)),
        Err(refusal) => Err(refusal.of(&file)),
    }
}

/// Loads the web configuration at `path`, with the errors of [`load`]. What it names is not read.
pub fn load_web(path: &Path) -> Result<WebPlan, Problems> {
    let file = shown_path(path);
    match text(path, &WEB_CONFIG) {
        Ok(text) => WebPlan::read(&file, path.parent().unwrap_or(Path::new("")), &text),
        Err(refusal) => Err(refusal.of(&file)),
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
    hint: String,
}

impl Refusal {
    fn of(self, file: &str) -> Problems {
        let Self { line, message, hint } = self;
        Problem { file: file.into(), line, key: String::new(), message, hint: Some(hint) }.into()
    }
}

fn text(path: &Path, named: &Named) -> Result<String, Refusal> {
    let bytes = bytes(path).map_err(|error| refused(&error, named))?;
    if bytes.len() as u64 > LARGEST {
        let message = "more than 64 MiB".to_owned();
        return Err(Refusal { line: None, message, hint: format!("name the configuration by `{}`", named.flag) });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].split(|byte| *byte == b'\n').count();
        Refusal { line: Some(line), message: "not UTF-8".to_owned(), hint: "save the file as UTF-8".to_owned() }
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

fn refused(error: &io::Error, Named { flag, example }: &Named) -> Refusal {
    let (message, hint) = match error.kind() {
        ErrorKind::NotFound => {
            ("no such file".to_owned(), format!("write one after `{example}`, or name another by `{flag}`"))
        }
        ErrorKind::PermissionDenied => {
            ("no permission to read it".to_owned(), "let the exporter's user read the file".to_owned())
        }
        ErrorKind::IsADirectory => ("a directory, not a file".to_owned(), format!("name the file in it by `{flag}`")),
        _ => (format!("cannot be read: {error}"), format!("name a readable file by `{flag}`")),
    };
    Refusal { line: None, message, hint }
}
