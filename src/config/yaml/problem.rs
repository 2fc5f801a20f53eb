//! Problems of a configuration file, each with its place.

use std::fmt;
use std::sync::Arc;

use model::{is_invisible, visible, visible_lines};

/// Maximum number of problems kept; the last line counts the others.
const MAX_PRINTED: usize = 1000;

/// Maximum characters of a key or value in a message.
const MAX_SHOWN: usize = 64;

/// A problem of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as the user named it.
    pub file: Arc<str>,
    /// The line, starting at 1; `None` if the file could not be read, or names another that cannot.
    pub line: Option<usize>,
    /// The path of the key, for example `transfers[2].connector_id`; empty for the whole document.
    pub key: String,
    /// What is wrong. Never contains a value that may be secret.
    pub message: String,
    /// How to fix it.
    pub hint: Option<String>,
}

impl Problem {
    pub(crate) fn with_hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": `{}`", visible(&self.key))?;
        }
        write!(f, ": {}", visible_lines(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {}", visible_lines(hint)),
            None => Ok(()),
        }
    }
}

/// Problems found so far in one file.
pub(crate) struct ProblemList {
    file: Arc<str>,
    /// At most [`MAX_PRINTED`].
    problems: Vec<Problem>,
    /// The number of further problems, and the latest of them.
    more: usize,
    latest: Option<Problem>,
}

impl ProblemList {
    pub(crate) fn new(file: &str) -> Self {
        Self {
            file: file.into(),
            problems: Vec::new(),
            more: 0,
            latest: None,
        }
    }

    /// Adds a problem and returns it, so that the caller can add a hint.
    pub(crate) fn report(
        &mut self,
        line: usize,
        key: impl fmt::Display,
        message: impl Into<String>,
    ) -> &mut Problem {
        let problem = Problem {
            file: self.file.clone(),
            line: Some(line),
            key: key.to_string(),
            message: message.into(),
            hint: None,
        };
        if self.problems.len() == MAX_PRINTED {
            self.more += 1;
            return self.latest.insert(problem);
        }
        self.problems.push(problem);
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    /// Adds the problems of `other`, of the same file.
    pub(crate) fn append(&mut self, mut other: Self) {
        let free = MAX_PRINTED - self.problems.len();
        self.more += other.more + other.problems.len().saturating_sub(free);
        other.problems.truncate(free);
        self.problems.append(&mut other.problems);
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Problem> {
        self.problems.iter_mut()
    }

    /// Returns `value` if there are no problems, else the problems ordered by line.
    pub(crate) fn into_result<T>(self, value: T) -> Result<T, Problems> {
        let mut problems = self.problems;
        if problems.is_empty() {
            return Ok(value);
        }
        problems.sort_by_key(|problem| problem.line);
        Err(Problems {
            problems,
            more: self.more,
        })
    }
}

impl fmt::Debug for ProblemList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problems.fmt(f)
    }
}

/// The problems of a configuration: at least one, ordered by line. The first 1,000 are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    problems: Vec<Problem>,
    /// The number of those that are not kept.
    more: usize,
}

impl Problems {
    /// Returns the problems of a file, which are ordered by line; `None` if there are none.
    pub(crate) fn of(mut problems: Vec<Problem>) -> Option<Self> {
        let more = problems.len().saturating_sub(MAX_PRINTED);
        problems.truncate(MAX_PRINTED);
        (!problems.is_empty()).then_some(Self { problems, more })
    }

    /// Returns the problems, ordered by line.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.problems.iter()
    }

    /// Returns the number of problems, which is never 0.
    pub fn count(&self) -> usize {
        self.problems.len() + self.more
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
            more: 0,
        }
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {}", model::counted(more, "more problem")),
        }
    }
}

impl std::error::Error for Problems {}

/// Returns `text` for a message: at most 64 characters, with invisible characters escaped.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == MAX_SHOWN {
            out.push('…');
            break;
        }
        if is_invisible(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}
