//! The OpenAPI description of `/api/v1` and `/probe`, generated from the types that are served.

use utoipa::OpenApi;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};

use super::json::{
    ConnectorJson, Error, FailedFileJson, FilesJson, LastHour, TargetGroup, TargetLabels,
    TransferJson, TransfersByState, TransfersJson,
};
use crate::tracker::query::StateFilter;
use model::{Origin, TransferState};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "aws-transfer-exporter",
        description = "Transfers of AWS Transfer Family SFTP connectors, as tracked by the exporter.",
        version = "1",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/")),
    paths(list_transfers, list_targets, probe),
    components(schemas(
        ConnectorJson, Error, FailedFileJson, FilesJson, LastHour, TargetGroup, TargetLabels,
        TransferJson, TransfersByState, TransfersJson
    ))
)]
struct Description;

/// Returns the description as JSON.
pub(super) fn description() -> String {
    Description::openapi()
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
    #[param(pattern = "^[0-9a-zA-Z./-]{1,512}$")]
    transfer_id: String,
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

/// Returns unfinished transfers as targets for `/probe`, for `http_sd_configs` of Prometheus.
#[utoipa::path(
    get,
    path = "/api/v1/targets",
    operation_id = "listTargets",
    params(Filter, TargetLimit),
    responses(
        (status = 200, description = "One target per transfer.", body = Vec<TargetGroup>),
        (status = 400, description = "A parameter is invalid.", body = Error),
        (status = 429, description = "Too many pages are waiting; see `Retry-After`.", body = String, content_type = "text/plain")
    )
)]
#[expect(dead_code, reason = "carries the description of a route")]
fn list_targets() {}

/// Polls one transfer and returns its metrics. Makes AWS calls, and does not track the transfer.
#[utoipa::path(
    get,
    path = "/probe",
    operation_id = "probe",
    params(Probe),
    responses(
        (status = 200, description = "An exposition in the negotiated format. `probe_success` is the result.", body = String, content_type = "text/plain"),
        (status = 400, description = "A parameter is invalid.", body = Error),
        (status = 429, description = "Too many probes are waiting; see `Retry-After`.", body = String, content_type = "text/plain")
    )
)]
#[expect(dead_code, reason = "carries the description of a route")]
fn probe() {}

#[cfg(test)]
mod tests {
    #[test]
    fn the_description_is_stable() {
        let description: serde_json::Value = serde_json::from_str(&super::description()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&description).unwrap());
    }
}
