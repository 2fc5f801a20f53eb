//! The table of metric families. The encoder, the instruments and METRICS.md are derived from it.

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricType {
    /// A value that rises and falls.
    Gauge,
    /// A value that only rises while the process lives.
    Counter,
    /// Observations counted in buckets.
    Histogram,
}

impl MetricType {
    /// Returns the type's name in the text formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// A group of families, by the origin of their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Results of sweeps. A request for such a family starts a sweep.
    Sweep,
    /// The exporter's own instruments.
    Exporter,
    /// The exporter's own instruments of a running server. `once` has none.
    Server,
    /// The operating system's accounting of the process. `once` omits it.
    Process,
    /// One `/probe` request. Not exported on `/metrics`.
    Probe,
}

/// A label of a family.
#[derive(Debug, PartialEq, Eq)]
pub struct Label {
    /// The name.
    pub name: &'static str,
    /// What its values mean, in Markdown.
    pub meaning: &'static str,
}

impl Label {
    const fn new(name: &'static str, meaning: &'static str) -> Self {
        Self { name, meaning }
    }
}

/// A metric family.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// The name.
    pub name: &'static str,
    /// The type.
    pub kind: MetricType,
    /// The group, by the origin of the values.
    pub group: Group,
    /// The labels, in the order of the exposition.
    pub labels: &'static [Label],
    /// The HELP text: one sentence on what is measured, then when the family is absent.
    pub help: &'static str,
    /// What METRICS.md adds to the HELP text, in Markdown. May be empty.
    pub details: &'static str,
    /// A query for METRICS.md, in `PromQL`. May be empty.
    pub example: &'static str,
}

impl Family {
    /// Returns the family's name in `OpenMetrics`: a counter's name lacks `_total`.
    pub fn base_name(&self) -> &'static str {
        match self.kind {
            MetricType::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            MetricType::Gauge | MetricType::Histogram => self.name,
        }
    }

    /// Returns the unit that the name ends in.
    pub fn unit(&self) -> Option<&'static str> {
        ["seconds", "bytes"].into_iter().find(|unit| {
            let rest = self.base_name().strip_suffix(unit);
            rest.is_some_and(|rest| rest.ends_with('_'))
        })
    }

    /// Returns the names of the labels.
    pub fn label_names(&self) -> Vec<&'static str> {
        self.labels.iter().map(|label| label.name).collect()
    }
}

const ACCOUNT: Label = Label::new("aws_account", "`name` of the account in the configuration.");
const REGION: Label = Label::new("aws_region", "AWS Region of the account.");
const CONNECTOR_ID: Label = Label::new(
    "connector_id",
    "Connector ID, `c-` and 17 hex digits. `OTHER` for the files and operations of connectors \
     beyond `limits.connectors`.",
);
const FLOW: Label = Label::new("flow", "`name` of the flow in the configuration.");
const TRANSFER_ID: Label = Label::new("transfer_id", "Transfer ID from `StartFileTransfer`.");
const FAILURE_CODE: Label = Label::new(
    "failure_code",
    "Failure code of FAILED files. Empty for other statuses, and if AWS reported no code. `OTHER` \
     beyond 100 undocumented codes, and for an undocumented code of a connector that AWS has not \
     confirmed.",
);
const FILE_STATUS: Label = Label::new(
    "status",
    "`QUEUED`, `IN_PROGRESS`, `COMPLETED` or `FAILED`; also any other status that AWS reports.",
);
const END_STATUS: Label = Label::new("status", "`COMPLETED` or `FAILED`.");
const LEASED_SHARD: Label = Label::new("shard", "Index of the shard. `0` without sharding.");
const DIRECTION: Label = Label::new("operation", "`SEND` or `RETRIEVE`.");
const SOURCE: Label = Label::new("source", "`files`, `events`, `cloudtrail` or `connectors`.");
const TARGET: Label = Label::new(
    "target",
    "What the source reads: the first path of `files`, the queue name of `events`, the account \
     name of `cloudtrail` and `connectors`.",
);

/// Labels that METRICS.md describes once.
pub const SHARED_LABELS: &[Label] = &[ACCOUNT, REGION, CONNECTOR_ID, TRANSFER_ID, FAILURE_CODE];

macro_rules! families {
    ($($id:ident {
        name: $name:literal,
        kind: $kind:ident,
        group: $group:ident,
        labels: [$($label:expr),* $(,)?],
        help: $help:literal,
        $(details: $details:literal,)?
        $(example: $example:literal,)?
    })*) => {
        $(
            #[doc = $help]
            pub const $id: Family = Family {
                name: $name,
                kind: MetricType::$kind,
                group: Group::$group,
                labels: &[$($label),*],
                help: $help,
                details: concat!($($details)?),
                example: concat!($($example)?),
            };
        )*

        /// Every family, in the order of the exposition.
        pub const ALL: &[&Family] = &[$(&$id,)*];
    };
}

