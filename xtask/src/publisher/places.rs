//! Where the values of the publisher are repeated: each place is found by what stands around it.

use std::fmt;
use std::ops::Range;

use super::Publisher;

/// A kind of place.
struct Place {
    /// The only file that has it, from the root; all files if absent.
    file: Option<&'static str>,
    /// What stands before the value.
    before: &'static str,
    /// What stands after it, on the same line.
    after: &'static str,
    /// Characters that the value consists of.
    consists_of: fn(char) -> bool,
    /// The value.
    value: fn(&Publisher) -> String,
}

/// A place with another value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mismatch {
    path: String,
    line: usize,
    found: String,
    wanted: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}: {} instead of {}",
            self.path, self.line, self.found, self.wanted
        )
    }
}

const fn organisation(before: &'static str, after: &'static str) -> Place {
    Place {
        file: None,
        before,
        after,
        consists_of: is_of_a_name,
        value: |publisher| publisher.organisation.clone(),
    }
}

const fn image(after: &'static str) -> Place {
    Place {
        file: None,
        before: "ghcr.io/",
        after,
        consists_of: is_of_a_name,
        value: Publisher::registry_owner,
    }
}

const fn runbooks(file: Option<&'static str>, before: &'static str, after: &'static str) -> Place {
    Place {
        file,
        before,
        after,
        consists_of: is_of_an_address,
        value: |publisher| publisher.runbooks.clone(),
    }
}

const fn maintainer(
    file: &'static str,
    before: &'static str,
    after: &'static str,
    value: fn(&Publisher) -> String,
) -> Place {
    Place {
        file: Some(file),
        before,
        after,
        consists_of: |character| !matches!(character, '"' | '\n'),
        value,
    }
}

const CHART: &str = "deploy/helm/aws-transfer-exporter/Chart.yaml";
const VALUES: &str = "deploy/helm/aws-transfer-exporter/values.yaml";
const README: &str = "deploy/helm/aws-transfer-exporter/README.md";
const SETTINGS: &str = "deploy/helm/aws-transfer-exporter/files/settings.json";
const TEMPLATE: &str = "deploy/helm/aws-transfer-exporter/templates/_settings.tpl";

/// The places of the runbooks come last: their value contains an organisation, which they correct.
const PLACES: [Place; 22] = [
    organisation("github.com/", "/aws-transfer-exporter"),
    organisation("@", "/maintainers"),
    organisation("github:", "/aws-transfer-exporter"),
    organisation("owner=", " version="),
    image("/aws-transfer-exporter"),
    image("/transfer-simulator"),
    image("/charts"),
    maintainer("Cargo.toml", "maintainer = \"", "\"", both),
    maintainer("Cargo.toml", "copyright = \"", "\"", name),
    maintainer("Cargo.toml", "vendor = \"", "\"", name),
    maintainer("deploy/debian/copyright", "Copyright: ", "\nLicense", name),
    maintainer(CHART, "maintainers:\n  - name: ", "\n", name),
    maintainer(CHART, "    email: ", "\n", |publisher| {
        publisher.address.clone()
    }),
    runbooks(None, "runbook_url: '", "#"),
    runbooks(None, "\"url\": \"", "#${__data.fields.alertname}"),
    runbooks(
        Some("deploy/mixin/config.libsonnet"),
        "runbookURLBase: '",
        "'",
    ),
    runbooks(
        Some("deploy/mixin/dashboards.libsonnet"),
        "shippedBase = '",
        "'",
    ),
    runbooks(Some(SETTINGS), "\"runbookURLBase\": \"", "\""),
    runbooks(Some(VALUES), "runbookURLBase: ", "\n"),
    runbooks(Some(README), "runbookURLBase` | `", "`"),
    runbooks(
        Some("tests/deploy/prometheus/test_rules.py"),
        "base == \"",
        "\"",
    ),
    runbooks(Some(TEMPLATE), "$runbooks := \"", "\""),
];

fn both(publisher: &Publisher) -> String {
    format!("{} <{}>", publisher.name, publisher.address)
}

fn name(publisher: &Publisher) -> String {
    publisher.name.clone()
}

/// Whether a name on GitHub may have the character.
pub(super) fn is_of_a_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-'
}

fn is_of_an_address(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~:/?+@=&".contains(character)
}

/// Returns the places of a file that have another value.
pub(super) fn check(path: &str, text: &str, publisher: &Publisher) -> Vec<Mismatch> {
    let mut mismatches = Vec::new();
    for place in PLACES.iter().filter(|place| place.is_in(path)) {
        let wanted = (place.value)(publisher);
        for range in place.find(text) {
            let found = &text[range.clone()];
            if found != wanted {
                mismatches.push(Mismatch {
                    path: path.to_owned(),
                    line: text[..range.start].matches('\n').count() + 1,
                    found: found.to_owned(),
                    wanted: wanted.clone(),
                });
            }
        }
    }
    mismatches
}

/// Returns the text of a file with the values of the publisher.
pub(super) fn write(path: &str, text: &str, publisher: &Publisher) -> String {
    let mut text = text.to_owned();
    for place in PLACES.iter().filter(|place| place.is_in(path)) {
        let value = (place.value)(publisher);
        // From the end, so that the earlier ranges stay valid.
        for range in place.find(&text).into_iter().rev() {
            text.replace_range(range, &value);
        }
    }
    text
}

impl Place {
    fn is_in(&self, path: &str) -> bool {
        self.file.is_none_or(|file| file == path)
    }

    /// Returns where the value stands, in ascending order.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        text.match_indices(self.before)
            .filter_map(|(at, _)| {
                let start = at + self.before.len();
                let rest = &text[start..];
                let length = rest
                    .find(|character| !(self.consists_of)(character))
                    .unwrap_or(rest.len());
                (length > 0 && rest[length..].starts_with(self.after))
                    .then_some(start..start + length)
            })
            .collect()
    }
}
