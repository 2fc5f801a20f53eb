//! `/api/v1/transfers` and `/api/v1/targets`. The types are also the schemas of the OpenAPI
//! description.

use serde::Serialize;
use utoipa::ToSchema;

use super::html::timestamp;
use super::query::BadParameter;
use super::transfers::matching_connectors;
use crate::tracker::query::{
    KeptFailure, ListedTransfer, Query, RecentFiles, STUCK_AFTER, StateFilter,
};
use crate::web::Exporter;
use model::{ConnectorView, FailureCode, FileCounts, Origin, TransferState};

/// Connectors and transfers that match a query.
#[derive(Serialize, ToSchema)]
#[schema(as = Transfers)]
pub(crate) struct TransfersJson {
    #[schema(format = DateTime)]
    generated_at: String,
    /// Start of the process. The last hour is known from then on.
    #[schema(format = DateTime)]
    process_started_at: String,
    stuck_after_seconds: u64,
    connectors_matching: usize,
    /// At most `limit`, those with failures first. Empty with a cursor.
    connectors: Vec<ConnectorJson>,
    /// Number of matching transfers on all pages.
    transfers_matching: u64,
    transfers: Vec<TransferJson>,
    /// `null` on the last page.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// A connector.
#[derive(Serialize, ToSchema)]
#[schema(as = Connector)]
pub(crate) struct ConnectorJson {
    account: String,
    region: String,
    connector_id: String,
    /// `null` if no name is known.
    #[schema(required)]
    connector_name: Option<String>,
    transfers: TransfersByState,
    /// `null` until a transfer has been read.
    #[schema(required)]
    files: Option<FilesJson>,
    last_hour: LastHour,
    #[schema(required, format = DateTime)]
    oldest_unfinished_at: Option<String>,
    #[schema(required, format = DateTime)]
    last_completed_at: Option<String>,
    #[schema(required, format = DateTime)]
    last_failed_at: Option<String>,
}

/// Transfers by state.
#[derive(Serialize, ToSchema)]
pub(crate) struct TransfersByState {
    pending: u64,
    running: u64,
    completed: u64,
    failed: u64,
    gone: u64,
}

/// Files by status.
#[derive(Serialize, ToSchema)]
#[schema(as = Files)]
pub(crate) struct FilesJson {
    queued: u32,
    in_progress: u32,
    completed: u32,
    failed: u32,
    /// Files in a status that the API model does not have.
    other: u32,
}

/// Files that finished, per minute, oldest first. The last minute is the current one.
#[derive(Serialize, ToSchema)]
pub(crate) struct LastHour {
    #[schema(min_items = 60, max_items = 60)]
    completed: Vec<u32>,
    #[schema(min_items = 60, max_items = 60)]
    failed: Vec<u32>,
}

/// A transfer.
#[derive(Serialize, ToSchema)]
#[schema(as = Transfer)]
pub(crate) struct TransferJson {
    account: String,
    region: String,
    connector_id: String,
    #[schema(required)]
    connector_name: Option<String>,
    transfer_id: String,
    #[schema(schema_with = super::openapi::states)]
    state: &'static str,
    stuck: bool,
    #[schema(format = DateTime)]
    since: String,
    /// Whether `since` is the start. If not, no source reported one, and `since` is the first
    /// sight.
    since_is_start: bool,
    /// `null` once the transfer has ended.
    #[schema(required, format = DateTime)]
    unchanged_since: Option<String>,
    /// Whether the last poll returned the files; `null` before the first.
    #[schema(required)]
    results_up: Option<bool>,
    #[schema(schema_with = super::openapi::origins)]
    origins: Vec<&'static str>,
    /// `null` until they have been read.
    #[schema(required)]
    files: Option<FilesJson>,
    /// The newest 100 failed files, newest first.
    failed_files: Vec<FailedFileJson>,
}

/// A failed file.
#[derive(Serialize, ToSchema)]
#[schema(as = FailedFile)]
pub(crate) struct FailedFileJson {
    /// As AWS reports it; truncated after 1024 bytes, with a note.
    path: String,
    #[schema(required)]
    failure_code: Option<String>,
    /// Truncated like the path.
    #[schema(required)]
    failure_message: Option<String>,
    /// From the event, or the time of the first sight.
    #[schema(format = DateTime)]
    failed_at: String,
}

/// A target of HTTP service discovery.
#[derive(Serialize, ToSchema)]
pub(crate) struct TargetGroup {
    /// The connector id, a slash and the transfer id.
    #[schema(min_items = 1, max_items = 1)]
    targets: [String; 1],
    labels: TargetLabels,
}

/// Labels of a target.
#[derive(Serialize, ToSchema)]
pub(crate) struct TargetLabels {
    #[serde(rename = "__metrics_path__")]
    metrics_path: &'static str,
    #[serde(rename = "__param_account")]
    account: String,
    #[serde(rename = "__param_connector_id")]
    connector_id: String,
    #[serde(rename = "__param_transfer_id")]
    transfer_id: String,
}

/// A parameter was refused.
#[derive(Serialize, ToSchema)]
pub(crate) struct Error {
    error: String,
    /// Name of the parameter.
    parameter: String,
}

/// Returns the connectors and transfers that match a query.
pub(super) fn transfers(exporter: &dyn Exporter, query: &Query) -> TransfersJson {
    let overview = exporter.overview();
    let found = exporter.select(query);
    let connectors = matching_connectors(query, &overview);
    // Only the first page has them.
    let shown = if query.after.is_some() {
        0
    } else {
        query.limit
    };
    TransfersJson {
        generated_at: timestamp(overview.now),
        process_started_at: timestamp(overview.started),
        stuck_after_seconds: STUCK_AFTER.as_secs(),
        connectors_matching: connectors.len(),
        connectors: connectors
            .iter()
            .take(shown)
            .map(|(connector, recent)| ConnectorJson::new(connector, recent))
            .collect(),
        transfers_matching: found.matching,
        transfers: found.transfers.iter().map(TransferJson::new).collect(),
        next_cursor: found.next.map(|cursor| cursor.to_string()),
    }
}

/// Returns the transfers that match a query, by default the unfinished ones, as targets for
/// `/probe`.
pub(super) fn targets(exporter: &dyn Exporter, mut query: Query) -> Vec<TargetGroup> {
    query.state.get_or_insert(StateFilter::Unfinished);
    let found = exporter.select(&query).transfers;
    found.iter().map(TargetGroup::new).collect()
}

/// Returns the body of the response to a refused parameter.
pub(super) fn error(error: &BadParameter) -> String {
    let error = Error {
        error: error.to_string(),
        parameter: error.parameter.clone(),
    };
    serde_json::to_string(&error).unwrap_or_default() + "\n"
}

impl ConnectorJson {
    fn new(connector: &ConnectorView, recent: &RecentFiles) -> Self {
        let labels = &connector.labels;
        let of = |state| connector.states.of(state);
        Self {
            account: labels.account.name.as_str().to_owned(),
            region: labels.account.region.to_string(),
            connector_id: labels.id.as_str().to_owned(),
            connector_name: connector.title.as_ref().map(|title| title.name.to_string()),
            transfers: TransfersByState {
                pending: of(TransferState::Pending),
                running: of(TransferState::Running),
                completed: of(TransferState::Completed),
                failed: of(TransferState::Failed),
                gone: of(TransferState::Gone),
            },
            files: connector.files.as_ref().map(FilesJson::new),
            last_hour: LastHour {
                completed: recent.completed.to_vec(),
                failed: recent.failed.to_vec(),
            },
            oldest_unfinished_at: connector.oldest_unfinished.map(timestamp),
            last_completed_at: connector.last_completed.map(timestamp),
            last_failed_at: connector.last_failed.map(timestamp),
        }
    }
}

impl FilesJson {
    fn new(files: &FileCounts) -> Self {
        Self {
            queued: files.queued,
            in_progress: files.in_progress,
            completed: files.completed,
            failed: files.failed_files(),
            other: files.other.iter().map(|(_, files)| files).sum(),
        }
    }
}

impl TransferJson {
    fn new(listed: &ListedTransfer) -> Self {
        let view = &listed.view;
        Self {
            account: view.connector.account.name.as_str().to_owned(),
            region: view.connector.account.region.to_string(),
            connector_id: view.connector.id.as_str().to_owned(),
            connector_name: listed.title.as_ref().map(|title| title.name.to_string()),
            transfer_id: view.id.as_str().to_owned(),
            state: view.state.as_label(),
            stuck: listed.stuck,
            since: timestamp(view.since),
            since_is_start: listed.started,
            unchanged_since: listed.unchanged_since.map(timestamp),
            results_up: view.up,
            origins: listed
                .origins
                .iter()
                .map(|origin: &Origin| origin.as_label())
                .collect(),
            files: view.files.as_ref().map(FilesJson::new),
            failed_files: listed
                .failures
                .iter()
                .map(|failure| FailedFileJson::new(failure))
                .collect(),
        }
    }
}

impl FailedFileJson {
    fn new(failure: &KeptFailure) -> Self {
        Self {
            path: failure.path.to_string(),
            failure_code: failure
                .code
                .as_ref()
                .map(|code| FailureCode::as_str(code).to_owned()),
            failure_message: failure.message.as_deref().map(str::to_owned),
            failed_at: timestamp(failure.at),
        }
    }
}

impl TargetGroup {
    fn new(listed: &ListedTransfer) -> Self {
        let (labels, id) = (&listed.view.connector, listed.view.id.as_str());
        Self {
            targets: [format!("{}/{id}", labels.id)],
            labels: TargetLabels {
                metrics_path: "/probe",
                account: labels.account.name.as_str().to_owned(),
                connector_id: labels.id.as_str().to_owned(),
                transfer_id: id.to_owned(),
            },
        }
    }
}
