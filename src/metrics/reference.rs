//! METRICS.md, from the table of descriptors.

use std::fmt::Write;

use super::families::{self, Family, Source};

const SECTIONS: [(Source, &str, &str); 4] = [
    (
        Source::Sweep,
        "What sweeps learn",
        "Labels `aws_account` (the configured name) and `aws_region` are on every series of AWS state. Asking for one of \
         these families starts a sweep.",
    ),
    (
        Source::Exporter,
        "The exporter's own",
        "These cost no AWS call.",
    ),
    (
        Source::Process,
        "The process",
        "On Linux. `once` leaves them out.",
    ),
    (
        Source::Probe,
        "One probe",
        "On `/probe` alone, beside `aws_transfer_files` and `aws_transfer_results_up` of the transfer that it was asked for.",
    ),
];

/// The text of METRICS.md.
pub fn reference() -> String {
    let mut out = String::from(
        "# Metrics\n\nGenerated from the table of descriptors in `src/metrics/families.rs`; a test compares.\n\
         `UPDATE_GOLDEN=1 cargo test` writes it anew.\n",
    );
    for (source, title, text) in SECTIONS {
        let _ = write!(
            out,
            "\n## {title}\n\n{text}\n\n| name | type | labels | meaning |\n| --- | --- | --- | --- |\n"
        );
        for family in families::ALL
            .iter()
            .filter(|family| family.source == source)
        {
            row(&mut out, family);
        }
    }
    out
}

fn row(out: &mut String, family: &Family) {
    let labels: Vec<_> = family
        .labels
        .iter()
        .map(|label| format!("`{label}`"))
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
