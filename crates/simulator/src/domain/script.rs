//! The life of a file: scripted, or drawn from a seeded profile. What it is at a moment is a lookup; nothing ticks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::random::SplitMix64;
use super::span;
use model::{FailureCode, FileResult, FileStatus};

/// What becomes of a file when it leaves IN_PROGRESS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum End {
    /// COMPLETED.
    Completed,
    /// FAILED.
    Failed {
        /// `FailureCode`; any text, or none.
        #[serde(default)]
        code: Option<String>,
        /// `FailureMessage`, or none.
        #[serde(default)]
        message: Option<String>,
    },
    /// Stays IN_PROGRESS.
    Never,
    /// A status by its raw name, for those that the API's model does not have.
    Status(String),
}

/// QUEUED for a while, IN_PROGRESS for a while, then the end. `Duration::MAX` is for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeScript {
    /// Time in QUEUED, from the start of the transfer.
    pub queued_for: Duration,
    /// Time in IN_PROGRESS.
    pub in_progress_for: Duration,
    /// What comes then.
    pub end: End,
}

impl LifeScript {
    /// COMPLETED from the first moment.
    pub fn completed() -> Self {
        Self::at_once(End::Completed)
    }

    /// FAILED from the first moment, with a code unless it is empty.
    pub fn failed(code: &str, message: &str) -> Self {
        let code = (!code.is_empty()).then(|| code.to_owned());
        Self::at_once(End::Failed {
            code,
            message: Some(message.to_owned()),
        })
    }

    /// QUEUED for ever.
    pub fn stuck_queued() -> Self {
        Self {
            queued_for: Duration::MAX,
            in_progress_for: Duration::ZERO,
            end: End::Never,
        }
    }

    /// IN_PROGRESS from the first moment, for ever.
    pub fn stuck_in_progress() -> Self {
        Self::at_once(End::Never)
    }

    /// A status by its raw name from the first moment.
    pub fn status(name: &str) -> Self {
        Self::at_once(End::Status(name.to_owned()))
    }

    /// The same end, after these two spans.
    #[must_use]
    pub fn after(self, queued_for: Duration, in_progress_for: Duration) -> Self {
        Self {
            queued_for,
            in_progress_for,
            ..self
        }
    }

    fn at_once(end: End) -> Self {
        Self {
            queued_for: Duration::ZERO,
            in_progress_for: Duration::ZERO,
            end,
        }
    }

    /// When it is COMPLETED or FAILED, from the start of the transfer; nothing where it never is.
    pub(crate) fn finished_after(&self) -> Option<Duration> {
        let after = self.queued_for.saturating_add(self.in_progress_for);
        (after < Duration::MAX && self.status_at(after).is_finished()).then_some(after)
    }

    /// The status this long after the start.
    pub fn status_at(&self, elapsed: Duration) -> FileStatus {
        if elapsed < self.queued_for {
            FileStatus::Queued
        } else if elapsed < self.queued_for.saturating_add(self.in_progress_for) {
            FileStatus::InProgress
        } else {
            match &self.end {
                End::Completed => FileStatus::Completed,
                End::Failed { .. } => FileStatus::Failed,
                End::Never => FileStatus::InProgress,
                End::Status(name) => FileStatus::from_wire(name),
            }
        }
    }
}

/// One file of a transfer: its path and its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "FileScriptJson", into = "FileScriptJson")]
pub struct FileScript {
    /// `FilePath`.
    pub path: String,
    /// What happens to it.
    pub life: LifeScript,
    /// Its size in bytes; none: drawn from the seed. Only an event tells it, and only of a completed file.
    pub bytes: Option<u64>,
}

impl FileScript {
    /// One file.
    pub fn new(path: impl Into<String>, life: LifeScript) -> Self {
        Self {
            path: path.into(),
            life,
            bytes: None,
        }
    }

    /// The same file of this many bytes.
    #[must_use]
    pub fn sized(self, bytes: u64) -> Self {
        Self {
            bytes: Some(bytes),
            ..self
        }
    }

    /// The row of `ListFileTransferResults` this long after the start.
    pub fn result_at(&self, elapsed: Duration) -> FileResult {
        let status = self.life.status_at(elapsed);
        let (failure_code, failure_message) = match (&status, &self.life.end) {
            (FileStatus::Failed, End::Failed { code, message }) => {
                (code.as_deref().and_then(FailureCode::new), message.clone())
            }
            _ => (None, None),
        };
        FileResult {
            path: self.path.clone(),
            status,
            failure_code,
            failure_message,
        }
    }
}

