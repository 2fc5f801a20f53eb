//! Limits on a document. They hold while it is parsed, so that memory stays below ten times its size
//! and time is linear in it.

use std::cell::Cell;

/// Maximum nesting of lists and mappings.
pub(super) const MAX_DEPTH: usize = 64;

/// Keys and values of a document of any size.
const FREE_NODES: usize = 65_536;

/// Bytes of a larger document for each key or value: the shortest line of a list of transfers has
/// more.
const BYTES_PER_NODE: usize = 12;

/// Bytes of text that aliases may add.
const FREE_TEXT: usize = 1 << 20;

/// Why a document was rejected before it was read to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitError {
    /// Deeper than [`MAX_DEPTH`].
    Depth,
    /// More keys, values or text than the size of the document allows.
    Size,
    /// A tag such as `!include`.
    Tag,
    /// A list or mapping in brackets that is too large to be read as YAML.
    Brackets,
    /// A character that no document may contain.
    Control,
}

/// How much of its limits a document has used.
pub(super) struct Usage {
    max_nodes: usize,
    max_text: usize,
    nodes: Cell<usize>,
    text: Cell<usize>,
}

impl Usage {
    /// Returns the limits of a document of `size` bytes, aliases included.
    pub(super) fn of_document(size: usize) -> Self {
        Self {
            max_nodes: FREE_NODES + size / BYTES_PER_NODE,
            max_text: FREE_TEXT + size,
            nodes: Cell::default(),
            text: Cell::default(),
        }
    }

    /// Adds keys and values with `text` bytes of text.
    pub(super) fn add(&self, nodes: usize, text: usize) -> Result<(), LimitError> {
        let nodes = self.nodes.get().saturating_add(nodes);
        let text = self.text.get().saturating_add(text);
        self.nodes.set(nodes);
        self.text.set(text);
        if nodes > self.max_nodes || text > self.max_text {
            return Err(LimitError::Size);
        }
        Ok(())
    }
}
