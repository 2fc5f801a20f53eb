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
use super::format::Encoding;
use super::state::Row;
use model::{
    ConnectionFailure, ConnectorLabels, FileCounts, TestedConnection, TransferId, TransferState,
    TransferView,
};

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

/// The result of a probe of a connection.
#[derive(Clone, Debug)]
pub struct ConnectionProbeResult {
    /// The connector.
    pub connector: Arc<ConnectorLabels>,
    /// The last test, or `None` if there is no result yet, or the test failed.
    pub test: Option<TestedConnection>,
    /// When a test last succeeded.
    pub last_success: Option<SystemTime>,
    /// The duration of the probe.
    pub duration: Duration,
}

/// The families of a probe, in the order in which they are written.
struct Families<'a> {
    request: &'a ScrapeRequest,
    out: Vec<u8>,
}

impl<'a> Families<'a> {
    fn new(request: &'a ScrapeRequest) -> Self {
        Self {
            request,
            out: Vec::new(),
        }
    }

    fn write(&mut self, family: &'static Family, write: impl Fn(&mut Encoder)) {
        let dialect = self.request.format.dialect();
        let mut encoder = Encoder::new(dialect, family);
        write(&mut encoder);
        if self.request.filter.admits(family.name) && !encoder.out.is_empty() {
            encode::head(&mut self.out, dialect, family, encoder.out.len());
            self.out.append(&mut encoder.out);
        }
    }

    /// Writes success and duration.
    fn write_result(&mut self, is_success: bool, duration: Duration) {
        self.write(&families::PROBE_SUCCESS, |encoder| {
            encoder.row();
            encoder.gauge(f64::from(u8::from(is_success)));
        });
        self.write(&families::PROBE_DURATION, |encoder| {
            encoder.row();
            encoder.gauge(duration.as_secs_f64());
        });
    }

    fn finish(mut self) -> io::Result<Exposition> {
        self.out
            .extend_from_slice(self.request.format.dialect().end());
        if self.request.encoding == Encoding::Identity {
            return Ok(Exposition::Whole(vec![Bytes::from(self.out)]));
        }
        let mut body = BodyBuilder::new(self.request.encoding)?;
        body.text(&self.out);
        Ok(Exposition::Whole(body.finish()?))
    }
}

/// Renders a probe: the families of the transfer, then success and duration.
///
/// # Errors
/// The compressor could not allocate memory.
pub fn render(result: &ProbeResult, request: &ScrapeRequest) -> io::Result<Exposition> {
    let view = TransferView {
        connector: Arc::clone(&result.connector),
        id: result.transfer.clone(),
        since: SystemTime::UNIX_EPOCH,
        state: TransferState::Pending,
        up: Some(result.files.is_some()),
        files: result.files.clone(),
    };
    let mut out = Families::new(request);
    for family in TransferView::FAMILIES {
        out.write(family.descriptor, |encoder| (family.write)(&view, encoder));
    }
    out.write_result(result.files.is_some(), result.duration);
    out.finish()
}

/// Renders a probe of a connection: the families of the connection, then success and duration.
///
/// # Errors
/// The compressor could not allocate memory.
pub fn render_connection(
    result: &ConnectionProbeResult,
    request: &ScrapeRequest,
) -> io::Result<Exposition> {
    let mut out = Families::new(request);
    let mut write = |family: &'static Family, value: Option<f64>| {
        out.write(family, |encoder| {
            if let Some(value) = value {
                encoder.connector_row(&result.connector);
                encoder.gauge(value);
            }
        });
    };
    let test = result.test.as_ref();
    let number = |is: bool| f64::from(u8::from(is));
    let is_up = test.map(|test| test.failure.is_none());
    write(&families::CONNECTION_UP, is_up.map(number));
    write(
        &families::CONNECTION_DURATION,
        test.map(|test| test.duration.as_secs_f64()),
    );
    write(
        &families::CONNECTION_LAST_SUCCESS,
        result.last_success.map(encode::unix_seconds),
    );
    let is_trusted = test.and_then(|test| test.is_host_key_trusted);
    write(
        &families::CONNECTION_HOST_KEY_TRUSTED,
        is_trusted.map(number),
    );
    out.write(&families::CONNECTION_FAILURE_REASON, |encoder| {
        let Some(test) = test else { return };
        encoder.connector_row(&result.connector);
        for reason in ConnectionFailure::ALL {
            let is_reason = test.failure == Some(reason);
            encoder.gauge_with(&[("reason", reason.as_str())], number(is_reason));
        }
    });
    out.write_result(is_up == Some(true), result.duration);
    out.finish()
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
