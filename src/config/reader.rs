//! Walks the node tree by a schema and collects what is wrong with it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use super::Problem;
use super::env::{self, EnvFault};
use super::error::shown;
use super::near::nearest;
use super::node::{Node, Value};
use super::value::{FromScalar, Scalar};

/// A value that the user wrote, and where.
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) line: usize,
    /// An environment variable is part of it: never to be shown.
    pub(super) hidden: bool,
}

impl At<String> {
    /// `message`, and after a colon the value where it may be shown.
    pub(super) fn saying(&self, message: &str) -> String {
        if self.hidden || self.value.is_empty() {
            message.to_owned()
        } else {
            format!("{message}: {}", shown(&self.value))
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for At<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.line)?;
        if self.hidden {
            f.write_str("(from the environment)")
        } else {
            self.value.fmt(f)
        }
    }
}

/// What stands under a key.
#[derive(Debug, Default)]
pub(super) enum Given<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// It is there with a fault that has been reported.
    Faulty,
    /// A value of the right type.
    Value(At<T>),
}

impl<T> Given<T> {
    pub(super) fn value(&self) -> Option<&At<T>> {
        match self {
            Self::Value(at) => Some(at),
            Self::Absent | Self::Faulty => None,
        }
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// The path of a key: `transfers[2].connector_id`.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    parent: Option<&'a Self>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    pub(super) const ROOT: Path<'static> = Path {
        parent: None,
        step: Step::Root,
    };

    pub(super) fn key(&'a self, key: &'a str) -> Self {
        Self {
            parent: Some(self),
            step: Step::Key(key),
        }
    }

    pub(super) fn index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            step: Step::Index(index),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Key(key) => {
                let dot = self
                    .parent
                    .is_some_and(|parent| !matches!(parent.step, Step::Root));
                write!(f, "{}{}", if dot { "." } else { "" }, shown(key))
            }
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A mapping whose keys have been checked.
pub(super) struct Section<'n> {
    pub(super) line: usize,
    found: Vec<(&'static str, &'n Node)>,
}

impl<'n> Section<'n> {
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.found
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, node)| *node)
    }
}

