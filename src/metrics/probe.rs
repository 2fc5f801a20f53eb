//! Expositions of `/probe`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::ScrapeRequest;
use super::compress::BodyBuilder;
use super::encode::{self, Encoder};
use super::exposition::Exposition;
use super::families::{self, Family};
use super::format::{Dialect, Encoding};
use super::state::Row;
use model::{ConnectorLabels, FileCounts, TransferId, TransferState, TransferView};

/// The result of a probe.
#[derive(Clone, Debug)]
pub struct ProbeResult {
    /// The connector.
    pub connector: Arc<ConnectorLabels>,
    /// The transfer.
    pub transfer: TransferId,
    /// The transfer's files, or `None` if the probe failed.
    pub files: Option<FileCounts>,
    /// The duration of the probe.
    pub duration: Duration,
}

/// Renders a probe: the families of the transfer, then success and duration.
///
/// # Errors
/// The compressor could not allocate memory.
pub fn render(result: &ProbeResult, request: &ScrapeRequest) -> io::Result<Exposition> {
    let dialect = request.format.dialect();
    let view = TransferView {
        connector: Arc::clone(&result.connector),
        id: result.transfer.clone(),
        since: SystemTime::UNIX_EPOCH,
        state: TransferState::Pending,
        up: Some(result.files.is_some()),
        files: result.files.clone(),
    };
    let mut out = Vec::new();
    let mut write_family = |family: &'static Family, write: &dyn Fn(&mut Encoder)| {
        let mut encoder = Encoder::new(dialect, family);
        write(&mut encoder);
        if request.filter.admits(family.name) && !encoder.out.is_empty() {
            encode::head(&mut out, dialect, family, encoder.out.len());
            out.append(&mut encoder.out);
        }
    };
    for family in TransferView::FAMILIES {
        write_family(family.descriptor, &|encoder| (family.write)(&view, encoder));
    }
    let gauge = |encoder: &mut Encoder, value: f64| {
        encoder.row();
        encoder.gauge(value);
    };
    write_family(&families::PROBE_SUCCESS, &|encoder| {
        gauge(encoder, f64::from(u8::from(result.files.is_some())));
    });
    write_family(&families::PROBE_DURATION, &|encoder| {
        gauge(encoder, result.duration.as_secs_f64());
    });
    if dialect == Dialect::OpenMetrics {
        out.extend_from_slice(b"# EOF\n");
    }
    if request.encoding == Encoding::Identity {
        return Ok(Exposition::Whole(vec![Bytes::from(out)]));
    }
    let mut body = BodyBuilder::new(request.encoding)?;
    body.text(&out);
    Ok(Exposition::Whole(body.finish()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::NameFilter;
    use model::{Account, AccountName, FailureCode, FileStatus};

    fn text(files: Option<FileCounts>, filter: &str) -> String {
        let account = Account {
            name: AccountName::new("prod"),
            region: "eu-central-1".into(),
        };
        let id = "c-0123456789abcdef0".parse().unwrap();
        let result = ProbeResult {
            connector: Arc::new(ConnectorLabels {
                account: Arc::new(account),
                id,
            }),
            transfer: "t".parse().unwrap(),
            files,
            duration: Duration::from_millis(250),
        };
        let request = ScrapeRequest {
            filter: NameFilter::from_query(filter),
            ..ScrapeRequest::everything()
        };
        let parts = render(&result, &request).unwrap().into_parts();
        let text = String::from_utf8(parts.flatten().collect()).unwrap();
        text.split_inclusive('\n')
            .filter(|line| !line.starts_with('#'))
            .collect()
    }

    const LABELS: &str = r#"aws_account="prod",aws_region="eu-central-1",connector_id="c-0123456789abcdef0",transfer_id="t""#;

    #[test]
    fn a_successful_probe_has_the_files_of_the_transfer() {
        let mut files = FileCounts::default();
        files.add_file(&FileStatus::Completed, None);
        files.add_file(&FileStatus::Failed, FailureCode::new("a\"b\\c\nd").as_ref());
        let mut expected = String::new();
        for (status, code, value) in [
            ("QUEUED", "", 0),
            ("IN_PROGRESS", "", 0),
            ("COMPLETED", "", 1),
            ("FAILED", "", 0),
            ("FAILED", r#"a\"b\\c\nd"#, 1),
        ] {
            let line = format!(
                "aws_transfer_files{{{LABELS},status=\"{status}\",failure_code=\"{code}\"}} {value}\n"
            );
            expected.push_str(&line);
        }
        let rest = format!(
            "aws_transfer_results_up{{{LABELS}}} 1\nprobe_success 1\nprobe_duration_seconds 0.25\n"
        );
        assert_eq!(text(Some(files), ""), expected + &rest);
    }

    #[test]
    fn a_failed_probe_has_no_file_counts() {
        assert_eq!(
            text(None, ""),
            format!(
                "aws_transfer_results_up{{{LABELS}}} 0\nprobe_success 0\nprobe_duration_seconds 0.25\n"
            )
        );
        assert_eq!(text(None, "name[]=probe_success"), "probe_success 0\n");
    }
}
