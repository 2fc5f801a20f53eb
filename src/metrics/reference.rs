//! METRICS.md, generated from the table of families.

use std::fmt::Write;

use super::families::{self, Family, Group, Label};

const INTRODUCTION: &str = "\
# Metrics

Every metric of the exporter. This page is generated from `src/metrics/families.rs`.

Counters carry their creation time in OpenMetrics and protobuf. Labels that many families share:

";

const SECTIONS: [(Group, &str, &str); 5] = [
    (
        Group::Sweep,
        "Transfers and connectors",
        "A scrape that requests one of these families starts a sweep, which calls AWS for the \
         results that are due. A scrape limited to other families with `name[]` does not.",
    ),
    (
        Group::Exporter,
        "Exporter",
        "The exporter's own state. A scrape of these families makes no AWS call.",
    ),
    (
        Group::Server,
        "Server",
        "State of a running server. `once` omits them.",
    ),
    (
        Group::Process,
        "Process",
        "Linux only. `once` omits them, because they would clash with those of node_exporter's \
         textfile collector.",
    ),
    (
        Group::Probe,
        "Probe",
        "Exported by `/probe` only, together with `aws_transfer_files` and \
         `aws_transfer_results_up` of the requested transfer.",
    ),
];

/// Returns the text of METRICS.md.
pub fn reference() -> String {
    let mut out = String::from(INTRODUCTION);
    for label in families::SHARED_LABELS {
        item(&mut out, label);
    }
    for (group, title, text) in SECTIONS {
        let families = || families::ALL.iter().filter(|family| family.group == group);
        // Writing to a String cannot fail.
        let _ = write!(out, "\n## {title}\n\n{text}\n\n");
        out.push_str("| name | type | labels | meaning |\n| --- | --- | --- | --- |\n");
        for family in families() {
            row(&mut out, family);
        }
        for family in families().filter(|family| has_section(family)) {
            section(&mut out, family);
        }
    }
    out
}

/// Returns whether there is more to say about a family than its row holds.
fn has_section(family: &Family) -> bool {
    let has_labels = specific_labels(family).next().is_some();
    has_labels || !family.details.is_empty() || !family.example.is_empty()
}

/// Returns the labels that the introduction does not describe.
fn specific_labels(family: &Family) -> impl Iterator<Item = &'static Label> {
    let labels = family.labels.iter();
    labels.filter(|label| !families::SHARED_LABELS.contains(label))
}

fn item(out: &mut String, label: &Label) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "- `{}`: {}", label.name, label.meaning);
}

fn row(out: &mut String, family: &Family) {
    let labels: Vec<_> = family
        .labels
        .iter()
        .map(|label| format!("`{}`", label.name))
        .collect();
    let _ = writeln!(
        out,
        "| `{}` | {} | {} | {} |",
        family.name,
        family.kind.as_str(),
        labels.join(", "),
        family.help.replace('|', "\\|")
    );
}

fn section(out: &mut String, family: &Family) {
    let _ = write!(out, "\n### {}\n\n{}\n", family.name, family.help);
    if !family.details.is_empty() {
        let _ = write!(out, "\n{}\n", family.details);
    }
    for (at, label) in specific_labels(family).enumerate() {
        out.push_str(if at == 0 { "\n" } else { "" });
        item(out, label);
    }
    if !family.example.is_empty() {
        let _ = write!(out, "\n```promql\n{}\n```\n", family.example);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_one_row_and_its_labels_are_described() {
        let text = reference();
        for family in families::ALL {
            let row = format!("\n| `{}` | {} |", family.name, family.kind.as_str());
            assert_eq!(text.matches(&row).count(), 1, "{}", family.name);
            for label in family.labels {
                let line = format!("- `{}`: {}\n", label.name, label.meaning);
                assert!(text.contains(&line), "{} {}", family.name, label.name);
            }
        }
    }

    #[test]
    fn the_page_has_no_relative_links() {
        let text = reference();
        for rest in text.split("](").skip(1) {
            assert!(rest.starts_with("https://"), "{rest:.40}");
        }
    }
}
