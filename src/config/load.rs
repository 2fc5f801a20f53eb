//! Reads the file. The one place of this floor that touches the disk.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::error::shown;
use super::{ConfigFile, Plan, Problem, Problems, WebPlan};

/// No configuration is larger than this, in bytes.
const LARGEST: u64 = 64 << 20;

/// What messages say of one of the two files.
struct Named {
    flag: &'static str,
    example: &'static str,
}

const CONFIG: Named = Named {
    flag: "--config.file",
    example: "example.yml",
};
const WEB_CONFIG: Named = Named {
    flag: "--web.config.file",
    example: "docs/web-config.yml",
};

/// Loads the configuration at `path`; `env` answers an environment variable. The errors are all problems of the file,
/// or the one that kept it from being read: not there, a directory, not readable, not UTF-8, more than 64 MiB.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Problems> {
    read(path)?.resolve(env)
}

/// Reads the configuration at `path`, whatever it says. The error is the one problem that kept it from being read.
pub fn read(path: &Path) -> Result<ConfigText, Problems> {
    let file = shown_path(path);
    match text(path, &CONFIG) {
        Ok(text) => Ok(ConfigText { file, text }),
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

/// The text of a configuration file.
pub struct ConfigText {
    file: String,
    text: String,
}

impl ConfigText {
    /// What will be done; `env` answers an environment variable.
    ///
    /// # Errors
    /// All problems of the text.
    pub fn resolve(&self, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Problems> {
        Plan::resolve(ConfigFile::read(&self.file, &self.text, env))
    }

    /// Tells this content from others.
    pub fn hash(&self) -> ConfigHash {
        ConfigHash(Sha256::digest(&self.text).into())
    }
}

/// The SHA-256 of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigHash([u8; 32]);

impl ConfigHash {
    /// The first 48 bits as a number, which a gauge can hold without loss.
    pub fn as_gauge(self) -> f64 {
        self.0
            .iter()
            .take(6)
            .fold(0.0, |number, byte| number * 256.0 + f64::from(*byte))
    }
}

/// The path as messages show it: whole, control characters escaped.
fn shown_path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().any(char::is_control) {
        shown(&text)
    } else {
        text
    }
}

struct Refusal {
    line: Option<usize>,
    message: String,
    hint: String,
}

impl Refusal {
    fn of(self, file: &str) -> Problems {
        let Self {
            line,
            message,
            hint,
        } = self;
        Problem {
            file: file.into(),
            line,
            key: String::new(),
            message,
            hint: Some(hint),
        }
        .into()
    }
}

fn text(path: &Path, named: &Named) -> Result<String, Refusal> {
    let bytes = bytes(path).map_err(|error| refused(&error, named))?;
    if bytes.len() as u64 > LARGEST {
        let message = "more than 64 MiB".to_owned();
        return Err(Refusal {
            line: None,
            message,
            hint: format!("name the configuration by `{}`", named.flag),
        });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid]
            .split(|byte| *byte == b'\n')
            .count();
        Refusal {
            line: Some(line),
            message: "not UTF-8".to_owned(),
            hint: "save the file as UTF-8".to_owned(),
        }
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
        ErrorKind::NotFound => (
            "no such file".to_owned(),
            format!("write one after `{example}`, or name another by `{flag}`"),
        ),
        ErrorKind::PermissionDenied => (
            "no permission to read it".to_owned(),
            "let the exporter's user read the file".to_owned(),
        ),
        ErrorKind::IsADirectory => (
            "a directory, not a file".to_owned(),
            format!("name the file in it by `{flag}`"),
        ),
        _ => (
            format!("cannot be read: {error}"),
            format!("name a readable file by `{flag}`"),
        ),
    };
    Refusal {
        line: None,
        message,
        hint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_head_of_sha_256() {
        let digest = |text: &str| {
            ConfigText {
                file: String::new(),
                text: text.to_owned(),
            }
            .hash()
            .as_gauge()
        };
        // As `sha256sum` has it: ba7816bf8f01...
        assert!(
            (digest("abc") - f64::from(0xba78_16bf_u32) * 65_536.0 - f64::from(0x8f01)).abs() < 0.5
        );
        assert!((digest("abc") - digest("abd")).abs() > 0.5);
    }
}
