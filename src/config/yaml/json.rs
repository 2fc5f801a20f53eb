//! Reads JSON, which is YAML too, item by item: its reader needs no lookahead.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::limits::{LimitError, MAX_DEPTH, Usage};
use super::node::{MapEntry, Node, NodeValue};
use super::parse::{Document, Items};
use super::syntax::SyntaxError;

/// Why a text that begins as JSON does is not read as JSON.
pub(super) enum JsonError {
    /// It may be another YAML. If it began as JSON, with the line of the error.
    NotJson(Option<usize>),
    /// It is JSON, and exceeds a limit.
    Limit(SyntaxError),
}

/// Returns whether `text` begins with a list or mapping in brackets.
pub(super) fn is_likely(text: &str) -> bool {
    text.trim_start().starts_with(['[', '{'])
}

/// Reads a text. The items of a list go to `items`, if there are any.
pub(super) fn read(text: &str, items: Items<'_, '_>) -> Result<Document, JsonError> {
    let state = State {
        usage: Usage::of_document(text.len()),
        position: Position::default(),
        exceeded: Cell::default(),
    };
    let mut json = serde_json::Deserializer::from_reader(LineReader {
        rest: text.as_bytes(),
        position: &state.position,
    });
    let root = Root {
        state: &state,
        items,
    };
    let read = root.deserialize(&mut json);
    let read = read.and_then(|document| json.end().map(|()| document));
    read.map_err(|error| match state.exceeded.get() {
        Some(limit) => JsonError::Limit(SyntaxError::limit(limit, state.position.line())),
        None => JsonError::NotJson(Some(error.line().max(1))),
    })
}

/// Counts the lines of what is read.
struct LineReader<'t> {
    rest: &'t [u8],
    position: &'t Position,
}

#[derive(Default)]
struct Position {
    line_ends: Cell<usize>,
    after_line_end: Cell<bool>,
}

impl Position {
    fn line(&self) -> usize {
        self.line_ends.get() + 1
    }

    /// Returns the line of a number, whose end shows in the next byte only.
    fn line_of_number(&self) -> usize {
        self.line() - usize::from(self.after_line_end.get())
    }
}

impl Read for LineReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The reader asks for single bytes, so that a value ends where the position is.
        let (Some(byte), Some(to)) = (self.rest.first(), buffer.first_mut()) else {
            return Ok(0);
        };
        *to = *byte;
        self.rest = &self.rest[1..];
        let is_line_end = *byte == b'\n';
        let line_ends = &self.position.line_ends;
        line_ends.set(line_ends.get() + usize::from(is_line_end));
        self.position.after_line_end.set(is_line_end);
        Ok(1)
    }
}

struct State {
    usage: Usage,
    position: Position,
    exceeded: Cell<Option<LimitError>>,
}

impl State {
    fn node<E: Error>(&self, line: usize, value: NodeValue) -> Result<Node, E> {
        let text = match &value {
            NodeValue::Text(text) => text.len(),
            _ => 0,
        };
        match self.usage.add(1, text) {
            Ok(()) => Ok(Node { line, value }),
            Err(limit) => Err(self.exceed(limit)),
        }
    }

    fn exceed<E: Error>(&self, limit: LimitError) -> E {
        self.exceeded.set(Some(limit));
        E::custom("limit exceeded")
    }
}

/// Reads the document: a list item by item.
struct Root<'s, 'i, 'f> {
    state: &'s State,
    items: Items<'i, 'f>,
}

impl<'de> DeserializeSeed<'de> for Root<'_, '_, '_> {
    type Value = Document;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Document, D::Error> {
        let seed = Seed {
            state: self.state,
            depth: 0,
        };
        if self.items.is_none() {
            return seed.deserialize(deserializer).map(Document::Node);
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Root<'_, '_, '_> {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a mapping")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut access: A) -> Result<Document, A::Error> {
        let line = self.state.position.line();
        let seed = Seed {
            state: self.state,
            depth: 1,
        };
        let mut items = 0;
        while let Some(item) = access.next_element_seed(seed)? {
            if let Some(visit) = &mut self.items {
                visit(items, item);
            }
            items += 1;
        }
        Ok(Document::List { line })
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Document, A::Error> {
        let seed = Seed {
            state: self.state,
            depth: 0,
        };
        seed.visit_map(access).map(Document::Node)
    }
}

/// Reads a node.
#[derive(Clone, Copy)]
struct Seed<'s> {
    state: &'s State,
    depth: usize,
}

impl Seed<'_> {
    fn scalar<E: Error>(self, value: NodeValue) -> Result<Node, E> {
        self.state.node(self.state.position.line(), value)
    }

    fn number<E: Error>(self, value: NodeValue) -> Result<Node, E> {
        self.state.node(self.state.position.line_of_number(), value)
    }

    fn child<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(self.state.exceed(LimitError::Depth));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        self.scalar(NodeValue::Null)
    }

    fn visit_bool<E: Error>(self, v: bool) -> Result<Node, E> {
        self.scalar(NodeValue::Bool(v))
    }

    fn visit_i64<E: Error>(self, v: i64) -> Result<Node, E> {
        self.number(NodeValue::Int(v))
    }

    fn visit_u64<E: Error>(self, v: u64) -> Result<Node, E> {
        self.number(NodeValue::Int(i64::try_from(v).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E: Error>(self, v: f64) -> Result<Node, E> {
        self.number(NodeValue::Float(v))
    }

    fn visit_str<E: Error>(self, v: &str) -> Result<Node, E> {
        self.scalar(NodeValue::Text(v.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let line = self.state.position.line();
        let child = self.child()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(child)? {
            items.push(item);
        }
        self.state.node(line, NodeValue::List(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let line = self.state.position.line();
        let child = self.child()?;
        let mut entries = Vec::new();
        while let Some(key) = access.next_key_seed(child)? {
            let value = access.next_value_seed(child)?;
            entries.push(MapEntry::new(key, value));
        }
        self.state.node(line, NodeValue::Map(entries.into()))
    }
}