/// The flat form of a [`FileScript`] in JSON; what is left out is zero, the end `completed`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileScriptJson {
    path: String,
    #[serde(default, with = "span")]
    queued_for: Duration,
    #[serde(default, with = "span")]
    in_progress_for: Duration,
    #[serde(default = "completed")]
    end: End,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

fn completed() -> End {
    End::Completed
}

impl From<FileScriptJson> for FileScript {
    fn from(json: FileScriptJson) -> Self {
        let FileScriptJson {
            path,
            queued_for,
            in_progress_for,
            end,
            bytes,
        } = json;
        Self {
            path,
            life: LifeScript {
                queued_for,
                in_progress_for,
                end,
            },
            bytes,
        }
    }
}

impl From<FileScript> for FileScriptJson {
    fn from(file: FileScript) -> Self {
        let LifeScript {
            queued_for,
            in_progress_for,
            end,
        } = file.life;
        Self {
            path: file.path,
            queued_for,
            in_progress_for,
            end,
            bytes: file.bytes,
        }
    }
}

/// Random lives, for transfers that nobody scripted.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Mean time in QUEUED.
    pub mean_queued: Duration,
    /// Mean time in IN_PROGRESS.
    pub mean_in_progress: Duration,
    /// Share of the files that end FAILED, `0.0 ..= 1.0`.
    pub failure_share: f64,
    /// The codes of those; an empty text is a failure without a code.
    pub codes: Vec<&'static str>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            mean_queued: Duration::from_secs(2),
            mean_in_progress: Duration::from_secs(5),
            failure_share: 0.05,
            codes: vec![
                "CONNECTION_ERROR",
                "TIMEOUT_ERROR",
                "RETRIEVE_FILE_NOT_FOUND",
                "WRITE_FILE_ERROR",
            ],
        }
    }
}

impl Profile {
    /// The next life; `host` and `path` stand in the message of a failure.
    pub fn draw(&self, random: &mut SplitMix64, host: &str, path: &str) -> LifeScript {
        let queued_for = random.duration(self.mean_queued);
        let in_progress_for = random.duration(self.mean_in_progress);
        let code = random.pick(&self.codes).copied().unwrap_or_default();
        let life = if random.chance(self.failure_share) {
            LifeScript::failed(code, &failure_message(code, host, path))
        } else {
            LifeScript::completed()
        };
        life.after(queued_for, in_progress_for)
    }
}

