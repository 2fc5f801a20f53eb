//! Values of templates. The escaper of all templates is [`Escape`]; askama.toml names it.

use std::fmt::{self, Display, Write};
use std::time::{Duration, SystemTime};

use askama::filters::Escaper;

/// Escapes a text for element content and quoted attributes. Characters that a reader cannot see,
/// or that reorder what is seen, are written as their code point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Escape;

impl Escaper for Escape {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        string.chars().try_for_each(|c| match c {
            '&' => dest.write_str("&amp;"),
            '<' => dest.write_str("&lt;"),
            '>' => dest.write_str("&gt;"),
            '"' => dest.write_str("&quot;"),
            '\'' => dest.write_str("&#39;"),
            c if model::is_invisible(c) => write!(dest, "[U+{:04X}]", u32::from(c)),
            c => dest.write_char(c),
        })
    }
}

/// A point in time and its age.
pub(super) struct Moment {
    pub(super) at: String,
    pub(super) ago: Elapsed,
}

impl Moment {
    pub(super) fn new(at: SystemTime, now: SystemTime) -> Self {
        Self {
            at: timestamp(at),
            ago: Elapsed::between(at, now),
        }
    }
}

/// A duration in the largest unit of which there are at least two.
#[derive(Clone, Copy)]
pub(super) struct Elapsed(pub(super) Duration);

impl Elapsed {
    /// Returns the time from `from` to `to`, or zero if the clock went back.
    pub(super) fn between(from: SystemTime, to: SystemTime) -> Self {
        Self(to.duration_since(from).unwrap_or_default())
    }
}

impl Display for Elapsed {
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

/// Formats a time by RFC 3339, in UTC, to the second.
pub(super) fn timestamp(at: SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

/// A number with commas between thousands.
#[derive(Clone, Copy)]
pub(super) struct Number(pub(super) u64);

impl Number {
    /// Returns the number of elements of a collection.
    pub(super) fn of(length: usize) -> Self {
        Self(u64::try_from(length).unwrap_or(u64::MAX))
    }

    /// Returns the number with its noun: `1 transfer`, `2 transfers`.
    pub(super) fn counted(self, noun: &str) -> String {
        let plural = if self.0 == 1 { "" } else { "s" };
        format!("{self} {noun}{plural}")
    }
}

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// Returns a link from a page to a path. All pages are directly below the prefix of the routes.
pub(super) fn href(path: &str) -> String {
    format!(".{path}")
}

/// Returns a link to `/transfers` with the parameters that are not empty.
pub(super) fn link(parameters: &[(&str, &str)], fragment: &str) -> String {
    let page = href("/transfers?");
    let start = page.len();
    let mut out = form_urlencoded::Serializer::for_suffix(page, start);
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        out.append_pair(name, value);
    }
    out.finish() + fragment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_text_is_escaped_and_hides_nothing() {
        for (text, expected) in [
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
            let mut escaped = String::new();
            Escape.write_escaped_str(&mut escaped, text).unwrap();
            assert_eq!(escaped, expected);
        }
    }

    #[test]
    fn durations_and_numbers_are_readable() {
        let elapsed = |seconds| Elapsed(Duration::from_secs(seconds)).to_string();
        assert_eq!(
            [0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(elapsed),
            ["0 s", "119 s", "2 min", "119 min", "2 h", "47 h", "2 d"]
        );
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(|n| Number(n).to_string()),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn a_link_encodes_its_parameters_and_omits_empty_ones() {
        assert_eq!(
            link(&[("a", "x&y=\""), ("b", ""), ("c", "ü")], "#d"),
            "./transfers?a=x%26y%3D%22&c=%C3%BC#d"
        );
    }
}
