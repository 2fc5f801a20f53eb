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
            LimitError::Depth => (
                "lists and mappings are nested deeper than 64 levels",
                "reduce the nesting",
            ),
            LimitError::Size => (
                "too many keys and values for the size of the file, with aliases expanded",
                "write each value on a line of its own, without aliases",
            ),
            LimitError::Tag => (
                "YAML tags are not supported",
                "quote a value that starts with `!`",
            ),
            LimitError::Brackets => (
                "a list or mapping in brackets has more than about 10,000 items",
                "write each item on a line of its own that starts with `- `, or the whole file as \
                 JSON",
            ),
            LimitError::Control => (
                "unexpected control character",
                "remove it, or escape it in double quotes",
            ),
        };
        let hint = Some(hint);
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

    /// Replaces the limit of brackets by the error of the JSON in `line`, if the text began as JSON:
    /// JSON has no such limit.
    pub(super) fn or_json(self, line: Option<usize>) -> Self {
        match line {
            Some(line) if self == Self::limit(LimitError::Brackets, self.line) => Self {
                line,
                message: "invalid JSON",
                hint: Some(CLOSE_JSON),
            },
            _ => self,
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
const TAB: &str = "tab in the indentation";
const SPACES: &str = "indent with spaces";
const QUOTES: &str = "quote the value";
const CLOSE_JSON: &str = "close every `[`, `{` and quote, and write no comma before `]` and `}`";
const CLOSE: &str = "close every `[`, `{` and quote";

/// Part of the parser's message, and what is reported instead.
const KNOWN: &[(&str, &str, &str)] = &[
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
    ("illegal placement of ':'", "unexpected `:`", QUOTES),
    (
        "unexpected character",
        "a value cannot start with this character",
        "indent with spaces, not tabs; quote a value that starts with `@`, `%` or a backtick",
    ),
    ("tabs disallowed", TAB, SPACES),
    ("tab cannot be used", TAB, SPACES),
    ("found a tab", TAB, SPACES),
    ("cannot start with a tab", TAB, SPACES),
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
        "expected ',' or",
        "a list or mapping in brackets is not closed",
        CLOSE,
    ),
    (
        "unexpected eof",
        "a list or mapping in brackets is not closed",
        CLOSE,
    ),
    ("misplaced bracket", "unexpected closing bracket", CLOSE),
    ("did not find expected key", "expected a key", INDENT),
    (
        "did not find expected '-' indicator",
        "expected a list item",
        INDENT,
    ),
    (
        "simple key expect",
        "expected `:` after a key",
        "write `key: value`",
    ),
    (
        "block sequence entries are not allowed",
        "unexpected list item",
        INDENT,
    ),
    ("only valid inside a block", "unexpected list item", INDENT),
    (
        "did not find expected node content",
        "expected a value",
        QUOTES,
    ),
];
