// Settings of the rules. Every threshold is defined here.
{
  _config+:: {
    // Selects the targets of the exporter in `up`.
    exporterSelector: 'job="aws-transfer-exporter"',

    // Target labels that identify a set of shards. Alerts about shards and queues are evaluated per set. A label that does
    // not exist has no effect.
    shardSet: 'job, namespace, cluster',

    // Base of each `runbook_url`; the anchor of the alert is appended.
    runbookURLBase: 'https://github.com/aws-transfer-exporter/aws-transfer-exporter/blob/main/docs/operate/runbooks.md',

    // How long the last value of a series is used during missing scrapes and restarts: at least four scrape intervals.
    // Also how long a transfer that left the configuration stays in the recorded series, and the window over which AWS
    // requests are counted.
    lookback: '5m',

    // How long a failed file counts as new.
    newFailureWindow: '15m',
    // How long a failure is remembered: within this time a failed transfer that reappears, for example after an outage, is
    // not new.
    failureMemory: '1d',
    // How long failed transfers may stay in the configuration.
    failedTransfersTrackedFor: '1h',

    // Share of failed files, in percent of those that finished within an hour, and the minimum number of failed files.
    failurePercent: 25,
    failureShareMinFiles: 5,

    // AWS fails a file after 12 hours in the queue or 12 hours in progress, so values above 12 never fire. The largest file
    // (150 GiB) takes 54 minutes at the 50 MB/s that an account gets.
    stuckQueuedHours: 2,
    stuckInProgressHours: 2,
    // 12 h in the queue, 12 h in progress, and 1 h of margin. Lower it if there are no series per transfer
    // (`metrics.per_transfer: false`), since the two alerts above need them.
    unfinishedHours: 25,

    // A daily delivery that is 2 hours late.
    noFileCompletedHours: 26,
    // Connectors that the alert applies to.
    noFileCompletedSelector: 'connector_id=~".+"',

    // Above `collector.max_refresh_interval` plus several scrape intervals: unchanged results are allowed to get that old.
    staleMinutes: 15,
    // Above `collector.gone_after`, during which unknown transfers are still polled.
    unreadableFor: '20m',

    // Days before the expiration of the TLS certificate. Below the time at which it is renewed automatically.
    certificateDays: 14,
    // Rejected requests within 15 minutes: more than a mistyped password causes.
    refusedRequests: 20,

    // How long a discovery source may fail.
    discoveryFailingFor: '15m',
    // Above the longest `refresh_interval` in `discovery`, and above the duration of the first CloudTrail lookup.
    discoveryStaleMinutes: 60,
    // Messages in a queue: more than arrive between two reads.
    queueMessages: 100,

    // Complete scrapes, in percent of those in the last 30 minutes.
    completePercent: 50,
    // Throttled requests, in percent of those within `lookback`.
    throttledPercent: 5,
  },
}
