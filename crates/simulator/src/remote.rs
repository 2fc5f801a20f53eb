//! Directory listings, remote moves and remote deletes: started with an id, over after a while, told by an event alone.

use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Value, json};

use super::Simulator;
use super::input::{CONNECTOR_ID, FILE_PATH, Input};
use super::life::{Profile, failure_message};
use super::operations::{Call, connector_id};
use super::random::SplitMix64;
use super::state::{ConnectorSpec, UnknownConnector};
use super::wire::ApiError;
use model::ConnectorId;

/// Items of a listing where `MaxItems` is left out.
const MAX_ITEMS: u64 = 1000;

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RemoteKind {
    List {
        directory: String,
        output: String,
        max_items: u64,
    },
    Move {
        source: String,
        target: String,
    },
    Delete {
        path: String,
    },
}

/// One operation, its end decided when it is started.
pub(super) struct RemoteRun {
    pub(super) serial: u64,
    pub(super) id: String,
    pub(super) connector: ConnectorId,
    pub(super) spec: Arc<ConnectorSpec>,
    pub(super) kind: RemoteKind,
    pub(super) started_at: SystemTime,
    pub(super) ended_at: SystemTime,
    /// Code and message.
    pub(super) failure: Option<(&'static str, String)>,
}

impl RemoteRun {
    pub(super) fn draw(
        serial: u64,
        connector: &ConnectorId,
        spec: Arc<ConnectorSpec>,
        kind: RemoteKind,
        now: SystemTime,
        random: &mut SplitMix64,
    ) -> Self {
        let Profile {
            mean_in_progress,
            failure_share,
            ..
        } = spec.profile;
        let ended_at = now
            .checked_add(random.duration(mean_in_progress))
            .unwrap_or(now);
        let (code, path) = match &kind {
            RemoteKind::List { directory, .. } => ("LIST_DIRECTORY_ERROR", directory),
            RemoteKind::Move { source, .. } => ("RENAME_ERROR", source),
            RemoteKind::Delete { path } => ("DELETE_ERROR", path),
        };
        let failure = random
            .chance(failure_share)
            .then(|| (code, failure_message(code, &spec.host, path)));
        let id = random.uuid();
        Self {
            serial,
            id,
            connector: connector.clone(),
            spec,
            kind,
            started_at: now,
            ended_at,
            failure,
        }
    }
}

impl Simulator {
    pub(super) fn start_directory_listing(
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

    pub(super) fn start_remote_move(
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

    pub(super) fn start_remote_delete(
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

    /// Starts an operation that ends by the connector's profile.
    pub(super) fn start_operation(
        &self,
        connector: &ConnectorId,
        kind: RemoteKind,
        now: SystemTime,
    ) -> Result<String, UnknownConnector> {
        let started = self.state().start_remote(connector, kind, now);
        self.0.arrivals.notify_waiters();
        started
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::now;

    #[test]
    fn an_operation_ends_later_and_fails_as_often_as_the_profile_says() {
        let profile = Profile {
            failure_share: 0.5,
            ..Profile::default()
        };
        let spec = Arc::new(ConnectorSpec {
            profile,
            ..ConnectorSpec::default()
        });
        let mut random = SplitMix64::new(1);
        let connector = "c-0123456789abcdef0".parse().unwrap();
        let mut draw = |serial| {
            let kind = RemoteKind::Delete {
                path: "/a".to_owned(),
            };
            RemoteRun::draw(
                serial,
                &connector,
                Arc::clone(&spec),
                kind,
                now().wall,
                &mut random,
            )
        };
        let runs: Vec<_> = (0..200).map(&mut draw).collect();
        let failed: Vec<_> = runs.iter().filter_map(|run| run.failure.as_ref()).collect();
        assert!((70..130).contains(&failed.len()), "{}", failed.len());
        assert!(
            failed
                .iter()
                .all(|(code, message)| *code == "DELETE_ERROR" && message.contains("/a"))
        );
        let longest = runs.iter().map(|run| run.ended_at).max().unwrap();
        assert!(longest > now().wall + Duration::from_secs(5));
    }
}
