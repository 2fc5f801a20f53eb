// The dashboards, as they are shipped.
{
  grafanaDashboards+:: {
    'fleet-overview.json': import '../../dashboards/fleet-overview.json',
    'connector.json': import '../../dashboards/connector.json',
    'exporter.json': import '../../dashboards/exporter.json',
  },
}
