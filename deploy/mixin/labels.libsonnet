// Texts that rules and dashboards share, such as the lists of labels that they aggregate by.
{
  account: ['aws_account', 'aws_region'],
  connector: self.account + ['connector_id'],
  // A flow may span accounts.
  flow: ['flow'],
  // The label of the cluster, if there is one.
  cluster(config): if config.clusterLabel == '' then [] else [config.clusterLabel],
  // Settings as they stand in a text: 99.9 is no 99.900000000000006.
  texts(settings): {
    [key]: if std.isNumber(settings[key]) && settings[key] != std.floor(settings[key]) then '%g' % settings[key] else settings[key]
    for key in std.objectFields(settings)
  },
  list(labels): std.join(', ', labels),
}
