//! Every format and encoding has the same series, those of a straightforward reference
//! implementation.

mod cache;
mod fixtures;
mod golden;
mod openmetrics2;
pub(crate) mod protobuf;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_transfer_exporter::metrics::cache::SegmentCache;
use aws_transfer_exporter::metrics::exposition::render;
use aws_transfer_exporter::metrics::families::{self, Family, Group};
use aws_transfer_exporter::metrics::format::{Encoding, Format, FormatKind};
use aws_transfer_exporter::metrics::self_metrics::SelfMetrics;
use aws_transfer_exporter::metrics::{NameFilter, Scrape, ScrapeRequest};
use model::{
    Account, AccountName, ConnectorLabels, ConnectorView, DOCUMENTED_FAILURE_CODES, FileCounts,
    Finished, Snapshot, TransferState,
};
use proptest::prelude::*;

pub(super) const TEXT: FormatKind = FormatKind::Text0_0_4;
pub(super) const OPEN_METRICS: FormatKind = FormatKind::OpenMetrics1_0_0;
const OPEN_METRICS_2: FormatKind = FormatKind::OpenMetrics2_0_0;
pub(super) const PROTOBUF: FormatKind = FormatKind::Protobuf;

/// Name, labels in order, and value as text.
type Series = (String, Vec<(String, String)>, String);

pub(super) fn started() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_790_000_000_250)
}

fn self_metrics() -> SelfMetrics {
    let metrics = SelfMetrics::new().unwrap();
    let account = Account {
        name: AccountName::new("a\"b\\c\nd"),
        region: "eu-central-1".into(),
    };
    metrics
        .api
        .count_attempts(&account, "ListFileTransferResults", "ok", 3);
    metrics
        .api
        .observe_duration("ListFileTransferResults", Duration::from_millis(70));
    metrics
        .api
        .observe_duration("ListFileTransferResults", Duration::from_secs(70));
    metrics
}

/// Renders an exposition without `process_*`, which changes with each read.
fn rendered(
    snapshot: &Arc<Snapshot>,
    kind: FormatKind,
    encoding: Encoding,
    cache: &Mutex<SegmentCache>,
) -> Vec<u8> {
    rendered_together(std::slice::from_ref(snapshot), kind, encoding, cache)
}

fn rendered_together(
    snapshots: &[Arc<Snapshot>],
    kind: FormatKind,
    encoding: Encoding,
    cache: &Mutex<SegmentCache>,
) -> Vec<u8> {
    let metrics = self_metrics();
    let wanted = ScrapeRequest {
        filter: NameFilter::default(),
        format: Format {
            kind,
            escaping: None,
        },
        encoding,
    };
    let scrape = Scrape {
        snapshots: snapshots.to_vec(),
        complete: true,
        metrics: &metrics,
        started: started(),
        server: false,
    };
    render(&scrape, &wanted, cache)
        .unwrap()
        .into_parts()
        .flatten()
        .collect()
}

fn plain(snapshot: &Arc<Snapshot>, kind: FormatKind) -> Vec<u8> {
    rendered(snapshot, kind, Encoding::Identity, &Mutex::default())
}

fn text(snapshot: &Arc<Snapshot>, kind: FormatKind) -> String {
    String::from_utf8(plain(snapshot, kind)).unwrap()
}

fn files_of(labels: &[(&str, &str)], files: &FileCounts) -> Vec<(Vec<(String, String)>, String)> {
    let modelled = [
        files.queued,
        files.in_progress,
        files.completed,
        files.failed_without_code,
    ];
    let mut all: Vec<(String, String, u32)> = ["QUEUED", "IN_PROGRESS", "COMPLETED", "FAILED"]
        .into_iter()
        .zip(modelled)
        .map(|(status, n)| (status.into(), String::new(), n))
        .collect();
    all.extend(
        files
            .failed
            .iter()
            .map(|(code, n)| ("FAILED".into(), code.to_string(), *n)),
    );
    all.extend(
        files
            .other
            .iter()
            .map(|(status, n)| (status.to_string(), String::new(), *n)),
    );
    all.into_iter()
        .map(|(status, code, n)| {
            (
                with(
                    labels,
                    &[("status", status.as_str()), ("failure_code", code.as_str())],
                ),
                n.to_string(),
            )
        })
        .collect()
}

