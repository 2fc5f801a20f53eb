//! A YAML document as a tree that keeps what a typed deserializer drops: duplicate entries of a
//! mapping, and the line of each node.

/// A node and its line, starting at 1.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) value: NodeValue,
}

/// The content of a node.
#[derive(Clone, Debug)]
pub(crate) enum NodeValue {
    Null,
    Bool(bool),
    /// Saturates beyond 63 bits.
    Int(i64),
    Float(f64),
    Text(Box<str>),
    List(Box<[Node]>),
    /// All entries in document order, including duplicates.
    Map(Box<[MapEntry]>),
}

/// An entry of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct MapEntry {
    pub(crate) key: Node,
    pub(crate) value: Node,
}

impl MapEntry {
    /// Creates an entry. Problems of a section are reported at its key.
    pub(super) fn new(key: Node, mut value: Node) -> Self {
        if matches!(
            value.value,
            NodeValue::Null | NodeValue::List(_) | NodeValue::Map(_)
        ) {
            value.line = key.line;
        }
        Self { key, value }
    }
}

impl Node {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, NodeValue::Null)
    }

    /// Returns the keys of a mapping that are text, with their lines.
    pub(crate) fn text_keys(&self) -> impl Iterator<Item = (&str, usize)> {
        let entries = match &self.value {
            NodeValue::Map(entries) => &**entries,
            _ => &[],
        };
        entries.iter().filter_map(|entry| match &entry.key.value {
            NodeValue::Text(key) => Some((&**key, entry.key.line)),
            _ => None,
        })
    }
}

impl NodeValue {
    /// Returns the type with its article, for messages.
    pub(super) fn type_name(&self) -> &'static str {
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
