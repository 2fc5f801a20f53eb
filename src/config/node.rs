//! A YAML document as a tree that keeps what a typed reader would lose: every entry of a mapping, duplicates
//! included, and the line of each node.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Visitor};

use super::spot::{SpotId, Spots};

/// Lists and mappings nest no deeper than this.
pub(super) const MAX_DEPTH: usize = 64;

/// So many nodes at most, keys included and aliases expanded: room for a million pairs.
pub(super) const MAX_NODES: usize = 6_000_000;

/// So many bytes of text at most, aliases expanded.
const MAX_TEXT: usize = 256 << 20;

/// One node and the line where it stands, from 1.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// Saturates past 63 bits.
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// Every entry in the order of the text.
    Map(Vec<Entry>),
}

/// One entry of a mapping.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: Node,
    pub(super) value: Node,
}

impl Value {
    /// What a message calls this kind of value.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Why reading ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Deeper than [`MAX_DEPTH`].
    Depth,
    /// More than [`MAX_NODES`] or `MAX_TEXT`.
    Size,
    /// A tag such as `!include`.
    Tag,
}

/// A document that is no YAML, or more than is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) message: &'static str,
    pub(super) hint: Option<&'static str>,
}

/// Reads one YAML document. An empty one is [`Value::Null`]. The error never holds text of the document.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let spots = Spots::of(text);
    if let Some((stop, line)) = spots.stop {
        return Err(stopped(stop, line));
    }
    if let Some(line) = spots.second_document {
        return Err(several(line));
    }
    let budget = Budget {
        nodes: Cell::new(0),
        text: Cell::new(0),
        stop: Cell::new(None),
    };
    let read = Seed {
        budget: &budget,
        depth: 0,
    }
    .deserialize(serde_yaml::Deserializer::from_str(text));
    match read {
        Ok(mut node) => {
            place(&mut node, &spots, spots.root(), 1);
            Ok(node)
        }
        Err(error) => {
            let line = error.location().map_or(1, |location| location.line());
            Err(match budget.stop.get() {
                Some(stop) => stopped(stop, line),
                None => explained(&error.to_string(), line),
            })
        }
    }
}

fn stopped(stop: Stop, line: usize) -> SyntaxError {
    let (message, hint) = match stop {
        Stop::Depth => ("lists and mappings nest deeper than 64 levels", None),
        Stop::Size => (
            "more than 6,000,000 keys and values or 256 MiB of text, aliases expanded",
            None,
        ),
        Stop::Tag => (
            "a YAML tag is not supported",
            Some("put a text that starts with `!` in quotes"),
        ),
    };
    SyntaxError {
        line,
        message,
        hint,
    }
}

fn several(line: usize) -> SyntaxError {
    SyntaxError {
        line,
        message: "a second YAML document starts here",
        hint: Some("a configuration is one document: take the line `---` away"),
    }
}

/// The parser's complaints that users meet, in words that help. The parser's own text is not passed on: of some
/// complaints it repeats the document.
fn explained(complaint: &str, line: usize) -> SyntaxError {
    const INDENT: &str =
        "look at the indentation of this line and the one above: spaces, the same for each sibling";
    const QUOTES: &str = "put the value in quotes";
    const CLOSE: &str = "close each `[`, `{` and quote";
    const KNOWN: &[(&str, &str, &str)] = &[
        (
            "more than one document",
            "a second YAML document starts",
            "a configuration is one document",
        ),
        (
            "repetition limit",
            "aliases repeat too much",
            "write the values out",
        ),
        (
            "recursion limit",
            "lists and mappings nest too deep",
            "take levels away",
        ),
        (
            "unknown anchor",
            "an alias without its anchor",
            "put a text that starts with `*` in quotes",
        ),
        (
            "mapping values are not allowed",
            "a `:` where no key can stand",
            QUOTES,
        ),
        (
            "cannot start any token",
            "a character that no value can start with",
            "indent with spaces, not tabs; quote a text that starts with `@`, `%` or a backtick",
        ),
        (
            "found a tab character",
            "a tab in the indentation",
            "indent with spaces",
        ),
        (
            "unknown escape character",
            "an unknown escape in double quotes",
            "write `\\\\`, or use single quotes",
        ),
        (
            "unexpected end of stream",
            "the document ends inside quotes",
            CLOSE,
        ),
        (
            "did not find expected ',' or",
            "a list or mapping in brackets is not closed",
            CLOSE,
        ),
        (
            "did not find expected key",
            "a key is expected here",
            INDENT,
        ),
        (
            "did not find expected '-' indicator",
            "a list item is expected here",
            INDENT,
        ),
        (
            "could not find expected ':'",
            "a key without its `:`",
            "write `key: value`",
        ),
        (
            "block sequence entries are not allowed",
            "a list cannot start here",
            INDENT,
        ),
        (
            "control characters are not allowed",
            "a control character",
            "take it away, or escape it in double quotes",
        ),
        (
            "did not find expected node content",
            "a value is expected here",
            QUOTES,
        ),
    ];
    match KNOWN.iter().find(|(needle, ..)| complaint.contains(needle)) {
        Some((_, message, hint)) => SyntaxError {
            line,
            message,
            hint: Some(hint),
        },
        None => SyntaxError {
            line,
            message: "not valid YAML",
            hint: Some(INDENT),
        },
    }
}

