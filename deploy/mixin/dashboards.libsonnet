// The dashboards of /dashboards, unchanged.
{
  grafanaDashboards+:: {
    'fleet-overview.json': import '../../dashboards/fleet-overview.json',
    'connector.json': import '../../dashboards/connector.json',
    'exporter.json': import '../../dashboards/exporter.json',
  },
}
