//! Messages for documents that are not valid YAML or exceed a limit.

use super::limits::LimitError;

/// A document that cannot be parsed. Never contains text of the document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) line: usize,
    pub(crate) message: &'static str,
    pub(crate) hint: Option<&'static str>,
}

impl SyntaxError {
    pub(super) fn limit(limit: LimitError, line: usize) -> Self {
        let (message, hint) = match limit {
            LimitError::Depth => ("lists and mappings are nested deeper than 64 levels", None),
            LimitError::Size => (
                "more than 6,000,000 keys and values or 256 MiB of text, with aliases expanded",
                None,
            ),
            LimitError::Tag => (
                "YAML tags are not supported",
                Some("quote a value that starts with `!`"),
            ),
        };
        Self {
            line,
            message,
            hint,
        }
    }

    pub(super) fn second_document(line: usize) -> Self {
        Self {
            line,
            message: "a second YAML document starts here",
            hint: Some("remove the line `---`: the file must contain one document"),
        }
    }

    /// Explains an error of the YAML parser. The parser's own text is not used, because some of its
    /// messages quote the document.
    pub(super) fn from_parser(error: &str, line: usize) -> Self {
        let known = KNOWN.iter().find(|(part, ..)| error.contains(part));
        let (message, hint) = known.map_or(("invalid YAML", INDENT), |(_, message, hint)| {
            (message, hint)
        });
        Self {
            line,
            message,
            hint: Some(hint),
        }
    }
}

const INDENT: &str = "check the indentation of this line and the line above: use spaces, the same number for all siblings";
const QUOTES: &str = "quote the value";
const CLOSE: &str = "close every `[`, `{` and quote";

/// Part of the parser's message, and what is reported instead.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "more than one document",
        "a second YAML document starts",
        "the file must contain one document",
    ),
    (
        "repetition limit",
        "aliases are repeated too often",
        "write out the values",
    ),
    (
        "recursion limit",
        "lists and mappings are nested too deeply",
        "reduce the nesting",
    ),
    (
        "unknown anchor",
        "the anchor of an alias is missing",
        "quote a value that starts with `*`",
    ),
    ("mapping values are not allowed", "unexpected `:`", QUOTES),
    (
        "cannot start any token",
        "a value cannot start with this character",
        "indent with spaces, not tabs; quote a value that starts with `@`, `%` or a backtick",
    ),
    (
        "found a tab character",
        "tab in the indentation",
        "indent with spaces",
    ),
    (
        "unknown escape character",
        "unknown escape sequence in double quotes",
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
    ("did not find expected key", "expected a key", INDENT),
    (
        "did not find expected '-' indicator",
        "expected a list item",
        INDENT,
    ),
    (
        "could not find expected ':'",
        "expected `:` after a key",
        "write `key: value`",
    ),
    (
        "block sequence entries are not allowed",
        "unexpected list item",
        INDENT,
    ),
    (
        "control characters are not allowed",
        "unexpected control character",
        "remove it, or escape it in double quotes",
    ),
    (
        "did not find expected node content",
        "expected a value",
        QUOTES,
    ),
];
