//! Profiles of the fleet's partners: which failures and delays their transfers have.

use std::time::Duration;

use crate::domain::{ConnectorSpec, FileScript, LifeScript, Profile, SplitMix64, failure_message};
use model::Direction;

/// One connector of the fleet.
pub(crate) struct Partner {
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) host: &'static str,
    /// Direction of its files.
    pub(crate) direction: Direction,
    /// Directory and stem of its files. For sent files, the directory is a bucket.
    stem: &'static str,
    mean_queued: Duration,
    mean_in_progress: Duration,
    failure_share: f64,
    codes: &'static [&'static str],
    /// Share of the files that wait QUEUED for minutes.
    stuck_queued_share: f64,
    /// Share of the files that stay IN_PROGRESS for minutes.
    stuck_in_progress_share: f64,
    connection_error: Option<&'static str>,
}

const SECOND: Duration = Duration::from_secs(1);

/// A partner without failures.
const HEALTHY: Partner = Partner {
    id: "c-0a1c3e5f7092b4d61",
    name: "acme-inbound",
    label: "acme",
    host: "sftp.acme.example",
    direction: Direction::Retrieve,
    stem: "/outbound/orders",
    mean_queued: SECOND,
    mean_in_progress: Duration::from_secs(4),
    failure_share: 0.0,
    codes: &[],
    stuck_queued_share: 0.0,
    stuck_in_progress_share: 0.0,
    connection_error: None,
};

/// The fleet.
pub(crate) const PARTNERS: [Partner; 6] = [
    HEALTHY,
    Partner {
        id: "c-1b2d4f608193a5c72",
        name: "globex-orders",
        label: "globex",
        host: "files.globex.example",
        direction: Direction::Send,
        stem: "/partner-orders/purchase-order",
        mean_in_progress: Duration::from_secs(6),
        failure_share: 0.45,
        codes: &[
            "CONNECTION_ERROR",
            "CONNECTION_ERROR",
            "ASSUME_ROLE_ERROR",
            "TIMEOUT_ERROR",
        ],
        connection_error: Some(
            "Authentication failed: files.globex.example refused the private key",
        ),
        ..HEALTHY
    },
    Partner {
        id: "c-2c3e5061728394a83",
        name: "initech-reports",
        label: "initech",
        host: "mft.initech.example",
        stem: "/reports/daily",
        mean_queued: Duration::from_secs(6),
        mean_in_progress: Duration::from_secs(25),
        failure_share: 0.06,
        codes: &["TIMEOUT_ERROR"],
        stuck_in_progress_share: 0.05,
        ..HEALTHY
    },
    Partner {
        id: "c-3d4f61728394a5b94",
        name: "northwind-stock",
        label: "northwind",
        host: "transfer.northwind.example",
        direction: Direction::Send,
        stem: "/stock/levels",
        mean_queued: Duration::from_secs(8),
        stuck_queued_share: 0.15,
        ..HEALTHY
    },
    Partner {
        id: "c-4e5062738495a6ca5",
        name: "contoso-catalogue",
        label: "contoso",
        host: "sftp.contoso.example",
        stem: "/catalogue/articles",
        failure_share: 0.35,
        codes: &[
            "RETRIEVE_FILE_NOT_FOUND",
            "RETRIEVE_FILE_NOT_FOUND",
            "DIRECTORY_NOT_FOUND",
        ],
        ..HEALTHY
    },
    Partner {
        id: "c-5f61738495a6b7db6",
        name: "tailspin-payroll",
        label: "tailspin",
        host: "secure.tailspin.example",
        direction: Direction::Send,
        stem: "/payroll/run",
        mean_in_progress: Duration::from_secs(8),
        failure_share: 0.15,
        codes: &[
            "",
            "WRITE_FILE_ERROR",
            "READ_FILE_ERROR",
            "INTERNAL_ERROR",
            "SEND_FILE_NOT_FOUND",
        ],
        stuck_queued_share: 0.02,
        stuck_in_progress_share: 0.02,
        ..HEALTHY
    },
];

impl Partner {
    /// Returns the connector as the API describes it.
    pub(crate) fn spec(&self) -> ConnectorSpec {
        ConnectorSpec {
            host: self.host.to_owned(),
            connection_error: self.connection_error.map(str::to_owned),
            profile: self.profile(),
            ..ConnectorSpec::default()
        }
    }

    fn profile(&self) -> Profile {
        Profile {
            mean_queued: self.mean_queued,
            mean_in_progress: self.mean_in_progress,
            failure_share: self.failure_share,
            codes: self.codes.to_vec(),
        }
    }

    /// Returns the path of file `number`.
    pub(crate) fn path(&self, number: usize) -> String {
        format!("{}-{number:06}.csv", self.stem)
    }

    /// Returns a file that fails with `code` after a time in progress.
    pub(crate) fn failing(&self, number: usize, code: &str, after: Duration) -> FileScript {
        let path = self.path(number);
        let life =
            LifeScript::failed(code, &failure_message(code, self.host, &path)).after(SECOND, after);
        FileScript::new(path, life)
    }

    /// Returns a file that completes after these durations.
    pub(crate) fn completing(
        &self,
        number: usize,
        queued_for: Duration,
        in_progress_for: Duration,
    ) -> FileScript {
        FileScript::new(
            self.path(number),
            LifeScript::completed().after(queued_for, in_progress_for),
        )
    }

    /// Returns a random file by this partner's profile.
    pub(crate) fn draw(&self, random: &mut SplitMix64, number: usize) -> FileScript {
        let path = self.path(number);
        let mut life = self.profile().draw(random, self.host, &path);
        let minutes = Duration::from_mins(3) + random.duration(Duration::from_mins(2));
        // Drawn in any case, so that a share does not shift later draws.
        let (waits, hangs) = (
            random.chance(self.stuck_queued_share),
            random.chance(self.stuck_in_progress_share),
        );
        if waits {
            life.queued_for = minutes;
        } else if hangs {
            life.in_progress_for = minutes;
        }
        FileScript::new(path, life)
    }
}
