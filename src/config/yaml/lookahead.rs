//! Limits how far the YAML parser reads ahead. It reads a list or mapping in brackets to its end
//! before it reports the start, at a cost of its length times its depth. So the text is scanned
//! while the parser reads it, and ends early where the parser has read too much without an event.

use std::cell::Cell;
use std::str::Chars;

use super::limits::{LimitError, MAX_DEPTH};

/// Indicators of flow collections between two events: about 10,000 items.
const MAX_PARTS: usize = 32_768;

/// Opening brackets between two events. Their number times that of the parts bounds the time.
const MAX_OPENED: usize = 8_192;

/// What was read since the last event.
#[derive(Default)]
pub(super) struct Lookahead {
    line: Cell<usize>,
    parts: Cell<usize>,
    opened: Cell<usize>,
    nesting: Cell<usize>,
    exceeded: Cell<Option<(LimitError, usize)>>,
}

impl Lookahead {
    /// Returns the characters of `text` up to the limit.
    pub(super) fn chars<'t>(&'t self, text: &'t str) -> Scanned<'t> {
        self.line.set(1);
        Scanned {
            chars: text.chars(),
            after_colon: false,
            lookahead: self,
        }
    }

    /// Starts at an event.
    pub(super) fn reset(&self) {
        self.parts.set(0);
        self.opened.set(0);
        self.nesting.set(0);
    }

    /// Returns the limit at which the text ended early, with its line.
    pub(super) fn exceeded(&self) -> Option<(LimitError, usize)> {
        self.exceeded.get()
    }

    fn admits(&self, c: char) -> bool {
        let limit = match c {
            '\n' => {
                self.line.set(self.line.get() + 1);
                return true;
            }
            '[' | '{' => {
                self.opened.set(self.opened.get() + 1);
                self.nesting.set(self.nesting.get() + 1);
                if self.nesting.get() > MAX_DEPTH {
                    Some(LimitError::Depth)
                } else {
                    (self.opened.get() > MAX_OPENED).then_some(LimitError::Brackets)
                }
            }
            ']' | '}' => {
                self.nesting.set(self.nesting.get().saturating_sub(1));
                self.add_part()
            }
            ',' | ':' => self.add_part(),
            '\t' | '\r' | '\u{85}' => None,
            _ if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                Some(LimitError::Control)
            }
            _ => None,
        };
        self.exceeded
            .set(limit.map(|limit| (limit, self.line.get())));
        limit.is_none()
    }

    fn add_part(&self) -> Option<LimitError> {
        self.parts.set(self.parts.get() + 1);
        (self.parts.get() > MAX_PARTS).then_some(LimitError::Brackets)
    }
}

/// The text of a document for the parser.
pub(super) struct Scanned<'t> {
    chars: Chars<'t>,
    after_colon: bool,
    lookahead: &'t Lookahead,
}

impl Iterator for Scanned<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        if self.lookahead.exceeded.get().is_some() {
            return None;
        }
        let next = self.chars.next()?;
        // The parser wants a space after a key, and other parsers accept a tab.
        let is_separator = self.after_colon && next == '\t';
        self.after_colon = next == ':';
        let admitted = self.lookahead.admits(next);
        admitted.then_some(if is_separator { ' ' } else { next })
    }
}