fn with(labels: &[(&str, &str)], further: &[(&str, &str)]) -> Vec<(String, String)> {
    labels
        .iter()
        .chain(further)
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

fn of(connector: &ConnectorLabels) -> [(&str, &str); 3] {
    [
        ("aws_account", connector.account.name.as_str()),
        ("aws_region", &connector.account.region),
        ("connector_id", connector.id.as_str()),
    ]
}

/// Returns the unresolved failures by code; those without one always.
fn unresolved(connector: &ConnectorView) -> Vec<(&str, u64)> {
    let unresolved = &connector.unresolved_failures;
    let without_code = unresolved.get(&Finished::Failed(None));
    let mut all = vec![("", without_code.copied().unwrap_or(0))];
    all.extend(unresolved.iter().filter_map(|(end, number)| match end {
        Finished::Failed(Some(code)) => Some((code.as_str(), *number)),
        _ => None,
    }));
    all
}

/// Returns the samples of a family of the group `Sweep`, without regard to speed.
fn samples(snapshot: &Snapshot, family: &Family) -> Vec<(Vec<(String, String)>, String)> {
    let seconds = |at: SystemTime| {
        at.duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64()
            .to_string()
    };
    let mut out = Vec::new();
    let name = family.name.strip_prefix("aws_transfer_").unwrap();
    for transfer in snapshot.transfers() {
        let [a, b, c] = of(&transfer.connector);
        let labels = [a, b, c, ("transfer_id", transfer.id.as_str())];
        match (name, &transfer.files, transfer.up) {
            ("files", Some(files), _) => out.extend(files_of(&labels, files)),
            ("results_up", _, Some(up)) => out.push((with(&labels, &[]), u8::from(up).to_string())),
            _ => {}
        }
    }
    for connector in snapshot.connectors() {
        let labels = of(&connector.labels);
        let time = match name {
            "connector_oldest_queued_timestamp_seconds" => connector.oldest_queued,
            "connector_oldest_in_progress_timestamp_seconds" => connector.oldest_in_progress,
            "connector_oldest_unfinished_timestamp_seconds" => connector.oldest_unfinished,
            "connector_last_started_timestamp_seconds" => connector.last_started,
            "connector_last_completed_timestamp_seconds" => connector.last_completed,
            "connector_last_failed_timestamp_seconds" => connector.last_failed,
            _ => None,
        };
        out.extend(time.map(|at| (with(&labels, &[]), seconds(at))));
        match name {
            "connector_files" => out.extend(
                connector
                    .files
                    .iter()
                    .flat_map(|files| files_of(&labels, files)),
            ),
            "connector_transfers" => {
                for state in TransferState::ALL {
                    out.push((
                        with(&labels, &[("state", state.as_label())]),
                        connector.states.of(state).to_string(),
                    ));
                }
            }
            "connector_files_finished_total" => {
                let mut counts: Vec<(&str, String, u64)> = vec![("COMPLETED", String::new(), 0)];
                counts.push(("FAILED", String::new(), 0));
                counts.extend(
                    DOCUMENTED_FAILURE_CODES
                        .iter()
                        .map(|code| ("FAILED", (*code).to_owned(), 0)),
                );
                for (end, seen) in &connector.finished {
                    let (status, code) = match end {
                        Finished::Completed => ("COMPLETED", String::new()),
                        Finished::Failed(code) => (
                            "FAILED",
                            code.as_ref().map_or(String::new(), ToString::to_string),
                        ),
                    };
                    match counts
                        .iter_mut()
                        .find(|(s, c, _)| *s == status && *c == code)
                    {
                        Some(known) => known.2 = seen.files,
                        None => counts.push((status, code, seen.files)),
                    }
                }
                for (status, code, n) in counts {
                    out.push((
                        with(
                            &labels,
                            &[("status", status), ("failure_code", code.as_str())],
                        ),
                        n.to_string(),
                    ));
                }
            }
            "connector_transfers_unreadable" => {
                out.push((with(&labels, &[]), connector.unreadable.to_string()));
            }
            "connector_transfers_started_total" => {
                out.push((with(&labels, &[]), connector.started.to_string()));
            }
            "connector_unresolved_failures" => {
                for (code, number) in unresolved(connector) {
                    out.push((with(&labels, &[("failure_code", code)]), number.to_string()));
                }
            }
            "connector_consecutive_failures" => {
                let failures = connector.consecutive_failures.to_string();
                out.push((with(&labels, &[]), failures));
            }
            "connector_info" => {
                let name = connector
                    .title
                    .as_ref()
                    .map_or(connector.labels.id.as_str(), |title| &title.name);
                let mut all = with(&labels, &[("name", name)]);
                if let Some(title) = &connector.title {
                    all.extend(
                        title
                            .labels
                            .iter()
                            .map(|(name, value)| (name.clone(), value.clone())),
                    );
                }
                out.push((all, "1".into()));
            }
            _ => {}
        }
    }
    match name {
        "connector_oldest_result_timestamp_seconds" => {
            out.extend(
                snapshot
                    .oldest_results
                    .iter()
                    .map(|(c, at)| (with(&of(c), &[]), seconds(*at))),
            );
        }
        "exporter_transfers" => {
            let origins = snapshot.origins.iter();
            out.extend(
                origins.map(|(origin, n)| {
                    (with(&[("origin", origin.as_label())], &[]), n.to_string())
                }),
            );
        }
        "exporter_scrape_complete" => out.push((Vec::new(), "1".into())),
        "exporter_failure_codes_folded_total" => {
            out.push((Vec::new(), snapshot.folded_failure_codes.to_string()));
        }
        _ => {}
    }
    out
}

/// Returns whether the labels of a series begin with those of a connector, after the one of a shard.
fn of_connector(labels: &[(String, String)], view: &ConnectorView) -> bool {
    let is_shard = |(name, _): &(String, String)| name == "shard";
    let after = usize::from(labels.first().is_some_and(is_shard));
    labels[after..].starts_with(&with(&of(&view.labels), &[]))
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"")
}

