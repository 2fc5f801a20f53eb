// deploy/prometheus/recording.rules.yml and alerting.rules.yml; deploy/mixin/README.md has the command.
local mixin = import 'mixin.libsonnet';
local yaml = import 'plain-yaml.libsonnet';
local header(what) = |||
  # %s
  # README.md beside this file tells how to load it and which numbers to change.
  #
  # Generated from deploy/mixin, by the command in its README.md; a test compares. If you use this file as it is, change
  # it as you like.
||| % what;
{
  'recording.rules.yml': yaml(
    header('Recording rules for aws-transfer-exporter. alerting.rules.yml reads them: load both.\n' +
           '#\n' +
           '# Exporters of one shard (replicas) tell the same numbers twice: of them the maximum is taken, of a start the minimum,\n' +
           '# so nothing is doubled. Shards tell a part each, and are added up among those that agree about the total. Of several\n' +
           '# totals the maximum is taken: each is a whole, and they meet only while one follows the other. `last_over_time`\n' +
           '# bridges a missing scrape, which ends all series of a target at once, and a restart.\n#'),
    mixin.prometheusRules.groups
  ),
  'alerting.rules.yml': yaml(
    header('Alerting rules for aws-transfer-exporter, for Prometheus 2.42 or newer (`keep_firing_for`). They read the recorded\n' +
           '# series of recording.rules.yml: load both.\n' +
           '#\n' +
           '# Each expression about a connector stands twice: with the label `name` from `aws_transfer_connector_info`, and after\n' +
           '# `or` without it, for when the name is missing.\n#'),
    mixin.prometheusAlerts.groups
  ),
}