/// Gives `node` and all below it their lines. Where the two parsers disagree on the shape, the parent's line serves.
fn place(node: &mut Node, spots: &Spots, spot: Option<SpotId>, parent_line: usize) {
    let own = spot.map_or(parent_line, |spot| spots.line(spot));
    let anchored = spot.map(|spot| spots.anchored(spot));
    node.line = own;
    let children = |wanted: usize| {
        anchored
            .map(|spot| spots.children(spot, wanted))
            .unwrap_or_default()
    };
    match &mut node.value {
        Value::List(items) => {
            let children = children(items.len());
            for (index, item) in items.iter_mut().enumerate() {
                place(item, spots, children.get(index).copied(), own);
            }
        }
        Value::Map(entries) => {
            let children = children(2 * entries.len());
            for (index, entry) in entries.iter_mut().enumerate() {
                place(&mut entry.key, spots, children.get(2 * index).copied(), own);
                place(
                    &mut entry.value,
                    spots,
                    children.get(2 * index + 1).copied(),
                    entry.key.line,
                );
                if matches!(
                    entry.value.value,
                    Value::Null | Value::List(_) | Value::Map(_)
                ) {
                    entry.value.line = entry.key.line;
                }
            }
        }
        _ => node.line = anchored.map_or(parent_line, |spot| spots.line(spot)),
    }
}

struct Budget {
    nodes: Cell<usize>,
    text: Cell<usize>,
    stop: Cell<Option<Stop>>,
}

impl Budget {
    fn stop<T, E: serde::de::Error>(&self, stop: Stop) -> Result<T, E> {
        self.stop.set(Some(stop));
        Err(E::custom("stopped"))
    }
}

#[derive(Clone, Copy)]
struct Seed<'b> {
    budget: &'b Budget,
    depth: usize,
}

impl Seed<'_> {
    fn node<E: serde::de::Error>(self, value: Value) -> Result<Node, E> {
        let nodes = self.budget.nodes.get() + 1;
        self.budget.nodes.set(nodes);
        if nodes > MAX_NODES {
            return self.budget.stop(Stop::Size);
        }
        Ok(Node { line: 0, value })
    }

    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return self.budget.stop(Stop::Depth);
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

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        self.node(Value::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        self.node(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<Node, E> {
        self.node(Value::Bool(v))
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Node, E> {
        self.node(Value::Int(v))
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Node, E> {
        self.node(Value::Int(i64::try_from(v).unwrap_or(i64::MAX)))
    }

    fn visit_i128<E: serde::de::Error>(self, v: i128) -> Result<Node, E> {
        self.node(Value::Int(i64::try_from(v).unwrap_or(if v < 0 {
            i64::MIN
        } else {
            i64::MAX
        })))
    }

    fn visit_u128<E: serde::de::Error>(self, v: u128) -> Result<Node, E> {
        self.node(Value::Int(i64::try_from(v).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Node, E> {
        self.node(Value::Float(v))
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Node, E> {
        let text = self.budget.text.get() + v.len();
        self.budget.text.set(text);
        if text > MAX_TEXT {
            return self.budget.stop(Stop::Size);
        }
        self.node(Value::Text(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let below = self.below()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(below)? {
            items.push(item);
        }
        self.node(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let below = self.below()?;
        let mut entries = Vec::new();
        while let Some(key) = access.next_key_seed(below)? {
            entries.push(Entry {
                key,
                value: access.next_value_seed(below)?,
            });
        }
        self.node(Value::Map(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        self.budget.stop(Stop::Tag)
    }
}
