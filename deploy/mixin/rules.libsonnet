// Recording rules. Two exporters that watch the same transfers (replicas) tell the same numbers twice: every rule takes
// the maximum (of a start, the minimum) over what differs between them, so nothing is doubled. They also bridge gaps:
// a failed scrape ends all series at once, and `last_over_time` lets the last value stand in for `lookback`.
//
// `comment` is hidden from the manifested object; the plain YAML shows it above its rule.
{
  local c = $._config,

  prometheusRules+:: {
    groups+: [{
      name: 'aws-transfer-exporter.recording',
      rules: [
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
          comment:: 'Files now, by status and failure code. No alert reads it; it is for panels and rules of your own.',
          record: 'connector_status_code:aws_transfer_connector_files:max',
          expr: |||
            max by (aws_account, aws_region, connector_id, status, failure_code) (
              last_over_time(aws_transfer_connector_files[%(lookback)s])
            )
          ||| % c,
        },
        {
          comment:: 'Transfers, by state. The maximum: a restarted exporter may answer before it has read them all.',
          record: 'connector_state:aws_transfer_connector_transfers:max',
          expr: |||
            max by (aws_account, aws_region, connector_id, state) (
              max_over_time(aws_transfer_connector_transfers[%(lookback)s])
            )
          ||| % c,
        },
        {
          comment:: 'Of two replicas, the one that has watched longer knows the earlier start.',
          record: 'connector:aws_transfer_connector_oldest_unfinished_timestamp_seconds:min',
          expr: |||
            min by (aws_account, aws_region, connector_id) (
              last_over_time(aws_transfer_connector_oldest_unfinished_timestamp_seconds[%(lookback)s])
            )
          ||| % c,
        },
        {
          comment:: 'Of two replicas, the fresher answer is what is known.',
          record: 'connector:aws_transfer_connector_results_age_seconds:min',
          expr: |||
            min by (aws_account, aws_region, connector_id) (
              last_over_time(aws_transfer_connector_results_age_seconds[%(lookback)s])
            )
          ||| % c,
        },
        {
          comment:: |||
            Files that finished within the window, of those that the exporter saw finish. Its counter stands at 0 as soon
            as the connector is known, so the first file is an increase; a restart never is.
          |||,
          record: 'connector_status_code:aws_transfer_connector_files_finished:increase%(newFailureWindow)s' % c,
          expr: |||
            max by (aws_account, aws_region, connector_id, status, failure_code) (
              increase(aws_transfer_connector_files_finished_total[%(newFailureWindow)s])
            )
          ||| % c,
        },
        {
          comment:: 'The same over an hour.',
          record: 'connector_status_code:aws_transfer_connector_files_finished:increase1h',
          expr: |||
            max by (aws_account, aws_region, connector_id, status, failure_code) (
              increase(aws_transfer_connector_files_finished_total[1h])
            )
          |||,
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
            windows reach over a restart, during which the sum climbs from nothing.
          |||,
          record: 'connector:aws_transfer_files_completed:rise10m',
          expr: |||
            max by (aws_account, aws_region, connector_id) (
              max_over_time(aws_transfer_connector_files{status="COMPLETED"}[10m])
            )
            - max by (aws_account, aws_region, connector_id) (
              max_over_time(aws_transfer_connector_files{status="COMPLETED"}[10m] offset 10m)
            ) > 0
          |||,
        },
        {
          comment:: 'Attempts at AWS requests. The sum: each replica asks AWS for itself, and AWS counts them all.',
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
