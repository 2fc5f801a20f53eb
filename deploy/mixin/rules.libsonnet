// Recording rules. `overShards` combines the series of several exporters in three steps:
//
// - Replicas of a shard export the same values: the maximum is taken, so that nothing is counted twice.
// - Shards export disjoint parts: they are summed, per total number of shards.
// - While shards are added, or beside an unsharded exporter, there are several totals. Each is complete by itself, so the
//   maximum is taken.
//
// Series of a transfer come from a single shard, and a minimum over everything is a minimum over shards: these need one
// step.
//
// A failed scrape ends all series of a target; `last_over_time` keeps the last value for `lookback`.
//
// `comment` is hidden from the manifested object; the plain YAML shows it above its rule.
{
  local c = $._config,
  local connector = ['aws_account', 'aws_region', 'connector_id'],
  local list(labels) = std.join(', ', labels),
  local indent(text, by='  ') = std.join('\n', [by + line for line in std.split(std.rstripChars(text, '\n'), '\n')]),
  local aggregate(op, labels, expr) = '%s by (%s) (\n%s\n)\n' % [op, list(labels), indent(expr)],

  // Adds the labels `shard` and `shards` of the target. The join ignores `labels`, so that all target labels take part and
  // targets in several clusters stay apart. Exporters without shard information keep their series without these labels.
  local withShard(expr, labels) = |||
    %(expr)s
    * ignoring (%(labels)s, shard, shards) group_left (shard, shards)
      instance_shard:aws_transfer_exporter_shard_info:newest1h
    or ignoring (shard, shards)
    %(expr)s
  ||| % { expr: expr, labels: list(labels) },

  // One value per shard, from its replicas.
  local perShard(expr, labels, ofReplicas='max') =
    aggregate(ofReplicas, labels + ['shard', 'shards'], withShard(expr, labels)),

  // One value from all shards.
  local together(perShard, labels, ofShards='sum', ofTotals='max') =
    aggregate(ofTotals, labels, aggregate(ofShards, labels + ['shards'], perShard)),

  local overShards(expr, labels, ofReplicas='max', ofShards='sum', ofTotals='max') =
    together(perShard(expr, labels, ofReplicas), labels, ofShards, ofTotals),

  prometheusRules+:: {
    groups+: [{
      name: 'aws-transfer-exporter.recording',
      rules: [
        {
          comment:: |||
            The shard of each target, by its newest series: resharding changes it. 1h is the longest range used below, so that counts
            of a deleted pod are still attributed.
          |||,
          record: 'instance_shard:aws_transfer_exporter_shard_info:newest1h',
          expr: |||
            topk without (shard, shards) (1,
              timestamp(aws_transfer_exporter_shard_info)
              or max_over_time(timestamp(aws_transfer_exporter_shard_info)[1h:1m])
            ) > bool 0
          |||,
        },
        {
          comment:: |||
            The name of each connector. Always one series per connector, so that a join never fails on duplicates: for a while after
            a rename there are two names, and the one with more samples in the last hour wins.
          |||,
          record: 'connector_name:aws_transfer_connector_info:max',
          expr: |||
            group by (aws_account, aws_region, connector_id, name) (
              topk by (aws_account, aws_region, connector_id) (1,
                max by (aws_account, aws_region, connector_id, name) (count_over_time(aws_transfer_connector_info[1h]))
              )
            )
          |||,
        },
        {
          comment:: 'Files by status and failure code, per shard.',
          record: 'connector_shard_status_code:aws_transfer_connector_files:max',
          expr: perShard(
            'last_over_time(aws_transfer_connector_files[%(lookback)s])' % c,
            connector + ['status', 'failure_code']
          ),
        },
        {
          comment:: 'Files by status and failure code. For panels and custom rules; no alert reads it.',
          record: 'connector_status_code:aws_transfer_connector_files:max',
          expr: together(
            'connector_shard_status_code:aws_transfer_connector_files:max',
            connector + ['status', 'failure_code']
          ),
        },
        {
          comment:: 'Transfers by state. The maximum over time, since a restarted exporter may answer before it has read all transfers.',
          record: 'connector_state:aws_transfer_connector_transfers:max',
          expr: overShards('max_over_time(aws_transfer_connector_transfers[%(lookback)s])' % c, connector + ['state']),
        },
        {
          comment:: 'The start of the oldest unfinished transfer. The replica that has run longest has the earliest start.',
          record: 'connector:aws_transfer_connector_oldest_unfinished_timestamp_seconds:min',
          expr: |||
            min by (aws_account, aws_region, connector_id) (
              last_over_time(aws_transfer_connector_oldest_unfinished_timestamp_seconds[%(lookback)s])
            )
          ||| % c,
        },
        {
          comment:: 'The age of the oldest results: the minimum over replicas, the maximum over shards.',
          record: 'connector:aws_transfer_connector_results_age_seconds:min',
          expr: overShards(
            'last_over_time(aws_transfer_connector_results_age_seconds[%(lookback)s])' % c,
            connector,
            ofReplicas='min',
            ofShards='max',
            ofTotals='min'
          ),
        },
        {
          comment:: |||
            Files that finished within the window while the exporter ran. The counter starts at 0 when the connector becomes known, so
            the first file is an increase and a restart is not.
          |||,
          record: 'connector_status_code:aws_transfer_connector_files_finished:increase%(newFailureWindow)s' % c,
          expr: overShards(
            'increase(aws_transfer_connector_files_finished_total[%(newFailureWindow)s])' % c,
            connector + ['status', 'failure_code']
          ),
        },
        {
          comment:: 'The same over an hour.',
          record: 'connector_status_code:aws_transfer_connector_files_finished:increase1h',
          expr: overShards(
            'increase(aws_transfer_connector_files_finished_total[1h])',
            connector + ['status', 'failure_code']
          ),
        },
        {
          comment:: 'Share of failed files among those that finished within an hour. Absent if none finished.',
          record: 'connector:aws_transfer_connector_files_failed:ratio1h',
          expr: |||
            sum by (aws_account, aws_region, connector_id) (
              connector_status_code:aws_transfer_connector_files_finished:increase1h{status="FAILED"}
            )
            / (
              sum by (aws_account, aws_region, connector_id) (
                connector_status_code:aws_transfer_connector_files_finished:increase1h
              ) > 0
            )
          |||,
        },
        {
          comment:: 'Failed files per transfer. Only transfers with failures have a series, which keeps a range of a day cheap.',
          record: 'transfer_code:aws_transfer_files_failed:max',
          expr: |||
            max by (aws_account, aws_region, connector_id, transfer_id, failure_code) (
              last_over_time(aws_transfer_files{status="FAILED"}[%(lookback)s])
            ) > 0
          ||| % c,
        },
        {
          comment:: |||
            Files that failed within the window: the larger of two counts.

            The counter has the failures that the exporter observed. Files that had failed before the first poll of a transfer are the
            base, which only the gauge includes. A failed file stays failed, so a transfer with more failed files than at any time
            in the previous day has new ones, and a transfer that reappears after a restart or an outage does not. With
            `metrics.per_transfer: false` only the counter remains.

            When these rules are first loaded there is no previous day: existing failures are reported once.
          |||,
          record: 'connector_code:aws_transfer_files_failed:new%(newFailureWindow)s' % c,
          expr: |||
            max by (aws_account, aws_region, connector_id, failure_code) (
              label_replace(
                connector_status_code:aws_transfer_connector_files_finished:increase%(newFailureWindow)s{status="FAILED"},
                "source", "counter", "", ""
              )
              or
              label_replace(
                sum by (aws_account, aws_region, connector_id, failure_code) (
                  clamp_min(
                    (
                      transfer_code:aws_transfer_files_failed:max
                      - max_over_time(transfer_code:aws_transfer_files_failed:max[%(failureMemory)s] offset %(newFailureWindow)s)
                    )
                    or transfer_code:aws_transfer_files_failed:max,
                    0
                  )
                ),
                "source", "gauge", "", ""
              )
            ) > 0
          ||| % c,
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
          comment:: 'Remote listings, moves and deletes that ended, as counters.',
          record: 'connector_operation_status_code:aws_transfer_connector_operations:max',
          expr: overShards(
            'last_over_time(aws_transfer_connector_operations_total[%(lookback)s])' % c,
            connector + ['operation', 'status', 'failure_code']
          ),
        },
        {
          comment:: |||
            Remote operations that ended within the window. A failure may be the first sample of a connector, which `increase` does
            not see: a counter that did not exist within the previous day is new as a whole. A counter that reappears after a restart
            or an outage is not.
          |||,
          record: 'connector_operation_status_code:aws_transfer_connector_operations:new%(newFailureWindow)s' % c,
          expr: |||
            max by (aws_account, aws_region, connector_id, operation, status, failure_code) (
              label_replace(
            %(increase)s,
                "source", "increase", "", ""
              )
              or
              label_replace(
                connector_operation_status_code:aws_transfer_connector_operations:max
                unless
                max_over_time(connector_operation_status_code:aws_transfer_connector_operations:max[%(failureMemory)s] offset %(newFailureWindow)s),
                "source", "first", "", ""
              )
            ) > 0
          ||| % (c {
                   increase: indent(std.rstripChars(overShards(
                     'increase(aws_transfer_connector_operations_total[%(newFailureWindow)s])' % c,
                     connector + ['operation', 'status', 'failure_code']
                   ), '\n'), '    '),
                 }),
        },
        {
          comment:: 'Messages in a queue, over all exporters of a set, so that a pod with another name continues the series.',
          record: 'target:aws_transfer_exporter_discovery_queue_messages:max',
          expr: 'max by (%(shardSet)s, aws_account, aws_region, target) (last_over_time(aws_transfer_exporter_discovery_queue_messages[%(lookback)s]))' % c,
        },
        {
          comment:: 'Attempted AWS requests. Summed over exporters, since AWS counts them all.',
          record: 'account_outcome:aws_transfer_exporter_api_requests:increase%(lookback)s' % c,
          expr: |||
            sum by (aws_account, aws_region, outcome) (
              increase(aws_transfer_exporter_api_requests_total[%(lookback)s])
            )
          ||| % c,
        },
      ],
    }],
  },
}
