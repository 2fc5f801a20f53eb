//! `/api/v1/transfers` and others. The types are also the schemas of the OpenAPI
//! description.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::html::timestamp;
use super::query::{BadParameter, FailureQuery};
use super::transfers::matching_connectors;
use crate::tracker::query::{KeptFailure, ListedTransfer, Query, RecentFiles, STUCK_AFTER};
use crate::web::Exporter;
use model::{
    ConnectorDetails, ConnectorView, Direction, FailureCode, FileCounts, Finished, FlowState,
    FlowView, Origin, TransferState,
};

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
    /// `null` until `discovery.connectors` has described it.
    #[schema(required)]
    details: Option<DetailsJson>,
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

/// What `DescribeConnector` returned.
#[derive(Serialize, ToSchema)]
#[schema(as = ConnectorDetails)]
pub(crate) struct DetailsJson {
    /// `ACTIVE`, `ERRORED` or `PENDING`.
    status: String,
    /// Why the connector is `ERRORED`.
    #[schema(required)]
    error_message: Option<String>,
    /// Empty for a connector through a VPC.
    url: String,
    egress_type: String,
    /// The addresses from which a service-managed connector connects.
    egress_ip_addresses: Vec<String>,
    ip_address_type: String,
    security_policy: String,
    #[schema(required)]
    max_concurrent_connections: Option<u32>,
    /// ARN of the role with which the connector writes its log.
    #[schema(required)]
    logging_role: Option<String>,
    /// Number of trusted host keys.
    trusted_host_keys: u32,
    /// In the order in which they are tried. Without any, AWS uses `AWSCURRENT`.
    secret_version_stages: Vec<String>,
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

/// Failed files.
#[derive(Serialize, ToSchema)]
#[schema(as = Failures)]
pub(crate) struct FailuresJson {
    #[schema(format = DateTime)]
    generated_at: String,
    /// Number of matching failures.
    failures_matching: usize,
    /// At most `limit`, newest first.
    failures: Vec<FailureJson>,
}

/// A failed file with its transfer.
#[derive(Serialize, ToSchema)]
#[schema(as = Failure)]
pub(crate) struct FailureJson {
    account: String,
    region: String,
    connector_id: String,
    /// `null` if no name is known.
    #[schema(required)]
    connector_name: Option<String>,
    transfer_id: String,
    /// Start or first sight of the transfer.
    #[schema(format = DateTime)]
    since: String,
    #[schema(schema_with = super::openapi::resolutions)]
    resolution: &'static str,
    #[serde(flatten)]
    file: FailedFileJson,
}

/// Flows.
#[derive(Serialize, ToSchema)]
#[schema(as = Flows)]
pub(crate) struct FlowsJson {
    #[schema(format = DateTime)]
    generated_at: String,
    /// In the order of the configuration.
    flows: Vec<FlowJson>,
}

/// A flow with its current window.
#[derive(Serialize, ToSchema)]
#[schema(as = Flow)]
pub(crate) struct FlowJson {
    name: String,
    /// As they are configured.
    connectors: Vec<String>,
    /// `null` for both.
    #[schema(required)]
    operation: Option<&'static str>,
    /// Empty for every path.
    paths: Vec<String>,
    /// For readers. Empty if no delivery is expected.
    expect: String,
    completed_files: u64,
    failed_files: u64,
    unresolved_failures: u64,
    duplicate_files: u64,
    /// `null` until a file completes.
    #[schema(required, format = DateTime)]
    last_completed_at: Option<String>,
    /// `null` if no delivery is expected.
    #[schema(required)]
    window: Option<FlowWindowJson>,
    /// Closed windows by outcome, corrections included.
    windows: BTreeMap<&'static str, u64>,
}

/// The current window of a flow.
#[derive(Serialize, ToSchema)]
#[schema(as = FlowWindow)]
pub(crate) struct FlowWindowJson {
    #[schema(schema_with = super::openapi::flow_states)]
    state: &'static str,
    #[schema(format = DateTime)]
    opens_at: String,
    #[schema(format = DateTime)]
    deadline: String,
    /// When it is closed at the latest.
    #[schema(format = DateTime)]
    closes_at: String,
    files: u64,
    required_files: u64,
}

impl FlowJson {
    fn new(flow: &FlowView) -> Self {
        let title = &flow.title;
        let completed = flow.finished.get(&Finished::Completed).copied();
        let completed = completed.unwrap_or(0);
        let all: u64 = flow.finished.values().sum();
        let is_expected = |_: &FlowState| !title.expect.is_empty();
        let windows = flow.outcomes.iter().filter(|(state, _)| is_expected(state));
        let corrected = |state| flow.corrected.get(state).copied().unwrap_or(0);
        Self {
            name: title.name.to_string(),
            connectors: title.connectors.clone(),
            operation: title.operation.map(Direction::as_str),
            paths: title.paths.clone(),
            expect: title.expect.clone(),
            completed_files: completed,
            failed_files: all - completed,
            unresolved_failures: flow.unresolved_failures,
            duplicate_files: flow.duplicates,
            last_completed_at: flow.last_completed.map(timestamp),
            window: flow.window.map(|window| FlowWindowJson {
                state: window.state.as_str(),
                opens_at: timestamp(window.opens),
                deadline: timestamp(window.deadline),
                closes_at: timestamp(window.closes),
                files: window.files,
                required_files: title.required_files,
            }),
            windows: windows
                .map(|(state, count)| (state.as_str(), count.saturating_sub(corrected(state))))
                .collect(),
        }
    }
}

/// The response to an acknowledgement.
#[derive(Serialize, ToSchema)]
#[schema(as = Acknowledged)]
pub(crate) struct AcknowledgedJson {
    /// Number of failures that were unresolved before.
    pub(crate) acknowledged: usize,
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

/// Returns the failed files that match a query.
pub(super) fn failures(exporter: &dyn Exporter, query: &FailureQuery) -> FailuresJson {
    let overview = exporter.overview();
    let names: BTreeMap<_, _> = overview
        .connectors()
        .filter_map(|(connector, _)| Some((&connector.labels, connector.known_name()?)))
        .collect();
    let kept = exporter.failures();
    let found: Vec<_> = kept
        .iter()
        .filter(|failure| failure.resolution == query.resolution && query.filter.admits(failure))
        .collect();
    let row = |failure: &&Arc<KeptFailure>| FailureJson {
        account: failure.connector.account.name.to_string(),
        region: failure.connector.account.region.to_string(),
        connector_id: failure.connector.id.to_string(),
        connector_name: names.get(&failure.connector).map(ToString::to_string),
        transfer_id: failure.transfer.to_string(),
        since: timestamp(failure.since),
        resolution: failure.resolution.as_str(),
        file: FailedFileJson::new(failure),
    };
    FailuresJson {
        generated_at: timestamp(overview.now),
        failures_matching: found.len(),
        failures: found.iter().take(query.limit).map(row).collect(),
    }
}

/// Returns all flows.
pub(super) fn flows(exporter: &dyn Exporter) -> FlowsJson {
    let flows = exporter.flows();
    let flows = flows.iter().flat_map(|chunk| chunk.iter());
    FlowsJson {
        generated_at: timestamp(exporter.overview().now),
        flows: flows.map(FlowJson::new).collect(),
    }
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
            connector_name: connector.known_name().map(ToString::to_string),
            details: connector.details.as_deref().map(DetailsJson::new),
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

impl DetailsJson {
    fn new(details: &ConnectorDetails) -> Self {
        Self {
            status: details.status.to_string(),
            error_message: details.error_message.as_deref().map(str::to_owned),
            url: details.url.to_string(),
            egress_type: details.egress_type.to_string(),
            egress_ip_addresses: details.egress_ip_addresses.clone(),
            ip_address_type: details.ip_address_type.to_string(),
            security_policy: details.security_policy.to_string(),
            max_concurrent_connections: details.max_concurrent_connections,
            logging_role: details.logging_role.as_deref().map(str::to_owned),
            trusted_host_keys: details.trusted_host_keys,
            secret_version_stages: details.secret_version_stages.clone(),
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
            connector_name: listed.connector_name.as_deref().map(str::to_owned),
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
