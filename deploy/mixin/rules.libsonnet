// Recording rules. What differs between exporters is reduced in three steps, by `overShards`:
//
// - Exporters of one shard (replicas) tell the same numbers twice: of them the greatest is taken, so nothing is doubled.
// - Shards tell a part each: they are added up, within those that agree about how many shards there are.
// - Where totals differ (while shards are added, or beside an exporter that is not sharded) each total is a whole by
//   itself, and the greatest is taken: adding them would count twice what both have.
//
// A series of a transfer comes from one shard alone, and a minimum over everything is one over shards too: those need no
// more than one step.
//
// The rules also bridge gaps: a failed scrape ends all series at once, and `last_over_time` lets the last value stand in
// for `lookback`.
//
// `comment` is hidden from the manifested object; the plain YAML shows it above its rule.
{
  local c = $._config,
  local connector = ['aws_account', 'aws_region', 'connector_id'],
  local list(labels) = std.join(', ', labels),
  local indent(text, by='  ') = std.join('\n', [by + line for line in std.split(std.rstripChars(text, '\n'), '\n')]),
  local aggregate(op, labels, expr) = '%s by (%s) (\n%s\n)\n' % [op, list(labels), indent(expr)],

  // `expr` with the labels `shard` and `shards` of the target that it came from. Target labels are whatever the series
  // have beside `labels`, so targets in several clusters stay apart. An exporter of a version before sharding tells no
  // shard: its series stay without the labels, as a total of its own.
  local withShard(expr, labels) = |||
    %(expr)s
    * ignoring (%(labels)s, shard, shards) group_left (shard, shards)
      instance_shard:aws_transfer_exporter_shard_info:newest1h
    or ignoring (shard, shards)
    %(expr)s
  ||| % { expr: expr, labels: list(labels) },

  // One value for each shard, of its replicas.
  local perShard(expr, labels, ofReplicas='max') =
    aggregate(ofReplicas, labels + ['shard', 'shards'], withShard(expr, labels)),

  // One value from those of the shards.
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
            Which shard each target is, by what it told last: after a resharding it is another one. The hour is the longest
            range below, so that a pod that has gone is still known for what it counted.
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
            What people call each connector. Always one series a connector, so that a join never fails with a duplicate:
            after a renaming both names are there for a while, and the one seen more often within the hour is taken.
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
          comment:: 'Files now, by status and failure code, of each shard.',
          record: 'connector_shard_status_code:aws_transfer_connector_files:max',
          expr: perShard(
            'last_over_time(aws_transfer_connector_files[%(lookback)s])' % c,
            connector + ['status', 'failure_code']
          ),
        },
        {
          comment:: 'The same of all shards. No alert reads it; it is for panels and rules of your own.',
          record: 'connector_status_code:aws_transfer_connector_files:max',
          expr: together(
            'connector_shard_status_code:aws_transfer_connector_files:max',
            connector + ['status', 'failure_code']
          ),
        },
        {
          comment:: 'Transfers, by state. The maximum: a restarted exporter may answer before it has read them all.',
          record: 'connector_state:aws_transfer_connector_transfers:max',
          expr: overShards('max_over_time(aws_transfer_connector_transfers[%(lookback)s])' % c, connector + ['state']),
        },
        {
          comment:: 'Of two replicas, the one that has watched longer knows the earlier start; of the shards, one has the oldest.',
          record: 'connector:aws_transfer_connector_oldest_unfinished_timestamp_seconds:min',
          expr: |||
            min by (aws_account, aws_region, connector_id) (
              last_over_time(aws_transfer_connector_oldest_unfinished_timestamp_seconds[%(lookback)s])
            )
          ||| % c,
        },
        {
          comment:: 'Of two replicas, the fresher answer is what is known; of the shards, the stalest.',
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
            Files that finished within the window, of those that the exporter saw finish. Its counter stands at 0 as soon
            as the connector is known, so the first file is an increase; a restart never is.
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
          comment:: 'Failed files among those that finished within the hour. Absent where none finished.',
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
          comment:: 'Failed files of each transfer. Only transfers with failures have a series, so a day of it is cheap to read.',
          record: 'transfer_code:aws_transfer_files_failed:max',
          expr: |||
            max by (aws_account, aws_region, connector_id, transfer_id, failure_code) (
              last_over_time(aws_transfer_files{status="FAILED"}[%(lookback)s])
            ) > 0
          ||| % c,
        },
        {
          comment:: |||
            Files that failed within the window, by whichever tells more.

            The counter knows what failed under the exporter's eyes. What had failed by the first look at a transfer that is
            listed in the configuration is the base and never counted: that moves only the gauge. A failed file stays
            failed, so a transfer with more of them than at any time in the day before has new ones, and one that comes
            back after a restart or an outage has not. With `metrics.per_transfer: false` the counter alone remains.

            The first load of these rules has no day before it: failures that are tracked then show as new once.
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
            By how much the completed files rose, where they did: completions that the counter leaves out as the base. The
            windows reach over a restart, during which the sum climbs from nothing. For each shard by itself: one that
            comes back after an outage is no rise.
          |||,
          record: 'connector:aws_transfer_files_completed:rise10m',
          expr: together(|||
            max_over_time(connector_shard_status_code:aws_transfer_connector_files:max{status="COMPLETED"}[10m])
            - max_over_time(connector_shard_status_code:aws_transfer_connector_files:max{status="COMPLETED"}[10m] offset 10m)
            > 0
          |||, connector),
        },
        {
          comment:: 'Listings, moves and deletes at partners that have ended, since the counters began.',
          record: 'connector_operation_status_code:aws_transfer_connector_operations:max',
          expr: overShards(
            'last_over_time(aws_transfer_connector_operations_total[%(lookback)s])' % c,
            connector + ['operation', 'status', 'failure_code']
          ),
        },
        {
          comment:: |||
            Those that ended within the window. A connector may first be heard of by the failure itself, and `increase` does
            not see the step at which a series appears: what was not there within the day before is new as a whole. A counter
            that comes back after a restart or an outage was there, and is not.
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
          comment:: |||
            Messages in a queue. Over all exporters of a set, so that a pod with another name goes on where the one before it
            stood.
          |||,
          record: 'target:aws_transfer_exporter_discovery_queue_messages:max',
          expr: 'max by (%(shardSet)s, target) (last_over_time(aws_transfer_exporter_discovery_queue_messages[%(lookback)s]))' % c,
        },
        {
          comment:: 'Attempts at AWS requests. The sum: each exporter asks AWS for itself, and AWS counts them all.',
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
