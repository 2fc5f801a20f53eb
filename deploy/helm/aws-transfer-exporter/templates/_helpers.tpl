{{- define "aws-transfer-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The objects' name, at most 63 characters: a label's value and a Service's name may have no more. */}}
{{- define "aws-transfer-exporter.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- /* "true" if the pods have names and places that stay. */}}
{{- define "aws-transfer-exporter.stateful" -}}
{{- if or .Values.sharding.enabled .Values.storage.enabled }}true{{ end }}
{{- end }}

{{- /* Pods of the StatefulSet. */}}
{{- define "aws-transfer-exporter.pods" -}}
{{- ternary .Values.sharding.shards .Values.replicas .Values.sharding.enabled }}
{{- end }}

{{- /* At most 52 characters: Kubernetes adds a hash of ten to a StatefulSet's name, and makes a label of it. */}}
{{- define "aws-transfer-exporter.statefulName" -}}
{{- include "aws-transfer-exporter.fullname" . | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- /* With shards another name: a Service with an address cannot be made one without. */}}
{{- define "aws-transfer-exporter.serviceName" -}}
{{- if .Values.sharding.enabled }}
{{- printf "%s-headless" (include "aws-transfer-exporter.fullname" . | trunc 54 | trimSuffix "-") }}
{{- else }}
{{- include "aws-transfer-exporter.fullname" . }}
{{- end }}
{{- end }}

{{- /* Of a pod, for kubectl. */}}
{{- define "aws-transfer-exporter.workload" -}}
{{- if include "aws-transfer-exporter.stateful" . }}
{{- printf "statefulset/%s" (include "aws-transfer-exporter.statefulName" .) }}
{{- else }}
{{- printf "deployment/%s" (include "aws-transfer-exporter.fullname" .) }}
{{- end }}
{{- end }}

{{- define "aws-transfer-exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "aws-transfer-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "aws-transfer-exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* The chart's own labels win over commonLabels: selectors rely on them. */}}
{{- define "aws-transfer-exporter.labels" -}}
{{- $own := include "aws-transfer-exporter.selectorLabels" . | fromYaml }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $own "app.kubernetes.io/part-of" "aws-transfer-exporter" }}
{{- merge $own .Values.commonLabels | toYaml }}
{{- end }}

{{- define "aws-transfer-exporter.podLabels" -}}
{{- $own := include "aws-transfer-exporter.selectorLabels" . | fromYaml }}
{{- merge $own .Values.podLabels .Values.commonLabels | toYaml }}
{{- end }}

{{- define "aws-transfer-exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "aws-transfer-exporter.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "aws-transfer-exporter.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- /* "true" if the chart itself holds the configuration. */}}
{{- define "aws-transfer-exporter.ownsConfig" -}}
{{- if not (or .Values.demo .Values.existingConfigMap .Values.existingSecret) }}true{{ end }}
{{- end }}

{{- /* "true" if the server has TLS, users or other things of a web configuration. */}}
{{- define "aws-transfer-exporter.secured" -}}
{{- if or .Values.web.config .Values.web.existingSecret }}true{{ end }}
{{- end }}

{{- define "aws-transfer-exporter.webSecretName" -}}
{{- default (printf "%s-web" (include "aws-transfer-exporter.fullname" . | trunc 59 | trimSuffix "-")) .Values.web.existingSecret }}
{{- end }}

{{- /* A probe; with a web configuration it asks the port that wants neither. Takes (list context probe). */}}
{{- define "aws-transfer-exporter.probe" -}}
{{- $probe := deepCopy (index . 1) }}
{{- if and (include "aws-transfer-exporter.secured" (index . 0)) $probe.httpGet }}
{{- if eq (toString $probe.httpGet.port) "http" }}
{{- $_ := set $probe.httpGet "port" "health" }}
{{- end }}
{{- end }}
{{- toYaml $probe }}
{{- end }}

{{- /* Values that the schema lets through and that cannot work. */}}
{{- define "aws-transfer-exporter.validate" -}}
{{- if and .Values.web.config .Values.web.existingSecret }}
{{- fail "`web.config` and `web.existingSecret` are both set: one of them holds the web configuration" }}
{{- end }}
{{- if and (include "aws-transfer-exporter.secured" .) (eq (int .Values.web.healthPort) (int .Values.containerPort)) }}
{{- fail "`web.healthPort` is `containerPort`: the probes need a port of their own" }}
{{- end }}
{{- if and .Values.web.tlsSecret (not (include "aws-transfer-exporter.secured" .)) }}
{{- fail "`web.tlsSecret` without `web.config` or `web.existingSecret`: `tls_server_config` has to name its files" }}
{{- end }}
{{- if and .Values.existingConfigMap .Values.existingSecret }}
{{- fail "`existingConfigMap` and `existingSecret` are both set: one of them holds the configuration" }}
{{- end }}
{{- if and .Values.config (or .Values.existingConfigMap .Values.existingSecret) }}
{{- fail "`config` is set together with `existingConfigMap` or `existingSecret`: one of them holds the configuration" }}
{{- end }}
{{- if and (include "aws-transfer-exporter.ownsConfig" .) (not .Values.config.transfers) (not .Values.config.discovery) }}
{{- fail "no configuration: set `config.transfers`, `config.discovery`, `existingConfigMap`, `existingSecret` or `demo: true`" }}
{{- end }}
{{- if and (include "aws-transfer-exporter.ownsConfig" .) (gt (int (include "aws-transfer-exporter.pods" .)) 1) }}
{{- range $index, $queue := (default dict .Values.config.discovery).events }}
{{- if not (contains "${" $queue.queue_url) }}
{{- fail (printf "`config.discovery.events[%d].queue_url` is one queue for several pods, and each would get a part of its messages: give each pod a queue of its own, with `${NAME}` in the URL" $index) }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.storage.enabled }}
{{- if .Values.demo }}
{{- fail "`storage` is set together with `demo`, which keeps nothing" }}
{{- end }}
{{- if and .Values.storage.existingClaim (gt (int (include "aws-transfer-exporter.pods" .)) 1) }}
{{- fail "`storage.existingClaim` is set together with several pods: each needs a volume of its own" }}
{{- end }}
{{- end }}
{{- if .Values.sharding.enabled }}
{{- if .Values.demo }}
{{- fail "`sharding` is set together with `demo`, which is one pod" }}
{{- end }}
{{- if ne (int .Values.replicas) 1 }}
{{- fail "`replicas` is set together with `sharding`: there is one pod for each of `sharding.shards`; for two of each, install a second release" }}
{{- end }}
{{- if ne .Values.service.type "ClusterIP" }}
{{- fail (printf "`service.type` is %s together with `sharding`: a Service that picks a pod would show one shard's part" .Values.service.type) }}
{{- end }}
{{- end }}
{{- end }}
