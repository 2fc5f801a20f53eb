//! Texts of others, for people to read.

use std::fmt::{self, Display, Write};

/// Returns whether a reader cannot see `c`, or takes it for a space: a control character, a blank
/// other than the space, or a character that Unicode has ignored by default, such as joiners and
/// changes of direction.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Returns `text` for a message: invisible characters are escaped, such as `\n` and `\u{202e}`.
pub fn visible(text: &str) -> impl Display {
    Visible { text, lines: false }
}

/// Returns `text` for a message of several lines: as [`visible`], but lines stay lines.
pub fn visible_lines(text: &str) -> impl Display {
    Visible { text, lines: true }
}

struct Visible<'a> {
    text: &'a str,
    lines: bool,
}

impl Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.chars().try_for_each(|c| match c {
            '\n' if self.lines => f.write_char(c),
            c if is_invisible(c) => write!(f, "{}", c.escape_default()),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Characters that people have pasted, by name.
    const INVISIBLE: [(char, &str); 14] = [
        ('\t', "\\t"),
        ('\r', "\\r"),
        ('\u{1b}', "\\u{1b}"),
        ('\u{85}', "\\u{85}"),
        ('\u{a0}', "\\u{a0}"),
        ('\u{ad}', "\\u{ad}"),
        ('\u{200b}', "\\u{200b}"),
        ('\u{2028}', "\\u{2028}"),
        ('\u{202e}', "\\u{202e}"),
        ('\u{202f}', "\\u{202f}"),
        ('\u{2066}', "\\u{2066}"),
        ('\u{3000}', "\\u{3000}"),
        ('\u{feff}', "\\u{feff}"),
        ('\u{e0041}', "\\u{e0041}"),
    ];

    #[test]
    fn invisible_characters_are_escaped() {
        for (c, escaped) in INVISIBLE {
            let expected = format!("a{escaped}b");
            assert_eq!(visible(&format!("a{c}b")).to_string(), expected);
            assert_eq!(visible_lines(&format!("a{c}b")).to_string(), expected);
        }
        assert_eq!(visible("a\nb").to_string(), "a\\nb");
        assert_eq!(visible_lines("a\nb").to_string(), "a\nb");
    }

    #[test]
    fn what_is_seen_stays() {
        let text = "c-0123 \\ 'x' \"y\" übel ß 漢字 עברית عربي 🚀 é €";
        assert_eq!(visible(text).to_string(), text);
    }
}
