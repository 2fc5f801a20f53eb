// The rules of the Helm chart, with `${NAME}` in place of each setting, and the settings; README.md has the command.
local mixin = import 'mixin.libsonnet';
local yaml = import 'plain-yaml.libsonnet';

local config(settings) = ((import 'config.libsonnet') + { _config+:: settings })._config;
local placeholder(key) = '${%s}' % key;
local isPlaceholder(value) = std.isString(value) && std.startsWith(value, '${');

local base = config({});
// The settings that the chart inserts into the text of a rule. It applies the others itself.
local applied = ['alerts', 'alertLabels', 'scrapeIntervalSeconds', 'scrapeInterval', 'exporterURL', 'showMultiCluster'];
local inserted = [key for key in std.objectFields(base) if !std.member(applied, key)];
local placeholders = { [key]: placeholder(key) for key in inserted };

local seconds(value) =
  if std.isNumber(value) then value
  else std.parseInt(std.substr(value, 0, std.length(value) - 1)) * { s: 1, m: 60, h: 3600, d: 86400 }[value[std.length(value) - 1]];

// A setting that derives from the scrape interval is `max(atLeast, scrapes * interval)`: its values at the shortest and at a
// long interval give both.
local day = 86400;
local short = config({ scrapeIntervalSeconds: 1 });
local long = config({ scrapeIntervalSeconds: day });
local derivation(atShort, atLong) = { atLeast: seconds(atShort), scrapes: seconds(atLong) / day, isDuration: std.isString(atShort) };

// A setting of an alert that is another setting.
local referring = config(placeholders);
local default(value, ofReferring, atShort, atLong) =
  if isPlaceholder(ofReferring) then ofReferring else if atShort != atLong then '' else value;

local header(what) = |||
  # %s of the Helm chart, which replaces each `${NAME}` by `prometheusRule.settings`.
  #
  # Generated from deploy/mixin with the command in its README.md; a test compares the two.
||| % what;
local templates = mixin {
  _config+:: placeholders {
    alerts: {
      [name]: { [key]: placeholder(key) for key in std.objectFields(base.alerts[name]) } + { enabled: true, labels: {} }
      for name in std.objectFields(base.alerts)
    },
  },
};

{
  'rules/recording.rules.yml': yaml(header('Recording rules'), templates.prometheusRules.groups),
  'rules/alerting.rules.yml': yaml(header('Alerting rules'), templates.prometheusAlerts.groups),
  'settings.json': std.manifestJsonEx({
    common: {
      [key]: default(base[key], null, short[key], long[key])
      for key in inserted
    },
    alerts: {
      [name]: {
        [key]: default(base.alerts[name][key], referring.alerts[name][key], short.alerts[name][key], long.alerts[name][key])
        for key in std.objectFields(base.alerts[name])
      }
      for name in std.objectFields(base.alerts)
    },
    derived: {
      common: { [key]: derivation(short[key], long[key]) for key in inserted if short[key] != long[key] },
      alerts: {
        [name]: {
          [key]: derivation(short.alerts[name][key], long.alerts[name][key])
          for key in std.objectFields(base.alerts[name])
          if short.alerts[name][key] != long.alerts[name][key] && !isPlaceholder(referring.alerts[name][key])
        }
        for name in std.objectFields(base.alerts)
      },
    },
  }, '  '),
}
