//! The OpenAPI description of `/api/v1` and `/probe`, generated from the types that are served.

use utoipa::OpenApi;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema, Server};

use super::json::{
    AcknowledgedJson, ConnectorJson, DetailsJson, Error, FailedFileJson, FailureJson, FailuresJson,
    FilesJson, FlowJson, FlowWindowJson, FlowsJson, LastHour, TransferJson, TransfersByState,
    TransfersJson,
};
use super::targets::{TargetGroup, TargetLabels};
use crate::tracker::query::{Resolution, StateFilter};
use crate::web::paths::{ExternalUrl, WebPaths};
use model::{FlowState, Origin, TransferState};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "aws-transfer-exporter",
        description = "Transfers of AWS Transfer Family SFTP connectors, as tracked by the exporter.",
        version = "1",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        list_transfers,
        list_failures,
        list_flows,
        acknowledge_failures,
        list_targets,
        probe
    ),
    components(schemas(
        AcknowledgedJson,
        ConnectorJson,
        Error,
        FailedFileJson,
        FailureJson,
        FailuresJson,
        FilesJson,
        FlowJson,
        FlowWindowJson,
        FlowsJson,
        LastHour,
        TargetGroup,
        TargetLabels,
        DetailsJson,
        TransferJson,
        TransfersByState,
        TransfersJson
    ))
)]
struct Description;

/// Returns the description as JSON.
pub(crate) fn description(paths: &WebPaths) -> String {
    // Without an external URL, relative to the path of the description.
    let external = paths.external().and_then(ExternalUrl::url);
    let url = external.unwrap_or_else(|| "../..".to_owned());
    let mut description = Description::openapi();
    description.servers = Some(vec![Server::new(url)]);
    description
        .to_json()
        .unwrap_or_else(|error| format!("{{\"error\": \"{error}\"}}"))
}

fn text(values: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(values))
        .build()
}

/// Returns the schema of a transfer's state.
pub(super) fn states() -> RefOr<Schema> {
    RefOr::T(text(TransferState::ALL.map(TransferState::as_label)).into())
}

/// Returns the schema of the resolution of a failure.
pub(super) fn resolutions() -> RefOr<Schema> {
    RefOr::T(text(Resolution::ALL.map(Resolution::as_str)).into())
}

/// Returns the schema of the state of a window.
pub(super) fn flow_states() -> RefOr<Schema> {
    RefOr::T(text(FlowState::ALL.map(FlowState::as_str)).into())
}

/// Returns the schema of the sources that reported a transfer.
pub(super) fn origins() -> RefOr<Schema> {
    RefOr::T(
        ArrayBuilder::new()
            .items(text(Origin::ALL.map(Origin::as_label)))
            .build()
            .into(),
    )
}

/// Returns the schema of the parameter `state`.
fn state_filters() -> RefOr<Schema> {
    RefOr::T(text(StateFilter::ALL.map(StateFilter::as_str)).into())
}

#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters that `query` parses")]
struct Filter {
    /// The configured name of an AWS account.
    account: Option<String>,
    #[param(pattern = "^c-[0-9a-f]{17}$")]
    connector_id: Option<String>,
    /// A state, `unfinished` (pending or running), or `stuck` (unfinished and unchanged for longer
    /// than `stuck_after_seconds`).
    #[param(schema_with = state_filters, required = false)]
    state: Option<String>,
}

#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters that `query` parses")]
struct Page {
    /// Part of a transfer id, of a connector id or name, or of the path, code or message of a
    /// failed file. ASCII letters match in either case.
    #[param(max_length = 200)]
    search: Option<String>,
    /// Maximum number of transfers, and of connectors.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    cursor: Option<String>,
}

#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters that `query` parses")]
struct TargetLimit {
    /// `connection` for connectors, to test their connections.
    #[param(default = "transfer", pattern = "^(transfer|connection)$")]
    module: Option<String>,
    /// Maximum number of targets, newest transfers first.
    #[param(minimum = 1, maximum = 10000, default = 10000)]
    limit: Option<u32>,
}

#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters that `query` parses")]
struct Probe {
    /// The configured account; optional if there is only one.
    account: Option<String>,
    #[param(pattern = "^c-[0-9a-f]{17}$")]
    connector_id: String,
    /// `connection` to test the connection to the partner's server.
    #[param(default = "transfer", pattern = "^(transfer|connection)$")]
    module: Option<String>,
    /// Required to probe a transfer.
    #[param(pattern = "^[0-9a-zA-Z./-]{1,512}$")]
    transfer_id: Option<String>,
}

/// Returns tracked transfers, newest first, with their failed files. Makes no AWS calls.
#[utoipa::path(
    get,
    path = "/api/v1/transfers",
    operation_id = "listTransfers",
    params(Filter, Page),
    responses(
        (status = 200, description = "The matching transfers.", body = TransfersJson),
        (status = 400, description = "A parameter is invalid.", body = Error),
        (status = 429, description = "Too many pages are waiting; see `Retry-After`.", body = String, content_type = "text/plain")
    )
)]
#[expect(dead_code, reason = "carries the description of a route")]
fn list_transfers() {}

