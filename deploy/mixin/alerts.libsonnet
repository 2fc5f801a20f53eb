// Alerting rules. `comment` and `enabled` are hidden from the manifested object.
{
  local c = $._config,
  local labels = import 'labels.libsonnet',
  local cluster = labels.cluster(c),
  local indent(text) = std.join('\n', ['  ' + line for line in std.split(std.rstripChars(text, '\n'), '\n')]),

  // The value with its noun, such as `1 file`. Rounded before it is compared with 1, since `increase` returns fractions.
  local count(noun) = '{{ with printf "%%.0f" $value }}{{ . }} %s{{ if ne . "1" }}s{{ end }}{{ end }}' % noun,

  // What `%(...)s` stands for in expressions and annotations: the common settings, those of the alert, lists of labels, and
  // phrases.
  local values(name) = labels.texts(c + c.alerts[name]) + {
    account: labels.list(cluster + labels.account),
    connector: labels.list(cluster + labels.connector),
    transfer: labels.list(cluster + labels.connector + ['transfer_id']),
    flow: labels.list(cluster + labels.flow),
    target: labels.list(cluster + [c.shardSet, 'instance']),
    source: labels.list(cluster + [c.shardSet, 'instance'] + labels.account + ['source', 'target']),
    queue: labels.list(cluster + [c.shardSet] + labels.account + ['target']),
    set: labels.list(cluster + [c.shardSet]),
    cluster: labels.list(cluster),
    // The name of a connector if known, and always its id, which commands need.
    name: '{{ with $labels.name }}{{ . }}{{ else }}{{ $labels.connector_id }}{{ end }}',
    inAccount: 'account {{ $labels.aws_account }} ({{ $labels.aws_region }})',
    where: '{{ with $labels.name }}{{ . }} ({{ $labels.connector_id }}){{ else }}{{ $labels.connector_id }}{{ end }} in ' + self.inAccount,
    code: '{{ with $labels.failure_code }}failure code {{ . }}{{ else }}no failure code{{ end }}',
    // The cluster, where there are several.
    inCluster: if c.clusterLabel == '' then '' else '{{ with $labels.%s }} in cluster {{ . }}{{ end }}' % c.clusterLabel,
    withCode: '{{ with $labels.failure_code }} with {{ . }}{{ end }}',
    // The value of an alert about a delivery is its deadline.
    deadline: '{{ $value | humanizeTimestamp }}{{ with $labels.expect }} ({{ . }}){{ end }}',
    connectorsOfFlow: 'Connectors: {{ $labels.connectors }}.',
    countOfFiles: count('file'),
    countOfMessages: count('message'),
    countOfOperations: count('{{ $labels.operation }} operation'),
    countOfReports: count('report'),
    countOfRequests: count('request'),
    countOfTimes: count('time'),
    countOfTransfers: count('transfer'),
  },

  local alert(name, expr, summary, description, comment='') = local own = c.alerts[name]; {
    enabled:: own.enabled,
    comment:: comment,
    alert: name,
    expr: expr % values(name),
    [if own['for'] != '' then 'for']: own['for'],
    [if own.keepFiringFor != '' then 'keep_firing_for']: own.keepFiringFor,
    labels: { severity: own.severity } + c.alertLabels + own.labels,
    annotations: {
      summary: summary % values(name),
      description: description % values(name),
      runbook_url: '%s#%s' % [c.runbookURLBase, std.asciiLower(name)],
    },
  },

  // An alert about a connector also has the label `name`. `connector_name` has a series for every connector, also for those
  // without a name.
  local ofConnector(name, expr, summary, description, comment='') = alert(
    name,
    |||
      (
      %s
      )
      * on (%%(connector)s) group_left (name)
        connector_name:aws_transfer_connector_info:max
    ||| % indent(expr),
    summary,
    description,
    comment
  ),

  // An alert about a flow also has the labels `connectors` and `expect`.
  local ofFlow(name, expr, summary, description, comment='') = alert(
    name,
    |||
      (
      %s
      )
      * on (%%(flow)s) group_left (connectors, expect)
        flow_connectors:aws_transfer_flow_info:max
    ||| % indent(expr),
    summary,
    description,
    comment
  ),

  // The deadline of the deliveries in a state.
  local dueIn(state) = |||
    flow:aws_transfer_flow_deadline_timestamp_seconds:min
    and on (%%(flow)s)
    flow_state:aws_transfer_flow_window_state:max{state="%s"} == 1
  ||| % state,

  local group(name, rules) = {
    name: 'aws-transfer-exporter.' + name,
    interval: c.evaluationInterval,
    rules: [rule for rule in rules if rule.enabled],
  },

  prometheusAlerts+:: {
    groups+: [
      group('transfers', [
        ofConnector(
          'AwsTransferFilesFailed',
          'connector_code:aws_transfer_files_failed:new{failure_code!~"%(expectedFailureCodes)s|%(accessCodes)s"} > 0',
          'Files failed on %(name)s%(withCode)s.',
          '%(countOfFiles)s on connector %(where)s failed in the last %(newFailureWindow)s with %(code)s.',
          |||
            An event: the alert resolves by itself, which does not mean that the file was sent again. No `for`, since a failed file
            never recovers. The window bridges missing scrapes and restarts.
          |||
        ),
        ofConnector(
          'AwsTransferConnectorAccessFailed',
          'connector_code:aws_transfer_files_failed:new{failure_code=~"%(accessCodes)s"} > 0',
          'Files failed on %(name)s, since access fails with {{ $labels.failure_code }}.',
          '%(countOfFiles)s on connector %(where)s failed in the last %(newFailureWindow)s with %(code)s: its access role, its credentials or the trusted host keys. All files fail until that is repaired.',
          |||
            Failures that concern the connector, not the file. AWS documents ASSUME_ROLE_ERROR only; the other patterns match codes
            that name authentication or host keys. AWS may also report these as CONNECTION_ERROR with a message.
          |||
        ),
        ofConnector(
          'AwsTransferExpectedFailures',
          'connector_code:aws_transfer_files_failed:new{failure_code=~"%(expectedFailureCodes)s"} > 0',
          'Files to retrieve were missing on %(name)s%(withCode)s.',
          '%(countOfFiles)s on connector %(where)s failed in the last %(newFailureWindow)s with %(code)s, which callers that poll the partner expect.',
          'An event, apart from AwsTransferFilesFailed: a caller that polls for files that are not there yet has nothing to repair.'
        ),
        ofConnector(
          'AwsTransferConsecutiveFailures',
          |||
            connector:aws_transfer_connector_consecutive_failures:max >= %(files)s
            and on (%(connector)s)
            max_over_time(connector_code:aws_transfer_files_failed:new{failure_code!~"%(expectedFailureCodes)s"}[%(failureMemory)s])
          |||,
          'The last {{ $value }} files on %(name)s failed.',
          'The last {{ $value }} files on connector %(where)s failed, and none has completed since.',
          |||
            A state, unlike a share also for a connector with few files. Expected failures alone do not fire: within a day there was
            another one.
          |||
        ),
        ofConnector(
          'AwsTransferFailureShareHigh',
          |||
            connector:aws_transfer_connector_files_failed:ratio1h > %(percent)s / 100
            and on (%(connector)s)
            connector:aws_transfer_connector_files_failed:increase1h > %(minFiles)s - 0.5
          |||,
          'A high share of files fails on %(name)s.',
          '{{ $value | humanizePercentage }} of the files that finished on connector %(where)s in the last hour failed.',
          |||
            Counts files that finished while the exporter ran. `increase` returns fractions, hence the half file.
            `keep_firing_for` prevents flapping around the threshold.
          |||
        ),
        ofConnector(
          'AwsTransferFailuresUnresolved',
          'sum by (%(connector)s) (connector_code:aws_transfer_connector_unresolved_failures:max) > 0',
          'Failed files on %(name)s are not resolved.',
          '%(countOfFiles)s on connector %(where)s failed without a later delivery or an acknowledgement.',
          'A state: it ends when the same paths complete, when the failures are acknowledged, and after `metrics.keep_unresolved`.'
        ),
        ofConnector(
          'AwsTransferDeliveryBurnRateHigh',
          |||
            (
              connector:aws_transfer_connector_files_failed:ratio1h > %(fastFactor)s * (100 - %(deliveryObjectivePercent)s) / 100
              and
              connector:aws_transfer_connector_files_failed:ratio%(burnRateWindow)s > %(fastFactor)s * (100 - %(deliveryObjectivePercent)s) / 100
              and
              connector:aws_transfer_connector_files_failed:increase1h > %(minFiles)s - 0.5
            )
            or
            (
              connector:aws_transfer_connector_files_failed:ratio6h > %(factor)s * (100 - %(deliveryObjectivePercent)s) / 100
              and
              connector:aws_transfer_connector_files_failed:ratio1h > %(factor)s * (100 - %(deliveryObjectivePercent)s) / 100
              and
              connector:aws_transfer_connector_files_failed:increase6h > %(minFiles)s - 0.5
            )
          |||,
          'Deliveries on %(name)s fail fast enough to miss the objective of %(deliveryObjectivePercent)s %%.',
          '{{ $value | humanizePercentage }} of the files that finished on connector %(where)s failed within an hour or 6 hours, against an objective of %(deliveryObjectivePercent)s %% delivered.',
          |||
            The share of failed files exceeds what the objective allows by a factor, within a long and a short window: the short one
            resolves the alert soon after the last failure.
          |||
        ),
        ofConnector(
          'AwsTransferDeliveryBurnRateSlow',
          |||
            connector:aws_transfer_connector_files_failed:ratio3d > %(factor)s * (100 - %(deliveryObjectivePercent)s) / 100
            and
            connector:aws_transfer_connector_files_failed:ratio6h > %(factor)s * (100 - %(deliveryObjectivePercent)s) / 100
            and
            connector:aws_transfer_connector_files_failed:increase3d > %(minFiles)s - 0.5
          |||,
          'Deliveries on %(name)s miss the objective of %(deliveryObjectivePercent)s %%.',
          '{{ $value | humanizePercentage }} of the files that finished on connector %(where)s within 3 days failed, against an objective of %(deliveryObjectivePercent)s %% delivered.',
          'As above, over days: few failures that last.'
        ),
        ofConnector(
          'AwsTransferStuckQueued',
          'time() - connector:aws_transfer_connector_oldest_queued_timestamp_seconds:min > %(hours)s * 3600',
          'Files are stuck in QUEUED on %(name)s.',
          'A file on connector %(where)s has been in status QUEUED for {{ $value | humanizeDuration }}. AWS fails a file after 12h in the queue.',
          |||
            Counted from the start of the transfer, or from the first poll if its start is unknown: only then a restart of the only
            exporter without storage resets it.
          |||
        ),
        ofConnector(
          'AwsTransferStuckInProgress',
          'time() - connector:aws_transfer_connector_oldest_in_progress_timestamp_seconds:min > %(hours)s * 3600',
          'Files are stuck in IN_PROGRESS on %(name)s.',
          'A file on connector %(where)s has been in status IN_PROGRESS for {{ $value | humanizeDuration }}. AWS fails a file after 12h in progress.',
          'Counted from the first poll that returned the file in this status.'
        ),
        ofConnector(
          'AwsTransferUnfinishedPastAwsLimit',
          'time() - connector:aws_transfer_connector_oldest_unfinished_timestamp_seconds:min > %(hours)s * 3600',
          'A transfer on %(name)s is older than the AWS limits allow.',
          'The oldest unfinished transfer on connector %(where)s is {{ $value | humanizeDuration }} old. AWS fails a file after 12h in the queue or 12h in progress.',
          |||
            The start of a configured transfer is unknown: its age counts from the first poll, and a restart of the only exporter
            resets it.
          |||
        ),
        ofConnector(
          'AwsTransferNoFileCompleted',
          |||
            max_over_time(connector:aws_transfer_files_completed:recent{%(selector)s}[%(hours)sh:10m]) == 0
            and on (%(connector)s)
            max_over_time(connector:aws_transfer_files_completed:recent[%(connectorMemory)s:1h]) > 0
          |||,
          'No file has completed on %(name)s for %(hours)sh.',
          'Connector %(where)s has not completed a file for more than %(hours)sh, and had completed some before.',
          |||
            Whether or not transfers are tracked, and across restarts: both terms read recorded series. A connector that has never
            completed a file, or none for `connectorMemory`, does not fire.
          |||
        ),
        ofConnector(
          'AwsTransferNothingStarted',
          |||
            time() - max_over_time(connector:aws_transfer_connector_last_started_timestamp_seconds:max{%(selector)s}[%(connectorMemory)s:10m]) > %(hours)s * 3600
          |||,
          'No transfer has started on %(name)s for more than %(hours)sh.',
          'The last transfer on connector %(where)s started {{ $value | humanizeDuration }} ago. The caller, its schedule or the upstream system may have stopped.',
          |||
            The start is known from events, CloudTrail, the write API or `started_at`. The newest known start of `connectorMemory`
            counts, so that a restart does not hide it; a connector without a start in that time is retired.
          |||
        ),
        ofConnector(
          'AwsTransferRemoteOperationsFailed',
          'connector_operation_code:aws_transfer_operations_failed:new > 0',
          '{{ $labels.operation }} operations failed on %(name)s%(withCode)s.',
          '%(countOfOperations)s on connector %(where)s failed in the last %(newFailureWindow)s with %(code)s.',
          'An event, as AwsTransferFilesFailed is. Requires `discovery.events`: no AWS API lists remote operations.'
        ),
        ofConnector(
          'AwsTransferConnectorPending',
          |||
            max by (%(connector)s) (
              last_over_time(aws_transfer_connector_info{status="PENDING"}[%(lookback)s])
            )
          |||,
          'Connector %(name)s stays in status PENDING.',
          'Connector %(where)s has been in status PENDING for more than %(for)s and cannot transfer files yet.',
          'Requires `discovery.connectors`. Creating a connector takes minutes.'
        ),
        ofConnector(
          'AwsTransferConnectorErrored',
          |||
            max by (%(connector)s) (
              last_over_time(aws_transfer_connector_info{status="ERRORED"}[%(lookback)s])
            )
          |||,
          'Connector %(name)s is in status ERRORED.',
          'Connector %(where)s has been in status ERRORED for more than %(for)s and cannot transfer files.',
          'Requires `discovery.connectors`. After a missing scrape the last status stays for `lookback`.'
        ),
        ofConnector(
          'AwsTransferConnectionDown',
          |||
            max by (%(connector)s, reason) (
              last_over_time(aws_transfer_connection_failure_reason[%(lookback)s])
            )
            == 1
            and on (%(connector)s)
            max by (%(connector)s) (
              last_over_time(aws_transfer_connection_up[%(lookback)s])
            )
            == 0
          |||,
          'The connection of %(name)s to the partner does not work: {{ $labels.reason }}.',
          'The last tests of the connection of connector %(where)s have failed for more than %(for)s, with reason {{ $labels.reason }}. The log of the exporter has the message (`event=connection_failed`).',
          |||
            Requires a job for `/probe?module=connection`, which is opt-in. `for` spans two tests at the default
            `probe.connection.min_interval`. Several jobs of one connector agree, or one of them has a working connection.
          |||
        ),
      ]),
      group('flows', [
        ofFlow(
          'AwsTransferFlowMissing',
          dueIn('missing'),
          'The delivery of flow {{ $labels.flow }} is missing.',
          'Flow {{ $labels.flow }} was due at %(deadline)s. No file has arrived, and the grace period is over. %(connectorsOfFlow)s',
          |||
            No `for`: the exporter decides after a complete scrape. A state, which ends when the file arrives or the next window
            becomes the current one.
          |||
        ),
        ofFlow(
          'AwsTransferFlowInvalid',
          dueIn('invalid'),
          'The delivery of flow {{ $labels.flow }} is invalid.',
          'Flow {{ $labels.flow }} was due at %(deadline)s. Too few files have arrived, files are too small, or all have failed, and the grace period is over. %(connectorsOfFlow)s',
          'As critical as a missing one: the delivery cannot be used.'
        ),
        ofFlow(
          'AwsTransferFlowLate',
          dueIn('late'),
          'The delivery of flow {{ $labels.flow }} is late.',
          'Flow {{ $labels.flow }} was due at %(deadline)s and is not complete. It is missing or invalid after the grace period. %(connectorsOfFlow)s',
          'A flow without `grace` is never late: it is missing or invalid at once.'
        ),
        ofFlow(
          'AwsTransferFlowDueSoon',
          |||
            flow:aws_transfer_flow_deadline_timestamp_seconds:min{%(selector)s} <= time() + %(dueSoonMinutes)s * 60
            and on (%(flow)s)
            flow_state:aws_transfer_flow_window_state:max{state="waiting"} == 1
            unless on (%(flow)s)
            flow_state:aws_transfer_flow_window_state:max{state="on_time"} == 1
          |||,
          'The delivery of flow {{ $labels.flow }} is due soon and not there yet.',
          'Flow {{ $labels.flow }} is due at %(deadline)s and is not complete. %(connectorsOfFlow)s',
          |||
            Nothing has arrived yet, or too few files. Not if a replica has seen all files: another one that has restarted without
            storage has not.
          |||
        ),
        ofFlow(
          'AwsTransferFlowUnknown',
          |||
            flow:aws_transfer_flow_deadline_timestamp_seconds:min
            and on (%(flow)s)
            flow_state:aws_transfer_flow_window_state:max{state="unknown"} == 1
            unless on (%(flow)s)
            flow_state:aws_transfer_flow_window_state:max{state!="unknown"} == 1
          |||,
          'The delivery of flow {{ $labels.flow }} cannot be judged.',
          'Flow {{ $labels.flow }} was due at %(deadline)s. The exporter has not seen the delivery, but has not watched the whole window either. %(connectorsOfFlow)s',
          'Unless another replica has watched it.'
        ),
        ofFlow(
          'AwsTransferFlowFailing',
          'flow:aws_transfer_flow_unresolved_failures:max > 0',
          'Failed files of flow {{ $labels.flow }} are not resolved.',
          '%(countOfFiles)s of flow {{ $labels.flow }} failed without a later delivery or an acknowledgement. %(connectorsOfFlow)s',
          'The exporter leaves out the `ignore_codes` of the flow. For flows without deadlines too.'
        ),
      ]),
      group('results', [
        ofConnector(
          'AwsTransferResultsStale',
          'time() - connector:aws_transfer_connector_oldest_result_timestamp_seconds:max > %(seconds)s',
          'Transfer results of %(name)s are stale.',
          'The oldest results of unfinished transfers on connector %(where)s are {{ $value | humanizeDuration }} old.',
          'Unfinished transfers are polled at least every `max_refresh_interval`: older results mean that polls fail or are overdue.'
        ),
        ofConnector(
          'AwsTransferResultsUnreadable',
          'connector:aws_transfer_connector_transfers_unreadable:min > 0',
          'Transfer results of %(name)s cannot be read.',
          'The results of %(countOfTransfers)s on connector %(where)s could not be read for %(for)s.',
          |||
            Unfinished transfers whose last poll failed, or that wait for their first poll for too long. An occasional successful poll
            is enough. Transfers that AWS no longer knows have their own alert.
          |||
        ),
        ofConnector(
          'AwsTransferUnknownToAws',
          'sum by (%(connector)s) (connector_state:aws_transfer_connector_transfers:max{state="gone"}) > 0',
          'AWS does not recognize transfers on %(name)s.',
          'AWS has no record of %(countOfTransfers)s on connector %(where)s. An id may be wrong, or a transfer older than 7 days.'
        ),
      ]),
      group('exporter', [
        alert(
          'AwsTransferExporterAbsent',
          |||
            (
              group by (%(cluster)s) (max_over_time(up{%(exporterSelector)s}[%(exporterMemory)s]))
              unless on (%(cluster)s)
              group by (%(cluster)s) (last_over_time(up{%(exporterSelector)s}[%(lookback)s]) == 1)
            )
            or on ()
            group by (%(cluster)s) (absent(last_over_time(up{%(exporterSelector)s}[%(lookback)s]) == 1))
          |||,
          'No AWS Transfer exporter is up%(inCluster)s.',
          'Prometheus has no target with {%(exporterSelector)s} that is up%(inCluster)s. No transfer is monitored.',
          |||
            All replicas of a cluster are down, or the scrape configuration has lost them. A cluster that has had no target for
            `exporterMemory` is forgotten; if there is none at all, the last term remains.
          |||
        ),
        alert(
          'AwsTransferExporterDown',
          'last_over_time(up{%(exporterSelector)s}[%(lookback)s]) == 0',
          'An AWS Transfer exporter is down.',
          'Prometheus has failed to scrape {{ $labels.instance }} (job {{ $labels.job }}) for %(for)s.',
          'A warning, since other replicas may be up. If none is, AwsTransferExporterAbsent fires.'
        ),
        alert(
          'AwsTransferExporterShardMissing',
          |||
            count by (%(set)s, shards) (
              group by (%(set)s, shard, shards) (last_over_time(aws_transfer_exporter_shard_info[%(lookback)s]))
            )
            unless on (%(set)s, shards)
            count_values by (%(set)s) ("shards",
              count by (%(set)s, shards) (
                group by (%(set)s, shard, shards) (last_over_time(aws_transfer_exporter_shard_info[%(lookback)s]))
              )
            )
          |||,
          'Shards of the AWS Transfer exporter are missing.',
          'Only {{ $value }} of {{ $labels.shards }} shards of job {{ $labels.job }} are up. The transfers of the missing shards are not monitored, and connector metrics do not include them.',
          |||
            The expected number of shards is a label and the observed number a value: `count_values` turns the value into a label,
            so that the two can be compared.
          |||
        ),
        alert(
          'AwsTransferExporterShardsDisagree',
          |||
            count by (%(set)s) (
              group by (%(set)s, shards) (last_over_time(aws_transfer_exporter_shard_info{shards!="1"}[%(lookback)s]))
            ) > 1
          |||,
          'Shards of the AWS Transfer exporter disagree about their number.',
          'The exporters of job {{ $labels.job }} run with {{ $value }} different values of --shard.total. Some transfers may be polled twice or not at all.',
          'Brief disagreement is normal while shards are added or removed. An unsharded exporter may run beside shards.'
        ),
        alert(
          'AwsTransferSweepIncomplete',
          'avg_over_time(aws_transfer_exporter_scrape_complete[%(window)s]) < %(percent)s / 100',
          'An AWS Transfer exporter returns incomplete scrapes.',
          'Only {{ $value | humanizePercentage }} of the scrapes of {{ $labels.instance }} in the last %(window)s had every result that was due. Polls failed or did not finish before the scrape timeout.',
          'Per replica: a healthy one does not compensate for another. The first sweeps after a start may be incomplete.'
        ),
        alert(
          'AwsTransferThrottled',
          |||
            sum by (%(account)s) (account_outcome:aws_transfer_exporter_api_requests:increase{outcome="throttled"})
            / (sum by (%(account)s) (account_outcome:aws_transfer_exporter_api_requests:increase) > 0)
            > %(percent)s / 100
          |||,
          'AWS throttles requests for account {{ $labels.aws_account }}.',
          'AWS throttled {{ $value | humanizePercentage }} of the requests for %(inAccount)s in the last %(lookback)s.'
        ),
        alert(
          'AwsTransferAccessDenied',
          |||
            sum by (%(account)s) (account_outcome:aws_transfer_exporter_api_requests:increase{outcome="denied"}) > 0
            and on (%(account)s)
            sum by (%(account)s) (account_outcome:aws_transfer_exporter_api_requests:increase{outcome="ok"}) > 0
          |||,
          'AWS denies some requests for account {{ $labels.aws_account }}.',
          'AWS denied %(countOfRequests)s for %(inAccount)s in the last %(lookback)s and accepted others. The IAM policy may not cover every connector.',
          |||
            Some requests denied points to the policy, all denied to AwsTransferCredentialsFailing. When credentials expire, both are
            true until the last successful request leaves the window; `for` is longer than that.
          |||
        ),
        alert(
          'AwsTransferCredentialsFailing',
          |||
            sum by (%(account)s) (account_outcome:aws_transfer_exporter_api_requests:increase{outcome="denied"}) > 0
            unless on (%(account)s)
            sum by (%(account)s) (account_outcome:aws_transfer_exporter_api_requests:increase{outcome!="denied"}) > 0
            unless on (%(account)s)
            max by (%(account)s) (last_over_time(aws_transfer_exporter_account_up[%(lookback)s])) == 0
          |||,
          'AWS denies all requests for account {{ $labels.aws_account }}.',
          'AWS denied every request for %(inAccount)s in the last %(lookback)s ({{ $value | printf "%%.0f" }} in all), although it accepts the credentials.',
          |||
            Only `denied`: after any other answer the policy is not the cause. Credentials that AWS does not accept are
            AwsTransferAccountDown: one failure, one alert.
          |||
        ),
        alert(
          'AwsTransferConfigReloadFailed',
          |||
            max_over_time(aws_transfer_exporter_config_last_reload_successful[%(lookback)s]) == 0
            or
            max_over_time(aws_transfer_exporter_web_config_last_reload_successful[%(lookback)s]) == 0
          |||,
          'An AWS Transfer exporter failed to reload its configuration.',
          'The last configuration reload on {{ $labels.instance }} failed. The previous configuration, web configuration and certificates stay in effect.'
        ),
        alert(
          'AwsTransferWebConfigUnconfirmed',
          'max_over_time(aws_transfer_exporter_web_config_unconfirmed[%(lookback)s]) == 1',
          'An AWS Transfer exporter refused a web configuration that lowers its protection.',
          'The web configuration of {{ $labels.instance }} on disk has no TLS, no client certificates or no users, which the active one has. It takes effect with a reload or a restart.'
        ),
        alert(
          'AwsTransferAccountDown',
          |||
            max_over_time(aws_transfer_exporter_account_up[%(lookback)s]) == 0
            and on (%(target)s, aws_account, aws_region)
            sum by (%(target)s, aws_account, aws_region) (
              increase(aws_transfer_exporter_api_requests_total{operation="ListFileTransferResults"}[%(window)s])
            ) > 0
          |||,
          'An AWS Transfer exporter cannot access account {{ $labels.aws_account }}.',
          '{{ $labels.instance }} cannot access %(inAccount)s: its credentials are missing or rejected, or AWS does not respond. No transfer of the account is monitored.',
          |||
            Only while something is polled: `aws_transfer_exporter_account_up` keeps the result of the last attempt, and without
            transfers there is no other.
          |||
        ),
        alert(
          'AwsTransferCertificateExpiresSoon',
          |||
            (
              max by (%(target)s) (
                last_over_time(aws_transfer_exporter_certificate_not_after_timestamp_seconds[%(lookback)s])
              ) - time() < %(days)s * 86400
            )
            < on (%(set)s) group_left ()
            max by (%(set)s) (
              max_over_time((aws_transfer_exporter_certificate_not_after_timestamp_seconds - time())[%(window)s:1h])
            ) * %(lifetimePercent)s / 100
          |||,
          'The TLS certificate of an AWS Transfer exporter expires soon.',
          'The TLS certificate of {{ $labels.instance }} expires in {{ $value | humanizeDuration }}. Prometheus cannot scrape it afterwards.',
          |||
            Within days, and late in the lifetime of the certificate: one that is shorter than these days, and renewed in time, does
            not fire. The lifetime is the longest remaining time seen on any exporter of the set.
          |||
        ),
        alert(
          'AwsTransferRequestsRefused',
          |||
            sum by (%(target)s, reason) (
              increase(aws_transfer_exporter_http_refused_total[%(window)s])
            ) > %(requests)s
          |||,
          'An AWS Transfer exporter rejects HTTP requests.',
          '{{ $labels.instance }} rejected {{ $value | printf "%%.0f" }} HTTP requests in the last %(window)s (reason: {{ $labels.reason }}).'
        ),
        alert(
          'AwsTransferDiscoveryFailing',
          'max_over_time(aws_transfer_exporter_discovery_up[%(lookback)s]) == 0',
          'Discovery of transfers from {{ $labels.target }} is failing.',
          '{{ $labels.instance }} has failed to read {{ $labels.target }} (source {{ $labels.source }}) for more than %(for)s. Transfers known only from this source are not monitored.',
          'Per exporter, since each reads its own sources. An occasional successful read is enough.'
        ),
        alert(
          'AwsTransferDiscoveryStale',
          |||
            time() - max by (%(source)s) (
              last_over_time(aws_transfer_exporter_discovery_last_success_timestamp_seconds[%(lookback)s])
            ) > %(seconds)s
          |||,
          'Discovery of transfers from {{ $labels.target }} is stale.',
          '{{ $labels.instance }} last read {{ $labels.target }} (source {{ $labels.source }}) {{ $value | humanizeDuration }} ago.',
          'Reads that hang or are too rare. Reads that fail trigger AwsTransferDiscoveryFailing sooner.'
        ),
        alert(
          'AwsTransferQueueNotDraining',
          |||
            (
              min_over_time(target:aws_transfer_exporter_discovery_queue_messages:max[15m]) > %(messages)s
              and
              min_over_time(target:aws_transfer_exporter_discovery_queue_messages:max[10m])
              >=
              min_over_time(target:aws_transfer_exporter_discovery_queue_messages:max[10m] offset 20m)
            )
            or
            (
              sum by (%(queue)s) (
                increase(aws_transfer_exporter_discovery_messages_total{outcome="failed"}[%(failureMemory)s])
              ) > 0
              and on (%(queue)s)
              max by (%(queue)s) (
                max_over_time(aws_transfer_exporter_discovery_up{source="events"}[%(lookback)s])
              ) == 0
            )
          |||,
          'Queue {{ $labels.target }} is not draining.',
          'Queue {{ $labels.target }} has a backlog of %(countOfMessages)s, which is not shrinking, or messages could not be persisted.',
          |||
            A backlog that is no smaller than 20 minutes ago, or messages that could not be written to the storage. The latter stay in
            the queue and count once, and nothing is received until the storage recovers.
          |||
        ),
        alert(
          'AwsTransferMessagesNotUnderstood',
          |||
            sum by (%(queue)s) (
              increase(aws_transfer_exporter_discovery_messages_total{outcome="unparsable"}[%(newFailureWindow)s])
            ) > 0
          |||,
          'Messages from {{ $labels.target }} cannot be parsed.',
          'The exporter received unparsable messages from {{ $labels.target }} %(countOfTimes)s in the last %(newFailureWindow)s.',
          'An event. A message that stays in a queue counts each time it is received, until the redrive policy removes it.'
        ),
        alert(
          'AwsTransferDeadLetters',
          'target:aws_transfer_exporter_discovery_queue_dead_letter_messages:max > 0',
          'The dead-letter queue of {{ $labels.target }} is not empty.',
          'The dead-letter queue of {{ $labels.target }} holds %(countOfMessages)s that the exporter could not handle or EventBridge could not deliver.',
          'Requires `sqs:GetQueueAttributes` on the dead-letter queue. Absent without it, and without a redrive policy.'
        ),
        alert(
          'AwsTransferDeadLettersOld',
          |||
            min_over_time(target:aws_transfer_exporter_discovery_queue_dead_letter_messages:max[%(hours)sh]) > 0
            and
            max_over_time(target:aws_transfer_exporter_discovery_queue_dead_letter_messages:max[%(lookback)s] offset %(hours)sh) > 0
          |||,
          'The dead-letter queue of {{ $labels.target }} has not been empty for more than %(hours)sh.',
          'The dead-letter queue of {{ $labels.target }} has held at least %(countOfMessages)s for %(hours)sh. SQS deletes messages that reach its retention period.',
          |||
            Only CloudWatch has the age of the oldest message. The recorded series is used instead of a time that the exporter
            observes, so that restarts do not reset it.
          |||
        ),
        alert(
          'AwsTransferLimitExceeded',
          |||
            sum by (%(target)s, limit) (
              increase(aws_transfer_exporter_limit_exceeded_total[%(newFailureWindow)s])
            ) > 0
          |||,
          'An AWS Transfer exporter has reached its limit of {{ $labels.limit }}.',
          '{{ $labels.instance }} received %(countOfReports)s beyond limits.{{ $labels.limit }} in the last %(newFailureWindow)s. Such a report is refused, or its files are counted without tracking the transfer.',
          'An event. A message that stays in a queue counts each time it is received, until the redrive policy removes it.'
        ),
        alert(
          'AwsTransferStorageFailing',
          'max_over_time(aws_transfer_exporter_storage_up[%(lookback)s]) == 0',
          'An AWS Transfer exporter cannot write to its storage.',
          '{{ $labels.instance }} has failed to write to its storage for %(for)s. State collected since then is lost if it stops.',
          'Absent without storage. A single slow write does not fire: it completes or is retried within seconds.'
        ),
        alert(
          'AwsTransferStorageSlow',
          |||
            increase(aws_transfer_exporter_storage_write_duration_seconds_sum[%(lookback)s])
            / (increase(aws_transfer_exporter_storage_write_duration_seconds_count[%(lookback)s]) > 0)
            > %(seconds)s
          |||,
          'Writes to the storage of an AWS Transfer exporter are slow.',
          'A write to the storage of {{ $labels.instance }} takes {{ $value | humanizeDuration }} on average. Scrapes wait for it, and an owner may lose its lease.',
          'Absent without storage, and if nothing was written.'
        ),
        alert(
          'AwsTransferNoLeader',
          'max by (%(set)s, shard) (max_over_time(aws_transfer_exporter_leader[%(lookback)s])) == 0',
          'No AWS Transfer exporter owns shard {{ $labels.shard }}.',
          'All exporters of job {{ $labels.job }} have been standbys of shard {{ $labels.shard }} for %(lookback)s. Its transfers are not monitored, and no alert about them fires.',
          'Absent without shared storage. If no exporter runs, AwsTransferExporterAbsent fires.'
        ),
        alert(
          'AwsTransferTwoLeaders',
          'sum by (%(set)s, shard) (aws_transfer_exporter_leader) > 1',
          'Several AWS Transfer exporters own shard {{ $labels.shard }}.',
          '{{ $value }} exporters of job {{ $labels.job }} own shard {{ $labels.shard }}: they use different tables or prefixes. AWS is called by each, and they count differently.',
          'With one table, a former owner exports 0 before its successor exports 1.'
        ),
        alert(
          'AwsTransferLeaseFlapping',
          'sum by (%(set)s, shard) (increase(aws_transfer_exporter_lease_lost_total[%(window)s])) > %(times)s',
          'The ownership of shard {{ $labels.shard }} of the AWS Transfer exporter changes often.',
          'Exporters of job {{ $labels.job }} have lost shard {{ $labels.shard }} %(countOfTimes)s in the last %(window)s. Each time, nothing is monitored for the time of a lease.',
          'A shard that is given back when exporters start or stop is not lost.'
        ),
        alert(
          'AwsTransferInboxNotDraining',
          |||
            max by (%(set)s, shard) (
              last_over_time(
                (
                  timestamp(aws_transfer_exporter_inbox_oldest_timestamp_seconds)
                  - aws_transfer_exporter_inbox_oldest_timestamp_seconds
                  or
                  aws_transfer_exporter_leader * 0
                )[%(lookback)s:1m]
              )
            ) > %(seconds)s
          |||,
          'The inbox of shard {{ $labels.shard }} of the AWS Transfer exporter is not draining.',
          'The oldest report in the inbox of shard {{ $labels.shard }} of job {{ $labels.job }} has waited for {{ $value | humanizeDuration }}. Starts and failures that other exporters have received are reported late.',
          |||
            The age at the last scrape. It is 0 if the inbox was empty then, or another exporter owned the shard: the time of a
            report that has been read must not grow older. Absent without `--shard.index=auto`.
          |||
        ),
      ]),
    ],
  },
}
