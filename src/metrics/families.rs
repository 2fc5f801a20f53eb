//! The one table of descriptors: the encoder, the instruments, METRICS.md and the tests all read it.

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only goes up while the process lives.
    Counter,
    /// Observations in buckets.
    Histogram,
}

impl Kind {
    /// The word of the text format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// Where a family's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// What sweeps have learned: asking for one of these starts a sweep.
    Sweep,
    /// The exporter itself.
    Exporter,
    /// The operating system's view of the process.
    Process,
    /// How a look at one transfer went that `/probe` was asked for; nowhere else.
    Probe,
}

/// One family.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// Its HELP text.
    pub help: &'static str,
    /// Where its values come from.
    pub source: Source,
}

impl Family {
    /// The name that `OpenMetrics` gives the family: a counter's without `_total`.
    pub fn base_name(&self) -> &'static str {
        match self.kind {
            Kind::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            Kind::Gauge | Kind::Histogram => self.name,
        }
    }

    /// The unit that the name ends in.
    pub fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"].into_iter().find(|unit| {
            let rest = self.base_name().strip_suffix(unit);
            rest.is_some_and(|rest| rest.ends_with('_'))
        })
    }
}

const CONNECTOR: &[&str] = &["aws_account", "aws_region", "connector_id"];

macro_rules! families {
    ($($id:ident = $name:literal, $kind:ident, $source:ident, $labels:expr, $help:expr;)*) => {
        $(
            #[doc = $help]
            pub const $id: Family =
                Family { name: $name, kind: Kind::$kind, labels: $labels, help: $help, source: Source::$source };
        )*

        /// Every family, in the order of the exposition.
        pub const ALL: &[&Family] = &[$(&$id,)*];
    };
}

