//! Limits on the size of a document, so that no document exhausts memory.

/// Maximum nesting of lists and mappings.
pub(super) const MAX_DEPTH: usize = 64;

/// Maximum number of keys and values, with aliases expanded: enough for a million transfers.
pub(super) const MAX_NODES: usize = 6_000_000;

/// Maximum bytes of text, with aliases expanded.
pub(super) const MAX_TEXT: usize = 256 << 20;

/// Why a document was rejected before it was read to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitError {
    /// Deeper than [`MAX_DEPTH`].
    Depth,
    /// More than [`MAX_NODES`] or [`MAX_TEXT`].
    Size,
    /// A tag such as `!include`.
    Tag,
}
