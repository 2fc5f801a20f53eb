// What can be set. Every number that an alert goes by stands here and nowhere else.
{
  _config+:: {
    // Selects the exporter's targets: `up` has no other mark of theirs.
    exporterSelector: 'job="aws-transfer-exporter"',

    // Target labels that the shards of one set have in common, and other sets have not: what is missing or disagrees is
    // told for each set. A label that there is not does no harm.
    shardSet: 'job, namespace, cluster',

    // Where the runbooks are read; the heading's anchor is appended.
    runbookURLBase: 'https://github.com/aws-transfer-exporter/aws-transfer-exporter/blob/main/docs/operate/runbooks.md',

    // How long the last value of a series stands in when a scrape is missing or the exporter restarts. At least four
    // scrape intervals. Also how late a transfer that left the configuration leaves the recorded series, and the window
    // over which requests to AWS are counted.
    lookback: '5m',

    // A file counts as newly failed for this long.
    newFailureWindow: '15m',
    // A transfer that was FAILED within this time before is not new when it comes back, after an outage say.
    failureMemory: '1d',
    // How long failed transfers may stay in the configuration before it is said.
    failedTransfersTrackedFor: '1h',

    // Failed files in percent of those that finished within an hour, and how many it takes for a share to mean anything.
    failurePercent: 25,
    failureShareMinFiles: 5,

    // AWS lets a file wait for 12 hours and then move for 12 hours, and then fails it by itself: above 12 h these two
    // could never fire. 2 h: the largest file (150 GiB) takes 54 minutes at the account's 50 MB/s.
    stuckQueuedHours: 2,
    stuckInProgressHours: 2,
    // 12 h + 12 h + 1 h: no file can be unfinished by then. Without series per transfer (`metrics.per_transfer: false`)
    // the two above are blind, and this is the one to lower.
    unfinishedHours: 25,

    // 24 hours, and 2 in which a daily delivery may be late.
    noFileCompletedHours: 26,
    // Connectors that the alert above is for.
    noFileCompletedSelector: 'connector_id=~".+"',

    // Above `collector.max_refresh_interval` and several scrape intervals: an answer that does not change is let grow as
    // old as that.
    staleMinutes: 15,
    // Above `collector.gone_after`, within which an unknown transfer is still asked again.
    unreadableFor: '20m',

    // Days before its end in which a certificate of the server is to be renewed. Below what renews it by itself.
    certificateDays: 14,
    // Refused requests within 15 minutes that are more than a mistyped password.
    refusedRequests: 20,

    // How long a source of transfers may fail.
    discoveryFailingFor: '15m',
    // Above the longest `refresh_interval` in `discovery`, and above what a first look back at CloudTrail takes.
    discoveryStaleMinutes: 60,
    // Messages in a queue that are more than a moment's.
    queueMessages: 100,

    // Complete ones in percent of the last 30 minutes' scrapes.
    completePercent: 50,
    // Throttled attempts in percent of those within `lookback`.
    throttledPercent: 5,
  },
}
