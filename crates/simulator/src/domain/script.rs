//! The script of a file: fixed, or drawn from a seeded profile. The status is a function of the
//! elapsed time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::random::SplitMix64;
use super::span;
use model::{FailureCode, FileResult, FileStatus};

/// The status of a file after IN_PROGRESS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// COMPLETED.
    Completed,
    /// FAILED.
    Failed {
        /// `FailureCode`; any text, or none.
        code: Option<String>,
        /// `FailureMessage`, or none.
        message: Option<String>,
    },
    /// Stays IN_PROGRESS.
    Never,
    /// A status outside the API model.
    Status(String),
}

/// QUEUED, then IN_PROGRESS, then the end. `Duration::MAX` means forever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeScript {
    /// Time in QUEUED, from the start of the transfer.
    pub queued_for: Duration,
    /// Time in IN_PROGRESS.
    pub in_progress_for: Duration,
    /// The end.
    pub end: End,
}

impl LifeScript {
    /// Returns a script that is COMPLETED at once.
    pub fn completed() -> Self {
        Self::at_once(End::Completed)
    }

    /// Returns a script that is FAILED at once. An empty code means none.
    pub fn failed(code: &str, message: &str) -> Self {
        let code = (!code.is_empty()).then(|| code.to_owned());
        Self::at_once(End::Failed {
            code,
            message: Some(message.to_owned()),
        })
    }

    /// Returns a script that stays QUEUED.
    pub fn stuck_queued() -> Self {
        Self {
            queued_for: Duration::MAX,
            in_progress_for: Duration::ZERO,
            end: End::Never,
        }
    }

    /// Returns a script that stays IN_PROGRESS.
    pub fn stuck_in_progress() -> Self {
        Self::at_once(End::Never)
    }

    /// Returns a script with a status outside the API model.
    pub fn status(name: &str) -> Self {
        Self::at_once(End::Status(name.to_owned()))
    }

    /// Returns the same end after these durations.
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

    /// Returns the time from start to finish, or `None` if the file never finishes.
    pub(crate) fn finished_after(&self) -> Option<Duration> {
        let after = self.queued_for.saturating_add(self.in_progress_for);
        (after < Duration::MAX && self.status_at(after).is_finished()).then_some(after)
    }

    /// Returns the status after `elapsed`.
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

/// One file of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "FileScriptJson", into = "FileScriptJson")]
pub struct FileScript {
    /// `FilePath`.
    pub path: String,
    /// The script of its status.
    pub life: LifeScript,
    /// Size in bytes; `None` draws one. Only events of completed files report it.
    pub bytes: Option<u64>,
}

impl FileScript {
    /// Creates a file.
    pub fn new(path: impl Into<String>, life: LifeScript) -> Self {
        Self {
            path: path.into(),
            life,
            bytes: None,
        }
    }

    /// Sets the size in bytes.
    #[must_use]
    pub fn sized(self, bytes: u64) -> Self {
        Self {
            bytes: Some(bytes),
            ..self
        }
    }

    /// Returns the row of `ListFileTransferResults` after `elapsed`.
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

/// The JSON form of a [`FileScript`]. Durations default to zero, the end to `completed`.
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

/// Distribution of scripts, for transfers without one.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Mean time in QUEUED.
    pub mean_queued: Duration,
    /// Mean time in IN_PROGRESS.
    pub mean_in_progress: Duration,
    /// Share of failed files, `0.0 ..= 1.0`.
    pub failure_share: f64,
    /// Failure codes to draw from. An empty one means no code.
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
    /// Draws a script. `host` and `path` appear in failure messages.
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

/// Returns a failure message for a code. AWS's wording differs.
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
    fn a_script_parses_from_json_and_rejects_unknown_members() {
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
