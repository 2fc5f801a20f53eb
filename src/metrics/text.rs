//! The Prometheus text format 0.0.4.

use std::io::Write;

use super::NameFilter;
use super::families::Family;

/// An exposition that is being written.
pub struct Exposition<'a> {
    out: Vec<u8>,
    filter: &'a NameFilter,
}

impl<'a> Exposition<'a> {
    /// An empty one, for the families that `filter` admits.
    pub fn new(filter: &'a NameFilter) -> Self {
        Self { out: Vec::with_capacity(64 * 1024), filter }
    }

    /// Writes one family's series. HELP and TYPE come with its first sample: a family without samples is left out.
    pub fn family(&mut self, family: &'static Family, write: impl FnOnce(&mut Samples<'_>)) {
        if self.filter.admits(family.name) {
            write(&mut Samples { out: &mut self.out, family, opened: false });
        }
    }

    /// Appends families that another encoder wrote.
    pub(super) fn raw(&mut self, name: &str, text: impl FnOnce(&mut Vec<u8>)) {
        if self.filter.admits(name) {
            text(&mut self.out);
        }
    }

    /// What has been written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }
}

/// The samples of one family.
pub struct Samples<'a> {
    out: &'a mut Vec<u8>,
    family: &'static Family,
    opened: bool,
}

impl Samples<'_> {
    /// One sample with an integer value.
    pub fn integer<'l>(&mut self, labels: impl IntoIterator<Item = (&'l str, &'l str)>, value: u64) {
        self.series(labels);
        put(self.out, format_args!(" {value}\n"));
    }

    /// One sample. The text format takes Rust's shortest decimal, which names the same `f64` when read back.
    pub fn float<'l>(&mut self, labels: impl IntoIterator<Item = (&'l str, &'l str)>, value: f64) {
        self.series(labels);
        if value.is_infinite() {
            self.out.extend_from_slice(if value > 0.0 { b" +Inf\n" } else { b" -Inf\n" });
        } else {
            put(self.out, format_args!(" {value}\n"));
        }
    }

    fn series<'l>(&mut self, labels: impl IntoIterator<Item = (&'l str, &'l str)>) {
        if !self.opened {
            self.opened = true;
            let Family { name, kind, help, .. } = self.family;
            put(self.out, format_args!("# HELP {name} "));
            escape(self.out, help, false);
            put(self.out, format_args!("\n# TYPE {name} {}\n", kind.as_str()));
        }
        self.out.extend_from_slice(self.family.name.as_bytes());
        let mut open = b'{';
        for (name, value) in labels {
            self.out.push(open);
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"=\"");
            escape(self.out, value, true);
            self.out.push(b'"');
            open = b',';
        }
        if open == b',' {
            self.out.push(b'}');
        }
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec cannot fail.
    let _ = out.write_fmt(text);
}

/// Backslash and line feed are escaped everywhere, the quote in label values alone.
fn escape(out: &mut Vec<u8>, text: &str, quote: bool) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' if quote => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::families::{CONNECTOR_INFO, SCRAPE_COMPLETE};

    fn written(write: impl FnOnce(&mut Exposition<'_>)) -> String {
        let filter = NameFilter::default();
        let mut out = Exposition::new(&filter);
        write(&mut out);
        String::from_utf8(out.into_bytes()).unwrap()
    }

    #[test]
    fn quotes_backslashes_and_line_feeds_are_escaped_and_all_else_is_left() {
        let text = written(|out| {
            out.family(&CONNECTOR_INFO, |samples| samples.integer([("name", "a\"b\\c\nd\t{é}=,漢🚀\r")], 1));
        });
        assert_eq!(text.lines().last(), Some("aws_transfer_connector_info{name=\"a\\\"b\\\\c\\nd\t{é}=,漢🚀\r\"} 1"));
    }

    #[test]
    fn a_family_without_samples_is_left_out() {
        assert_eq!(written(|out| out.family(&CONNECTOR_INFO, |_| ())), "");
    }

    #[test]
    fn a_sample_without_labels_has_no_braces() {
        let text = written(|out| out.family(&SCRAPE_COMPLETE, |samples| samples.float([], 0.5)));
        assert!(
            text.ends_with(
                "# TYPE aws_transfer_exporter_scrape_complete gauge\naws_transfer_exporter_scrape_complete 0.5\n"
            ),
            "{text}"
        );
    }
}
