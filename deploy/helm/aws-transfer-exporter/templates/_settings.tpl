{{- /* Seconds of a duration of Prometheus, such as 1m30s. */}}
{{- define "aws-transfer-exporter.seconds" -}}
{{- $units := dict "s" 1 "m" 60 "h" 3600 "d" 86400 "w" 604800 "y" 31536000 }}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+[smhdwy]" (regexReplaceAll "[0-9]+ms" . "") -1 }}
{{- $sum = add $sum (mul (regexFind "[0-9]+" .) (index $units (regexFind "[a-z]" .))) }}
{{- end }}
{{- $sum }}
{{- end }}

{{- /* A number of seconds as a duration: the inverse. */}}
{{- define "aws-transfer-exporter.duration" -}}
{{- if eq (mod . 86400) 0 }}
{{- printf "%dd" (div . 86400) }}
{{- else if eq (mod . 3600) 0 }}
{{- printf "%dh" (div . 3600) }}
{{- else if eq (mod . 60) 0 }}
{{- printf "%dm" (div . 60) }}
{{- else }}
{{- printf "%ds" (. | int64) }}
{{- end }}
{{- end }}

{{- define "aws-transfer-exporter.scrapeIntervalSeconds" -}}
{{- $monitor := ternary .Values.podMonitor .Values.serviceMonitor .Values.podMonitor.enabled }}
{{- with .Values.prometheusRule.settings.scrapeIntervalSeconds }}
{{- . | int64 }}
{{- else }}
{{- include "aws-transfer-exporter.seconds" $monitor.interval }}
{{- end }}
{{- end }}

{{- /* Sets each missing setting: `list SETTINGS DEFAULTS`. Unlike `merge` it keeps false and 0. */}}
{{- define "aws-transfer-exporter.default" -}}
{{- $settings := index . 0 }}
{{- range $key, $value := index . 1 }}
{{- if not (hasKey $settings $key) }}
{{- $_ := set $settings $key $value }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Sets each empty setting that derives from the scrape interval: `list SETTINGS DERIVATIONS INTERVAL`. */}}
{{- define "aws-transfer-exporter.derive" -}}
{{- $settings := index . 0 }}
{{- $interval := index . 2 }}
{{- range $key, $derivation := index . 1 }}
{{- if eq (toString (index $settings $key)) "" }}
{{- $seconds := max ($derivation.atLeast | int64) (mul ($derivation.scrapes | int64) $interval) }}
{{- $_ := set $settings $key (ternary (include "aws-transfer-exporter.duration" $seconds) $seconds $derivation.isDuration) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The settings of the rules as JSON: those of `prometheusRule.settings`, and the derived ones. */}}
{{- define "aws-transfer-exporter.settings" -}}
{{- $known := .Files.Get "files/settings.json" | fromJson }}
{{- $settings := deepCopy .Values.prometheusRule.settings }}
{{- include "aws-transfer-exporter.default" (list $settings (merge (dict "alerts" dict "alertLabels" dict) $known.common)) }}
{{- $interval := include "aws-transfer-exporter.scrapeIntervalSeconds" . | int64 }}
{{- include "aws-transfer-exporter.derive" (list $settings $known.derived.common $interval) }}
{{- $alerts := dict }}
{{- range $name, $own := $settings.alerts }}
{{- if not (hasKey $known.alerts $name) }}
{{- fail (printf "`prometheusRule.settings.alerts.%s`: there is no such alert" $name) }}
{{- end }}
{{- range $key, $_ := $own }}
{{- if not (hasKey (index $known.alerts $name) $key) }}
{{- fail (printf "`prometheusRule.settings.alerts.%s.%s`: there is no such setting" $name $key) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $defaults := $known.alerts }}
{{- $own := default dict (index $settings.alerts $name) }}
{{- include "aws-transfer-exporter.default" (list $own $defaults) }}
{{- include "aws-transfer-exporter.derive" (list $own (index $known.derived.alerts $name) $interval) }}
{{- $_ := set $alerts $name $own }}
{{- end }}
{{- set $settings "alerts" $alerts | toJson }}
{{- end }}

{{- /* JSON with each `${NAME}` replaced by a setting that is a text or a number: `list JSON SETTINGS`. */}}
{{- define "aws-transfer-exporter.insert" -}}
{{- $json := index . 0 }}
{{- range $key, $value := index . 1 }}
{{- if not (or (kindIs "map" $value) (kindIs "bool" $value) (kindIs "invalid" $value)) }}
{{- $text := toString $value }}
{{- if and (kindIs "float64" $value) (eq (floor $value) $value) }}
{{- $text = $value | int64 | toString }}
{{- end }}
{{- $json = replace (printf "${%s}" $key) (toJson $text | trimPrefix "\"" | trimSuffix "\"") $json }}
{{- end }}
{{- end }}
{{- $json }}
{{- end }}

