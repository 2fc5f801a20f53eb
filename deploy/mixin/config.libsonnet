// Settings of the rules and dashboards. Every threshold, duration, severity and label of an alert is one setting here.
//
// Settings are inserted into the rules as they are: no rule calculates with them outside PromQL.
local duration(seconds) =
  if seconds % 86400 == 0 then '%dd' % (seconds / 86400)
  else if seconds % 3600 == 0 then '%dh' % (seconds / 3600)
  else if seconds % 60 == 0 then '%dm' % (seconds / 60)
  else '%ds' % seconds;

{
  _config+:: {
    local c = self,

    // Selects the targets of the exporter in `up`.
    exporterSelector: 'job="aws-transfer-exporter"',

    // Label that distinguishes clusters in one Prometheus (or Thanos, Mimir). Everything is evaluated per cluster. Series
    // without the label are one cluster. Empty if no label does.
    clusterLabel: 'cluster',

    // Target labels that identify a set of shards within a cluster. Alerts about shards and queues are evaluated per set. A
    // label that does not exist has no effect.
    shardSet: 'job, namespace',

    // Base of each `runbook_url`; the anchor of the alert is appended.
    runbookURLBase: 'https://github.com/aws-transfer-exporter/aws-transfer-exporter/blob/main/docs/operate/runbooks.md',

    // Labels of every alert, for example `{ team: 'integration' }`. `labels` of an alert has precedence.
    alertLabels: {},

    // The scrape interval of the exporter. The durations below that have to bridge missing scrapes derive from it.
    scrapeIntervalSeconds: 60,

    scrapeInterval: duration(c.scrapeIntervalSeconds),

    // Interval of the rule groups. At most 5m: Prometheus forgets recorded series after that time.
    evaluationInterval: '1m',

    // How long the last value of a series is used during missing scrapes and restarts. Also how long a transfer that left the
    // configuration stays in the recorded series, and the window over which AWS requests are counted.
    lookback: duration(std.max(300, 5 * c.scrapeIntervalSeconds)),

    // How long a target or a shard is missing before it counts as down: several scrapes.
    downFor: duration(std.max(300, 3 * c.scrapeIntervalSeconds)),

    // How long an event, such as a failed file, counts as new.
    newFailureWindow: duration(std.max(900, 6 * c.scrapeIntervalSeconds)),

    // How long a failure is remembered: within this time a failed transfer that reappears, for example after an outage, is
    // not new.
    failureMemory: '1d',

    // Failure codes that are no failure of a delivery: a regular expression. They have their own alert, and do not count in
    // shares of failed files. Callers that poll the partner expect that there is no file yet.
    expectedFailureCodes: 'RETRIEVE_FILE_NOT_FOUND',

    // Percent of the files of a connector that are to be delivered. The burn rate is the share of failed files divided by the
    // share that this allows.
    deliveryObjectivePercent: 99,
    // The short window of the burn rate; the others are 1h, 6h and 3d.
    burnRateWindow: duration(std.max(300, 5 * c.scrapeIntervalSeconds)),

    // How long a connector is remembered that starts or completes nothing: then it counts as retired.
    connectorMemory: '7d',

    // Failure codes of the connector's access role, credentials and host keys: a regular expression.
    accessCodes: 'ASSUME_ROLE_ERROR|.*(AUTH|CREDENTIAL|HOST_?KEY|PERMISSION).*',

    // How long a cluster is remembered whose exporters have all gone.
    exporterMemory: '1d',

    // What AWS charges in dollars: for each call of a connector, and for each GB that is sent or retrieved. Prices of us-east-1,
    // as others transcribed them on `priceDate` from the worked examples of
    // https://aws.amazon.com/aws-transfer-family/pricing/. They were not compared with the table of Regions on that page, nor
    // with a bill. Prices differ between Regions and contracts.
    pricePerCall: 0.001,
    pricePerGB: 0.4,
    // When the prices were read: a label of the recorded prices.
    priceDate: '2026-09-20',
    // Statuses of files and remote operations that are charged as calls: a regular expression. No source says whether failed ones
    // are charged; with them, the cost is an upper bound.
    pricedStatuses: 'COMPLETED|FAILED',

    // Settings of each alert:
    //   severity, for, keepFiringFor, labels    as in the alerting rule
    //   enabled                                 false omits the alert
    //   other keys                              its thresholds
    local alert(severity, wait='', keep='') =
      { enabled: true, severity: severity, 'for': wait, keepFiringFor: keep, labels: {} },

    alerts: {
      AwsTransferFilesFailed: alert('warning'),
      AwsTransferConnectorAccessFailed: alert('critical'),
      AwsTransferExpectedFailures: alert('info'),
      // Files that failed one after the other.
      AwsTransferConsecutiveFailures: alert('critical') { files: 5 },
      // Percent of the files that finished within an hour, and the minimum number of failed files.
      AwsTransferFailureShareHigh: alert('critical', '5m', '15m') { percent: 25, minFiles: 5 },
      // How many times faster than the objective allows, within 1 hour and the short window, and within 6 hours and 1 hour; and
      // the minimum number of failed files.
      AwsTransferDeliveryBurnRateHigh: alert('critical', '2m', '15m') { fastFactor: 14.4, factor: 6, minFiles: 5 },
      // The same within 3 days and 6 hours.
      AwsTransferDeliveryBurnRateSlow: alert('warning', '15m', '1h') { factor: 1, minFiles: 5 },
      AwsTransferFailuresUnresolved: alert('info', '1h'),
      // AWS fails a file after 12 hours in the queue or 12 hours in progress, so values above 12 never fire. The largest file
      // (150 GiB) takes 54 minutes at the 50 MB/s that an account gets.
      AwsTransferStuckQueued: alert('warning', '5m', '10m') { hours: 2 },
      AwsTransferStuckInProgress: alert('warning', '5m', '10m') { hours: 2 },
      // 12 h in the queue, 12 h in progress, and 1 h of margin.
      AwsTransferUnfinishedPastAwsLimit: alert('critical', '5m', '10m') { hours: 25 },
      // A daily delivery that is 2 hours late, and the connectors that the alert applies to.
      AwsTransferNothingStarted: alert('warning', '10m') { hours: 26, selector: 'connector_id=~".+"' },
      AwsTransferNoFileCompleted: alert('warning', '10m') { hours: 26, selector: 'connector_id=~".+"' },
      AwsTransferRemoteOperationsFailed: alert('warning'),
      AwsTransferFlowMissing: alert('critical'),
      AwsTransferFlowInvalid: alert('critical'),
      AwsTransferFlowLate: alert('warning'),
      // Minutes before the deadline, and the flows that the alert applies to.
      AwsTransferFlowDueSoon: alert('info') { dueSoonMinutes: 15, selector: 'flow=~".+"' },
      AwsTransferFlowUnknown: alert('info'),
      // Time for the caller to send a failed file again.
      AwsTransferFlowFailing: alert('warning', '15m'),
      // Creating a connector takes minutes.
      AwsTransferConnectorPending: alert('warning', '1h'),
      AwsTransferConnectorErrored: alert('critical', '5m'),
      // Longer than `probe.connection.min_interval`: two tests have failed.
      AwsTransferConnectionDown: alert('warning', '20m'),
      // Above `collector.max_refresh_interval` plus several scrape intervals: unchanged results are allowed to get that old.
      AwsTransferResultsStale: alert('warning', '5m', '10m') { seconds: std.max(900, 6 * c.scrapeIntervalSeconds) },
      // Above `collector.gone_after`, during which unknown transfers are still polled.
      AwsTransferResultsUnreadable: alert('warning', '20m'),
      AwsTransferUnknownToAws: alert('info', '5m'),
      AwsTransferExporterAbsent: alert('critical', c.downFor),
      AwsTransferExporterDown: alert('warning', c.downFor),
      AwsTransferExporterShardMissing: alert('critical', c.downFor),
      AwsTransferExporterShardsDisagree: alert('warning', '15m'),
      // Complete scrapes, in percent of those within `window`.
      AwsTransferSweepIncomplete: alert('warning', '15m', '10m') { percent: 50, window: duration(std.max(1800, 6 * c.scrapeIntervalSeconds)) },
      // Throttled requests, in percent of those within `lookback`.
      AwsTransferThrottled: alert('warning', '15m', '15m') { percent: 5 },
      AwsTransferAccessDenied: alert('warning', '10m', '10m'),
      AwsTransferCredentialsFailing: alert('critical', '5m'),
      AwsTransferConfigReloadFailed: alert('warning', '5m'),
      AwsTransferWebConfigUnconfirmed: alert('warning', '1m'),
      // Above `collector.max_refresh_interval`: something was polled within `window`.
      AwsTransferAccountDown: alert('critical', '5m') { window: duration(std.max(900, 6 * c.scrapeIntervalSeconds)) },
      // Below the time before expiration at which the certificate is renewed automatically, and percent of its lifetime, which
      // is observed during `window`.
      AwsTransferCertificateExpiresSoon: alert('warning', '5m') { days: 14, lifetimePercent: 30, window: '30d' },
      // Within `window`: more than a mistyped password causes.
      AwsTransferRequestsRefused: alert('warning', '5m') { requests: 20, window: duration(std.max(900, 3 * c.scrapeIntervalSeconds)) },
      AwsTransferDiscoveryFailing: alert('warning', '15m'),
      // Above the longest `refresh_interval` in `discovery`, and above the duration of the first CloudTrail lookup.
      AwsTransferDiscoveryStale: alert('warning', '5m') { seconds: 3600 },
      // Messages in a queue: more than arrive between two reads.
      AwsTransferQueueNotDraining: alert('warning', '10m') { messages: 100 },
      AwsTransferMessagesNotUnderstood: alert('warning'),
      AwsTransferDeadLetters: alert('warning', '5m'),
      // Far less than the retention period of the dead-letter queue, which is 4 days by default: the time in the queue counts.
      AwsTransferDeadLettersOld: alert('warning', '5m') { hours: 24 },
      AwsTransferLimitExceeded: alert('warning'),
      AwsTransferStorageFailing: alert('warning', '5m'),
      // Seconds that a write takes on average: less than a scrape waits for it.
      AwsTransferStorageSlow: alert('warning', '10m') { seconds: 1 },
      AwsTransferNoLeader: alert('critical'),
      // A take-over is seen within a few scrapes.
      AwsTransferTwoLeaders: alert('warning', '5m', '5m'),
      // Ownerships lost within `window`.
      AwsTransferLeaseFlapping: alert('warning') { times: 3, window: '1h' },
      // Seconds that a report waits for the owner of its shard, which reads the inbox every second.
      AwsTransferInboxNotDraining: alert('warning', '5m', '10m') { seconds: 300 },
    },

    // Settings of the dashboards.
    // Address at which a browser reaches the exporter; links to its pages start with it. No slash at the end.
    exporterURL: 'http://localhost:10922',
    // Whether the variable `cluster` is visible.
    showMultiCluster: true,
  },
}
