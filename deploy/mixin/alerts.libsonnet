// Alerting rules. `comment` and `anchor` are hidden from the manifested object.
{
  local c = $._config,
  local connector = ['aws_account', 'aws_region', 'connector_id'],
  local indent(text) = std.join('\n', ['  ' + line for line in std.split(std.rstripChars(text, '\n'), '\n')]),

  // Adds the label `name`. The second half keeps the alert firing while no name is known.
  local named(expr, by=connector) = |||
    (
    %(expr)s
    )
    * on (%(connector)s) group_left (name)
      connector_name:aws_transfer_connector_info:max
    or on (%(by)s)
    (
    %(expr)s
    )
  ||| % { expr: indent(expr), connector: std.join(', ', connector), by: std.join(', ', by) },

  // The name if known, and always the id, which commands need.
  local connectorName = '{{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }}',
  local connectorId = '{{ with $labels.name }}{{ . }} ({{ $labels.connector_id }}){{ else }}{{ $labels.connector_id }}{{ end }}',
  local account = 'account {{ $labels.aws_account }} ({{ $labels.aws_region }})',
  local where = '%s in %s' % [connectorId, account],
  local code = '{{ with $labels.failure_code }}failure code {{ . }}{{ else }}no failure code{{ end }}',

  local alert(name, severity, expr, summary, description, comment='', wait='', keep='') = {
    comment:: comment,
    alert: name,
    expr: expr,
    [if wait != '' then 'for']: wait,
    [if keep != '' then 'keep_firing_for']: keep,
    labels: { severity: severity },
    annotations: {
      summary: summary,
      description: std.rstripChars(description, '\n'),
      runbook_url: '%s#%s' % [c.runbookURLBase, std.asciiLower(name)],
    },
  },

  // Transfers whose last poll succeeded. A transfer that is gone keeps its last counts and is not stuck.
  local readable = |||
    max by (aws_account, aws_region, connector_id, transfer_id) (max_over_time(aws_transfer_results_up[%(lookback)s])) == 1
  ||| % c,
  local finished(range) = |||
    sum by (aws_account, aws_region, connector_id, transfer_id) (
      max by (aws_account, aws_region, connector_id, transfer_id, status, failure_code) (
        max_over_time(aws_transfer_files{status=~"COMPLETED|FAILED"}%s)
      )
    )
  ||| % range,

  prometheusAlerts+:: {
    groups+: [
      {
        name: 'aws-transfer-exporter.transfers',
        rules: [
          alert(
            'AwsTransferFilesFailed', 'warning',
            named(
              'connector_code:aws_transfer_files_failed:new%(newFailureWindow)s > 0' % c,
              connector + ['failure_code']
            ),
            'Files failed on %s{{ with $labels.failure_code }} with {{ . }}{{ end }}.' % connectorName,
            '{{ $value | printf "%%.0f" }} file(s) on connector %s failed in the last %s with %s.' % [where, c.newFailureWindow, code],
            comment=|||
              An event: the alert resolves by itself, which does not mean that the file was sent again. No `for`, since a failed file
              never recovers. The window bridges missing scrapes and restarts.
            |||
          ),
          alert(
            'AwsTransferFailureShareHigh', 'critical',
            named(|||
              connector:aws_transfer_connector_files_failed:ratio1h > %(failurePercent)s / 100
              and on (aws_account, aws_region, connector_id)
              sum by (aws_account, aws_region, connector_id) (
                connector_status_code:aws_transfer_connector_files_finished:increase1h{status="FAILED"}
              ) > %(min)s
            ||| % (c { min: c.failureShareMinFiles - 0.5 })),
            'A high share of files fails on %s.' % connectorName,
            '{{ $value | humanizePercentage }} of the files that finished on connector %s in the last hour failed.' % where,
            comment=|||
              Counts files that finished while the exporter ran. `increase` returns fractions, hence the half file.
              `keep_firing_for` prevents flapping around the threshold.
            |||,
            wait='5m',
            keep='15m'
          ),
          alert(
            'AwsTransferFailedTransfersTracked', 'info',
            named('sum by (aws_account, aws_region, connector_id) (connector_state:aws_transfer_connector_transfers:max{state="failed"}) > 0'),
            'Failed transfers on %s are still tracked.' % connectorName,
            '{{ $value }} transfer(s) on connector %s settled with failed files and are still tracked.' % where,
            comment='A state: it ends when the transfers leave the configuration, which marks them as handled.',
            wait=c.failedTransfersTrackedFor
          ),
          alert(
            'AwsTransferStuckQueued', 'warning',
            named(
              |||
                count by (aws_account, aws_region, connector_id) (
                  max by (aws_account, aws_region, connector_id, transfer_id) (
                    last_over_time(aws_transfer_files{status="QUEUED"}[%(lookback)s])
                  ) > 0
                  and on (aws_account, aws_region, connector_id, transfer_id)
                  max by (aws_account, aws_region, connector_id, transfer_id) (
                    max_over_time(aws_transfer_files{status="QUEUED"}[10m] offset %(stuckQueuedHours)sh)
                  ) > 0
                  and on (aws_account, aws_region, connector_id, transfer_id)
                %(readable)s
                )
              ||| % (c { readable: indent(readable) })
            ),
            'Files are stuck in QUEUED on %s.' % connectorName,
            '{{ $value }} transfer(s) on connector %s have had files in status QUEUED for more than %sh. AWS fails a file after 12h in the queue.' % [where, c.stuckQueuedHours],
            comment=|||
              Files start QUEUED and never return to it, so a transfer that has QUEUED files now had them at any earlier time.
              Comparing both ends is enough, and neither a restart nor a missing scrape resets the clock, as a long `for` or
              `aws_transfer_connector_oldest_unfinished_timestamp_seconds` would.
            |||,
            wait='5m',
            keep='10m'
          ),
          alert(
            'AwsTransferStuckInProgress', 'warning',
            named(
              |||
                count by (aws_account, aws_region, connector_id) (
                  max by (aws_account, aws_region, connector_id, transfer_id) (
                    last_over_time(aws_transfer_files{status="IN_PROGRESS"}[%(lookback)s])
                  ) > 0
                  and on (aws_account, aws_region, connector_id, transfer_id)
                  max by (aws_account, aws_region, connector_id, transfer_id) (
                    max_over_time(aws_transfer_files{status="IN_PROGRESS"}[10m] offset %(stuckInProgressHours)sh)
                  ) > 0
                  and on (aws_account, aws_region, connector_id, transfer_id)
                  (
                %(now)s
                    ==
                %(then)s
                  )
                  and on (aws_account, aws_region, connector_id, transfer_id)
                %(readable)s
                )
              ||| % (c {
                       readable: indent(readable),
                       now: indent(indent(finished('[%(lookback)s]' % c))),
                       'then': indent(indent(finished('[10m] offset %(stuckInProgressHours)sh' % c))),
                     })
            ),
            'Files are stuck in IN_PROGRESS on %s.' % connectorName,
            '{{ $value }} transfer(s) on connector %s have files in status IN_PROGRESS and have not finished a file for more than %sh. AWS fails a file after 12h in progress.' % [where, c.stuckInProgressHours],
            comment=|||
              Counts do not identify the file. If a file was IN_PROGRESS then and now, and none of the transfer finished in between,
              it is the same file. While other files of the transfer (10 at most) still finish, the alert waits for them.
            |||,
            wait='5m',
            keep='10m'
          ),
          alert(
            'AwsTransferUnfinishedPastAwsLimit', 'critical',
            named('time() - connector:aws_transfer_connector_oldest_unfinished_timestamp_seconds:min > %(unfinishedHours)s * 3600' % c),
            'A transfer on %s is older than the AWS limits allow.' % connectorName,
            'The oldest unfinished transfer on connector %s is {{ $value | humanizeDuration }} old. AWS fails a file after 12h in the queue or 12h in progress.' % where,
            comment=|||
              The start of a configured transfer is unknown: its age counts from the first poll, and a restart of the only exporter
              resets it. Works without series per transfer.
            |||,
            wait='5m',
            keep='10m'
          ),
          alert(
            'AwsTransferNoFileCompleted', 'warning',
            named(
              |||
                max by (aws_account, aws_region, connector_id) (
                  increase(aws_transfer_connector_files_finished_total{status="COMPLETED",%(noFileCompletedSelector)s}[%(noFileCompletedHours)sh])
                ) == 0
                unless on (aws_account, aws_region, connector_id)
                max_over_time(connector:aws_transfer_files_completed:rise10m[%(noFileCompletedHours)sh]) > 0
                and on (aws_account, aws_region, connector_id)
                max by (aws_account, aws_region, connector_id) (
                  max_over_time(aws_transfer_connector_files_finished_total{status="COMPLETED"}[30m] offset %(noFileCompletedHours)sh)
                ) >= 0
                and on (aws_account, aws_region, connector_id)
                sum by (aws_account, aws_region, connector_id) (connector_state:aws_transfer_connector_transfers:max) > 0
              ||| % c
            ),
            'No file has completed on %s for %sh.' % [connectorName, c.noFileCompletedHours],
            'Connector %s has been monitored for more than %sh and has not completed a file in that time.' % [where, c.noFileCompletedHours],
            comment=|||
              `aws_transfer_connector_last_completed_timestamp_seconds` is absent after a restart until a file completes; the counter
              is not. Files that had completed before the first poll change only the gauge, so its rise counts too. The last two
              terms: the connector was monitored that long ago, and has transfers now. A maximum increase of 0 is 0 for every shard.
            |||,
            wait='10m'
          ),
          alert(
            'AwsTransferRemoteOperationsFailed', 'warning',
            named(
              |||
                sum by (aws_account, aws_region, connector_id, operation, failure_code) (
                  connector_operation_status_code:aws_transfer_connector_operations:new%(newFailureWindow)s{status="FAILED"}
                ) > 0
              ||| % c,
              connector + ['operation', 'failure_code']
            ),
            '{{ $labels.operation }} operations failed on %s{{ with $labels.failure_code }} with {{ . }}{{ end }}.' % connectorName,
            '{{ $value | printf "%%.0f" }} {{ $labels.operation }} operation(s) on connector %s failed in the last %s with %s.' % [where, c.newFailureWindow, code],
            comment='An event, as AwsTransferFilesFailed is. Requires `discovery.events`: no AWS API lists remote operations.'
          ),
          alert(
            'AwsTransferConnectorErrored', 'critical',
            named(|||
              max by (aws_account, aws_region, connector_id) (
                last_over_time(aws_transfer_connector_info{status="ERRORED"}[%(lookback)s])
              )
            ||| % c),
            'Connector %s is in status ERRORED.' % connectorName,
            'Connector %s has been in status ERRORED for more than 5 minutes and cannot transfer files.' % where,
            comment='Requires `discovery.connectors`. After a missing scrape the last status stays for `lookback`.',
            wait='5m'
          ),
        ],
      },
      {
        name: 'aws-transfer-exporter.results',
        rules: [
          alert(
            'AwsTransferResultsStale', 'warning',
            named('connector:aws_transfer_connector_results_age_seconds:min > %s' % (c.staleMinutes * 60)),
            'Transfer results of %s are stale.' % connectorName,
            'The oldest results of unfinished transfers on connector %s are {{ $value | humanizeDuration }} old.' % where,
            comment='Unfinished transfers are polled at least every `max_refresh_interval`: older results mean that polls fail or are overdue.',
            wait='5m',
            keep='10m'
          ),
          alert(
            'AwsTransferResultsUnreadable', 'warning',
            named(|||
              (
                count by (aws_account, aws_region, connector_id) (
                  max by (aws_account, aws_region, connector_id, transfer_id) (max_over_time(aws_transfer_results_up[%(lookback)s])) == 0
                )
                - on (aws_account, aws_region, connector_id)
                sum by (aws_account, aws_region, connector_id) (connector_state:aws_transfer_connector_transfers:max{state="gone"})
              ) > 0
              or on (aws_account, aws_region, connector_id)
              sum by (aws_account, aws_region, connector_id) (connector_state:aws_transfer_connector_transfers:max{state="pending"}) > 0
            ||| % c),
            'Transfer results of %s cannot be read.' % connectorName,
            'The results of {{ $value }} transfer(s) on connector %s could not be read for %s.' % [where, c.unreadableFor],
            comment=|||
              `aws_transfer_results_up` is also 0 for transfers that are unknown to AWS: they are subtracted and have their own alert.
              The second half covers transfers that were never read, with or without series per transfer. An occasional successful
              poll is enough.
            |||,
            wait=c.unreadableFor
          ),
          alert(
            'AwsTransferUnknownToAws', 'info',
            named('sum by (aws_account, aws_region, connector_id) (connector_state:aws_transfer_connector_transfers:max{state="gone"}) > 0'),
            'AWS does not recognize transfers on %s.' % connectorName,
            'AWS has no record of {{ $value }} transfer(s) on connector %s. The ids may be wrong, or the transfers may be older than 7 days.' % where,
            wait='5m'
          ),
        ],
      },
      {
        name: 'aws-transfer-exporter.exporter',
        rules: [
          alert(
            'AwsTransferExporterAbsent', 'critical',
            'absent(up{%(exporterSelector)s} == 1)' % c,
            'No AWS Transfer exporter is up.',
            'Prometheus has no target with {%(exporterSelector)s} that is up. No transfer is monitored.' % c,
            comment='All replicas are down, or the scrape configuration has lost them.',
            wait='5m'
          ),
          alert(
            'AwsTransferExporterDown', 'warning',
            'up{%(exporterSelector)s} == 0' % c,
            'An AWS Transfer exporter is down.',
            'Prometheus has failed to scrape {{ $labels.instance }} (job {{ $labels.job }}) for 5 minutes.',
            comment='A warning, since other replicas may be up. If none is, AwsTransferExporterAbsent fires.',
            wait='5m'
          ),
          alert(
            'AwsTransferExporterShardMissing', 'critical',
            |||
              count by (%(shardSet)s, shards) (
                group by (%(shardSet)s, shard, shards) (last_over_time(aws_transfer_exporter_shard_info[%(lookback)s]))
              )
              unless on (%(shardSet)s, shards)
              count_values by (%(shardSet)s) ("shards",
                count by (%(shardSet)s, shards) (
                  group by (%(shardSet)s, shard, shards) (last_over_time(aws_transfer_exporter_shard_info[%(lookback)s]))
                )
              )
            ||| % c,
            'Shards of the AWS Transfer exporter are missing.',
            'Only {{ $value }} of {{ $labels.shards }} shards of job {{ $labels.job }} are up. The transfers of the missing shards are not monitored, and connector metrics do not include them.',
            comment=|||
              The expected number of shards is a label and the observed number a value: `count_values` turns the value into a label,
              so that the two can be compared.
            |||,
            wait='5m'
          ),
          alert(
            'AwsTransferExporterShardsDisagree', 'warning',
            |||
              count by (%(shardSet)s) (
                group by (%(shardSet)s, shards) (last_over_time(aws_transfer_exporter_shard_info{shards!="1"}[%(lookback)s]))
              ) > 1
            ||| % c,
            'Shards of the AWS Transfer exporter disagree about their number.',
            'The exporters of job {{ $labels.job }} run with {{ $value }} different values of --shard.total. Some transfers may be polled twice or not at all.',
            comment='Brief disagreement is normal while shards are added or removed. An unsharded exporter may run beside shards.',
            wait='15m'
          ),
          alert(
            'AwsTransferSweepIncomplete', 'warning',
            'avg_over_time(aws_transfer_exporter_scrape_complete[30m]) < %(completePercent)s / 100' % c,
            'An AWS Transfer exporter returns incomplete scrapes.',
            'Only {{ $value | humanizePercentage }} of the scrapes of {{ $labels.instance }} in the last 30 minutes had every result that was due. Polls failed or did not finish before the scrape timeout.',
            comment='Per replica: a healthy one does not compensate for another. The first sweeps after a start may be incomplete.',
            wait='15m',
            keep='10m'
          ),
          alert(
            'AwsTransferThrottled', 'warning',
            |||
              sum by (aws_account, aws_region) (account_outcome:aws_transfer_exporter_api_requests:increase%(lookback)s{outcome="throttled"})
              / (sum by (aws_account, aws_region) (account_outcome:aws_transfer_exporter_api_requests:increase%(lookback)s) > 0)
              > %(throttledPercent)s / 100
            ||| % c,
            'AWS throttles requests for account {{ $labels.aws_account }}.',
            'AWS throttled {{ $value | humanizePercentage }} of the requests for %s in the last %s.' % [account, c.lookback],
            wait='15m',
            keep='15m'
          ),
          alert(
            'AwsTransferAccessDenied', 'warning',
            |||
              sum by (aws_account, aws_region) (account_outcome:aws_transfer_exporter_api_requests:increase%(lookback)s{outcome="denied"}) > 0
              and on (aws_account, aws_region)
              sum by (aws_account, aws_region) (account_outcome:aws_transfer_exporter_api_requests:increase%(lookback)s{outcome="ok"}) > 0
            ||| % c,
            'AWS denies some requests for account {{ $labels.aws_account }}.',
            'AWS denied {{ $value | printf "%%.0f" }} request(s) for %s in the last %s and accepted others. The IAM policy may not cover every connector.' % [account, c.lookback],
            comment=|||
              Some requests denied points to the policy, all denied to AwsTransferCredentialsFailing. When credentials expire, both are
              true until the last successful request leaves the window; `for` is longer than that.
            |||,
            wait='10m',
            keep='10m'
          ),
          alert(
            'AwsTransferCredentialsFailing', 'critical',
            |||
              sum by (aws_account, aws_region) (account_outcome:aws_transfer_exporter_api_requests:increase%(lookback)s{outcome="denied"}) > 0
              unless on (aws_account, aws_region)
              sum by (aws_account, aws_region) (account_outcome:aws_transfer_exporter_api_requests:increase%(lookback)s{outcome!="denied"}) > 0
            ||| % c,
            'AWS denies all requests for account {{ $labels.aws_account }}.',
            'All {{ $value | printf "%%.0f" }} request(s) for %s in the last %s were denied, or no valid credentials were available.' % [account, c.lookback],
            comment='Only `denied`: a single network error would prove that there were credentials to sign with.',
            wait='5m'
          ),
          alert(
            'AwsTransferConfigReloadFailed', 'warning',
            |||
              max_over_time(aws_transfer_exporter_config_last_reload_successful[%(lookback)s]) == 0
              or
              max_over_time(aws_transfer_exporter_web_config_last_reload_successful[%(lookback)s]) == 0
            ||| % c,
            'An AWS Transfer exporter failed to reload its configuration.',
            'The last configuration reload on {{ $labels.instance }} failed. The previous configuration, web configuration and certificates stay in effect.',
            wait='5m'
          ),
          alert(
            'AwsTransferWebConfigUnconfirmed', 'warning',
            'max_over_time(aws_transfer_exporter_web_config_unconfirmed[%(lookback)s]) == 1' % c,
            'An AWS Transfer exporter refused a web configuration that lowers its protection.',
            'The web configuration of {{ $labels.instance }} on disk has no TLS, no client certificates or no users, which the active one has. It takes effect with a reload or a restart.',
            wait='1m'
          ),
          alert(
            'AwsTransferAccountDown', 'critical',
            'max_over_time(aws_transfer_exporter_account_up[%(lookback)s]) == 0' % c,
            'An AWS Transfer exporter cannot access account {{ $labels.aws_account }}.',
            '{{ $labels.instance }} cannot access %s: its credentials are missing or rejected, or AWS does not respond. No transfer of the account is monitored.' % account,
            wait='5m'
          ),
          alert(
            'AwsTransferCertificateExpiresSoon', 'warning',
            |||
              max by (job, instance) (
                last_over_time(aws_transfer_exporter_certificate_not_after_timestamp_seconds[%(lookback)s])
              ) - time() < %(seconds)s
            ||| % (c { seconds: c.certificateDays * 86400 }),
            'The TLS certificate of an AWS Transfer exporter expires soon.',
            'The TLS certificate of {{ $labels.instance }} expires in {{ $value | humanizeDuration }}. Prometheus cannot scrape it afterwards.',
            wait='5m'
          ),
          alert(
            'AwsTransferRequestsRefused', 'warning',
            |||
              sum by (job, instance, reason) (
                increase(aws_transfer_exporter_http_refused_total[15m])
              ) > %(refusedRequests)s
            ||| % c,
            'An AWS Transfer exporter rejects HTTP requests.',
            '{{ $labels.instance }} rejected {{ $value | printf "%.0f" }} HTTP requests in the last 15 minutes (reason: {{ $labels.reason }}).',
            wait='5m'
          ),
          alert(
            'AwsTransferDiscoveryFailing', 'warning',
            'max_over_time(aws_transfer_exporter_discovery_up[%(lookback)s]) == 0' % c,
            'Discovery of transfers from {{ $labels.target }} is failing.',
            '{{ $labels.instance }} has failed to read {{ $labels.target }} (source {{ $labels.source }}) for more than %s. Transfers known only from this source are not monitored.' % c.discoveryFailingFor,
            comment='Per exporter, since each reads its own sources. An occasional successful read is enough.',
            wait=c.discoveryFailingFor
          ),
          alert(
            'AwsTransferDiscoveryStale', 'warning',
            |||
              time() - max by (job, instance, aws_account, aws_region, source, target) (
                last_over_time(aws_transfer_exporter_discovery_last_success_timestamp_seconds[%(lookback)s])
              ) > %(seconds)s
            ||| % (c { seconds: c.discoveryStaleMinutes * 60 }),
            'Discovery of transfers from {{ $labels.target }} is stale.',
            '{{ $labels.instance }} last read {{ $labels.target }} (source {{ $labels.source }}) {{ $value | humanizeDuration }} ago.',
            comment='Reads that hang or are too rare. Reads that fail trigger AwsTransferDiscoveryFailing sooner.',
            wait='5m'
          ),
          alert(
            'AwsTransferQueueNotDraining', 'warning',
            |||
              (
                min_over_time(target:aws_transfer_exporter_discovery_queue_messages:max[15m]) > %(queueMessages)s
                and
                min_over_time(target:aws_transfer_exporter_discovery_queue_messages:max[10m])
                >=
                min_over_time(target:aws_transfer_exporter_discovery_queue_messages:max[10m] offset 20m)
              )
              or
              (
                sum by (%(shardSet)s, aws_account, aws_region, target) (
                  increase(aws_transfer_exporter_discovery_messages_total{outcome="failed"}[%(failureMemory)s])
                ) > 0
                and on (%(shardSet)s, aws_account, aws_region, target)
                max by (%(shardSet)s, aws_account, aws_region, target) (
                  max_over_time(aws_transfer_exporter_discovery_up{source="events"}[%(lookback)s])
                ) == 0
              )
            ||| % c,
            'Queue {{ $labels.target }} is not draining.',
            '{{ $value | printf "%.0f" }} message(s) are waiting in queue {{ $labels.target }}: the backlog is not shrinking, or messages could not be persisted.',
            comment=|||
              A backlog that is no smaller than 20 minutes ago, or messages that could not be written to the storage. The latter stay in
              the queue and count once, and nothing is received until the storage recovers.
            |||,
            wait='10m'
          ),
          alert(
            'AwsTransferMessagesNotUnderstood', 'warning',
            |||
              sum by (%(shardSet)s, aws_account, aws_region, target) (
                increase(aws_transfer_exporter_discovery_messages_total{outcome="unparsable"}[%(newFailureWindow)s])
              ) > 0
            ||| % c,
            'Messages from {{ $labels.target }} cannot be parsed.',
            'The exporter received unparsable messages from {{ $labels.target }} {{ $value | printf "%%.0f" }} time(s) in the last %s.' % c.newFailureWindow,
            comment='An event. A message that stays in a queue counts each time it is received, until the redrive policy removes it.'
          ),
          alert(
            'AwsTransferStorageFailing', 'warning',
            'max_over_time(aws_transfer_exporter_storage_up[%(lookback)s]) == 0' % c,
            'An AWS Transfer exporter cannot write to its storage.',
            '{{ $labels.instance }} has failed to write below --storage.path for 5 minutes. State collected since then is lost if it stops.',
            comment='Absent without --storage.path. A single slow write does not fire: it completes or is retried within seconds.',
            wait='5m'
          ),
        ],
      },
    ],
  },
}