/// Returns the text format 0.0.4 of all families of the group `Sweep`.
fn reference(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    for family in families::ALL
        .iter()
        .filter(|family| family.group == Group::Sweep)
    {
        let mut samples = samples(snapshot, family);
        if samples.is_empty() {
            continue;
        }
        if let Some(shard) = snapshot.shard.as_deref()
            && family.name != "aws_transfer_exporter_scrape_complete"
        {
            for (labels, _) in &mut samples {
                labels.insert(0, ("shard".to_owned(), shard.to_owned()));
            }
        }
        let Family {
            name, kind, help, ..
        } = family;
        writeln!(
            out,
            "# HELP {name} {}\n# TYPE {name} {}",
            help.replace('\\', "\\\\"),
            kind.as_str()
        )
        .unwrap();
        for (labels, value) in samples {
            let labels: Vec<_> = labels
                .iter()
                .map(|(n, v)| format!("{n}=\"{}\"", escaped(v)))
                .collect();
            let labels = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", labels.join(","))
            };
            writeln!(out, "{name}{labels} {value}").unwrap();
        }
    }
    out
}

/// Returns the series and the comments of a text format.
pub(crate) fn parsed(text: &str) -> (Vec<Series>, Vec<String>) {
    let (mut series, mut comments) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            comments.push(comment.to_owned());
            continue;
        }
        let name_end = line.find(['{', ' ']).unwrap();
        let mut labels = Vec::new();
        let mut rest = &line[name_end..];
        if let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            while !rest.starts_with('}') {
                let (name, after) = rest.trim_start_matches(',').split_once("=\"").unwrap();
                let mut value = String::new();
                let mut chars = after.char_indices();
                let end = loop {
                    match chars.next().unwrap() {
                        (at, '"') => break at,
                        (_, '\\') => value.push(match chars.next().unwrap().1 {
                            'n' => '\n',
                            c => c,
                        }),
                        (_, c) => value.push(c),
                    }
                };
                labels.push((name.to_owned(), value));
                rest = &after[end + 1..];
            }
            rest = &rest[1..];
        }
        series.push((line[..name_end].to_owned(), labels, rest[1..].to_owned()));
    }
    (series, comments)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_text_format_equals_the_reference_implementation(snapshot in fixtures::snapshots()) {
        let text = text(&snapshot, TEXT);
        let reference = reference(&snapshot);
        prop_assert!(text.starts_with(&reference), "{}\n----\n{}", reference, text);
        prop_assert!(text[reference.len()..].starts_with("# HELP aws_transfer_exporter_api_requests_total "));
        // The text can be parsed, whatever the values hold.
        let read = parsed(&text).0;
        let wanted: usize = families::ALL.iter().filter(|family| family.group == Group::Sweep)
            .map(|family| samples(&snapshot, family).len()).sum();
        prop_assert_eq!(read.iter().filter(|(name, ..)| families::ALL.iter()
            .any(|family| family.group == Group::Sweep && family.name == name)).count(), wanted);
    }

    #[test]
    fn every_encoding_decodes_to_the_uncompressed_body(snapshot in fixtures::snapshots()) {
        let cache = Mutex::default();
        for kind in [TEXT, FormatKind::Text1_0_0, FormatKind::OpenMetrics0_0_1, OPEN_METRICS, OPEN_METRICS_2, PROTOBUF] {
            let plain = plain(&snapshot, kind);
            for _ in 0..2 {
                let gzip = rendered(&snapshot, kind, Encoding::Gzip, &cache);
                let mut reader = flate2::bufread::GzDecoder::new(gzip.as_slice());
                let mut read = Vec::new();
                reader.read_to_end(&mut read).unwrap();
                prop_assert!(read == plain && reader.into_inner().is_empty());
                let zstd = rendered(&snapshot, kind, Encoding::Zstd, &cache);
                prop_assert!(zstd::stream::decode_all(zstd.as_slice()).unwrap() == plain);
                prop_assert!(rendered(&snapshot, kind, Encoding::Identity, &cache) == plain);
            }
        }
    }

    /// Each shard has the series that it has alone, each family one head, and every encoding the same.
    #[test]
    fn the_shards_of_a_process_are_exported_together(
        one in fixtures::snapshots(),
        other in fixtures::snapshots(),
    ) {
        let shard = |snapshot: &Snapshot, index: &str| {
            Arc::new(Snapshot { shard: Some(index.into()), ..snapshot.clone() })
        };
        let shards = [shard(&one, "0"), shard(&other, "1")];
        let cache = Mutex::default();
        let text = rendered_together(&shards, TEXT, Encoding::Identity, &cache);
        let (series, comments) = parsed(std::str::from_utf8(&text).unwrap());
        let of_process = |name: &str| {
            families::ALL.iter().any(|family| {
                name.starts_with(family.name) && family.group != Group::Sweep
            }) || name == "aws_transfer_exporter_scrape_complete"
        };
        let sorted = |mut series: Vec<Series>| {
            series.retain(|(name, ..)| !of_process(name));
            series.sort();
            series
        };
        let alone = shards.iter().flat_map(|shard| parsed(&super::formats::text(shard, TEXT)).0);
        prop_assert_eq!(sorted(series), sorted(alone.collect()));
        let heads: BTreeSet<_> = comments.iter().collect();
        prop_assert_eq!(heads.len(), comments.len());
        for kind in [TEXT, OPEN_METRICS, OPEN_METRICS_2, PROTOBUF] {
            let plain = rendered_together(&shards, kind, Encoding::Identity, &cache);
            for _ in 0..2 {
                let zstd = rendered_together(&shards, kind, Encoding::Zstd, &cache);
                prop_assert!(zstd::stream::decode_all(zstd.as_slice()).unwrap() == plain);
            }
        }
    }

    #[test]
    fn open_metrics_has_the_series_of_the_text_format_and_creation_times(snapshot in fixtures::snapshots()) {
        let open_metrics = text(&snapshot, OPEN_METRICS);
        prop_assert!(open_metrics.ends_with("\n# EOF\n"));
        let (series, comments) = parsed(&open_metrics);
        let mut created = BTreeMap::new();
        let mut rest = Vec::new();
        for (name, labels, value) in series {
            let value = value.split(" # ").next().unwrap().to_owned();
            // A bound is `10.0` in OpenMetrics, `10` in the text format.
            let canonical = |(n, v): (String, String)| (n.clone(), if n == "le" { v.trim_end_matches(".0").to_owned() } else { v });
            let labels: Vec<_> = labels.into_iter().map(canonical).collect();
            match name.strip_suffix("_created") {
                Some(base) => prop_assert!(created.insert((base.to_owned(), labels), value).is_none()),
                None => rest.push((name, labels, value)),
            }
        }
        let plain = parsed(&text(&snapshot, TEXT)).0;
        prop_assert_eq!(&rest, &plain);
        for (name, labels, _) in rest {
            if let Some(base) = name.strip_suffix("_total") {
                let found = created.remove(&(base.to_owned(), labels.clone()));
                let connector = snapshot.connectors().find(|view| of_connector(&labels, view));
                let since = connector.map_or(started(), |view| view.known_since);
                let seconds = since.duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
                prop_assert_eq!(found.unwrap().parse::<f64>().unwrap(), seconds);
            } else if let Some(base) = name.strip_suffix("_count") {
                prop_assert!(created.remove(&(base.to_owned(), labels)).is_some());
            }
        }
        prop_assert!(created.is_empty(), "{:?}", created);
        for comment in &comments[..comments.len() - 1] {
            let name = comment.split(' ').nth(1).unwrap();
            let family = families::ALL.iter().find(|family| family.base_name() == name);
            prop_assert!(family.is_some(), "{}", comment);
        }
    }
}

