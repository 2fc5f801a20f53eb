//! Checks the shape of nodes and collects problems.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use super::env::{self, ExpandError};
use super::field::{Field, Spanned};
use super::node::{Node, NodeValue};
use super::parse::parse;
use super::problem::{Problem, ProblemList, escape};
use super::scalar::{FromScalar, Scalar};
use super::syntax::SyntaxError;

/// The path of a key: `transfers[2].connector_id`.
#[derive(Clone, Copy)]
pub(crate) struct KeyPath<'a> {
    parent: Option<&'a Self>,
    segment: PathSegment<'a>,
}

#[derive(Clone, Copy)]
enum PathSegment<'a> {
    Root,
    Key(&'a str),
    Index(usize),
}

impl<'a> KeyPath<'a> {
    pub(crate) const ROOT: KeyPath<'static> = KeyPath {
        parent: None,
        segment: PathSegment::Root,
    };

    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        Self {
            parent: Some(self),
            segment: PathSegment::Key(key),
        }
    }

    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            segment: PathSegment::Index(index),
        }
    }
}

impl fmt::Display for KeyPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.segment {
            PathSegment::Root => Ok(()),
            PathSegment::Key(key) => {
                let nested = self
                    .parent
                    .is_some_and(|parent| !matches!(parent.segment, PathSegment::Root));
                write!(f, "{}{}", if nested { "." } else { "" }, escape(key))
            }
            PathSegment::Index(index) => write!(f, "[{index}]"),
        }
    }
}

/// A key of a mapping with its value.
pub(crate) struct KeyValue<'n> {
    pub(crate) key: &'n str,
    pub(crate) line: usize,
    pub(crate) value: &'n Node,
}

/// Looks up an environment variable.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Maximum number of items of a list. An item that is read takes more memory than its node.
const MAX_ITEMS: usize = 100_000;

/// Reads nodes and collects their problems.
pub(crate) struct Reader<'a> {
    /// `None` if `${NAME}` is literal text in this file.
    env: Option<Env<'a>>,
    pub(crate) problems: ProblemList,
}

impl<'a> Reader<'a> {
    /// Creates a reader for `file` that expands variables with `env`.
    pub(crate) fn new(file: &str, env: Env<'a>) -> Self {
        Self {
            env: Some(env),
            problems: ProblemList::new(file),
        }
    }

    /// Creates a reader for `file` that does not expand variables.
    pub(crate) fn without_variables(file: &str) -> Self {
        Self {
            env: None,
            problems: ProblemList::new(file),
        }
    }

    /// Parses `text`. Returns `None` for an invalid document, which has been reported.
    pub(crate) fn parse(&mut self, text: &str) -> Option<Node> {
        match parse(text) {
            Ok(root) => Some(root),
            Err(error) => {
                self.report_syntax(&error);
                None
            }
        }
    }

    /// Reports a document that cannot be parsed.
    pub(crate) fn report_syntax(&mut self, error: &SyntaxError) {
        let problem = self.report(error.line, &KeyPath::ROOT, error.message);
        problem.hint = error.hint.map(str::to_owned);
    }

    /// Adds a problem and returns it, so that the caller can add a hint.
    pub(crate) fn report(
        &mut self,
        line: usize,
        path: &KeyPath<'_>,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.problems.report(line, path, message)
    }

