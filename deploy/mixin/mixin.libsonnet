// The mixin: `_config`, `prometheusAlerts`, `prometheusRules`, `grafanaDashboards`.
(import 'config.libsonnet') +
(import 'rules.libsonnet') +
(import 'alerts.libsonnet') +
(import 'dashboards.libsonnet')
