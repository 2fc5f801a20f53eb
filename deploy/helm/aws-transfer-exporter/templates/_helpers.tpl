{{- define "aws-transfer-exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Name of the objects. Values of labels and names of Services are limited to 63 characters. */}}
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

{{- /* "true" if the workload is a StatefulSet. */}}
{{- define "aws-transfer-exporter.stateful" -}}
{{- if or .Values.sharding.enabled .Values.storage.enabled }}true{{ end }}
{{- end }}

{{- /* Number of pods of the StatefulSet. */}}
{{- define "aws-transfer-exporter.pods" -}}
{{- ternary .Values.sharding.shards .Values.replicas .Values.sharding.enabled }}
{{- end }}

{{- /* Name of the StatefulSet, at most 52 characters: Kubernetes appends a hash of ten and uses the result as a label. */}}
{{- define "aws-transfer-exporter.statefulName" -}}
{{- include "aws-transfer-exporter.fullname" . | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- /* Name of the Service. Headless Services need another name, since clusterIP of a Service is immutable. */}}
{{- define "aws-transfer-exporter.serviceName" -}}
{{- if .Values.sharding.enabled }}
{{- printf "%s-headless" (include "aws-transfer-exporter.fullname" . | trunc 54 | trimSuffix "-") }}
{{- else }}
{{- include "aws-transfer-exporter.fullname" . }}
{{- end }}
{{- end }}

{{- /* Workload, as an argument for kubectl. */}}
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

{{- /* Labels of the chart take precedence over commonLabels: selectors rely on them. */}}
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

{{- /* "true" if the chart renders the configuration. */}}
{{- define "aws-transfer-exporter.ownsConfig" -}}
{{- if not (or .Values.demo .Values.existingConfigMap .Values.existingSecret) }}true{{ end }}
{{- end }}

{{- /* "true" if there is a web configuration. */}}
{{- define "aws-transfer-exporter.secured" -}}
{{- if or .Values.web.config .Values.web.existingSecret }}true{{ end }}
{{- end }}

{{- define "aws-transfer-exporter.webSecretName" -}}
{{- default (printf "%s-web" (include "aws-transfer-exporter.fullname" . | trunc 59 | trimSuffix "-")) .Values.web.existingSecret }}
{{- end }}

{{- /* Rejects values that the schema accepts but that cannot work. */}}
{{- define "aws-transfer-exporter.validate" -}}
{{- if and .Values.web.config .Values.web.existingSecret }}
{{- fail "`web.config` and `web.existingSecret` are both set: set only one of them" }}
{{- end }}
{{- if eq (int .Values.web.healthPort) (int .Values.containerPort) }}
{{- fail "`web.healthPort` is `containerPort`: the probes need a separate port" }}
{{- end }}
{{- if and .Values.web.tlsSecret (not (include "aws-transfer-exporter.secured" .)) }}
{{- fail "`web.tlsSecret` without `web.config` or `web.existingSecret`: reference its files in `tls_server_config`" }}
{{- end }}
{{- if and .Values.existingConfigMap .Values.existingSecret }}
{{- fail "`existingConfigMap` and `existingSecret` are both set: set only one of them" }}
{{- end }}
{{- if and .Values.config (or .Values.existingConfigMap .Values.existingSecret) }}
{{- fail "`config` is set together with `existingConfigMap` or `existingSecret`: set only one of them" }}
{{- end }}
{{- if and (include "aws-transfer-exporter.ownsConfig" .) (not .Values.config.transfers) (not .Values.config.discovery) }}
{{- fail "no configuration: set `config.transfers`, `config.discovery`, `existingConfigMap`, `existingSecret` or `demo: true`" }}
{{- end }}
{{- if and (include "aws-transfer-exporter.ownsConfig" .) (gt (int (include "aws-transfer-exporter.pods" .)) 1) }}
{{- range $index, $queue := (default dict .Values.config.discovery).events }}
{{- if not (contains "${" $queue.queue_url) }}
{{- fail (printf "`config.discovery.events[%d].queue_url` is one queue for several pods, each of which would receive a part of its messages: use one queue per pod, with `${NAME}` in the URL" $index) }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.storage.enabled }}
{{- if .Values.demo }}
{{- fail "`storage` is set together with `demo`, which has no state" }}
{{- end }}
{{- if and .Values.storage.existingClaim (gt (int (include "aws-transfer-exporter.pods" .)) 1) }}
{{- fail "`storage.existingClaim` is set together with several pods: each needs its own volume" }}
{{- end }}
{{- end }}
{{- if .Values.sharding.enabled }}
{{- if .Values.demo }}
{{- fail "`sharding` is set together with `demo`, which runs a single pod" }}
{{- end }}
{{- if ne (int .Values.replicas) 1 }}
{{- fail "`replicas` is set together with `sharding`, which runs one pod per shard: install a second release for replicas" }}
{{- end }}
{{- if ne .Values.service.type "ClusterIP" }}
{{- fail (printf "`service.type` is %s together with `sharding`: such a Service would return the metrics of a random shard" .Values.service.type) }}
{{- end }}
{{- end }}
{{- end }}
