// Alerting rules. `comment` and `anchor` are hidden from the manifested object.
{
  local c = $._config,
  local connector = ['aws_account', 'aws_region', 'connector_id'],
  local indent(text) = std.join('\n', ['  ' + line for line in std.split(std.rstripChars(text, '\n'), '\n')]),

  // The expression with the label `name`, and without it where no name is known: an alert never waits for its name.
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

  // For people: the name where there is one, and always the id, which commands need.
  local who = '{{ with $labels.name }}{{ . }} ({{ $labels.connector_id }}){{ else }}{{ $labels.connector_id }}{{ end }}',
  local where = '%s in {{ $labels.aws_account }}, {{ $labels.aws_region }}' % who,
  local account = '{{ $labels.aws_account }}, {{ $labels.aws_region }}',

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

  // A transfer whose newest look told its files. One that is gone keeps the counts it had, and is not stuck.
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
            'Files failed on {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }}{{ with $labels.failure_code }}: {{ . }}{{ end }}',
            |||
              {{ $value | printf "%%.0f" }} file(s) of connector %s failed within %s, with {{ with $labels.failure_code }}failure code {{ . }}{{ else }}no failure code{{ end }}.
            ||| % [where, c.newFailureWindow],
            comment=|||
              An event, not a state: it ends by itself, and its end does not say that the file was sent again. No `for`:
              a failed file never becomes whole. The window bridges missing scrapes and restarts.
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
            'A large share of the files on {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }} fails',
            '{{ $value | humanizePercentage }} of the files that connector %s finished within an hour failed.' % where,
            comment=|||
              Of what the exporter saw finish; the base is left out. `increase` is no whole number, hence the half file.
              It holds on for a while, so that a share about the threshold does not flap.
            |||,
            wait='5m',
            keep='15m'
          ),
          alert(
            'AwsTransferFailedTransfersTracked', 'info',
            named('sum by (aws_account, aws_region, connector_id) (connector_state:aws_transfer_connector_transfers:max{state="failed"}) > 0'),
            'Failed transfers of {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }} are still listed',
            '{{ $value }} transfer(s) of connector %s have settled with failed files and are still in the configuration.' % where,
            comment=|||
              A state: it ends when the transfers leave the configuration, which is how somebody says that they were seen to.
            |||,
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
            'Files wait in the queue of {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }}',
            '{{ $value }} transfer(s) of connector %s have files that have been QUEUED for more than %s h. AWS gives a file up after 12 h of waiting.' % [where, c.stuckQueuedHours],
            comment=|||
              Files begin QUEUED and do not go back to it: one that is QUEUED now was QUEUED when its transfer was. So a look
              at both ends suffices, and neither a restart nor a missing scrape between them starts a clock anew, as it
              would with a long `for`. `aws_transfer_connector_oldest_unfinished_timestamp_seconds` does start anew.
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
            'Files stand still on {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }}',
            '{{ $value }} transfer(s) of connector %s have files IN_PROGRESS and have finished none for more than %s h. AWS gives a file up after 12 h of moving.' % [where, c.stuckInProgressHours],
            comment=|||
              Counts do not tell which file is IN_PROGRESS. But where one was then and is now, and none of the transfer has
              finished in between, it is the same one. While others of its transfer (10 at most) still finish, the alert
              waits for them.
            |||,
            wait='5m',
            keep='10m'
          ),
          alert(
            'AwsTransferUnfinishedPastAwsLimit', 'critical',
            named('time() - connector:aws_transfer_connector_oldest_unfinished_timestamp_seconds:min > %(unfinishedHours)s * 3600' % c),
            'A transfer of {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }} is older than AWS lets one be',
            'The oldest unfinished transfer of connector %s is {{ $value | humanizeDuration }} old. AWS lets a file wait for 12 h and move for 12 h.' % where,
            comment=|||
              The start of a listed transfer is not known, so its age is from the first sight, and a restart of the only
              exporter begins it anew. Works without series per transfer.
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
            'No file has completed on {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }} for %sh' % c.noFileCompletedHours,
            'Connector %s has been watched for more than %s h, and no file was seen to complete in that time.' % [where, c.noFileCompletedHours],
            comment=|||
              `aws_transfer_connector_last_completed_timestamp_seconds` would be absent after each restart until a file
              completes; the counter is not. Files that had completed by the first look move only the gauge, so its rise
              counts too. The last two terms: the connector was watched that long ago, and has transfers now. A greatest
              increase of 0 is 0 over all shards.
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
            '{{ $labels.operation }} failed on {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }}{{ with $labels.failure_code }}: {{ . }}{{ end }}',
            |||
              {{ $value | printf "%%.0f" }} remote operation(s) {{ $labels.operation }} of connector %s failed within %s, with {{ with $labels.failure_code }}failure code {{ . }}{{ else }}no failure code{{ end }}.
            ||| % [where, c.newFailureWindow],
            comment='An event, as AwsTransferFilesFailed is. Known by events alone: AWS lists no operations.'
          ),
          alert(
            'AwsTransferConnectorErrored', 'critical',
            named(|||
              max by (aws_account, aws_region, connector_id) (
                last_over_time(aws_transfer_connector_info{status="ERRORED"}[%(lookback)s])
              )
            ||| % c),
            'AWS cannot run the connector {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }}',
            'Connector %s has the status ERRORED: nothing is transferred by it until it is mended.' % where,
            comment='Told where `discovery.connectors` lists the account. A status that has changed stands for as long as a missing scrape may.',
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
            'What is known of {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }} is old',
            'The stalest answer for the unfinished transfers of connector %s is {{ $value | humanizeDuration }} old.' % where,
            comment='No unfinished transfer is left alone for longer than `max_refresh_interval`: its answer is older only when looks fail or do not get their turn.',
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
            'Transfers of {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }} cannot be read',
            'The files of {{ $value }} transfer(s) of connector %s could not be read for %s.' % [where, c.unreadableFor],
            comment=|||
              `results_up` is 0 for a transfer that AWS does not know, too: those are taken off, and have an alert of their
              own. The second half: transfers never read, also where there are no series per transfer. A look that succeeds
              now and then is good enough.
            |||,
            wait=c.unreadableFor
          ),
          alert(
            'AwsTransferUnknownToAws', 'info',
            named('sum by (aws_account, aws_region, connector_id) (connector_state:aws_transfer_connector_transfers:max{state="gone"}) > 0'),
            'AWS does not know transfers that are listed for {{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }}',
            'AWS does not know {{ $value }} transfer(s) of connector %s: mistyped, or older than 7 days.' % where,
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
            'No AWS Transfer exporter answers',
            'No target of {%(exporterSelector)s} answers Prometheus, or there is none: nothing is known of any transfer.' % c,
            comment='All replicas are down, or the scrape configuration has lost them.',
            wait='5m'
          ),
          alert(
            'AwsTransferExporterDown', 'warning',
            'up{%(exporterSelector)s} == 0' % c,
            'The AWS Transfer exporter {{ $labels.instance }} is down',
            'Prometheus could not scrape {{ $labels.instance }} (job {{ $labels.job }}) for 5 minutes.',
            comment='Of one replica a warning; that the last one is gone is AwsTransferExporterAbsent.',
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
            'Shards of the AWS Transfer exporter are missing',
            'Only {{ $value }} of {{ $labels.shards }} shards of job {{ $labels.job }} answer Prometheus: the transfers of the others are not watched, and what is told of connectors lacks them.',
            comment=|||
              How many shards there should be is told by a label, and how many are seen is a number: `count_values` makes a
              label of the number, so that the two can be compared. What is no total of itself is left.
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
            'Shards of the AWS Transfer exporter disagree about how many there are',
            'The exporters of job {{ $labels.job }} are started with {{ $value }} different totals of shards: some transfers are asked for twice, or by nobody.',
            comment='While shards are added or taken away it is so for a moment. An exporter that is not sharded may stand beside shards.',
            wait='15m'
          ),
          alert(
            'AwsTransferSweepIncomplete', 'warning',
            'avg_over_time(aws_transfer_exporter_scrape_complete[30m]) < %(completePercent)s / 100' % c,
            'The AWS Transfer exporter {{ $labels.instance }} does not finish its sweeps',
            'Only {{ $value | humanizePercentage }} of the last 30 minutes\' scrapes of {{ $labels.instance }} had all that was due: the deadline came first, or fetches failed.',
            comment='For each replica by itself: one that works does not mend the other. The first sweeps after a start may be incomplete.',
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
            'AWS throttles the requests for {{ $labels.aws_account }}',
            'AWS throttled {{ $value | humanizePercentage }} of the requests in %s within %s.' % [account, c.lookback],
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
            'AWS denies some requests for {{ $labels.aws_account }}',
            'AWS denied {{ $value | printf "%%.0f" }} request(s) in %s within %s and answered others: the policy leaves out a connector.' % [account, c.lookback],
            comment=|||
              Some denied, some not: the policy. All denied: AwsTransferCredentialsFailing. When credentials go, both are
              true until the last good request has left the window; `for` is longer than that.
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
            'AWS accepts no request for {{ $labels.aws_account }}',
            'All {{ $value | printf "%%.0f" }} request(s) in %s within %s were denied, or no valid credentials could be had.' % [account, c.lookback],
            comment=|||
              Nothing but `denied`. A single network error among them would be proof that credentials were there to sign with.
            |||,
            wait='5m'
          ),
          alert(
            'AwsTransferConfigReloadFailed', 'warning',
            |||
              max_over_time(aws_transfer_exporter_config_last_reload_successful[%(lookback)s]) == 0
              or
              max_over_time(aws_transfer_exporter_web_config_last_reload_successful[%(lookback)s]) == 0
            ||| % c,
            'The AWS Transfer exporter {{ $labels.instance }} could not load its configuration',
            'The last reload on {{ $labels.instance }} failed. It goes on with the configuration, the web configuration and the certificates before; what has been changed since is not in force.',
            wait='5m'
          ),
          alert(
            'AwsTransferAccountDown', 'critical',
            'max_over_time(aws_transfer_exporter_account_up[%(lookback)s]) == 0' % c,
            'The AWS Transfer exporter {{ $labels.instance }} cannot work with the account %s' % account,
            'AWS refuses the credentials of the account %s on {{ $labels.instance }}, there are none, or no answer comes: none of its transfers is read.' % account,
            wait='5m'
          ),
          alert(
            'AwsTransferCertificateExpiresSoon', 'warning',
            |||
              max by (job, instance) (
                last_over_time(aws_transfer_exporter_certificate_not_after_timestamp_seconds[%(lookback)s])
              ) - time() < %(seconds)s
            ||| % (c { seconds: c.certificateDays * 86400 }),
            'The certificate of the AWS Transfer exporter {{ $labels.instance }} ends soon',
            'The certificate that {{ $labels.instance }} serves ends in {{ $value | humanizeDuration }}. Then Prometheus does not scrape it any more.',
            wait='5m'
          ),
          alert(
            'AwsTransferRequestsRefused', 'warning',
            |||
              sum by (job, instance, reason) (
                increase(aws_transfer_exporter_http_refused_total[15m])
              ) > %(refusedRequests)s
            ||| % c,
            'The AWS Transfer exporter {{ $labels.instance }} refuses requests',
            '{{ $labels.instance }} refused {{ $value | printf "%.0f" }} requests within 15 minutes, reason: {{ $labels.reason }}.',
            wait='5m'
          ),
          alert(
            'AwsTransferDiscoveryFailing', 'warning',
            'max_over_time(aws_transfer_exporter_discovery_up[%(lookback)s]) == 0' % c,
            'The AWS Transfer exporter {{ $labels.instance }} cannot read {{ $labels.target }}',
            'Looks at the source of transfers {{ $labels.source }}, {{ $labels.target }} on {{ $labels.instance }} have failed for more than %s: transfers that it alone tells are not watched.' % c.discoveryFailingFor,
            comment='For each exporter by itself: each reads its own sources. A look that succeeds now and then is good enough.',
            wait=c.discoveryFailingFor
          ),
          alert(
            'AwsTransferDiscoveryStale', 'warning',
            |||
              time() - max by (job, instance, source, target) (
                last_over_time(aws_transfer_exporter_discovery_last_success_timestamp_seconds[%(lookback)s])
              ) > %(seconds)s
            ||| % (c { seconds: c.discoveryStaleMinutes * 60 }),
            'What {{ $labels.target }} tells the AWS Transfer exporter {{ $labels.instance }} is old',
            'The source of transfers {{ $labels.source }}, {{ $labels.target }} was last read on {{ $labels.instance }} {{ $value | humanizeDuration }} ago.',
            comment='Looks that neither fail nor end, or come too seldom. Where they fail it is AwsTransferDiscoveryFailing sooner.',
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
                sum by (%(shardSet)s, target) (
                  increase(aws_transfer_exporter_discovery_messages_total{outcome="failed"}[%(failureMemory)s])
                ) > 0
                and on (%(shardSet)s, target)
                max by (%(shardSet)s, target) (
                  max_over_time(aws_transfer_exporter_discovery_up{source="events"}[%(lookback)s])
                ) == 0
              )
            ||| % c,
            'The queue {{ $labels.target }} is not emptied',
            '{{ $value | printf "%.0f" }} message(s) of the queue {{ $labels.target }} wait and do not become fewer, or were understood and could not be kept.',
            comment=|||
              Many, and no fewer than 20 minutes ago: a backlog that is worked off is none. Or messages that were understood
              and could not be written to the storage, which therefore stay: they count once, and nothing is received until
              the storage takes them.
            |||,
            wait='10m'
          ),
          alert(
            'AwsTransferMessagesNotUnderstood', 'warning',
            |||
              sum by (%(shardSet)s, target) (
                increase(aws_transfer_exporter_discovery_messages_total{outcome="unknown"}[%(newFailureWindow)s])
              ) > 0
            ||| % c,
            'Messages from {{ $labels.target }} are not understood',
            'Within %s messages came from {{ $labels.target }} {{ $value | printf "%%.0f" }} time(s) that the exporter does not understand.' % c.newFailureWindow,
            comment='An event. A message that is left in a queue counts each time it is received, until the redrive policy takes it out.'
          ),
          alert(
            'AwsTransferStorageFailing', 'warning',
            'max_over_time(aws_transfer_exporter_storage_up[%(lookback)s]) == 0' % c,
            'The AWS Transfer exporter {{ $labels.instance }} cannot write to its storage',
            'Writes below --storage.path fail on {{ $labels.instance }}. It goes on in memory, and what it learns now is lost if it ends.',
            comment='Absent without --storage.path. One slow write is none: it is done or tried again within seconds.',
            wait='5m'
          ),
        ],
      },
    ],
  },
}
