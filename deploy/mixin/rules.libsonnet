// Recording rules. `overShards` combines the series of several exporters in three steps:
//
// - Replicas of a shard export the same values: the maximum is taken, so that nothing is counted twice.
// - Shards export disjoint parts: they are summed, per total number of shards.
// - While shards are added, or beside an unsharded exporter, there are several totals. Each is complete by itself, so the
//   maximum is taken.
//
// The series of a sharded exporter have the label `shard`, those of an unsharded one do not. A shard that moves to another
// exporter continues there: for a while both have it, as replicas do.
//
// Series of a transfer come from a single shard, and a minimum over everything is a minimum over shards: these need one
// step.
//
// A failed scrape ends all series of a target; `last_over_time` keeps the last value for `lookback`.
//
// `comment` is hidden from the manifested object; the plain YAML shows it above its rule.
{
  local c = $._config,
  local labels = import 'labels.libsonnet',
  local list = labels.list,
  local cluster = labels.cluster(c),
  local connector = cluster + labels.connector,
  local flow = cluster + labels.flow,
  // What `%(...)s` stands for in expressions.
  local values = c + {
    account: list(cluster + labels.account),
    connector: list(connector),
    flow: list(flow),
    queue: list(cluster + [c.shardSet] + labels.account + ['target']),
    target: list(cluster + [c.shardSet, 'instance']),
    shardOfTarget: list(cluster + [c.shardSet, 'instance', 'shard']),
  },
  local indent(text, by='  ') = std.join('\n', [by + line for line in std.split(std.rstripChars(text, '\n'), '\n')]),
  local aggregate(op, labels, expr) = '%s by (%s) (\n%s\n)\n' % [op, list(labels), indent(expr)],
  // Labels of a series beside those of its target.
  local own(labels) = [label for label in labels if !std.member(cluster, label)],

  // Adds the label `shards`. The join ignores `labels`, so that all target labels and the shard take part.
  local withTotal(expr, labels) = |||
    %(expr)s
    * ignoring (%(labels)s) group_left (shards)
      instance_shard:aws_transfer_exporter_shard_info:newest1h
  ||| % { expr: std.rstripChars(expr, '\n'), labels: list(own(labels) + ['shards']) },

  // One value per shard, from its replicas.
  local perShard(expr, labels, ofReplicas='max', ignored=[]) =
    aggregate(ofReplicas, labels + ['shard', 'shards'], withTotal(expr, labels + ignored)),

  // One value from all shards.
  local together(perShard, labels, ofShards='sum', ofTotals='max') =
    aggregate(ofTotals, labels, aggregate(ofShards, labels + ['shards'], perShard)),

  local overShards(expr, labels, ofReplicas='max', ofShards='sum', ofTotals='max', ignored=[]) =
    together(perShard(expr, labels, ofReplicas, ignored), labels, ofShards, ofTotals),

  // The increase of a counter within `range`, including the first sample of a series where the exporter could not show the 0
  // before: of a new connector, or of a failure code that is not in AWS's list. The largest of
  //
  // - increase: what Prometheus sees between samples.
  // - first: the value of a series that did not exist before the range, while its target had the shard. After an outage all
  //   series of a target return with the same scrape, so a counter that returns is not new. Nor is one of a target that did
  //   not have the shard before the range: it continues those of the former owner.
  // - start: the value of each series of a process without storage that is younger than the range. Without `last_over_time`,
  //   so that a series of the process before is not among them.
  //
  // Each only where it is above 0, since most series of failures are 0, and comparing every series with its target is expensive.
  // `zeros` selects others that are kept at 0.
  local counted(metric, range, labels, zeros='') =
    local of = values { selector: metric + '{status="FAILED"}', range: range, zeros: metric + zeros };
    local above0 = |||
      (
        increase(%(selector)s[%(range)s]) > 0
        or
        label_replace(
          last_over_time(%(selector)s[%(lookback)s]) > 0
          unless
          last_over_time(%(selector)s[%(lookback)s] offset %(range)s)
          and on (%(shardOfTarget)s)
          last_over_time(aws_transfer_exporter_shard_info[%(lookback)s] offset %(range)s),
          "count", "first", "", ""
        )
        or
        label_replace(
          %(selector)s > 0
          and on (%(target)s)
          (
            max by (%(target)s) (timestamp(aws_transfer_exporter_shard_info))
            > on (%(target)s)
              (last_over_time(process_start_time_seconds[%(lookback)s]) > scalar(min_over_time(vector(time())[%(range)s:1m])))
          )
          unless on (%(target)s)
          last_over_time(aws_transfer_exporter_storage_up[%(lookback)s]),
          "count", "start", "", ""
        )
      )
    ||| % of;
    local all = if zeros == '' then above0 else above0 + |||
      or
      (
        increase(%(zeros)s[%(range)s])
        or
        label_replace(
          last_over_time(%(zeros)s[%(lookback)s])
          unless
          last_over_time(%(zeros)s[%(lookback)s] offset %(range)s)
          and on (%(shardOfTarget)s)
          last_over_time(aws_transfer_exporter_shard_info[%(lookback)s] offset %(range)s),
          "count", "first", "", ""
        )
      )
    ||| % of;
    overShards('(\n%s\n)\n' % indent(all), labels, ignored=['count']),

  // Events that happened while Prometheus or the exporter was down: a total that is higher than at any time within
  // `failureMemory`, or that did not exist, while its account was monitored.
  local missed(total) = |||
    (
      %(total)s
      -
      (
        max_over_time(%(total)s[%(failureMemory)s] offset %(newFailureWindow)s)
        or
        0 * %(total)s
        and on (%(account)s)
        max_over_time(connector_name:aws_transfer_connector_info:max[%(failureMemory)s:10m] offset %(newFailureWindow)s)
      )
    ) > 0
  ||| % (values { total: total }),

  // The largest of several counts of the same events.
  local largest(counts, labels) = aggregate('max', labels, std.join('or
', [
    'label_replace(
%s,
  "count", "%s", "", ""
)
' % [indent(std.rstripChars(counts[name], '
')), name]
    for name in std.objectFields(counts)
  ])) + '> 0