    /// Returns the entries of a mapping, without duplicates. Returns `None` for another node, which
    /// has been reported.
    pub(crate) fn entries<'n>(
        &mut self,
        node: &'n Node,
        path: &KeyPath<'_>,
    ) -> Option<Vec<KeyValue<'n>>> {
        let NodeValue::Map(entries) = &node.value else {
            self.report_type(node, path, "a mapping");
            return None;
        };
        let mut found = Vec::with_capacity(entries.len());
        let mut first: HashMap<&str, usize> = HashMap::new();
        for entry in entries {
            let line = entry.key.line;
            let NodeValue::Text(key) = &entry.key.value else {
                let message = format!(
                    "expected text as a key, found {}",
                    entry.key.value.type_name()
                );
                self.report(line, path, message).with_hint("quote the key");
                continue;
            };
            if let Some(earlier) = first.get(&**key) {
                let message = format!("duplicate key, first used in line {earlier}");
                self.report(line, &path.key(key), message)
                    .with_hint("remove one of the two");
            } else {
                first.insert(key, line);
                found.push(KeyValue {
                    key,
                    line,
                    value: &entry.value,
                });
            }
        }
        Some(found)
    }

    /// Returns the items of a list. Returns `None` for another node, which has been reported.
    pub(crate) fn list<'n>(&mut self, node: &'n Node, path: &KeyPath<'_>) -> Option<&'n [Node]> {
        let NodeValue::List(items) = &node.value else {
            self.report_type(node, path, "a list");
            return None;
        };
        if items.len() > MAX_ITEMS {
            self.report(node.line, path, "more than 100,000 items")
                .with_hint("remove transfers older than 7 days: AWS has deleted their results");
            return None;
        }
        Some(items)
    }

    fn report_type(&mut self, node: &Node, path: &KeyPath<'_>, expected: &str) {
        let message = match &node.value {
            NodeValue::Null => "value is missing".to_owned(),
            value => format!("expected {expected}, found {}", value.type_name()),
        };
        let hint = match (&node.value, path.segment, expected) {
            (NodeValue::Null, PathSegment::Index(_), _) => {
                Some("remove the item or give it a value")
            }
            (NodeValue::Null, ..) => Some("remove the key or give it a value"),
            (_, _, "a list") => Some("start each item with `- `"),
            (_, PathSegment::Root, _) => Some("start with a key such as `transfers:`"),
            _ => None,
        };
        let problem = self.report(node.line, path, message);
        problem.hint = hint.map(str::to_owned);
    }

    /// Reads a scalar as a `T`.
    pub(crate) fn scalar<T: FromScalar>(&mut self, node: &Node, path: &KeyPath<'_>) -> Field<T> {
        let Some(scalar) = self.expand(node, path) else {
            return Field::Invalid;
        };
        match T::from_scalar(&scalar) {
            Ok(value) => Field::Valid(Spanned {
                value,
                line: node.line,
                hidden: scalar.is_from_env(),
            }),
            Err(error) => {
                let message = match error.shown.filter(|_| !scalar.is_from_env()) {
                    Some(shown) => format!("{}: {shown}", error.message),
                    None => error.message.to_owned(),
                };
                let problem = self.report(node.line, path, message);
                problem.hint = error.hint.map(str::to_owned);
                Field::Invalid
            }
        }
    }

    fn expand<'n>(&mut self, node: &'n Node, path: &KeyPath<'_>) -> Option<Scalar<'n>> {
        let text = match &node.value {
            NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_) => {
                self.report_type(node, path, "a single value");
                return None;
            }
            NodeValue::Bool(value) => return Some(Scalar::Bool(*value)),
            NodeValue::Int(value) => return Some(Scalar::Int(*value)),
            NodeValue::Float(value) => return Some(Scalar::Float(*value)),
            NodeValue::Text(text) => text,
        };
        let Some(env) = self.env else {
            return Some(Scalar::Text {
                text: Cow::Borrowed(text),
                from_env: false,
            });
        };
        match env::expand(text, env) {
            Ok((text, from_env)) => Some(Scalar::Text { text, from_env }),
            Err(ExpandError::Unset(name)) => {
                let message = format!("environment variable `{}` is not set", escape(&name));
                self.report(node.line, path, message)
                    .with_hint("set the variable, or write `$${` for a literal `${`");
                None
            }
            Err(ExpandError::Malformed) => {
                self.report(node.line, path, "invalid variable reference")
                    .with_hint("write `${NAME}`, where NAME consists of letters, digits and `_`; write `$${` for a literal `${`");
                None
            }
        }
    }
}