#[test]
fn the_exemplar_is_the_last_finished_file_unless_its_id_is_too_long() {
    let at = started() + Duration::from_millis(125);
    let line = |id: &str| {
        let snapshot = fixtures::with_newest(id, at);
        let text = text(&snapshot, OPEN_METRICS);
        let found = text
            .lines()
            .find(|line| line.contains("_total{") && line.contains("\"COMPLETED\""));
        found
            .unwrap()
            .split_once("failure_code=\"\"} ")
            .unwrap()
            .1
            .to_owned()
    };
    assert_eq!(
        line("a/b.C-1"),
        "7 # {transfer_id=\"a/b.C-1\"} 1 1790000000.375"
    );
    // `transfer_id` and its value have at most 128 characters together.
    let longest = "x".repeat(117);
    assert_eq!(
        line(&longest),
        format!("7 # {{transfer_id=\"{longest}\"}} 1 1790000000.375")
    );
    assert_eq!(line(&"x".repeat(118)), "7");
    // The text format has no exemplars.
    assert!(!text(&fixtures::with_newest("a", at), TEXT).contains("} 1 1790000000.375"));
}

#[test]
fn a_filter_selects_whole_families_in_every_format() {
    let snapshot = fixtures::with_newest("a", started());
    let metrics = self_metrics();
    for kind in [TEXT, OPEN_METRICS] {
        for encoding in [Encoding::Identity, Encoding::Gzip] {
            let filter = NameFilter::from_query("name[]=aws_transfer_connector_info&name[]=none");
            let wanted = ScrapeRequest {
                filter,
                format: Format {
                    kind,
                    escaping: None,
                },
                encoding,
            };
            let scrape = Scrape {
                snapshots: vec![Arc::clone(&snapshot)],
                complete: true,
                metrics: &metrics,
                started: started(),
                server: true,
            };
            let bytes: Vec<_> = render(&scrape, &wanted, &Mutex::default())
                .unwrap()
                .into_parts()
                .flatten()
                .collect();
            let mut text = String::new();
            if encoding == Encoding::Gzip {
                flate2::read::GzDecoder::new(bytes.as_slice())
                    .read_to_string(&mut text)
                    .unwrap();
            } else {
                text = String::from_utf8(bytes).unwrap();
            }
            let lines: Vec<_> = text.lines().collect();
            assert!(
                lines[0].starts_with("# HELP aws_transfer_connector_info "),
                "{text}"
            );
            assert_eq!(lines[1], "# TYPE aws_transfer_connector_info gauge");
            assert!(
                lines[2].starts_with("aws_transfer_connector_info{"),
                "{text}"
            );
            assert_eq!(lines[3..], ["# EOF"][..usize::from(kind == OPEN_METRICS)]);
        }
    }
}

