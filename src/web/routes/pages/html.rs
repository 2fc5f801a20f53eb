//! Pieces of HTML. Whatever was not written here goes through [`Text`].

use std::fmt::{self, Display, Write};
use std::time::{Duration, SystemTime};

/// A text as it may stand between tags and in a quoted attribute. What a reader would not see, or what would change the
/// order of what they see, is told by its number.
pub(super) struct Text<'a>(pub(super) &'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            c if is_unseen(c) => write!(f, "[U+{:04X}]", u32::from(c)),
            c => f.write_char(c),
        })
    }
}

/// Control characters, line ends among them; and what Unicode has for formatting: directions, joiners, tags.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// A moment, told by how long ago it was.
pub(super) struct Ago {
    pub(super) at: SystemTime,
    pub(super) now: SystemTime,
}

impl Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = timestamp(self.at);
        let age = self.now.duration_since(self.at).unwrap_or_default();
        write!(
            f,
            "<time datetime=\"{at}\" title=\"{at}\">{} ago</time>",
            Span(age)
        )
    }
}

/// A duration in the largest unit of which there are two or more.
pub(super) struct Span(pub(super) Duration);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match seconds {
            0..120 => write!(f, "{seconds} s"),
            120..7_200 => write!(f, "{} min", seconds / 60),
            7_200..172_800 => write!(f, "{} h", seconds / 3_600),
            _ => write!(f, "{} d", seconds / 86_400),
        }
    }
}

/// As RFC 3339 has it, in UTC, to the second.
pub(super) fn timestamp(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

/// A number with a thin gap between thousands.
pub(super) struct Number(pub(super) u64);

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_char('\u{2009}')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// A query string, with its question mark, of what is not empty.
pub(super) fn query(parameters: &[(&str, &str)]) -> String {
    let mut out = form_urlencoded::Serializer::for_suffix(String::from("?"), 1);
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        out.append_pair(name, value);
    }
    out.finish()
}

/// The head of a table; roles are named, since on a narrow screen the rows are laid out as cards.
pub(super) fn table_head(out: &mut String, caption: impl Display, columns: &[&str]) {
    let _ = write!(
        out,
        "<table role=\"table\">\n<caption>{caption}</caption>\n<thead role=\"rowgroup\"><tr role=\"row\">"
    );
    for column in columns {
        let _ = write!(out, "<th scope=\"col\" role=\"columnheader\">{column}</th>");
    }
    out.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
}

/// A row: what stands in each column, as HTML. The first is the row's head.
pub(super) fn table_row(out: &mut String, columns: &[&str], cells: &[String]) {
    out.push_str("<tr role=\"row\">");
    for (at, (column, cell)) in columns.iter().zip(cells).enumerate() {
        let _ = if at == 0 {
            write!(
                out,
                "<th scope=\"row\" role=\"rowheader\" data-label=\"{column}\"><div>{cell}</div></th>"
            )
        } else {
            write!(
                out,
                "<td role=\"cell\" data-label=\"{column}\"><div>{cell}</div></td>"
            )
        };
    }
    out.push_str("</tr>\n");
}

pub(super) const TABLE_END: &str = "</tbody>\n</table>\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_is_no_markup_and_hides_nothing() {
        for (text, shown) in [
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("\" onload='x' &amp;", "&quot; onload=&#39;x&#39; &amp;amp;"),
            (
                "a\r\nb\0c\td\u{1b}[31m",
                "a[U+000D][U+000A]b[U+0000]c[U+0009]d[U+001B][31m",
            ),
            (
                "exe.\u{202e}txt\u{2066}\u{200b}\u{feff}",
                "exe.[U+202E]txt[U+2066][U+200B][U+FEFF]",
            ),
            ("übel/漢字 🚀", "übel/漢字 🚀"),
        ] {
            assert_eq!(Text(text).to_string(), shown);
        }
    }

    #[test]
    fn times_and_numbers_are_told_as_people_tell_them() {
        let span = |seconds| Span(Duration::from_secs(seconds)).to_string();
        assert_eq!(
            [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(span),
            ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]
        );
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(|n| Number(n).to_string()),
            ["0", "999", "1\u{2009}000", "1\u{2009}234\u{2009}567"]
        );
        assert_eq!(
            query(&[("a", "x&y=\""), ("b", ""), ("c", "ü")]),
            "?a=x%26y%3D%22&c=%C3%BC"
        );
    }
}