families! {
    FILES {
        name: "aws_transfer_files",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, TRANSFER_ID, FILE_STATUS, FAILURE_CODE],
        help: "Files of the transfer by status. Absent until its results have been read.",
        details: "After the first successful poll, the four documented statuses are always \
            present with an empty `failure_code`. If polls fail, the last counts remain; see \
            `aws_transfer_results_up`. By default, transfers of the configuration have series, and others \
            that are unfinished or have failed files (`metrics.per_transfer`), at most \
            `metrics.max_transfers`.",
        example: "sum by (connector_id, failure_code) (aws_transfer_files{status=\"FAILED\"}) > 0",
    }
    RESULTS_UP {
        name: "aws_transfer_results_up",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, TRANSFER_ID],
        help: "Whether the last ListFileTransferResults call for the transfer returned its files. Absent before it.",
        details: "0 if the call failed, or if AWS does not know the transfer. The last counts of \
            `aws_transfer_files` remain. Limited like `aws_transfer_files`.",
        example: "min_over_time(aws_transfer_results_up[15m]) == 0",
    }
    CONNECTOR_FILES {
        name: "aws_transfer_connector_files",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, FILE_STATUS, FAILURE_CODE],
        help: "Files of the connector's tracked transfers by status. Absent until one has been read.",
        details: "The sum over all tracked transfers, including those without series of their \
            own. It falls when a transfer is no longer tracked: `metrics.keep_settled` after it \
            settled, or when its source no longer lists it.",
        example: "sum by (connector_id) (aws_transfer_connector_files{status=\"QUEUED\"})",
    }
    CONNECTOR_TRANSFERS {
        name: "aws_transfer_connector_transfers",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, Label::new(
            "state",
            "`pending` (no results read yet), `running` (a file is unfinished), `completed` (all \
             files completed), `failed` (all files finished, at least one failed) or `gone` (AWS \
             no longer knows the transfer).",
        )],
        help: "Tracked transfers of the connector by state.",
        details: "All five states are always present.",
        example: "sum by (connector_id) (aws_transfer_connector_transfers{state=\"failed\"}) > 0",
    }
    TRANSFERS_UNREADABLE {
        name: "aws_transfer_connector_transfers_unreadable",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Unfinished transfers of the connector whose results cannot be read.",
        details: "The last poll failed, or AWS did not know the transfer, or the transfer has waited \
            for its first poll for longer than two intervals of `collector.max_refresh_interval`.",
        example: "min_over_time(aws_transfer_connector_transfers_unreadable[15m]) > 0",
    }
    TRANSFERS_STARTED {
        name: "aws_transfer_connector_transfers_started_total",
        kind: Counter,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Transfers that started while they were watched.",
        details: "The start is known from CloudTrail, the write API, the caller's message or the \
            configuration, or from the event of a file. Transfers that only `transfers` or a target \
            file names, without `started_at`, are not counted.",
        example: "sum by (connector_id) (increase(aws_transfer_connector_transfers_started_total[1d]))",
    }
    FILES_FINISHED {
        name: "aws_transfer_connector_files_finished_total",
        kind: Counter,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, END_STATUS, FAILURE_CODE],
        help: "Files seen to reach COMPLETED or FAILED. Each file is counted once.",
        details: "Files that had finished before the exporter could observe them are not \
            counted. `COMPLETED`, `FAILED` without a code and `FAILED` with each documented \
            failure code start at 0 when the connector is configured or AWS has confirmed it: a \
            poll has returned files, or DescribeConnector its details. Before that, and for any \
            other failure code, a series appears with its first file. OpenMetrics and protobuf carry an exemplar: the \
            `transfer_id` of the last counted file.",
        example: "sum by (connector_id, failure_code) (increase(\
            aws_transfer_connector_files_finished_total{status=\"FAILED\"}[15m])) > 0",
    }
    BYTES {
        name: "aws_transfer_connector_bytes_total",
        kind: Counter,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, DIRECTION],
        help: "Bytes sent and retrieved. Absent without discovery.events.",
        details: "EventBridge events are the only source of file sizes. Both operations are \
            present as soon as an event source is configured and AWS has confirmed the connector.",
        example: "sum by (connector_id, operation) (rate(aws_transfer_connector_bytes_total[1h]))",
    }
    FILE_DURATION {
        name: "aws_transfer_connector_file_duration_seconds",
        kind: Histogram,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, DIRECTION],
        help: "Time from the start to the end of a file transfer in seconds. Absent without discovery.events.",
        details: "Classic buckets from 0.5 s to 12 h, the time after which AWS fails a file. \
            Protobuf and OpenMetrics 2.0 also carry a native histogram of schema 3.",
        example: "histogram_quantile(0.95, sum by (connector_id, le) (\
            rate(aws_transfer_connector_file_duration_seconds_bucket[1h])))",
    }
    QUEUE_WAIT {
        name: "aws_transfer_connector_queue_wait_seconds",
        kind: Histogram,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, DIRECTION],
        help: "Time from the start of a transfer to that of its file in seconds. Absent without discovery.events.",
        details: "Only files are observed whose transfer's start was known when their event arrived. \
            Buckets as in `aws_transfer_connector_file_duration_seconds`.",
        example: "histogram_quantile(0.95, sum by (connector_id, le) (\
            rate(aws_transfer_connector_queue_wait_seconds_bucket[1h])))",
    }
    FILE_SIZE {
        name: "aws_transfer_connector_file_size_bytes",
        kind: Histogram,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, DIRECTION],
        help: "Sizes of files in bytes. Absent without discovery.events.",
        details: "Classic buckets from 1 KiB to 128 GiB. Protobuf and OpenMetrics 2.0 also carry a native \
            histogram of schema 3. Failed files count with the size that their event reports.",
        example: "histogram_quantile(0.5, sum by (connector_id, le) (\
            rate(aws_transfer_connector_file_size_bytes_bucket[1d])))",
    }
    OPERATIONS {
        name: "aws_transfer_connector_operations_total",
        kind: Counter,
        group: Sweep,
        labels: [
            ACCOUNT,
            REGION,
            CONNECTOR_ID,
            Label::new(
                "operation",
                "`LIST` (directory listing), `MOVE` (remote move) or `DELETE` (remote delete).",
            ),
            END_STATUS,
            FAILURE_CODE,
        ],
        help: "Directory listings, remote moves and remote deletes by result. Absent without discovery.events.",
        details: "EventBridge events are the only source: no AWS API call returns these results.",
        example: "sum by (connector_id, operation) (increase(\
            aws_transfer_connector_operations_total{status=\"FAILED\"}[15m])) > 0",
    }
    OLDEST_UNFINISHED {
        name: "aws_transfer_connector_oldest_unfinished_timestamp_seconds",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Start time of the oldest unfinished transfer as a Unix timestamp. Absent if none is unfinished.",
        details: "The time the exporter first saw the transfer, if no source reports its start.",
        example: "time() - aws_transfer_connector_oldest_unfinished_timestamp_seconds > 2 * 3600",
    }
    OLDEST_QUEUED {
        name: "aws_transfer_connector_oldest_queued_timestamp_seconds",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Time since when a file has been QUEUED the longest as a Unix timestamp. Absent if none is.",
        details: "A file is queued since the start of its transfer, or since the exporter first saw \
            the transfer if no source reports its start.",
        example: "time() - aws_transfer_connector_oldest_queued_timestamp_seconds > 3600",
    }
    OLDEST_IN_PROGRESS {
        name: "aws_transfer_connector_oldest_in_progress_timestamp_seconds",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Time since when a file has been IN_PROGRESS the longest as a Unix timestamp. Absent if none is.",
        details: "The time of the poll that first returned the file as `IN_PROGRESS`.",
        example: "time() - aws_transfer_connector_oldest_in_progress_timestamp_seconds > 2 * 3600",
    }
    LAST_STARTED {
        name: "aws_transfer_connector_last_started_timestamp_seconds",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Newest known start of a transfer as a Unix timestamp. Absent if no start is known.",
        details: "Sources of starts are those of `aws_transfer_connector_transfers_started_total`. \
            Unlike there, starts from before the exporter watched are included.",
        example: "time() - aws_transfer_connector_last_started_timestamp_seconds > 26 * 3600",
    }
    LAST_COMPLETED {
        name: "aws_transfer_connector_last_completed_timestamp_seconds",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Time a file last completed as a Unix timestamp. Absent until one completes.",
        details: "The end time from the event, or the time of the poll that first returned the file \
            as finished.",
        example: "time() - aws_transfer_connector_last_completed_timestamp_seconds > 24 * 3600",
    }
    LAST_FAILED {
        name: "aws_transfer_connector_last_failed_timestamp_seconds",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Time a file last failed as a Unix timestamp. Absent until one fails.",
        details: "The end time from the event, or the time of the poll that first returned the file \
            as finished.",
    }
    UNRESOLVED_FAILURES {
        name: "aws_transfer_connector_unresolved_failures",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, FAILURE_CODE],
        help: "Failed files whose path has not completed since, and that are not acknowledged.",
        details: "A failure is resolved when a transfer that started no earlier completes the same \
            path, or by `POST /api/v1/failures/acknowledge`, and it expires after \
            `metrics.keep_unresolved`. Files that failed before the exporter watched are included. \
            The series without a code is always present, the others while they are above 0. At most \
            the newest 10,000 failed files are known.",
        example: "sum by (connector_id) (aws_transfer_connector_unresolved_failures) > 0",
    }
    CONSECUTIVE_FAILURES {
        name: "aws_transfer_connector_consecutive_failures",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Files that have failed since one last completed.",
        details: "Counts the files of `aws_transfer_connector_files_finished_total`, in the order in \
            which the exporter saw them finish.",
        example: "aws_transfer_connector_consecutive_failures >= 3",
    }
    OLDEST_RESULT {
        name: "aws_transfer_connector_oldest_result_timestamp_seconds",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Unix timestamp of the oldest result among unfinished transfers. Absent if none has results.",
        details: "A value that stays means that sweeps do not finish or that polls fail.",
    }
    CONNECTOR_INFO {
        name: "aws_transfer_connector_info",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, Label::new(
            "name",
            "Configured name of the connector, else its tag `Name`, else its ID.",
        )],
        help: "Information about the connector. Always 1.",
        details: "With `discovery.connectors`, the labels `url`, `egress_type`, `status`, \
            `security_policy` and `ip_address_type` are added from `DescribeConnector`, and those of \
            `connector_labels_from_tags`. The labels configured for the connector follow.",
        example: "aws_transfer_connector_files * on (aws_account, aws_region, connector_id) \
            group_left (name) aws_transfer_connector_info",
    }
    MAX_CONCURRENT_CONNECTIONS {
        name: "aws_transfer_connector_max_concurrent_connections",
        kind: Gauge,
        group: Sweep,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Connections to the partner's server that the connector may open at once. Absent without discovery.connectors.",
        details: "From `DescribeConnector`. With one connection, files wait for each other.",
    }
    FLOW_INFO {
        name: "aws_transfer_flow_info",
        kind: Gauge,
        group: Sweep,
        labels: [
            FLOW,
            Label::new("connectors", "Its connectors, as they are configured."),
            Label::new("expect", "When deliveries are due. Empty without `expect`."),
        ],
        help: "Information about the flow. Always 1.",
        details: "The flows are those of `flows` in the configuration.",
    }
    FLOW_FILES_FINISHED {
        name: "aws_transfer_flow_files_finished_total",
        kind: Counter,
        group: Sweep,
        labels: [FLOW, END_STATUS, FAILURE_CODE],
        help: "Files of the flow seen to finish.",
        details: "Counts the files of `aws_transfer_connector_files_finished_total` that the flow owns.",
    }
    FLOW_BYTES {
        name: "aws_transfer_flow_bytes_total",
        kind: Counter,
        group: Sweep,
        labels: [FLOW, DIRECTION],
        help: "Bytes of the flow's files. Requires discovery.events.",
        details: "",
    }
    FLOW_LAST_COMPLETED {
        name: "aws_transfer_flow_last_completed_timestamp_seconds",
        kind: Gauge,
        group: Sweep,
        labels: [FLOW],
        help: "Time a file of the flow last completed as a Unix timestamp. Absent until one completes.",
        details: "",
    }
    FLOW_UNRESOLVED_FAILURES {
        name: "aws_transfer_flow_unresolved_failures",
        kind: Gauge,
        group: Sweep,
        labels: [FLOW],
        help: "Failed files of the flow whose path has not completed since, and that are not acknowledged.",
        details: "Without failures whose code is in `ignore_codes` of the flow.",
    }
    FLOW_DUPLICATES {
        name: "aws_transfer_flow_duplicate_files_total",
        kind: Counter,
        group: Sweep,
        labels: [FLOW],
        help: "Completed files of the flow whose path had completed in the same window before.",
        details: "A duplicate is not another file of its window.",
    }
    FLOW_DEADLINE {
        name: "aws_transfer_flow_deadline_timestamp_seconds",
        kind: Gauge,
        group: Sweep,
        labels: [FLOW],
        help: "Deadline of the flow's current window as a Unix timestamp. Absent without expect.",
        details: "The next deadline, or one that has passed while its delivery is late, missing or invalid.",
        example: "sort(aws_transfer_flow_deadline_timestamp_seconds - time())",
    }
    FLOW_WINDOW_STATE {
        name: "aws_transfer_flow_window_state",
        kind: Gauge,
        group: Sweep,
        labels: [FLOW, Label::new(
            "state",
            "`waiting` before the deadline, `on_time` with enough files, `late` after the deadline, \
             `missing` or `invalid` after the grace, `unknown` if the window was not watched whole.",
        )],
        help: "Whether the flow's current window is in the state: one is 1, the others are 0.",
        details: "",
        example: "aws_transfer_flow_window_state{state=\"missing\"} == 1",
    }
    FLOW_WINDOW_FILES {
        name: "aws_transfer_flow_window_files",
        kind: Gauge,
        group: Sweep,
        labels: [FLOW],
        help: "Completed files of the flow's current window. Absent without expect.",
        details: "Each path is one file. Files smaller than `min_bytes` are not counted.",
    }
    FLOW_WINDOWS {
        name: "aws_transfer_flow_windows_total",
        kind: Counter,
        group: Sweep,
        labels: [FLOW, Label::new(
            "outcome",
            "`on_time`, `late`, `missing`, `invalid` or `unknown`.",
        )],
        help: "Closed windows of the flow. Absent without expect.",
        details: "A window whose outcome was corrected is counted under both outcomes, and once in \
            `aws_transfer_flow_windows_corrected_total`.",
        example: "increase(aws_transfer_flow_windows_total{outcome=\"on_time\"}[30d])",
    }
    FLOW_WINDOWS_CORRECTED {
        name: "aws_transfer_flow_windows_corrected_total",
        kind: Counter,
        group: Sweep,
        labels: [FLOW, Label::new("outcome", "The outcome that was wrong.")],
        help: "Closed windows of the flow whose outcome later evidence has corrected. Absent without expect.",
        details: "",
        example: "aws_transfer_flow_windows_total - aws_transfer_flow_windows_corrected_total",
    }
    FLOW_LISTING_ITEMS {
        name: "aws_transfer_flow_listing_items",
        kind: Gauge,
        group: Sweep,
        labels: [FLOW],
        help: "Items in the newest listing of a remote directory of the flow. Absent until one is seen.",
        details: "From events of `StartDirectoryListing`. Requires `discovery.events`.",
    }
    FLOW_LISTING_TRUNCATED {
        name: "aws_transfer_flow_listing_truncated",
        kind: Gauge,
        group: Sweep,
        labels: [FLOW],
        help: "Whether this listing was truncated: 1 or 0.",
        details: "",
    }
    TRANSFERS {
        name: "aws_transfer_exporter_transfers",
        kind: Gauge,
        group: Sweep,
        labels: [Label::new(
            "origin",
            "`config` (`transfers` of the configuration), `files`, `events`, `cloudtrail`, `api` \
             (write API) or `demo`.",
        )],
        help: "Tracked transfers by the source that reported them.",
        details: "A transfer that several sources reported is counted under each. An origin other \
            than `config` is absent while it has no transfers.",
    }
    SCRAPE_COMPLETE {
        name: "aws_transfer_exporter_scrape_complete",
        kind: Gauge,
        group: Sweep,
        labels: [],
        help: "Whether all results that were due had been fetched when this scrape was answered.",
        details: "0 if the deadline came first, or if a poll failed. The scrape then shows the \
            last known results, and the sweep continues in the background.",
        example: "avg_over_time(aws_transfer_exporter_scrape_complete[30m]) < 0.5",
    }
    CODES_FOLDED {
        name: "aws_transfer_exporter_failure_codes_folded_total",
        kind: Counter,
        group: Sweep,
        labels: [],
        help: "Failed files whose failure code was replaced by OTHER.",
        details: "The first 100 undocumented failure codes keep their name. Later ones are counted \
            as `OTHER`, so that the number of series stays bounded.",
    }
    DISCOVERY_UP {
        name: "aws_transfer_exporter_discovery_up",
        kind: Gauge,
        group: Exporter,
        labels: [ACCOUNT, REGION, SOURCE, TARGET],
        help: "Whether the last poll of the discovery source succeeded. Absent before it.",
        details: "`aws_account` and `aws_region` of all discovery families are those of the source's \
            account. For `events`, the Region is that of the queue. Both are empty for `files` \
            without an account.",
        example: "max_over_time(aws_transfer_exporter_discovery_up[15m]) == 0",
    }
    DISCOVERY_LAST_SUCCESS {
        name: "aws_transfer_exporter_discovery_last_success_timestamp_seconds",
        kind: Gauge,
        group: Exporter,
        labels: [ACCOUNT, REGION, SOURCE, TARGET],
        help: "Time of the last successful poll of the discovery source as a Unix timestamp. Absent before it.",
    }
    DISCOVERY_DURATION {
        name: "aws_transfer_exporter_discovery_duration_seconds",
        kind: Gauge,
        group: Exporter,
        labels: [ACCOUNT, REGION, SOURCE, TARGET],
        help: "Duration of the last poll of the discovery source in seconds. Absent before it.",
    }
    DISCOVERY_TRANSFERS {
        name: "aws_transfer_exporter_discovery_transfers_total",
        kind: Counter,
        group: Exporter,
        labels: [ACCOUNT, REGION, SOURCE, TARGET],
        help: "Transfers and connectors reported by the discovery source for the first time.",
    }
    DISCOVERY_MESSAGES {
        name: "aws_transfer_exporter_discovery_messages_total",
        kind: Counter,
        group: Exporter,
        labels: [ACCOUNT, REGION, TARGET, Label::new(
            "outcome",
            "`understood`, `duplicate` (reported before), `forwarded` (to the owner of its shard), `foreign` (not about a configured \
             account, an included connector or this shard), `unparsable` or `refused` (beyond `limits`; both are left to the queue's redrive policy) or `failed` \
             (parsed but not persisted yet, stays in the queue; `events` only).",
        )],
        help: "Queue messages and CloudTrail records received by outcome.",
    }
    DISCOVERY_IGNORED_FIELDS {
        name: "aws_transfer_exporter_discovery_ignored_fields_total",
        kind: Counter,
        group: Exporter,
        labels: [ACCOUNT, REGION, TARGET, Label::new("field", "`StartedAt` or `Files` of a caller's message.")],
        help: "Optional fields of callers' messages that were ignored because their value is invalid.",
        details: "The rest of the message is used. An ignored `StartedAt` is replaced by the time at \
            which the message was sent.",
    }
    DISCOVERY_QUEUE_MESSAGES {
        name: "aws_transfer_exporter_discovery_queue_messages",
        kind: Gauge,
        group: Exporter,
        labels: [ACCOUNT, REGION, TARGET],
        help: "Approximate number of messages in the queue. Absent if SQS does not report it.",
        details: "Includes messages that were received and not yet deleted. Read once a minute \
            with `GetQueueAttributes`.",
    }
    DISCOVERY_DEAD_LETTERS {
        name: "aws_transfer_exporter_discovery_queue_dead_letter_messages",
        kind: Gauge,
        group: Exporter,
        labels: [ACCOUNT, REGION, TARGET],
        help: "Approximate number of messages in the queue's dead-letter queue. Absent if SQS does not report it.",
        details: "`target` is the queue, not its dead-letter queue. Absent without a redrive policy, \
            and without `sqs:GetQueueAttributes` on the dead-letter queue. Read once a minute; once an \
            hour after SQS denied it. Only CloudWatch has the age of the oldest message; a minimum above \
            0 over a time in Prometheus stands for it.",
        example: "max by (target) (aws_transfer_exporter_discovery_queue_dead_letter_messages) > 0",
    }
    API_REQUESTS {
        name: "aws_transfer_exporter_api_requests_total",
        kind: Counter,
        group: Exporter,
        labels: [
            ACCOUNT,
            REGION,
            Label::new("operation", "AWS API operation, for example `ListFileTransferResults`."),
            Label::new(
                "outcome",
                "`ok`, `throttled`, `denied`, `not_found`, `invalid`, `server_error`, `timeout`, \
                 `network`, `malformed` (an unreadable response) or `not_sent` (no usable credentials, or no \
                 request could be built).",
            ),
        ],
        help: "Attempts at AWS API requests by outcome, including retries.",
        details: "All outcomes of an operation start at 0.",
        example: "sum by (operation, outcome) (\
            rate(aws_transfer_exporter_api_requests_total{outcome!=\"ok\"}[5m]))",
    }
    API_REQUEST_DURATION {
        name: "aws_transfer_exporter_api_request_duration_seconds",
        kind: Histogram,
        group: Exporter,
        labels: [Label::new("operation", "AWS API operation.")],
        help: "Duration of attempts at AWS API requests in seconds.",
    }
    API_RATE_LIMIT {
        name: "aws_transfer_exporter_api_rate_limit",
        kind: Gauge,
        group: Exporter,
        labels: [ACCOUNT, REGION],
        help: "Current limit of ListFileTransferResults requests per second.",
        details: "Starts at `collector.requests_per_second`, falls when AWS throttles and \
            recovers afterwards.",
    }
    LIMIT_EXCEEDED {
        name: "aws_transfer_exporter_limit_exceeded_total",
        kind: Counter,
        group: Exporter,
        labels: [Label::new("limit", "`transfers` or `connectors`, as in `limits` of the configuration.")],
        help: "Reports of new transfers or connectors beyond a limit.",
        details: "A start takes the place of another transfer, or is refused: queue messages stay in the queue for its redrive policy, and \
            the write API answers 429. The same report counts each time that it is refused. A file \
            or an operation that has ended is counted, under the connector `OTHER` if its own is \
            beyond the limit, but its transfer is not tracked.",
        example: "increase(aws_transfer_exporter_limit_exceeded_total[15m]) > 0",
    }
    SWEEP_DURATION {
        name: "aws_transfer_exporter_sweep_duration_seconds",
        kind: Gauge,
        group: Exporter,
        labels: [],
        help: "Duration of the last sweep in seconds. 0 before the first.",
        details: "From the arrival of a scrape until everything that was due then has been polled, \
            even if the scrape was answered earlier. Of sweeps that overlap, one is measured.",
    }
    STORAGE_UP {
        name: "aws_transfer_exporter_storage_up",
        kind: Gauge,
        group: Exporter,
        labels: [],
        help: "Whether the last write to the storage succeeded. Absent without storage, and on standbys.",
        details: "0 also while a write takes too long. The exporter then continues with its state \
            in memory.",
        example: "min_over_time(aws_transfer_exporter_storage_up[10m]) == 0",
    }
    STORAGE_SIZE {
        name: "aws_transfer_exporter_storage_size_bytes",
        kind: Gauge,
        group: Exporter,
        labels: [],
        help: "Size of the storage file in bytes. Absent without --storage.path.",
    }
    STORAGE_WRITE_DURATION {
        name: "aws_transfer_exporter_storage_write_duration_seconds",
        kind: Histogram,
        group: Exporter,
        labels: [],
        help: "Duration of successful writes to the storage in seconds. Absent without storage, and on standbys.",
    }
    STORAGE_WRITE_ERRORS {
        name: "aws_transfer_exporter_storage_write_errors_total",
        kind: Counter,
        group: Exporter,
        labels: [],
        help: "Failed writes to the storage. Absent without storage, and on standbys.",
        details: "The changes of a failed write are part of the next one.",
    }
    LEADER {
        name: "aws_transfer_exporter_leader",
        kind: Gauge,
        group: Exporter,
        labels: [LEASED_SHARD],
        help: "Whether this exporter owns the shard. Absent without --storage.url.",
        details: "1 on one of the exporters that share the table, and 0 on the others, which are standbys: \
            they export no state of AWS.",
        example: "sum by (shard) (aws_transfer_exporter_leader) != 1",
    }
    LEASE_EPOCH {
        name: "aws_transfer_exporter_lease_epoch",
        kind: Gauge,
        group: Exporter,
        labels: [LEASED_SHARD],
        help: "Number of the last ownership of the shard by this exporter. Absent without --storage.url.",
        details: "Each take-over increments it. Absent until this exporter has owned the shard.",
    }
    LEASE_RENEWAL {
        name: "aws_transfer_exporter_lease_renewal_timestamp_seconds",
        kind: Gauge,
        group: Exporter,
        labels: [LEASED_SHARD],
        help: "Time the lease was last renewed as a Unix timestamp. Absent without --storage.url.",
        details: "Absent until this exporter has owned the shard.",
    }
    LEASE_LOST {
        name: "aws_transfer_exporter_lease_lost_total",
        kind: Counter,
        group: Exporter,
        labels: [LEASED_SHARD],
        help: "Ownerships that ended before the exporter gave them back. Absent without --storage.url.",
    }
    STORAGE_CONFLICTS {
        name: "aws_transfer_exporter_storage_conflicts_total",
        kind: Counter,
        group: Exporter,
        labels: [LEASED_SHARD],
        help: "Writes that were refused because another exporter owns the shard. Absent without --storage.url.",
    }
    INBOX_OLDEST {
        name: "aws_transfer_exporter_inbox_oldest_timestamp_seconds",
        kind: Gauge,
        group: Exporter,
        labels: [LEASED_SHARD],
        help: "Time the oldest report in the inbox was put there as a Unix timestamp. Absent without --storage.url.",
        details: "Only with `--shard.index=auto`, and only while the inbox is not empty. By the clock of the exporter that put it there. The owner of the shard \
            reads its inbox every second.",
        example: "time() - max by (shard) (aws_transfer_exporter_inbox_oldest_timestamp_seconds) > 60",
    }
    STORAGE_UNITS {
        name: "aws_transfer_exporter_storage_capacity_units_total",
        kind: Counter,
        group: Exporter,
        labels: [
            LEASED_SHARD,
            Label::new("operation", "`read` or `write`."),
        ],
        help: "Capacity units that DynamoDB has charged. Absent without --storage.url.",
        details: "As DynamoDB reports them with each answer. With on-demand billing they are request units.",
        example: "sum by (operation) (increase(aws_transfer_exporter_storage_capacity_units_total[1d]))",
    }
    CONFIG_RELOAD_OK {
        name: "aws_transfer_exporter_config_last_reload_successful",
        kind: Gauge,
        group: Server,
        labels: [],
        help: "Whether the last attempt to load the configuration succeeded.",
        example: "aws_transfer_exporter_config_last_reload_successful == 0",
    }
    CONFIG_RELOAD_AT {
        name: "aws_transfer_exporter_config_last_reload_success_timestamp_seconds",
        kind: Gauge,
        group: Server,
        labels: [],
        help: "Time the configuration was last loaded successfully as a Unix timestamp.",
    }
    HTTP_REQUESTS {
        name: "aws_transfer_exporter_http_requests_total",
        kind: Counter,
        group: Server,
        labels: [
            Label::new(
                "handler",
                "`metrics`, `probe`, `healthy`, `ready`, `reload`, `transfer` (write API), \
                 `acknowledge`, `transfers_json`, `failures_json`, `flows_json`, `targets`, \
                 `openapi`, `landing`, `transfers`, `redirect`, `not_found` or \
                 `method_not_allowed`.",
            ),
            Label::new("code", "HTTP status code."),
        ],
        help: "HTTP responses by handler and status code.",
    }
    HTTP_REFUSED {
        name: "aws_transfer_exporter_http_refused_total",
        kind: Counter,
        group: Server,
        labels: [Label::new(
            "reason",
            "`rate_limit`, `unauthorized`, `busy` (too many requests of the client were in progress \
             or awaited verification of a password), `connections` (every connection was in use), `tls` (the handshake failed) or \
             `host` (the request named a host that is not the exporter's).",
        )],
        help: "Rejected HTTP requests and connections by reason.",
    }
    CERTIFICATE_NOT_AFTER {
        name: "aws_transfer_exporter_certificate_not_after_timestamp_seconds",
        kind: Gauge,
        group: Server,
        labels: [],
        help: "Expiration time of the TLS server certificate as a Unix timestamp. Absent without TLS.",
        example: "aws_transfer_exporter_certificate_not_after_timestamp_seconds - time() \
            < 14 * 86400",
    }
    WEB_CONFIG_RELOAD_OK {
        name: "aws_transfer_exporter_web_config_last_reload_successful",
        kind: Gauge,
        group: Server,
        labels: [],
        help: "Whether the web configuration on disk is active. Absent without --web.config.file.",
        details: "Covers the web configuration file and the certificates and keys it names. 0 if \
            they could not be loaded, or await a confirmation: the previous ones remain active.",
    }
    WEB_CONFIG_UNCONFIRMED {
        name: "aws_transfer_exporter_web_config_unconfirmed",
        kind: Gauge,
        group: Server,
        labels: [],
        help: "Whether a web configuration that lowers protection awaits a reload. Absent without --web.config.file.",
        details: "1 if the files on disk have no TLS, no client certificates or no users, and the \
            active configuration has them. SIGHUP, `POST /-/reload` or a restart confirms them.",
        example: "max_over_time(aws_transfer_exporter_web_config_unconfirmed[5m]) == 1",
    }
    CONFIG_HASH {
        name: "aws_transfer_exporter_config_hash",
        kind: Gauge,
        group: Server,
        labels: [],
        help: "First 48 bits of the SHA-256 of the active configuration file as a number. 0 without a file.",
        details: "Equal files give equal values, so exporters that share a configuration can be \
            compared.",
        example: "count(count_values(\"hash\", aws_transfer_exporter_config_hash)) > 1",
    }
    ACCOUNT_UP {
        name: "aws_transfer_exporter_account_up",
        kind: Gauge,
        group: Exporter,
        labels: [ACCOUNT, REGION],
        help: "Whether AWS accepted the credentials of the last ListFileTransferResults attempt. Absent before it.",
        details: "1 if AWS answered and accepted the credentials, whatever else it answered: a \
            denied request for one connector leaves it at 1. 0 if AWS rejected the credentials, \
            if none were usable, or if no readable answer arrived.",
        example: "max_over_time(aws_transfer_exporter_account_up[15m]) == 0",
    }
    TOKIO_WORKERS {
        name: "aws_transfer_exporter_tokio_workers",
        kind: Gauge,
        group: Server,
        labels: [],
        help: "Worker threads of the Tokio runtime.",
    }
    TOKIO_ALIVE_TASKS {
        name: "aws_transfer_exporter_tokio_alive_tasks",
        kind: Gauge,
        group: Server,
        labels: [],
        help: "Unfinished tasks of the Tokio runtime.",
    }
    TOKIO_QUEUE_DEPTH {
        name: "aws_transfer_exporter_tokio_global_queue_depth",
        kind: Gauge,
        group: Server,
        labels: [],
        help: "Tasks in the global queue of the Tokio runtime.",
    }
    TOKIO_BUSY {
        name: "aws_transfer_exporter_tokio_worker_busy_seconds_total",
        kind: Counter,
        group: Server,
        labels: [],
        help: "Time the Tokio worker threads spent running tasks in seconds.",
    }
    LOG_RECORDS_DROPPED {
        name: "aws_transfer_exporter_log_records_dropped_total",
        kind: Counter,
        group: Server,
        labels: [Label::new(
            "reason",
            "`queue_full` (the reader of standard error had stalled) or `rate_limited` (more than \
             the first few of a minute, of events whose number clients or senders decide).",
        )],
        help: "Log records that were not written by reason.",
    }
    SHARD_INFO {
        name: "aws_transfer_exporter_shard_info",
        kind: Gauge,
        group: Server,
        labels: [
            Label::new("shard", "Index of the shard, as on the series of its transfers. Empty without sharding."),
            Label::new("shards", "`--shard.total`. `1` without sharding."),
        ],
        help: "Shards that this exporter owns. Always 1. Absent on standbys.",
        example: "count(group by (shard) (aws_transfer_exporter_shard_info))",
    }
    BUILD_INFO {
        name: "aws_transfer_exporter_build_info",
        kind: Gauge,
        group: Exporter,
        labels: [
            Label::new("version", "Version of the exporter."),
            Label::new("rust_version", "Version of the Rust compiler."),
        ],
        help: "Build information. Always 1.",
    }
    PROCESS_CPU {
        name: "process_cpu_seconds_total",
        kind: Counter,
        group: Process,
        labels: [],
        help: "Total user and system CPU time spent in seconds.",
    }
    PROCESS_OPEN_FDS {
        name: "process_open_fds",
        kind: Gauge,
        group: Process,
        labels: [],
        help: "Number of open file descriptors.",
    }
    PROCESS_MAX_FDS {
        name: "process_max_fds",
        kind: Gauge,
        group: Process,
        labels: [],
        help: "Maximum number of open file descriptors.",
    }
    PROCESS_VIRTUAL_MEMORY {
        name: "process_virtual_memory_bytes",
        kind: Gauge,
        group: Process,
        labels: [],
        help: "Virtual memory size in bytes.",
    }
    PROCESS_RESIDENT_MEMORY {
        name: "process_resident_memory_bytes",
        kind: Gauge,
        group: Process,
        labels: [],
        help: "Resident memory size in bytes.",
    }
    PROCESS_START_TIME {
        name: "process_start_time_seconds",
        kind: Gauge,
        group: Process,
        labels: [],
        help: "Start time of the process since unix epoch in seconds.",
    }
    PROCESS_THREADS {
        name: "process_threads",
        kind: Gauge,
        group: Process,
        labels: [],
        help: "Number of OS threads in the process.",
    }
    CONNECTION_UP {
        name: "aws_transfer_connection_up",
        kind: Gauge,
        group: Probe,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Whether the last test of the connection to the partner's server succeeded.",
        details: "From `TestConnection`, for `/probe?module=connection`. Absent while no test has been \
            answered, and if the call failed: that says nothing about the connection.",
    }
    CONNECTION_DURATION {
        name: "aws_transfer_connection_duration_seconds",
        kind: Gauge,
        group: Probe,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Duration of the last test of the connection in seconds.",
        details: "The whole call: AWS reads the secret, connects, and logs in.",
    }
    CONNECTION_LAST_SUCCESS {
        name: "aws_transfer_connection_last_success_timestamp_seconds",
        kind: Gauge,
        group: Probe,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Time a test of the connection last succeeded as a Unix timestamp. Absent until one does.",
        details: "With storage, it outlives a restart. Without, it is absent again until a test has succeeded.",
    }
    CONNECTION_HOST_KEY_TRUSTED {
        name: "aws_transfer_connection_host_key_trusted",
        kind: Gauge,
        group: Probe,
        labels: [ACCOUNT, REGION, CONNECTOR_ID],
        help: "Whether the host key of the partner's server is a trusted one of the connector.",
        details: "`TestConnection` returns the key, `DescribeConnector` the trusted ones. 0 as well if \
            the connector trusts no key. Absent if AWS returned no host key.",
    }
    CONNECTION_FAILURE_REASON {
        name: "aws_transfer_connection_failure_reason",
        kind: Gauge,
        group: Probe,
        labels: [ACCOUNT, REGION, CONNECTOR_ID, Label::new(
            "reason",
            "`secret`, `host`, `login`, `host_key`, `timeout` or `other`.",
        )],
        help: "1 for the reason why the last test of the connection failed, 0 for the others.",
        details: "By words of the message, of which AWS documents no list. The message is in the log \
            (`event=connection_failed`).",
    }
    PROBE_SUCCESS {
        name: "probe_success",
        kind: Gauge,
        group: Probe,
        labels: [],
        help: "Whether the probe succeeded.",
        details: "1 if the poll returned the transfer's files, or the connection works. 0 if the call \
            failed or timed out, or if AWS does not know the transfer.",
    }
    PROBE_DURATION {
        name: "probe_duration_seconds",
        kind: Gauge,
        group: Probe,
        labels: [],
        help: "Duration of the probe in seconds.",
    }
}

#[cfg(test)]
mod tests;