#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters that `query` parses")]
struct FailureParameters {
    /// The configured name of an AWS account.
    account: Option<String>,
    #[param(pattern = "^c-[0-9a-f]{17}$")]
    connector_id: Option<String>,
    /// Which failures: `unresolved` by default.
    #[param(schema_with = resolutions, required = false)]
    resolution: Option<String>,
    /// Maximum number of failures.
    #[param(minimum = 1, maximum = 10000, default = 100)]
    limit: Option<u32>,
}

/// Returns failed files, newest first. Makes no AWS calls.
#[utoipa::path(
    get,
    path = "/api/v1/failures",
    operation_id = "listFailures",
    params(FailureParameters),
    responses(
        (status = 200, description = "The matching failures.", body = FailuresJson),
        (status = 400, description = "A parameter is invalid.", body = Error),
        (status = 429, description = "Too many pages are waiting; see `Retry-After`.", body = String, content_type = "text/plain")
    )
)]
#[expect(dead_code, reason = "carries the description of a route")]
fn list_failures() {}

/// Returns all flows, with the state of their current window. Makes no AWS calls.
#[utoipa::path(
    get,
    path = "/api/v1/flows",
    operation_id = "listFlows",
    responses(
        (status = 200, description = "The flows.", body = FlowsJson),
        (status = 429, description = "Too many pages are waiting; see `Retry-After`.", body = String, content_type = "text/plain")
    )
)]
#[expect(dead_code, reason = "carries the description of a route")]
fn list_flows() {}

#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes parameters that `query` parses")]
struct AcknowledgeParameters {
    /// The configured name of an AWS account.
    account: Option<String>,
    #[param(pattern = "^c-[0-9a-f]{17}$")]
    connector_id: Option<String>,
    #[param(pattern = "^[0-9a-zA-Z./-]{1,512}$")]
    transfer_id: Option<String>,
    /// The whole path.
    path: Option<String>,
    failure_code: Option<String>,
}

/// Acknowledges the unresolved failures that match all parameters; at least one is required. Needs
/// `--web.enable-write-api`.
#[utoipa::path(
    post,
    path = "/api/v1/failures/acknowledge",
    operation_id = "acknowledgeFailures",
    params(AcknowledgeParameters),
    responses(
        (status = 200, description = "The number of failures that were acknowledged.", body = AcknowledgedJson),
        (status = 400, description = "A parameter is invalid, or none is given.", body = Error),
        (status = 403, description = "The write API is off, or the request is cross-site.", body = Error),
        (status = 503, description = "The change could not be stored.", body = Error)
    )
)]
#[expect(dead_code, reason = "carries the description of a route")]
fn acknowledge_failures() {}

/// Returns unfinished transfers, or connectors, as targets for `/probe`, for `http_sd_configs` of
/// Prometheus.
#[utoipa::path(
    get,
    path = "/api/v1/targets",
    operation_id = "listTargets",
    params(Filter, TargetLimit),
    responses(
        (status = 200, description = "One target per transfer, or per connector.", body = Vec<TargetGroup>),
        (status = 400, description = "A parameter is invalid.", body = Error),
        (status = 429, description = "Too many pages are waiting; see `Retry-After`.", body = String, content_type = "text/plain")
    )
)]
#[expect(dead_code, reason = "carries the description of a route")]
fn list_targets() {}

/// Polls one transfer, or tests a connection, and returns the metrics of it. Makes AWS calls, and does
/// not track the transfer. Connections are tested if `probe.connection.enabled` is true.
#[utoipa::path(
    get,
    path = "/probe",
    operation_id = "probe",
    params(Probe),
    responses(
        (status = 200, description = "An exposition in the negotiated format. `probe_success` is the result.", body = String, content_type = "text/plain"),
        (status = 400, description = "A parameter is invalid.", body = Error),
        (status = 404, description = "Connections are not tested, or the connector is not known.", body = String, content_type = "text/plain"),
        (status = 429, description = "Too many probes are waiting; see `Retry-After`.", body = String, content_type = "text/plain")
    )
)]
#[expect(dead_code, reason = "carries the description of a route")]
fn probe() {}

#[cfg(test)]
mod tests {
    #[test]
    fn the_description_is_stable() {
        let description = super::description(&"/metrics".into());
        let description: serde_json::Value = serde_json::from_str(&description).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&description).unwrap());
    }

    #[test]
    fn the_server_of_the_description_is_the_external_url() {
        let external = "https://proxy.example.com/exporter/".parse().unwrap();
        let paths = super::WebPaths::new("/metrics", None, Some(external));
        let description: serde_json::Value =
            serde_json::from_str(&super::description(&paths)).unwrap();
        let server = &description["servers"][0]["url"];
        assert_eq!(server, "https://proxy.example.com/exporter");
    }
}
