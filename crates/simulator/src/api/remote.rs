//! `StartDirectoryListing`, `StartRemoteMove` and `StartRemoteDelete`.

use serde_json::{Value, json};

use super::error::ApiError;
use super::input::{CONNECTOR_ID, FILE_PATH, Input};
use super::{Call, connector_id};
use crate::Simulator;
use crate::domain::{RemoteKind, UnknownConnector};

/// Default of `MaxItems`.
const MAX_ITEMS: u64 = 1000;

impl Simulator {
    pub(crate) fn start_directory_listing(
        &self,
        call: &Call<'_>,
        mut input: Input,
    ) -> Result<Value, ApiError> {
        let id = input.required_text("ConnectorId", &CONNECTOR_ID)?;
        let directory = input.required_text("RemoteDirectoryPath", &FILE_PATH)?;
        let output = input.required_text("OutputDirectoryPath", &FILE_PATH)?;
        let max_items = input.at_least_one("MaxItems")?.unwrap_or(MAX_ITEMS);
        input.finish()?;
        let listing = self.start_remote(
            call,
            &id,
            RemoteKind::List {
                directory,
                output,
                max_items,
            },
        )?;
        Ok(json!({ "ListingId": listing, "OutputFileName": format!("{id}-{listing}.json") }))
    }

    pub(crate) fn start_remote_move(
        &self,
        call: &Call<'_>,
        mut input: Input,
    ) -> Result<Value, ApiError> {
        let id = input.required_text("ConnectorId", &CONNECTOR_ID)?;
        let source = input.required_text("SourcePath", &FILE_PATH)?;
        let target = input.required_text("TargetPath", &FILE_PATH)?;
        input.finish()?;
        Ok(json!({ "MoveId": self.start_remote(call, &id, RemoteKind::Move { source, target })? }))
    }

    pub(crate) fn start_remote_delete(
        &self,
        call: &Call<'_>,
        mut input: Input,
    ) -> Result<Value, ApiError> {
        let id = input.required_text("ConnectorId", &CONNECTOR_ID)?;
        let path = input.required_text("DeletePath", &FILE_PATH)?;
        input.finish()?;
        Ok(json!({ "DeleteId": self.start_remote(call, &id, RemoteKind::Delete { path })? }))
    }

    fn start_remote(
        &self,
        call: &Call<'_>,
        id: &str,
        kind: RemoteKind,
    ) -> Result<String, ApiError> {
        let id = connector_id(id)?;
        let started = self.start_operation(&id, kind, call.now);
        started.map_err(|UnknownConnector| ApiError::not_found("Connector", id.as_str()))
    }
}
