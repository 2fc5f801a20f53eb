//! Parses a document into a [`Node`] tree with serde, and takes the line of each node from the
//! [`SourceMap`].

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Visitor};

use super::limits::{LimitError, MAX_DEPTH, MAX_NODES, MAX_TEXT};
use super::node::{MapEntry, Node, NodeValue};
use super::source_map::{SourceMap, SpanId};
use super::syntax::SyntaxError;

/// Parses one YAML document. An empty document is [`NodeValue::Null`].
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let source_map = SourceMap::new(text);
    if let Some((limit, line)) = source_map.limit {
        return Err(SyntaxError::limit(limit, line));
    }
    if let Some(line) = source_map.second_document {
        return Err(SyntaxError::second_document(line));
    }
    let usage = Usage::default();
    let seed = Seed {
        usage: &usage,
        depth: 0,
    };
    match seed.deserialize(serde_yaml::Deserializer::from_str(text)) {
        Ok(mut node) => {
            set_lines(&mut node, &source_map, source_map.root(), 1);
            Ok(node)
        }
        Err(error) => {
            let line = error.location().map_or(1, |location| location.line());
            Err(match usage.exceeded.get() {
                Some(limit) => SyntaxError::limit(limit, line),
                None => SyntaxError::from_parser(&error.to_string(), line),
            })
        }
    }
}

/// Sets the lines of `node` and its descendants. Where the two parsers disagree on the shape, a
/// node gets the line of its parent.
fn set_lines(node: &mut Node, source_map: &SourceMap, span: Option<SpanId>, parent_line: usize) {
    let own_line = span.map_or(parent_line, |span| source_map.line(span));
    let anchored = span.map(|span| source_map.anchored(span));
    node.line = own_line;
    let children = |count: usize| {
        anchored
            .map(|span| source_map.children(span, count))
            .unwrap_or_default()
    };
    match &mut node.value {
        NodeValue::List(items) => {
            let children = children(items.len());
            for (index, item) in items.iter_mut().enumerate() {
                set_lines(item, source_map, children.get(index).copied(), own_line);
            }
        }
        NodeValue::Map(entries) => {
            let children = children(2 * entries.len());
            for (index, MapEntry { key, value }) in entries.iter_mut().enumerate() {
                let child = |offset: usize| children.get(2 * index + offset).copied();
                set_lines(key, source_map, child(0), own_line);
                set_lines(value, source_map, child(1), key.line);
                // Problems of a section are reported at its key.
                if matches!(
                    value.value,
                    NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_)
                ) {
                    value.line = key.line;
                }
            }
        }
        _ => node.line = anchored.map_or(parent_line, |span| source_map.line(span)),
    }
}

/// How much of the limits a document has used, shared by all its nodes.
#[derive(Default)]
struct Usage {
    nodes: Cell<usize>,
    text: Cell<usize>,
    exceeded: Cell<Option<LimitError>>,
}

impl Usage {
    fn exceed<T, E: serde::de::Error>(&self, limit: LimitError) -> Result<T, E> {
        self.exceeded.set(Some(limit));
        Err(E::custom("limit exceeded"))
    }
}

#[derive(Clone, Copy)]
struct Seed<'u> {
    usage: &'u Usage,
    depth: usize,
}

impl Seed<'_> {
    /// Returns a node whose line is set later.
    fn node<E: serde::de::Error>(self, value: NodeValue) -> Result<Node, E> {
        let nodes = self.usage.nodes.get() + 1;
        self.usage.nodes.set(nodes);
        if nodes > MAX_NODES {
            return self.usage.exceed(LimitError::Size);
        }
        Ok(Node { line: 0, value })
    }

    fn child<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return self.usage.exceed(LimitError::Depth);
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
        self.node(NodeValue::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<Node, E> {
        self.node(NodeValue::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<Node, E> {
        self.node(NodeValue::Bool(v))
    }

    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Node, E> {
        self.node(NodeValue::Int(v))
    }

    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Node, E> {
        self.node(NodeValue::Int(i64::try_from(v).unwrap_or(i64::MAX)))
    }

    fn visit_i128<E: serde::de::Error>(self, v: i128) -> Result<Node, E> {
        let saturated = if v < 0 { i64::MIN } else { i64::MAX };
        self.node(NodeValue::Int(i64::try_from(v).unwrap_or(saturated)))
    }

    fn visit_u128<E: serde::de::Error>(self, v: u128) -> Result<Node, E> {
        self.node(NodeValue::Int(i64::try_from(v).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Node, E> {
        self.node(NodeValue::Float(v))
    }

    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Node, E> {
        let text = self.usage.text.get() + v.len();
        self.usage.text.set(text);
        if text > MAX_TEXT {
            return self.usage.exceed(LimitError::Size);
        }
        self.node(NodeValue::Text(v.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let child = self.child()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(child)? {
            items.push(item);
        }
        self.node(NodeValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let child = self.child()?;
        let mut entries = Vec::new();
        while let Some(key) = access.next_key_seed(child)? {
            entries.push(MapEntry {
                key,
                value: access.next_value_seed(child)?,
            });
        }
        self.node(NodeValue::Map(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<Node, A::Error> {
        self.usage.exceed(LimitError::Tag)
    }
}