',

  // The oldest of a time over exporters: the replica that has run longest has seen the most.
  local oldest(metric) = |||
    min by (%s) (
      last_over_time(%s[%s])
    )
  ||| % [list(connector), metric, c.lookback],

  local newest(metric, further=[]) = |||
    max by (%s) (
      last_over_time(%s[%s])
    )
  ||| % [list(connector + further), metric, c.lookback],

  // The value of a flow: replicas compute the same, and one shard has all its files.
  local ofFlow(op, metric, further=[]) = |||
    %s by (%s) (
      last_over_time(%s[%s])
    )
  ||| % [op, list(flow + further), metric, c.lookback],

  // The windows of a flow by outcome: all that were counted, without those that were corrected. Each shard has counted some, of
  // which `counted` and `corrected` have one value each: a flow that moves to another shard continues there where that one was.
  local windowsOf(counted, corrected, range) = |||
    sum by (%(labels)s) (
      (
    %(counted)s
      )
      - on (%(labels)s, shard)
      (
    %(corrected)s
        or on (%(labels)s, shard)
        0 * last_over_time(%(windows)s:max[%(range)s])
      )
    )
  ||| % {
    labels: list(flow + ['outcome']),
    counted: indent(counted, '    '),
    corrected: indent(corrected, '    '),
    windows: windowsOfShard,
    range: range,
  },
  // The increase within an hour. The value of an hour ago, not a range: deadlines are at full hours, and a step of an hour has
  // to count them once. The minimum where that value is missing, or where the counter has started again.
  local inHour(metric) = |||
    last_over_time(%(metric)s[1h])
    - on (%(labels)s, shard)
    (
      %(metric)s offset 1h <= on (%(labels)s, shard) last_over_time(%(metric)s[1h])
      or on (%(labels)s, shard)
      min_over_time(%(metric)s[1h:1m])
    )
  ||| % { labels: list(flow + ['outcome']), metric: metric },
  local inDay(metric) = 'last_over_time(%(metric)s[1d:5m]) - on (%(labels)s, shard) min_over_time(%(metric)s[1d:5m])' % { labels: list(flow + ['outcome']), metric: metric },
  local windows = 'flow_outcome:aws_transfer_flow_windows',
  local windowsOfShard = 'flow_shard_outcome:aws_transfer_flow_windows',
  // What each shard has counted of a flow.
  local ofFlowAndShard(metric) = ofFlow('max', metric, ['outcome', 'shard']),
  // The highest of numbers of label values, in their order, each by `term`.
  local highest(values, term) = |||
    max by (%s) (
    %s
    )
  ||| % [list(flow), indent(std.join('\nor\n', [term(index + 1, values[index]) for index in std.range(0, std.length(values) - 1)]))],

  local failureShare(failed, finished) = |||
    (
    %s
    )
    / (
      %s
      > 0
    )
  ||| % [indent(failed), finished],
  local finished = 'connector_status_code:aws_transfer_connector_files_finished',
  local failedOf(record) = |||
    sum by (%s) (%s{status="FAILED",failure_code!~"%s"})
    or
    0 * %s
  ||| % [list(connector), record, c.expectedFailureCodes, finishedOf(record)],
  local finishedOf(record) = 'sum by (%s) (%s{failure_code!~"%s"})' % [list(connector), record, c.expectedFailureCodes],

  // The cost of calls and bytes within an hour, each at its price. Absent series add nothing.
  local prices = 'price:aws_transfer_connector_',
  local cost(charges, labels) = aggregate('sum', labels, std.join('or\n', [
    |||
      label_replace(
      %s
        * on () group_left () max(%s%s:usd),
        "count", "%s", "", ""
      )
    ||| % [indent(charges[name].amount), prices, charges[name].per, name]
    for name in std.objectFields(charges)
  ])),
  local GiB(bytes, labels) = std.rstripChars(aggregate('sum', labels, bytes), '\n') + '\n/ 1024 ^ 3',
  // Sums of hours and of days: ranges of raw samples would cost too much. Without a full hour or day, the shorter range.
  // The last hour of a day is part of its value from the first evaluation after midnight until the next full hour.
  local longer(cost) = [
    {
      comment:: 'The same within a day, up to the last full hour.',
      record: cost + ':increase1d',
      expr: |||
        sum_over_time(%(cost)s:increase1h[1d:1h])
        or
        %(cost)s:increase1h
      ||| % { cost: cost },
    },
    {
      comment:: 'The same within 30 days, up to the last midnight in UTC.',
      record: cost + ':increase30d',
      expr: |||
        sum_over_time(
          last_over_time(%(cost)s:increase1d[55m] offset -55m)[30d:1d]
        )
        or
        %(cost)s:increase1d
      ||| % { cost: cost },
    },
  ],

  prometheusRules+:: {
    groups+: [{
      name: 'aws-transfer-exporter.recording',
      interval: c.evaluationInterval,
      rules: [
        {
          comment:: |||
            The total of each shard of a target, by its newest series: resharding changes it. 1h is the longest range used below, so
            that counts of a deleted pod, and of a shard that has moved, are still attributed.
          |||,
          record: 'instance_shard:aws_transfer_exporter_shard_info:newest1h',
          expr: |||
            topk without (shards) (1,
              timestamp(aws_transfer_exporter_shard_info)
              or max_over_time(timestamp(aws_transfer_exporter_shard_info)[1h:1m])
            ) >= bool 0
          |||,
        },
        {
          comment:: |||
            The name of each connector. Always one series per connector, so that a join neither fails on duplicates nor loses a
            connector: for a while after a rename there are two names, and the one with more samples in the last hour wins; where no
            name is known, the label is missing.
          |||,
          record: 'connector_name:aws_transfer_connector_info:max',
          expr: |||
            group by (%(connector)s, name) (
              topk by (%(connector)s) (1,
                max by (%(connector)s, name) (count_over_time(aws_transfer_connector_info[1h]))
              )
            )
            or on (%(connector)s)
            group by (%(connector)s) (last_over_time(aws_transfer_connector_transfers[1h]))
          ||| % values,
        },
        {
          comment:: 'Files by status and failure code, per shard.',
          record: 'connector_shard_status_code:aws_transfer_connector_files:max',
          expr: perShard(
            'last_over_time(aws_transfer_connector_files[%(lookback)s])' % values,
            connector + ['status', 'failure_code']
          ),
        },
        {
          comment:: 'Files by status and failure code.',
          record: 'connector_status_code:aws_transfer_connector_files:max',
          expr: together(
            'connector_shard_status_code:aws_transfer_connector_files:max',
            connector + ['status', 'failure_code']
          ),
        },
        {
          comment:: 'Files that are not finished. Recorded, since a range over all statuses of 1,000 connectors takes more than a second.',
          record: 'connector:aws_transfer_connector_files:unfinished',
          expr: |||
            sum by (%(connector)s) (
              connector_status_code:aws_transfer_connector_files:max{status=~"QUEUED|IN_PROGRESS"}
            )
          ||| % values,
        },
        {
          comment:: 'Transfers by state. The maximum over time, since a restarted exporter may answer before it has read all transfers.',
          record: 'connector_state:aws_transfer_connector_transfers:max',
          expr: overShards('max_over_time(aws_transfer_connector_transfers[%(lookback)s])' % values, connector + ['state']),
        },
        {
          comment:: |||
            Unfinished transfers whose results cannot be read: the minimum over time and replicas, since an occasional successful poll
            is enough.
          |||,
          record: 'connector:aws_transfer_connector_transfers_unreadable:min',
          expr: overShards('min_over_time(aws_transfer_connector_transfers_unreadable[%(lookback)s])' % values, connector, ofReplicas='min'),
        },
        {
          comment:: 'Failed files that are not resolved. The maximum over replicas: each has to be acknowledged.',
          record: 'connector_code:aws_transfer_connector_unresolved_failures:max',
          expr: overShards(
            'last_over_time(aws_transfer_connector_unresolved_failures[%(lookback)s])' % values,
            connector + ['failure_code']
          ),
        },
        {
          comment:: 'The start of the oldest unfinished transfer. The replica that has run longest has the earliest start.',
          record: 'connector:aws_transfer_connector_oldest_unfinished_timestamp_seconds:min',
          expr: oldest('aws_transfer_connector_oldest_unfinished_timestamp_seconds'),
        },
        {
          comment:: 'Since when a file has been QUEUED the longest.',
          record: 'connector:aws_transfer_connector_oldest_queued_timestamp_seconds:min',
          expr: oldest('aws_transfer_connector_oldest_queued_timestamp_seconds'),
        },
        {
          comment:: 'Since when a file has been IN_PROGRESS the longest.',
          record: 'connector:aws_transfer_connector_oldest_in_progress_timestamp_seconds:min',
          expr: oldest('aws_transfer_connector_oldest_in_progress_timestamp_seconds'),
        },
        {
          comment:: 'The newest known start of a transfer.',
          record: 'connector:aws_transfer_connector_last_started_timestamp_seconds:max',
          expr: newest('aws_transfer_connector_last_started_timestamp_seconds'),
        },
        {
          comment:: |||
            Files that failed since one last completed. The maximum over replicas, since one that has started recently has seen the
            fewest, and over shards, since none knows the order of all files.
          |||,
          record: 'connector:aws_transfer_connector_consecutive_failures:max',
          expr: overShards('last_over_time(aws_transfer_connector_consecutive_failures[%(lookback)s])' % values, connector, ofShards='max'),
        },
        {
          comment:: |||
            Whether the last test of a connection succeeded. Probes are another job than the exporter's, which dashboards select; one of
            several jobs is enough. Absent without probes.
          |||,
          record: 'connector:aws_transfer_connection_up:max',
          expr: newest('aws_transfer_connection_up'),
        },
        {
          comment:: 'The reason of a failed test, without those that are 0.',
          record: 'connector_reason:aws_transfer_connection_failure_reason:failed',
          expr: newest('aws_transfer_connection_failure_reason', ['reason']) + |||
            == 1
            and on (%(connector)s)
            connector:aws_transfer_connection_up:max == 0
          ||| % values,
        },
        {
          comment:: 'When a test of a connection last succeeded.',
          record: 'connector:aws_transfer_connection_last_success_timestamp_seconds:max',
          expr: newest('aws_transfer_connection_last_success_timestamp_seconds'),
        },
        {
          comment:: 'The time of the oldest result: the maximum over replicas, the minimum over shards.',
          record: 'connector:aws_transfer_connector_oldest_result_timestamp_seconds:max',
          expr: overShards(
            'last_over_time(aws_transfer_connector_oldest_result_timestamp_seconds[%(lookback)s])' % values,
            connector,
            ofReplicas='max',
            ofShards='min',
            ofTotals='max'
          ),
        },
        {
          comment:: |||
            Files that failed within the window while the exporter ran, above 0. The largest of three counts: the increase of the counter;
            the value of a series that did not exist before the window while its target had the shard, since the exporter shows no 0
            for a new connector or a code that AWS does not document; and the value of each series of a process without storage that
            is younger than the window. After an outage, or when a shard moves, all series return with the same scrape, so old counts
            are not new.
          |||,
          record: finished + ':increase',
          expr: counted(
            'aws_transfer_connector_files_finished_total',
            c.newFailureWindow,
            connector + ['status', 'failure_code']
          ),
        },
        {
          comment:: 'The same over an hour, with completed files.',
          record: finished + ':increase1h',
          expr: counted(
            'aws_transfer_connector_files_finished_total',
            '1h',
            connector + ['status', 'failure_code'],
            zeros='{status!="FAILED"}'
          ),
        },
        {
          comment:: 'The same over the short window of the burn rate.',
          record: finished + ':increase%(burnRateWindow)s' % c,
          expr: counted(
            'aws_transfer_connector_files_finished_total',
            c.burnRateWindow,
            connector + ['status', 'failure_code'],
            zeros='{status!="FAILED"}'
          ),
        },
        {
          comment:: 'Failed files as counted since the exporter or its storage was new. Without those that are 0.',
          record: finished + ':failed',
          expr: overShards(
            'last_over_time(aws_transfer_connector_files_finished_total{status="FAILED"}[%(lookback)s])' % values,
            connector + ['status', 'failure_code']
          ) + '> 0
',
        },
        {
          comment:: |||
            Failed files of tracked transfers. Without those that are 0, which keeps a range of a day cheap.
          |||,
          record: 'connector_status_code:aws_transfer_connector_files:failed',
          expr: 'connector_status_code:aws_transfer_connector_files:max{status="FAILED"} > 0',
        },
        {
          comment:: |||
            Files that failed within the window: the largest of three counts.

            `counter` has the failures that Prometheus saw happen. `missed` are those of an outage that an exporter with storage
            counted: its counter is higher than at any time in the previous day, or did not exist. `tracked` are files that had failed
            before the first poll of their transfer, which only the gauge includes; it falls when transfers leave, so that older failed
            files can hide new ones.

            What reappears after a restart or an outage of less than `failureMemory` is not new.
          |||,
          record: 'connector_code:aws_transfer_files_failed:new',
          expr: largest({
            counter: finished + ':increase{status="FAILED"}',
            missed: missed(finished + ':failed'),
            tracked: missed('connector_status_code:aws_transfer_connector_files:failed'),
          }, connector + ['failure_code']),
        },
        {
          comment:: 'Share of failed files among those that finished within an hour. Absent if none finished.',
          record: 'connector:aws_transfer_connector_files_failed:ratio1h',
          expr: failureShare(failedOf(finished + ':increase1h'), finishedOf(finished + ':increase1h')),
        },
        {
          comment:: 'The same within the short window of the burn rate.',
          record: 'connector:aws_transfer_connector_files_failed:ratio%(burnRateWindow)s' % c,
          expr: failureShare(failedOf(finished + ':increase%(burnRateWindow)s' % c), finishedOf(finished + ':increase%(burnRateWindow)s' % c)),
        },
        {
          comment:: 'Failed files within an hour.',
          record: 'connector:aws_transfer_connector_files_failed:increase1h',
          expr: failedOf(finished + ':increase1h'),
        },
        {
          comment:: 'Finished files within an hour.',
          record: 'connector:aws_transfer_connector_files_finished:increase1h',
          expr: finishedOf(finished + ':increase1h'),
        },
        {
          comment:: 'Failed files within 6 hours. A sum of hours, since a range of raw samples would cost too much.',
          record: 'connector:aws_transfer_connector_files_failed:increase6h',
          expr: 'sum_over_time(connector:aws_transfer_connector_files_failed:increase1h[6h:10m]) / 6',
        },
        {
          comment:: 'Failed files within 3 days.',
          record: 'connector:aws_transfer_connector_files_failed:increase3d',
          expr: 'sum_over_time(connector:aws_transfer_connector_files_failed:increase1h[3d:1h])',
        },
        {
          comment:: 'Share of failed files among those that finished within 6 hours.',
          record: 'connector:aws_transfer_connector_files_failed:ratio6h',
          expr: failureShare(
            'connector:aws_transfer_connector_files_failed:increase6h',
            'sum_over_time(connector:aws_transfer_connector_files_finished:increase1h[6h:10m]) / 6'
          ),
        },
        {
          comment:: 'Share of failed files among those that finished within 3 days.',
          record: 'connector:aws_transfer_connector_files_failed:ratio3d',
          expr: failureShare(
            'connector:aws_transfer_connector_files_failed:increase3d',
            'sum_over_time(connector:aws_transfer_connector_files_finished:increase1h[3d:1h])'
          ),
        },
        {
          comment:: |||
            Increase of the completed files where there is one, including completions before the first poll, which the counter
            excludes. The windows bridge a restart, during which the sum grows from 0. Per shard, so that a shard that returns
            after an outage is not an increase.
          |||,
          record: 'connector:aws_transfer_files_completed:rise10m',
          expr: together(|||
            max_over_time(connector_shard_status_code:aws_transfer_connector_files:max{status="COMPLETED"}[10m])
            - max_over_time(connector_shard_status_code:aws_transfer_connector_files:max{status="COMPLETED"}[10m] offset 10m)
            > 0
          |||, connector),
        },
        {
          comment:: 'Files that completed within an hour, or within 10 minutes where only the gauge has them.',
          record: 'connector:aws_transfer_files_completed:recent',
          expr: aggregate('max', connector, |||
            label_replace(
              sum by (%(connector)s) (
                connector_status_code:aws_transfer_connector_files_finished:increase1h{status="COMPLETED"}
              ),
              "count", "counter", "", ""
            )
            or
            label_replace(connector:aws_transfer_files_completed:rise10m, "count", "tracked", "", "")
          ||| % values),
        },
        {
          comment:: 'Remote operations that failed, as counters. Without those that are 0.',
          record: 'connector_operation_status_code:aws_transfer_connector_operations:failed',
          expr: overShards(
            'last_over_time(aws_transfer_connector_operations_total{status="FAILED"}[%(lookback)s])' % values,
            connector + ['operation', 'status', 'failure_code']
          ) + '> 0
',
        },
        {
          comment:: 'Remote listings, moves and deletes that failed within the window, counted like files.',
          record: 'connector_operation_status_code:aws_transfer_connector_operations:increase',
          expr: counted(
            'aws_transfer_connector_operations_total',
            c.newFailureWindow,
            connector + ['operation', 'status', 'failure_code']
          ),
        },
        {
          comment:: 'Remote operations that failed within the window. `counter` and `missed` as for files.',
          record: 'connector_operation_code:aws_transfer_operations_failed:new',
          expr: largest({
            counter: 'connector_operation_status_code:aws_transfer_connector_operations:increase{status="FAILED"}',
            missed: missed('connector_operation_status_code:aws_transfer_connector_operations:failed'),
          }, connector + ['operation', 'failure_code']),
        },
        {
          comment:: 'Failed files within an hour by code. Without those that are 0.',
          record: 'connector_code:aws_transfer_connector_files_failed:increase1h',
          expr: |||
            sum by (%(connector)s, failure_code) (
              connector_status_code:aws_transfer_connector_files_finished:increase1h{status="FAILED"}
            ) > 0
          ||| % values,
        },
        {
          comment:: 'When a file last completed.',
          record: 'connector:aws_transfer_connector_last_completed_timestamp_seconds:max',
          expr: newest('aws_transfer_connector_last_completed_timestamp_seconds'),
        },
        {
          comment:: 'When a file last failed.',
          record: 'connector:aws_transfer_connector_last_failed_timestamp_seconds:max',
          expr: newest('aws_transfer_connector_last_failed_timestamp_seconds'),
        },
        {
          comment:: 'Bytes per second of each connector.',
          record: 'connector_operation:aws_transfer_connector_bytes:rate',
          expr: overShards('rate(aws_transfer_connector_bytes_total[%(lookback)s])' % values, connector + ['operation']),
        },
        {
          comment:: 'Files per second by duration, over all connectors of an account.',
          record: 'account_operation_le:aws_transfer_connector_file_duration_seconds_bucket:rate',
          expr: aggregate('sum', cluster + labels.account + ['operation', 'le'], overShards(
            'rate(aws_transfer_connector_file_duration_seconds_bucket[%(lookback)s])' % values,
            connector + ['operation', 'le']
          )),
        },
        {
          comment:: 'Messages in a queue, over all exporters of a set, so that a pod with another name continues the series.',
          record: 'target:aws_transfer_exporter_discovery_queue_messages:max',
          expr: 'max by (%(queue)s) (last_over_time(aws_transfer_exporter_discovery_queue_messages[%(lookback)s]))' % values,
        },
        {
          comment:: 'Messages in the dead-letter queue of a queue, over all exporters of a set.',
          record: 'target:aws_transfer_exporter_discovery_queue_dead_letter_messages:max',
          expr: 'max by (%(queue)s) (last_over_time(aws_transfer_exporter_discovery_queue_dead_letter_messages[%(lookback)s]))' % values,
        },
        {
          comment:: 'Attempted AWS requests. Summed over exporters, since AWS counts them all.',
          record: 'account_outcome:aws_transfer_exporter_api_requests:increase',
          expr: |||
            sum by (%(account)s, outcome) (
              increase(aws_transfer_exporter_api_requests_total[%(lookback)s])
            )
          ||| % values,
        },
        {
          comment:: |||
            The connectors and the expectation of each flow, as configured. Always one series per flow: for a while after a reload
            there are two, and the one with more samples wins.
          |||,
          record: 'flow_connectors:aws_transfer_flow_info:max',
          expr: |||
            group by (%(flow)s, connectors, expect) (
              topk by (%(flow)s) (1,
                max by (%(flow)s, connectors, expect) (count_over_time(aws_transfer_flow_info[%(lookback)s]))
              )
            )
          ||| % values,
        },
        {
          comment:: 'The state of the current window of a flow. More than one is 1 while replicas disagree.',
          record: 'flow_state:aws_transfer_flow_window_state:max',
          expr: ofFlow('max', 'aws_transfer_flow_window_state', ['state']),
        },
        {
          comment:: |||
            The state as a number, for a panel: 1 waiting, 2 on_time, 3 unknown, 4 late, 5 invalid, 6 missing. Recorded, since a range
            over the states of 1,000 flows takes more than ten seconds.
          |||,
          record: 'flow:aws_transfer_flow_window_state:number',
          expr: highest(
            ['waiting', 'on_time', 'unknown', 'late', 'invalid', 'missing'],
            function(number, state) '%d * flow_state:aws_transfer_flow_window_state:max{state="%s"}' % [number, state]
          ),
        },
        {
          comment:: 'The deadline of the current window. The minimum: a replica that is behind is still in the earlier window.',
          record: 'flow:aws_transfer_flow_deadline_timestamp_seconds:min',
          expr: ofFlow('min', 'aws_transfer_flow_deadline_timestamp_seconds'),
        },
        {
          comment:: 'Completed files of the current window.',
          record: 'flow:aws_transfer_flow_window_files:max',
          expr: ofFlow('max', 'aws_transfer_flow_window_files'),
        },
        {
          comment:: 'When a file of the flow last completed.',
          record: 'flow:aws_transfer_flow_last_completed_timestamp_seconds:max',
          expr: ofFlow('max', 'aws_transfer_flow_last_completed_timestamp_seconds'),
        },
        {
          comment:: 'Failed files of a flow that are not resolved, without its `ignore_codes`.',
          record: 'flow:aws_transfer_flow_unresolved_failures:max',
          expr: ofFlow('max', 'aws_transfer_flow_unresolved_failures'),
        },
        {
          comment:: 'Closed windows by outcome and shard, as counted since the exporter or its storage was new.',
          record: windowsOfShard + ':max',
          expr: ofFlowAndShard('aws_transfer_flow_windows_total'),
        },
        {
          comment:: 'Closed windows by an outcome that turned out to be wrong, and shard.',
          record: windowsOfShard + '_corrected:max',
          expr: ofFlowAndShard('aws_transfer_flow_windows_corrected_total'),
        },
        {
          comment:: |||
            Windows that closed within an hour, by outcome. Without those that are 0; -1 where a correction followed in another
            hour.
          |||,
          record: windows + ':increase1h',
          expr: '(\n%s\n) != 0\n' % indent(windowsOf(inHour(windowsOfShard + ':max'), inHour(windowsOfShard + '_corrected:max'), '1h')),
        },
        {
          comment:: 'Windows that closed within a day, by outcome. Without those that are 0.',
          record: windows + ':increase1d',
          expr: '(\n%s\n) > 0\n' % indent(windowsOf(inDay(windowsOfShard + ':max'), inDay(windowsOfShard + '_corrected:max'), '1d:5m')),
        },
        {
          comment:: 'The worst outcome of a day as a number, for a panel: 1 on_time, 2 unknown, 3 late, 4 invalid, 5 missing.',
          record: 'flow:aws_transfer_flow_windows:worst1d',
          expr: highest(
            ['on_time', 'unknown', 'late', 'invalid', 'missing'],
            function(number, outcome) '%d + 0 * %s:increase1d{outcome="%s"}' % [number, windows, outcome]
          ),
        },
        {
          comment:: |||
            Windows that closed within 30 days, by outcome, up to the last full hour. For a flow without one, all that the exporter
            has counted.
          |||,
          record: windows + ':increase30d',
          expr: |||
            sum_over_time(%(windows)s:increase1h[30d:1h])
            or on (%(flow)s)
            (
            %(all)s
            )
          ||| % { windows: windows, flow: list(flow), all: indent(windowsOf(windowsOfShard + ':max', windowsOfShard + '_corrected:max', c.lookback)) },
        },
        {
          comment:: 'Share of the windows within 30 days that were delivered on time, without those that could not be judged.',
          record: 'flow:aws_transfer_flow_windows_on_time:ratio30d',
          expr: |||
            (
              sum by (%(flow)s) (%(windows)s:increase30d{outcome="on_time"})
              or
              0 * sum by (%(flow)s) (%(windows)s:increase30d)
            )
            / (
              sum by (%(flow)s) (%(windows)s:increase30d{outcome!="unknown"})
              > 0
            )
          ||| % (values { windows: windows }),
        },
        {
          comment:: 'The price of a call of a connector in dollars: a setting, of the date in the label.',
          record: prices + 'call:usd',
          expr: 'vector(%(pricePerCall)s)' % labels.texts(c),
          labels: { date: c.priceDate },
        },
        {
          comment:: 'The price of a GB that is sent or retrieved in dollars: a setting, of the date in the label.',
          record: prices + 'gigabyte:usd',
          expr: 'vector(%(pricePerGB)s)' % labels.texts(c),
          labels: { date: c.priceDate },
        },
        {
          comment:: 'Bytes within an hour.',
          record: 'connector_operation:aws_transfer_connector_bytes:increase1h',
          expr: overShards('increase(aws_transfer_connector_bytes_total[1h])', connector + ['operation']),
        },
        {
          comment:: 'Remote listings, moves and deletes within an hour.',
          record: 'connector_operation_status_code:aws_transfer_connector_operations:increase1h',
          expr: overShards('increase(aws_transfer_connector_operations_total[1h])', connector + ['operation', 'status', 'failure_code']),
        },
        {
          comment:: |||
            What AWS charges for a connector in dollars, within an hour: a call for each finished file and each remote operation, and
            the bytes. An estimate: docs/operate/cost.md has the assumptions. Bytes and operations require `discovery.events`.
          |||,
          record: 'connector:aws_transfer_connector_cost_usd:increase1h',
          expr: cost({
            bytes: { per: 'gigabyte', amount: GiB('connector_operation:aws_transfer_connector_bytes:increase1h', connector) },
            files: { per: 'call', amount: aggregate('sum', connector, finished + ':increase1h{status=~"%(pricedStatuses)s"}' % c) },
            operations: { per: 'call', amount: aggregate('sum', connector, 'connector_operation_status_code:aws_transfer_connector_operations:increase1h{status=~"%(pricedStatuses)s"}' % c) },
          }, connector),
        },
      ] + longer('connector:aws_transfer_connector_cost_usd') + [
        {
          comment:: |||
            What AWS charges for the files of a flow in dollars, within an hour: part of the cost of its connectors. Remote operations
            belong to no flow. One shard has all files of a flow, so the maximum is taken.
          |||,
          record: 'flow:aws_transfer_flow_cost_usd:increase1h',
          expr: cost({
            bytes: { per: 'gigabyte', amount: GiB(aggregate('max', flow + ['operation'], 'increase(aws_transfer_flow_bytes_total[1h])'), flow) },
            files: { per: 'call', amount: aggregate('sum', flow, aggregate('max', flow + ['status', 'failure_code'], 'increase(aws_transfer_flow_files_finished_total{status=~"%(pricedStatuses)s"}[1h])' % c)) },
          }, flow),
        },
      ] + longer('flow:aws_transfer_flow_cost_usd'),
    }],
  },
}