{{- /* The groups of rules with the settings, as JSON. */}}
{{- define "aws-transfer-exporter.ruleGroups" -}}
{{- $settings := include "aws-transfer-exporter.settings" . | fromJson }}
{{- $groups := list }}
{{- range $path, $_ := .Files.Glob "files/rules/*.yml" }}
{{- range ($.Files.Get $path | fromYaml).groups }}
{{- $rules := list }}
{{- range .rules }}
{{- $rule := . }}
{{- if .alert }}
{{- $own := index $settings.alerts .alert }}
{{- $rule = include "aws-transfer-exporter.insert" (list (toJson .) $own) | fromJson }}
{{- range list "for" "keep_firing_for" }}
{{- if eq (index $rule .) "" }}
{{- $_ := unset $rule . }}
{{- end }}
{{- end }}
{{- $_ := set $rule "labels" (merge (deepCopy $own.labels) $settings.alertLabels $rule.labels) }}
{{- if not $own.enabled }}
{{- $rule = dict }}
{{- end }}
{{- end }}
{{- with $rule }}
{{- $rules = append $rules . }}
{{- end }}
{{- end }}
{{- if $rules }}
{{- $groups = append $groups (set (deepCopy .) "rules" $rules) }}
{{- end }}
{{- end }}
{{- end }}
{{- $json := toJson $groups }}
{{- if not $settings.clusterLabel }}
{{- $json = replace "{{ with $labels.${clusterLabel} }} in cluster {{ . }}{{ end }}" "" $json }}
{{- $json = replace "${clusterLabel}, " "" $json }}
{{- end }}
{{- include "aws-transfer-exporter.insert" (list $json $settings) }}
{{- end }}

{{- define "aws-transfer-exporter.exporterURL" -}}
{{- $prefix := include "aws-transfer-exporter.routePrefix" . }}
{{- $url := printf "http://localhost:10922%s" $prefix }}
{{- with .Values.route.main }}
{{- if and .enabled .hostnames }}
{{- $url = printf "https://%s%s" (tpl (first .hostnames) $) $prefix }}
{{- end }}
{{- end }}
{{- with .Values.ingress }}
{{- if and .enabled (first .hosts).host }}
{{- $url = printf "%s://%s%s" (ternary "https" "http" (not (empty .tls))) (tpl (first .hosts).host $) $prefix }}
{{- end }}
{{- end }}
{{- if hasPrefix "http" .Values.web.externalURL }}
{{- $url = .Values.web.externalURL }}
{{- end }}
{{- default $url (include "aws-transfer-exporter.tpl" (list .Values.dashboards.exporterURL .)) | trimSuffix "/" }}
{{- end }}

{{- /* A dashboard with the settings, as deploy/mixin/dashboards.libsonnet applies them: `list JSON $`. */}}
{{- define "aws-transfer-exporter.dashboard" -}}
{{- $json := index . 0 }}
{{- $root := index . 1 }}
{{- $cluster := (include "aws-transfer-exporter.settings" $root | fromJson).clusterLabel }}
{{- $interval := include "aws-transfer-exporter.scrapeIntervalSeconds" $root | int64 | include "aws-transfer-exporter.duration" }}
{{- $json = replace "http://localhost:10922" (include "aws-transfer-exporter.exporterURL" $root) $json }}
{{- $runbooks := "https://github.com/aws-transfer-exporter/aws-transfer-exporter/blob/main/docs/operate/runbooks.md" }}
{{- $json = replace $runbooks (default $runbooks $root.Values.prometheusRule.settings.runbookURLBase) $json }}
{{- $json = replace `"interval": "1m"` (printf `"interval": "%s"` $interval) $json }}
{{- if not $cluster }}
{{- $json = replace `cluster=~\"$cluster\", ` "" $json }}
{{- $json = replace `{cluster=~\"$cluster\"}` "" $json }}
{{- $json = replace "(cluster, " "(" $json }}
{{- $json = replace "${cluster:queryparam}&" "" $json }}
{{- else if ne $cluster "cluster" }}
{{- $json = replace `cluster=~\"$cluster\"` (printf `%s=~\"$cluster\"` $cluster) $json }}
{{- $json = replace "(cluster, " (printf "(%s, " $cluster) $json }}
{{- $json = replace "build_info, cluster)" (printf "build_info, %s)" $cluster) $json }}
{{- end }}
{{- if and $cluster $root.Values.dashboards.showMultiCluster }}
{{- $json }}
{{- else }}
{{- $dashboard := fromJson $json }}
{{- $variables := list }}
{{- range $dashboard.templating.list }}
{{- if ne .name "cluster" }}
{{- $variables = append $variables . }}
{{- else if $cluster }}
{{- $variables = append $variables (set . "hide" 2) }}
{{- end }}
{{- end }}
{{- $_ := set $dashboard.templating "list" $variables }}
{{- toPrettyJson $dashboard }}
{{- end }}
{{- end }}
