//! Directory listings, remote moves and remote deletes. Only an event reports their end.

use std::sync::Arc;
use std::time::SystemTime;

use super::connector::ConnectorSpec;
use super::random::SplitMix64;
use super::script::{Profile, failure_message};
use model::ConnectorId;

/// The kind of an operation, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RemoteKind {
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

/// One operation. Its end is decided at its start.
pub(crate) struct RemoteRun {
    pub(crate) serial: u64,
    pub(crate) id: String,
    pub(crate) connector: ConnectorId,
    pub(crate) spec: Arc<ConnectorSpec>,
    pub(crate) kind: RemoteKind,
    pub(crate) started_at: SystemTime,
    pub(crate) ended_at: SystemTime,
    /// Failure code and message.
    pub(crate) failure: Option<(&'static str, String)>,
}

impl RemoteRun {
    pub(crate) fn draw(
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
        let fails = random.chance(failure_share);
        let failure = match spec.connection_problem() {
            Some(problem) => Some(("CONNECTION_ERROR", problem)),
            None => fails.then(|| (code, failure_message(code, &spec.host, path))),
        };
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::now;

    #[test]
    fn an_operation_fails_while_no_session_is_possible() {
        let spec = Arc::new(ConnectorSpec {
            connection_error: Some("Authentication failed".to_owned()),
            ..ConnectorSpec::default()
        });
        let kind = RemoteKind::Delete {
            path: "/a".to_owned(),
        };
        let connector = "c-0123456789abcdef0".parse().unwrap();
        let mut random = SplitMix64::new(1);
        let run = RemoteRun::draw(1, &connector, spec, kind, now().wall, &mut random);
        let failure = ("CONNECTION_ERROR", "Authentication failed".to_owned());
        assert_eq!(run.failure, Some(failure));
    }

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
