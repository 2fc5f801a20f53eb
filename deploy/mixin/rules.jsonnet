// deploy/prometheus/recording.rules.yml and alerting.rules.yml; README.md has the command.
local mixin = import 'mixin.libsonnet';
local yaml = import 'plain-yaml.libsonnet';
local header(what) = |||
  # %s
  # README.md beside this file describes how to load it and which thresholds to adjust.
  #
  # Generated from deploy/mixin with the command in its README.md; a test compares the two.
||| % what;
{
  'recording.rules.yml': yaml(
    header('Recording rules for aws-transfer-exporter. alerting.rules.yml reads them: load both.\n' +
           '#\n' +
           '# Replicas of a shard export the same values: the maximum is taken, or the minimum of a start. Shards export disjoint\n' +
           '# parts: they are summed, per total number of shards, and the maximum of the totals is taken. `last_over_time` bridges\n' +
           '# restarts and missing scrapes, which end all series of a target.\n#'),
    mixin.prometheusRules.groups
  ),
  'alerting.rules.yml': yaml(
    header('Alerting rules for aws-transfer-exporter. They require Prometheus 2.42 or later (`keep_firing_for`) and the recorded\n' +
           '# series of recording.rules.yml: load both.\n' +
           '#\n' +
           '# Each expression about a connector appears twice: with the label `name` from `aws_transfer_connector_info`, and after\n' +
           '# `or` without it, in case the name is missing.\n#'),
    mixin.prometheusAlerts.groups
  ),
}