/// What a failure with this code says of itself. The wording is the simulator's own.
pub fn failure_message(code: &str, host: &str, path: &str) -> String {
    match code {
        "ASSUME_ROLE_ERROR" => {
            format!(
                "The access role of the connector could not be assumed to move {path} for {host}"
            )
        }
        "UNSUPPORTED_OPERATION_ERROR" => {
            format!("{host} does not support what moving {path} needs")
        }
        "CONNECTION_ERROR" => format!(
            "Could not connect to {host} on port 22 while moving {path}: connection refused"
        ),
        "READ_FILE_ERROR" => format!("Reading {path} failed after 32768 bytes; peer {host}"),
        "WRITE_FILE_ERROR" => {
            format!("Writing {path} failed; {host} answered: no space left on device")
        }
        "TIMEOUT_ERROR" => format!("{host} did not answer in time while moving {path}"),
        "SEND_FILE_NOT_FOUND" => {
            format!("{path} is not in the bucket, so nothing was sent to {host}")
        }
        "RETRIEVE_FILE_NOT_FOUND" => format!("{path} is not on {host}"),
        "DIRECTORY_NOT_FOUND" | "FILE_NOT_FOUND" | "PATH_NOT_FOUND" => {
            format!("{host} has no {path}")
        }
        "INTERNAL_ERROR" => format!("An internal error stopped {path}; peer {host}"),
        _ => format!("{path} could not be moved; peer {host}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stage(status: &FileStatus) -> u8 {
        match status {
            FileStatus::Queued => 0,
            FileStatus::InProgress => 1,
            FileStatus::Completed | FileStatus::Failed | FileStatus::Other(_) => 2,
        }
    }

    fn lives() -> impl Strategy<Value = LifeScript> {
        let end = prop_oneof![
            Just(End::Completed),
            Just(End::Never),
            Just(End::Status("PAUSED".to_owned())),
            Just(End::Failed {
                code: Some("TIMEOUT_ERROR".to_owned()),
                message: None
            }),
        ];
        (0_u64..100, 0_u64..100, end).prop_map(|(queued, moving, end)| LifeScript {
            queued_for: Duration::from_secs(queued),
            in_progress_for: Duration::from_secs(moving),
            end,
        })
    }

    proptest! {
        #[test]
        fn statuses_only_move_forward(life in lives(), a in 0_u64..300, b in 0_u64..300) {
            let earlier = life.status_at(Duration::from_secs(a.min(b)));
            let later = life.status_at(Duration::from_secs(a.max(b)));
            prop_assert!(stage(&earlier) <= stage(&later));
            if earlier.is_finished() {
                prop_assert_eq!(earlier, later);
            }
        }

        #[test]
        fn one_seed_draws_one_life(seed: u64) {
            let draw = || Profile::default().draw(&mut SplitMix64::new(seed), "sftp.example.com", "/a");
            prop_assert_eq!(draw(), draw());
        }
    }

    #[test]
    fn each_status_begins_at_its_instant() {
        let life = LifeScript::completed().after(Duration::from_secs(2), Duration::from_secs(3));
        let at = |ms| life.status_at(Duration::from_millis(ms));
        assert_eq!([at(0), at(1_999)], [FileStatus::Queued, FileStatus::Queued]);
        assert_eq!(
            [at(2_000), at(4_999)],
            [FileStatus::InProgress, FileStatus::InProgress]
        );
        assert_eq!(at(5_000), FileStatus::Completed);
    }

    #[test]
    fn a_stuck_file_stays_where_it_is() {
        let year = Duration::from_hours(365 * 24);
        assert_eq!(
            LifeScript::stuck_queued().status_at(year),
            FileStatus::Queued
        );
        assert_eq!(
            LifeScript::stuck_in_progress().status_at(year),
            FileStatus::InProgress
        );
        assert_eq!(
            LifeScript::status("PAUSED").status_at(year).as_str(),
            "PAUSED"
        );
        let stuck = [
            LifeScript::stuck_queued(),
            LifeScript::stuck_in_progress(),
            LifeScript::status("PAUSED"),
        ];
        assert!(stuck.iter().all(|life| life.finished_after().is_none()));
        let five = Duration::from_secs(5);
        assert_eq!(
            LifeScript::completed().after(five, five).finished_after(),
            Some(2 * five)
        );
    }

    #[test]
    fn the_reason_of_a_failure_shows_only_once_it_has_failed() {
        let life = LifeScript::failed("TIMEOUT_ERROR", "too slow")
            .after(Duration::from_secs(1), Duration::ZERO);
        let file = FileScript::new("/a", life);
        assert_eq!(file.result_at(Duration::ZERO).failure_code, None);
        let failed = file.result_at(Duration::from_secs(1));
        assert_eq!(failed.failure_code.unwrap().as_str(), "TIMEOUT_ERROR");
        assert_eq!(failed.failure_message.as_deref(), Some("too slow"));
    }

    #[test]
    fn a_failure_may_come_without_a_code() {
        let failed = FileScript::new("/a", LifeScript::failed("", "reason unknown"))
            .result_at(Duration::ZERO);
        assert_eq!(
            (failed.status, failed.failure_code),
            (FileStatus::Failed, None)
        );
    }

    #[test]
    fn a_script_reads_from_json_and_refuses_what_it_does_not_know() {
        let json = r#"{"path": "/a", "queued_for": "50ms", "in_progress_for": 2, "end": {"failed": {"code": "X"}}}"#;
        let file: FileScript = serde_json::from_str(json).unwrap();
        assert_eq!(file.life.queued_for, Duration::from_millis(50));
        assert_eq!(
            file.life.end,
            End::Failed {
                code: Some("X".to_owned()),
                message: None
            }
        );
        assert_eq!(
            serde_json::from_str::<FileScript>(&serde_json::to_string(&file).unwrap()).unwrap(),
            file
        );
        assert!(serde_json::from_str::<FileScript>(r#"{"path": "/a", "queue": 1}"#).is_err());
        assert!(
            serde_json::from_str::<FileScript>(r#"{"path": "/a", "end": "vanished"}"#).is_err()
        );
    }
}