families! {
    FILES = "aws_transfer_files", Gauge, Sweep,
        &["aws_account", "aws_region", "connector_id", "transfer_id", "status", "failure_code"],
        "Files of one transfer by status. Once its results have been read, the four statuses with an empty failure_code are always there.";
    RESULTS_UP = "aws_transfer_results_up", Gauge, Sweep,
        &["aws_account", "aws_region", "connector_id", "transfer_id"],
        "1 if the newest ListFileTransferResults for the transfer told its files, else 0 (failed, or AWS does not know the transfer). The last known counts stay.";
    CONNECTOR_FILES = "aws_transfer_connector_files", Gauge, Sweep,
        &["aws_account", "aws_region", "connector_id", "status", "failure_code"],
        "Files by status, summed over the transfers of the connector that are tracked now.";
    CONNECTOR_TRANSFERS = "aws_transfer_connector_transfers", Gauge, Sweep,
        &["aws_account", "aws_region", "connector_id", "state"],
        "Tracked transfers by state: pending (nothing known yet), running, completed (all files), failed (settled, at least one file FAILED), gone (AWS no longer knows it).";
    FILES_FINISHED = "aws_transfer_connector_files_finished_total", Counter, Sweep,
        &["aws_account", "aws_region", "connector_id", "status", "failure_code"],
        "Files seen to reach COMPLETED or FAILED, each counted once. What had finished before this exporter could watch is not counted.";
    BYTES = "aws_transfer_connector_bytes_total", Counter, Sweep,
        &["aws_account", "aws_region", "connector_id", "operation"],
        "Bytes of the files that were sent or retrieved, as events tell. Absent without a queue of events.";
    FILE_DURATION = "aws_transfer_connector_file_duration_seconds", Histogram, Sweep,
        &["aws_account", "aws_region", "connector_id", "operation"],
        "Time from the start of a file to its end, as events tell. Absent without a queue of events.";
    OPERATIONS = "aws_transfer_connector_operations_total", Counter, Sweep,
        &["aws_account", "aws_region", "connector_id", "operation", "status", "failure_code"],
        "Directory listings (LIST), remote moves (MOVE) and remote deletes (DELETE) by how they ended, as events tell: no API call reveals it. Absent without a queue of events.";
    OLDEST_UNFINISHED = "aws_transfer_connector_oldest_unfinished_timestamp_seconds", Gauge, Sweep, CONNECTOR,
        "Start (first sight where no source tells the start) of the oldest unfinished transfer, in seconds since the epoch. Absent when none is unfinished.";
    LAST_COMPLETED = "aws_transfer_connector_last_completed_timestamp_seconds", Gauge, Sweep, CONNECTOR,
        "When a file was last seen to complete, in seconds since the epoch. Absent until one is.";
    LAST_FAILED = "aws_transfer_connector_last_failed_timestamp_seconds", Gauge, Sweep, CONNECTOR,
        "When a file was last seen to fail, in seconds since the epoch. Absent until one is.";
    RESULTS_AGE = "aws_transfer_connector_results_age_seconds", Gauge, Sweep, CONNECTOR,
        "Age of the stalest answer among the unfinished transfers. Absent when none of them has been answered.";
    CONNECTOR_INFO = "aws_transfer_connector_info", Gauge, Sweep,
        &["aws_account", "aws_region", "connector_id", "name"],
        "Always 1. What people call the connector (its id where no name is configured), its URL, egress type and status where connectors are looked at, and the labels configured for it.";
    TRANSFERS = "aws_transfer_exporter_transfers", Gauge, Sweep, &["origin"],
        "Tracked transfers by where they were learned from.";
    SCRAPE_COMPLETE = "aws_transfer_exporter_scrape_complete", Gauge, Sweep, &[],
        "1 if everything that was due had been fetched when this scrape was answered, 0 if the deadline came first or a fetch failed.";
    CODES_FOLDED = "aws_transfer_exporter_failure_codes_folded_total", Counter, Sweep, &[],
        "Failed files whose unlisted failure code is counted as OTHER, because 100 other unlisted codes were seen before.";
    DISCOVERY_UP = "aws_transfer_exporter_discovery_up", Gauge, Exporter, &["source", "target"],
        "1 if the newest look at a source of transfers succeeded, else 0.";
    DISCOVERY_LAST_SUCCESS = "aws_transfer_exporter_discovery_last_success_timestamp_seconds", Gauge, Exporter, &["source", "target"],
        "When a look at a source of transfers last succeeded, in seconds since the epoch. Absent until one has.";
    DISCOVERY_DURATION = "aws_transfer_exporter_discovery_duration_seconds", Gauge, Exporter, &["source", "target"],
        "Duration of the newest look at a source of transfers.";
    DISCOVERY_TRANSFERS = "aws_transfer_exporter_discovery_transfers_total", Counter, Exporter, &["source", "target"],
        "Transfers, and connectors, that a source has told and that were not known from it before.";
    DISCOVERY_MESSAGES = "aws_transfer_exporter_discovery_messages_total", Counter, Exporter, &["target", "outcome"],
        "Messages received from a queue, and records of CloudTrail, by outcome: understood, duplicate (told before), foreign (of another account, connector or shard), unparsable (the body could not be parsed: it is left to the queue's redrive policy), failed (understood, and not durable yet: it stays in the queue until it is).";
    DISCOVERY_QUEUE_MESSAGES = "aws_transfer_exporter_discovery_queue_messages", Gauge, Exporter, &["target"],
        "Messages in a queue, those that are received and not deleted yet included, as SQS counts them: approximate, and asked for once a minute. Absent where SQS does not tell it.";
    API_REQUESTS = "aws_transfer_exporter_api_requests_total", Counter, Exporter,
        &["aws_account", "aws_region", "operation", "outcome"],
        "Attempts at AWS API requests, retries included, by outcome. Denied includes attempts for which no valid credentials could be had.";
    API_REQUEST_DURATION = "aws_transfer_exporter_api_request_duration_seconds", Histogram, Exporter, &["operation"],
        "Duration of attempts at AWS API requests.";
    API_RATE_LIMIT = "aws_transfer_exporter_api_rate_limit", Gauge, Exporter, &["aws_account", "aws_region"],
        "API requests per second that are allowed now. Falls when AWS throttles, and climbs back.";
    SWEEP_DURATION = "aws_transfer_exporter_sweep_duration_seconds", Gauge, Exporter, &[],
        "Duration of the last sweep that has ended.";
    STORAGE_UP = "aws_transfer_exporter_storage_up", Gauge, Exporter, &[],
        "1 if the newest write of what is known succeeded, 0 if it failed or takes too long: then the exporter goes on in memory. Absent without --storage.path.";
    STORAGE_SIZE = "aws_transfer_exporter_storage_size_bytes", Gauge, Exporter, &[],
        "Size of the file below --storage.path. Absent without it.";
    STORAGE_WRITE_DURATION = "aws_transfer_exporter_storage_write_duration_seconds", Histogram, Exporter, &[],
        "Duration of writes that succeeded. Absent without --storage.path.";
    STORAGE_WRITE_ERRORS = "aws_transfer_exporter_storage_write_errors_total", Counter, Exporter, &[],
        "Writes that failed; what they held is written later. Absent without --storage.path.";
    CONFIG_RELOAD_OK = "aws_transfer_exporter_config_last_reload_successful", Gauge, Exporter, &[],
        "1 if the last attempt to load the configuration succeeded.";
    CONFIG_RELOAD_AT = "aws_transfer_exporter_config_last_reload_success_timestamp_seconds", Gauge, Exporter, &[],
        "When the configuration was last loaded with success, in seconds since the epoch.";
    HTTP_REQUESTS = "aws_transfer_exporter_http_requests_total", Counter, Exporter, &["handler", "code"],
        "Answered HTTP requests by handler and status.";
    HTTP_REFUSED = "aws_transfer_exporter_http_refused_total", Counter, Exporter, &["reason"],
        "HTTP requests and connections that were not served: over the rate limit, without good credentials, while too many passwords waited to be verified, while every connection was being answered, or without a TLS handshake.";
    CERTIFICATE_NOT_AFTER = "aws_transfer_exporter_certificate_not_after_timestamp_seconds", Gauge, Exporter, &[],
        "When the certificate ends that the server shows, in seconds since the epoch. Absent without TLS.";
    WEB_CONFIG_RELOAD_OK = "aws_transfer_exporter_web_config_last_reload_successful", Gauge, Exporter, &[],
        "1 if the web configuration file and the certificates that it names are in force as they are now, 0 if those before them are. Absent without --web.config.file.";
    CONFIG_HASH = "aws_transfer_exporter_config_hash", Gauge, Exporter, &[],
        "The first 48 bits of the SHA-256 of the configuration file in force, as a number. The same file gives the same number in every exporter. 0 without a file.";
    ACCOUNT_UP = "aws_transfer_exporter_account_up", Gauge, Exporter, &["aws_account", "aws_region"],
        "1 if AWS answered the account's newest attempt at ListFileTransferResults and took the credentials (whatever else it answered, be it that they may not read a connector), 0 if it refused them, if none could be had, or if no answer came that could be read. Absent before the first attempt.";
    TOKIO_WORKERS = "aws_transfer_exporter_tokio_workers", Gauge, Exporter, &[],
        "Threads of the asynchronous runtime that run tasks.";
    TOKIO_ALIVE_TASKS = "aws_transfer_exporter_tokio_alive_tasks", Gauge, Exporter, &[],
        "Tasks of the asynchronous runtime that have not ended.";
    TOKIO_QUEUE_DEPTH = "aws_transfer_exporter_tokio_global_queue_depth", Gauge, Exporter, &[],
        "Tasks that wait in the queue that all threads of the asynchronous runtime share.";
    TOKIO_BUSY = "aws_transfer_exporter_tokio_worker_busy_seconds_total", Counter, Exporter, &[],
        "Time that the threads of the asynchronous runtime have spent on tasks, all threads together.";
    SHARD_INFO = "aws_transfer_exporter_shard_info", Gauge, Exporter, &["shard", "shards"],
        "Always 1. Which of how many exporters this is that share the transfers: 0 of 1 where it has them all.";
    BUILD_INFO = "aws_transfer_exporter_build_info", Gauge, Exporter, &["version", "rust_version"],
        "Always 1. What this exporter was built from.";
    PROCESS_CPU = "process_cpu_seconds_total", Counter, Process, &[],
        "Total user and system CPU time spent in seconds.";
    PROCESS_OPEN_FDS = "process_open_fds", Gauge, Process, &[],
        "Number of open file descriptors.";
    PROCESS_MAX_FDS = "process_max_fds", Gauge, Process, &[],
        "Maximum number of open file descriptors.";
    PROCESS_VIRTUAL_MEMORY = "process_virtual_memory_bytes", Gauge, Process, &[],
        "Virtual memory size in bytes.";
    PROCESS_RESIDENT_MEMORY = "process_resident_memory_bytes", Gauge, Process, &[],
        "Resident memory size in bytes.";
    PROCESS_START_TIME = "process_start_time_seconds", Gauge, Process, &[],
        "Start time of the process since unix epoch in seconds.";
    PROCESS_THREADS = "process_threads", Gauge, Process, &[],
        "Number of OS threads in the process.";
    PROBE_SUCCESS = "probe_success", Gauge, Probe, &[],
        "1 if the look told the transfer's files, 0 if it failed, took too long, or AWS does not know the transfer.";
    PROBE_DURATION = "probe_duration_seconds", Gauge, Probe, &[],
        "Time from the request to the answer.";
}