#[test]
fn an_uncompressed_body_is_streamed_in_small_parts() {
    let snapshot = fixtures::many(3_000);
    let metrics = self_metrics();
    let scrape = Scrape {
        snapshots: vec![Arc::clone(&snapshot)],
        complete: true,
        metrics: &metrics,
        started: started(),
        server: false,
    };
    for kind in [TEXT, OPEN_METRICS, PROTOBUF] {
        let wanted = ScrapeRequest {
            format: Format {
                kind,
                escaping: None,
            },
            ..ScrapeRequest::everything()
        };
        let cache = Mutex::default();
        let parts: Vec<_> = render(&scrape, &wanted, &cache)
            .unwrap()
            .into_parts()
            .collect();
        let (last, others) = parts.split_last().unwrap();
        assert!(
            others.len() > 20 && !last.is_empty(),
            "{kind:?}: {}",
            parts.len()
        );
        for piece in others {
            assert!(
                (65_536..67_000).contains(&piece.len()),
                "{kind:?}: {}",
                piece.len()
            );
        }
        let body = parts.concat();
        if kind == TEXT {
            assert!(body.starts_with(reference(&snapshot).as_bytes()));
        }
        let gzip = rendered(&snapshot, kind, Encoding::Gzip, &cache);
        let mut read = Vec::new();
        flate2::read::GzDecoder::new(gzip.as_slice())
            .read_to_end(&mut read)
            .unwrap();
        assert!(read == body, "{kind:?}");
    }
}
