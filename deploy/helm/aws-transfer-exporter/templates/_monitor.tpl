{{- /* Metadata of a ServiceMonitor or PodMonitor: `list VALUES $`. */}}
{{- define "aws-transfer-exporter.monitorMetadata" -}}
{{- $monitor := index . 0 }}
{{- $root := index . 1 -}}
name: {{ include "aws-transfer-exporter.fullname" $root }}
namespace: {{ default (include "aws-transfer-exporter.namespace" $root) $monitor.namespace }}
labels:
  {{- include "aws-transfer-exporter.labelsWith" (list $monitor.additionalLabels $root) | nindent 2 }}
{{- with $monitor.annotations }}
annotations:
  {{- include "aws-transfer-exporter.tpl" (list . $root) | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What a ServiceMonitor and a PodMonitor select, and the limits of a scrape: `list VALUES $`. */}}
{{- define "aws-transfer-exporter.monitorSpec" -}}
{{- $monitor := index . 0 }}
{{- $root := index . 1 -}}
jobLabel: {{ $monitor.jobLabel }}
{{- with $monitor.targetLabels }}
targetLabels:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitor.podTargetLabels }}
podTargetLabels:
  {{- toYaml . | nindent 2 }}
{{- end }}
namespaceSelector:
  matchNames:
    - {{ include "aws-transfer-exporter.namespace" $root }}
selector:
  matchLabels:
    {{- include "aws-transfer-exporter.selectorLabels" $root | nindent 4 }}
{{- with $monitor.scrapeProtocols }}
scrapeProtocols:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitor.bodySizeLimit }}
bodySizeLimit: {{ . }}
{{- end }}
{{- range $limit := list "sampleLimit" "targetLimit" "labelLimit" "labelNameLengthLimit" "labelValueLengthLimit" "keepDroppedTargets" "nativeHistogramBucketLimit" }}
{{- with index $monitor $limit | int64 }}
{{ $limit }}: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The endpoint of a ServiceMonitor or PodMonitor: `list VALUES $`. */}}
{{- define "aws-transfer-exporter.monitorEndpoint" -}}
{{- $monitor := index . 0 }}
{{- $root := index . 1 -}}
port: http
path: {{ include "aws-transfer-exporter.routePrefix" $root }}{{ $root.Values.telemetryPath }}
{{- with default (ternary "https" "" (hasKey $root.Values.web.config "tls_server_config")) $monitor.scheme }}
scheme: {{ . }}
{{- end }}
{{- with $monitor.tlsConfig }}
tlsConfig:
  {{- include "aws-transfer-exporter.tpl" (list . $root) | nindent 2 }}
{{- end }}
{{- with $monitor.basicAuth }}
basicAuth:
  {{- include "aws-transfer-exporter.tpl" (list . $root) | nindent 2 }}
{{- end }}
interval: {{ $monitor.interval }}
scrapeTimeout: {{ $monitor.scrapeTimeout }}
honorLabels: {{ $monitor.honorLabels }}
{{- with $monitor.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitor.metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
