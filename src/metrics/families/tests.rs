//! `cargo xtask lint-prose` checks the words of the table.

use super::*;

#[test]
fn a_help_text_is_short_and_ends_in_a_period() {
    for family in ALL {
        let help = family.help;
        assert!(help.chars().count() <= 120, "{}: {help}", family.name);
        assert!(help.ends_with('.'), "{}: {help}", family.name);
        assert!(
            !help.contains(['\n', '`', '|', '"']),
            "{}: {help}",
            family.name
        );
    }
}

#[test]
fn a_help_text_names_the_unit_of_the_family() {
    for family in ALL.iter().filter(|family| family.group != Group::Process) {
        let named = match family.unit() {
            Some("seconds") if family.name.contains("timestamp") => "Unix timestamp",
            Some("seconds") => "seconds",
            Some(_) => "ytes",
            None => "",
        };
        assert!(
            family.help.contains(named),
            "{}: {}",
            family.name,
            family.help
        );
    }
}

#[test]
fn names_follow_the_conventions_of_prometheus() {
    for family in ALL {
        let is_total = family.name.ends_with("_total");
        assert_eq!(
            is_total,
            family.kind == MetricType::Counter,
            "{}",
            family.name
        );
        let own = ["aws_transfer_", "process_", "probe_"];
        assert!(own.iter().any(|prefix| family.name.starts_with(prefix)));
        let mut names = family.label_names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), family.labels.len(), "{}", family.name);
    }
}

#[test]
fn open_metrics_names_a_counter_without_its_suffix() {
    assert_eq!(
        FILES_FINISHED.base_name(),
        "aws_transfer_connector_files_finished"
    );
    assert_eq!(FILES.base_name(), "aws_transfer_files");
    assert_eq!(PROCESS_CPU.unit(), Some("seconds"));
    assert_eq!(STORAGE_SIZE.unit(), Some("bytes"));
    assert_eq!(FILES.unit(), None);
}
