// The dashboards of /dashboards with the settings applied. With the defaults they are unchanged.
local replaced(text, pairs) = std.foldl(function(all, pair) std.strReplace(all, pair[0], pair[1]), pairs, text);

// Applies `change` to every panel, including those in collapsed rows.
local withPanels(panels, change) = [
  change(panel) + (if std.objectHas(panel, 'panels') then { panels: withPanels(panel.panels, change) } else {})
  for panel in panels
];

{
  local c = $._config,
  // Matchers, aggregations, joins and links by cluster.
  local inCluster(dashboard) =
    local text = std.manifestJsonMinified(dashboard);
    if c.clusterLabel == 'cluster' then dashboard
    else if c.clusterLabel == '' then std.parseJson(replaced(text, [
      ['cluster=~\\"$cluster\\", ', ''],
      ['{cluster=~\\"$cluster\\"}', ''],
      ['(cluster, ', '('],
      ['${cluster:queryparam}&', ''],
    ]))
    else std.parseJson(replaced(text, [
      ['cluster=~\\"$cluster\\"', c.clusterLabel + '=~\\"$cluster\\"'],
      ['(cluster, ', '(%s, ' % c.clusterLabel],
      ['build_info, cluster)', 'build_info, %s)' % c.clusterLabel],
    ])),
  // Rates need a step of at least the scrape interval.
  local target(given) = given + (if std.objectHas(given, 'interval') then { interval: c.scrapeInterval } else {}),
  local variable(given) =
    if given.name == 'cluster' && !c.showMultiCluster then given { hide: 2 }
    else if given.name == 'exporter_url' then
      local only = { selected: true, text: c.exporterURL, value: c.exporterURL };
      given { query: c.exporterURL, current: only, options: [only] }
    else given,
  // Links of alerts to their runbooks.
  local shippedBase = 'https://github.com/aws-transfer-exporter/aws-transfer-exporter/blob/main/docs/operate/runbooks.md',
  local withRunbooks(dashboard) =
    if c.runbookURLBase == shippedBase then dashboard
    else std.parseJson(std.strReplace(std.manifestJsonMinified(dashboard), shippedBase, c.runbookURLBase)),
  local withSettings(given) = local dashboard = withRunbooks(inCluster(given)); dashboard {
    panels: withPanels(super.panels, function(panel)
      if std.objectHas(panel, 'targets') then panel { targets: [target(one) for one in super.targets] } else panel),
    templating: {
      list: [
        variable(one)
        for one in dashboard.templating.list
        if one.name != 'cluster' || c.clusterLabel != ''
      ],
    },
  },

  grafanaDashboards+:: {
    'fleet-overview.json': withSettings(import '../../dashboards/fleet-overview.json'),
    'connector.json': withSettings(import '../../dashboards/connector.json'),
    'exporter.json': withSettings(import '../../dashboards/exporter.json'),
    'flows.json': withSettings(import '../../dashboards/flows.json'),
  },
}