/// Collects problems while it reads.
pub(super) struct Reader<'a> {
    pub(super) file: Arc<str>,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(super) fn fault(
        &mut self,
        line: usize,
        path: &Path<'_>,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let problem = Problem {
            file: self.file.clone(),
            line: Some(line),
            key: path.to_string(),
            message: message.into(),
            hint,
        };
        self.problems.push(problem);
    }

    /// The mapping's entries by key, the first of duplicates. None where it is no mapping.
    pub(super) fn section<'n>(
        &mut self,
        node: &'n Node,
        path: &Path<'_>,
        known: &'static [&'static str],
    ) -> Option<Section<'n>> {
        let mut found: Vec<(&'static str, &'n Node)> = Vec::with_capacity(known.len());
        for (key, line, value) in self.entries(node, path)? {
            match known.iter().find(|name| **name == key) {
                Some(name) => found.push((name, value)),
                None => self.unknown(key, line, path, known),
            }
        }
        Some(Section {
            line: node.line,
            found,
        })
    }

    fn unknown(&mut self, key: &str, line: usize, path: &Path<'_>, known: &[&str]) {
        let listed = || {
            known
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let hint = match key {
            "<<" => "merge keys are not supported; write the keys out".to_owned(),
            _ => match nearest(key, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`? Known here: {}", listed()),
                None => format!("known here: {}", listed()),
            },
        };
        self.fault(line, &path.key(key), "unknown key", Some(hint));
    }

    /// Key, line and value of each entry of a mapping with free keys, the first of duplicates.
    pub(super) fn entries<'n>(
        &mut self,
        node: &'n Node,
        path: &Path<'_>,
    ) -> Option<Vec<(&'n str, usize, &'n Node)>> {
        let Value::Map(entries) = &node.value else {
            self.wrong_kind(node, path, "a mapping");
            return None;
        };
        let mut found = Vec::with_capacity(entries.len());
        let mut first: HashMap<&str, usize> = HashMap::new();
        for entry in entries {
            let line = entry.key.line;
            let Value::Text(key) = &entry.key.value else {
                let message = format!("a key is text, this is {}", entry.key.value.kind());
                self.fault(
                    line,
                    path,
                    message,
                    Some("put the key in quotes".to_owned()),
                );
                continue;
            };
            if let Some(earlier) = first.get(key.as_str()) {
                let message = format!("duplicate key, first given in line {earlier}");
                self.fault(
                    line,
                    &path.key(key),
                    message,
                    Some("keep one of the two".to_owned()),
                );
            } else {
                first.insert(key, line);
                found.push((key.as_str(), line, &entry.value));
            }
        }
        Some(found)
    }

    /// The list's items. None where it is no list.
    pub(super) fn list<'n>(&mut self, node: &'n Node, path: &Path<'_>) -> Option<&'n [Node]> {
        if let Value::List(items) = &node.value {
            return Some(items);
        }
        self.wrong_kind(node, path, "a list");
        None
    }

    fn wrong_kind(&mut self, node: &Node, path: &Path<'_>, wanted: &str) {
        let (message, hint) = match (&node.value, wanted) {
            (Value::Null, _) => {
                let item = matches!(path.step, Step::Index(_));
                let hint = if item {
                    "take the item away or write it out"
                } else {
                    "leave the key out or give it a value"
                };
                ("no value".to_owned(), Some(hint))
            }
            (kind, "a list") => (
                format!("a list is wanted, this is {}", kind.kind()),
                Some("start each item with `- `"),
            ),
            (kind, _) => {
                let hint = matches!(path.step, Step::Root)
                    .then_some("a configuration starts with a key: `transfers:`");
                (format!("{wanted} is wanted, this is {}", kind.kind()), hint)
            }
        };
        self.fault(node.line, path, message, hint.map(str::to_owned));
    }

    /// The value under `key` of a section.
    pub(super) fn take<T: FromScalar>(
        &mut self,
        section: &Section<'_>,
        path: &Path<'_>,
        key: &str,
    ) -> Given<T> {
        match section.get(key) {
            Some(node) => self.scalar(node, &path.key(key)),
            None => Given::Absent,
        }
    }

    /// The scalar as a `T`.
    pub(super) fn scalar<T: FromScalar>(&mut self, node: &Node, path: &Path<'_>) -> Given<T> {
        let Some(scalar) = self.expanded(node, path) else {
            return Given::Faulty;
        };
        match T::from_scalar(&scalar) {
            Ok(value) => Given::Value(At {
                value,
                line: node.line,
                hidden: scalar.holds_env(),
            }),
            Err(fault) => {
                let message = match fault.shown.filter(|_| !scalar.holds_env()) {
                    Some(shown) => format!("{}: {shown}", fault.message),
                    None => fault.message.to_owned(),
                };
                self.fault(node.line, path, message, fault.hint.map(str::to_owned));
                Given::Faulty
            }
        }
    }

    fn expanded<'n>(&mut self, node: &'n Node, path: &Path<'_>) -> Option<Scalar<'n>> {
        let text = match &node.value {
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.wrong_kind(node, path, "one value");
                return None;
            }
            Value::Bool(value) => return Some(Scalar::Bool(*value)),
            Value::Int(value) => return Some(Scalar::Int(*value)),
            Value::Float(value) => return Some(Scalar::Float(*value)),
            Value::Text(text) => text,
        };
        match env::expand(text, self.env) {
            Ok((text, from_env)) => Some(Scalar::Text { text, from_env }),
            Err(EnvFault::Unset(name)) => {
                let message = format!("the environment variable `{}` is not set", shown(&name));
                self.fault(
                    node.line,
                    path,
                    message,
                    Some("set it, or write `$${` for a literal `${`".to_owned()),
                );
                None
            }
            Err(EnvFault::Malformed) => {
                let hint = "a variable is `${NAME}`, the name of letters, digits and `_`; a literal `${` is `$${`";
                self.fault(
                    node.line,
                    path,
                    "a `${` without a variable's name and `}`",
                    Some(hint.to_owned()),
                );
                None
            }
        }
    }
}
