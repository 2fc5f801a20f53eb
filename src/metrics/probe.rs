//! What `/probe` tells of one transfer.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::ScrapeRequest;
use super::compress::Joined;
use super::encoder::{self, Encoder};
use super::exposition::Body;
use super::families::{self, Family};
use super::format::{Dialect, Encoding};
use super::state::Row;
use model::{ConnectorLabels, FileCounts, TransferId, TransferState, TransferView};

/// What a probe came to.
#[derive(Clone, Debug)]
pub struct Probed {
    /// The connector.
    pub connector: Arc<ConnectorLabels>,
    /// The transfer.
    pub transfer: TransferId,
    /// Its files; `None` where none were told in time.
    pub files: Option<FileCounts>,
    /// From the request to the answer.
    pub duration: Duration,
}

/// The exposition of one probe: that transfer's families, and how the probe went.
///
/// # Errors
/// No memory for the compression.
pub fn exposition(probed: &Probed, wanted: &ScrapeRequest) -> io::Result<Body> {
    let dialect = wanted.format.dialect();
    let view = TransferView {
        connector: Arc::clone(&probed.connector),
        id: probed.transfer.clone(),
        since: SystemTime::UNIX_EPOCH,
        state: TransferState::Pending,
        up: Some(probed.files.is_some()),
        files: probed.files.clone(),
    };
    let mut out = Vec::new();
    let mut tell = |family: &'static Family, write: &dyn Fn(&mut Encoder)| {
        let mut encoder = Encoder::new(dialect, family);
        write(&mut encoder);
        if wanted.filter.admits(family.name) && !encoder.out.is_empty() {
            encoder::head(&mut out, dialect, family, encoder.out.len());
            out.append(&mut encoder.out);
        }
    };
    for family in TransferView::FAMILIES {
        tell(family.descriptor, &|encoder| (family.write)(&view, encoder));
    }
    let gauge = |encoder: &mut Encoder, value: f64| {
        encoder.row();
        encoder.gauge(value);
    };
    tell(&families::PROBE_SUCCESS, &|encoder| {
        gauge(encoder, f64::from(u8::from(probed.files.is_some())))
    });
    tell(&families::PROBE_DURATION, &|encoder| {
        gauge(encoder, probed.duration.as_secs_f64())
    });
    if dialect == Dialect::OpenMetrics {
        out.extend_from_slice(b"# EOF\n");
    }
    if wanted.encoding == Encoding::Identity {
        return Ok(Body::Whole(vec![Bytes::from(out)]));
    }
    let mut joined = Joined::new(wanted.encoding)?;
    joined.plain(&out);
    Ok(Body::Whole(joined.finish()?))
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
        let probed = Probed {
            connector: Arc::new(ConnectorLabels {
                account: Arc::new(account),
                id,
            }),
            transfer: "t".parse().unwrap(),
            files,
            duration: Duration::from_millis(250),
        };
        let wanted = ScrapeRequest {
            filter: NameFilter::from_query(filter),
            ..ScrapeRequest::everything()
        };
        let pieces = exposition(&probed, &wanted).unwrap().into_pieces();
        let text = String::from_utf8(pieces.flatten().collect()).unwrap();
        text.split_inclusive('\n')
            .filter(|line| !line.starts_with('#'))
            .collect()
    }

    const LABELS: &str = r#"aws_account="prod",aws_region="eu-central-1",connector_id="c-0123456789abcdef0",transfer_id="t""#;

    #[test]
    fn a_probe_tells_one_transfer_and_how_it_went() {
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
    fn what_told_no_files_is_a_probe_that_failed_and_has_no_counts() {
        assert_eq!(
            text(None, ""),
            format!(
                "aws_transfer_results_up{{{LABELS}}} 0\nprobe_success 0\nprobe_duration_seconds 0.25\n"
            )
        );
        assert_eq!(text(None, "name[]=probe_success"), "probe_success 0\n");
    }
}
