{{- /* A value as YAML with its templates expanded: `list VALUE $`. */}}
{{- define "aws-transfer-exporter.tpl" -}}
{{- $value := index . 0 }}
{{- $text := ternary $value (toYaml $value) (kindIs "string" $value) }}
{{- if contains "{{" $text }}
{{- tpl $text (index . 1) }}
{{- else }}
{{- $text }}
{{- end }}
{{- end }}

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
{{- $numbered := and .Values.sharding.enabled (not .Values.highAvailability.enabled) }}
{{- if or $numbered (include "aws-transfer-exporter.persistent" .) }}true{{ end }}
{{- end }}

{{- /* "true" if the state is on a persistent volume. */}}
{{- define "aws-transfer-exporter.persistent" -}}
{{- $storage := .Values.storage }}
{{- if eq (toString $storage.enabled) "auto" }}
{{- if and (or $storage.storageClass $storage.existingClaim) (not .Values.demo) }}true{{ end }}
{{- else if $storage.enabled }}true{{ end }}
{{- end }}

{{- /* "true" if the state is on any volume. The demo has no state. */}}
{{- define "aws-transfer-exporter.stored" -}}
{{- if .Values.highAvailability.enabled }}
{{- else if include "aws-transfer-exporter.persistent" . }}true
{{- else if and .Values.storage.emptyDir.enabled (not .Values.demo) }}true
{{- end }}
{{- end }}

{{- /* "true" if shards are spread over the pods, instead of one pod for each. */}}
{{- define "aws-transfer-exporter.automaticShards" -}}
{{- if and .Values.sharding.enabled .Values.highAvailability.enabled }}true{{ end }}
{{- end }}

{{- /* "true" if standbys are ready too. */}}
{{- define "aws-transfer-exporter.standbysAreReady" -}}
{{- if and .Values.highAvailability.enabled (eq .Values.highAvailability.readyPods "all") }}true{{ end }}
{{- end }}

{{- /* Number of pods with separate state. */}}
{{- define "aws-transfer-exporter.pods" -}}
{{- if .Values.highAvailability.enabled }}1
{{- else }}
{{- ternary .Values.sharding.shards .Values.replicas .Values.sharding.enabled }}
{{- end }}
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

{{- define "aws-transfer-exporter.labels" -}}
{{- include "aws-transfer-exporter.labelsWith" (list dict .) }}
{{- end }}

{{- /* Labels of an object: `list LABELS $`. Those of the chart take precedence, since selectors rely on them, and then
those of the object. */}}
{{- define "aws-transfer-exporter.labelsWith" -}}
{{- $root := index . 1 }}
{{- $labels := include "aws-transfer-exporter.selectorLabels" $root | fromYaml }}
{{- $_ := set $labels "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") }}
{{- $_ := set $labels "app.kubernetes.io/version" $root.Chart.AppVersion }}
{{- $_ := set $labels "app.kubernetes.io/managed-by" $root.Release.Service }}
{{- $_ := set $labels "app.kubernetes.io/part-of" "aws-transfer-exporter" }}
{{- $common := include "aws-transfer-exporter.tpl" (list $root.Values.commonLabels $root) | fromYaml }}
{{- merge $labels (include "aws-transfer-exporter.tpl" . | fromYaml) $common | toYaml }}
{{- end }}

{{- define "aws-transfer-exporter.podLabels" -}}
{{- $own := include "aws-transfer-exporter.selectorLabels" . | fromYaml }}
{{- /* The label `job` of a PodMonitor. */}}
{{- $_ := set $own "app.kubernetes.io/part-of" "aws-transfer-exporter" }}
{{- $pod := include "aws-transfer-exporter.tpl" (list .Values.podLabels .) | fromYaml }}
{{- $common := include "aws-transfer-exporter.tpl" (list .Values.commonLabels .) | fromYaml }}
{{- merge $own $pod $common | toYaml }}
{{- end }}

{{- /* "true" if `helm test` has a pod. It has no certificate and no password. */}}
{{- define "aws-transfer-exporter.tested" -}}
{{- if and .Values.testConnection (not (include "aws-transfer-exporter.secured" .)) }}true{{ end }}
{{- end }}

{{- /* Labels that identify the pod of `helm test`. */}}
{{- define "aws-transfer-exporter.testLabels" -}}
app.kubernetes.io/name: {{ printf "%s-test" (include "aws-transfer-exporter.name" . | trunc 58 | trimSuffix "-") }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* Name of a route: `list KEY $`. */}}
{{- define "aws-transfer-exporter.routeName" -}}
{{- $name := include "aws-transfer-exporter.fullname" (index . 1) }}
{{- if eq (index . 0) "main" }}
{{- $name }}
{{- else }}
{{- printf "%s-%s" ($name | trunc 40 | trimSuffix "-") (index . 0 | kebabcase | trunc 22) | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* "true" if the pages can be reached from outside the cluster. */}}
{{- define "aws-transfer-exporter.exposed" -}}
{{- if .Values.ingress.enabled }}true{{ end }}
{{- range .Values.route }}{{ if .enabled }}true{{ end }}{{ end }}
{{- if ne .Values.service.type "ClusterIP" }}true{{ end }}
{{- end }}

{{- define "aws-transfer-exporter.serviceAccountName" -}}
{{- $name := include "aws-transfer-exporter.tpl" (list .Values.serviceAccount.name .) }}
{{- if .Values.serviceAccount.create }}
{{- default (include "aws-transfer-exporter.fullname" .) $name }}
{{- else }}
{{- default "default" $name }}
{{- end }}
{{- end }}

{{- define "aws-transfer-exporter.image" -}}
{{- $name := .Values.image.repository }}
{{- with default .Values.image.registry (default dict .Values.global).imageRegistry }}
{{- $name = printf "%s/%s" (trimSuffix "/" .) $name }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $name .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{- /* Pull secrets of the chart and of a parent chart, which may have strings instead of objects. */}}
{{- define "aws-transfer-exporter.imagePullSecrets" -}}
{{- $secrets := list }}
{{- range concat .Values.imagePullSecrets (default list (default dict .Values.global).imagePullSecrets) }}
{{- $secrets = append $secrets (ternary (dict "name" .) . (kindIs "string" .)) }}
{{- end }}
{{- with $secrets | uniq }}
{{- include "aws-transfer-exporter.tpl" (list . $) }}
{{- end }}
{{- end }}

{{- define "aws-transfer-exporter.config" -}}
{{- include "aws-transfer-exporter.tpl" (list .Values.config .) }}
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
{{- default (printf "%s-web" (include "aws-transfer-exporter.fullname" . | trunc 59 | trimSuffix "-")) (include "aws-transfer-exporter.tpl" (list .Values.web.existingSecret .)) }}
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
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "`ingress` is enabled without `ingress.hosts`" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- fail "`serviceMonitor` and `podMonitor` are both enabled, which would scrape each pod twice: enable only one of them" }}
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
{{- if include "aws-transfer-exporter.persistent" . }}
{{- if .Values.demo }}
{{- fail "`storage` is set together with `demo`, which has no state" }}
{{- end }}
{{- if and .Values.storage.existingClaim (gt (int (include "aws-transfer-exporter.pods" .)) 1) }}
{{- fail "`storage.existingClaim` is set together with several pods: each needs its own volume" }}
{{- end }}
{{- end }}
{{- with .Values.highAvailability }}
{{- if .enabled }}
{{- if not .url }}
{{- fail "`highAvailability` is enabled without `highAvailability.url`: set it to a table, such as dynamodb://aws-transfer-exporter?region=eu-central-1" }}
{{- end }}
{{- if $.Values.demo }}
{{- fail "`highAvailability` is enabled together with `demo`, which has no state: disable one of them" }}
{{- end }}
{{- if include "aws-transfer-exporter.persistent" $ }}
{{- fail "`storage` is enabled together with `highAvailability`, whose state is in a table: set `storage.enabled` to false" }}
{{- end }}
{{- if ne (int $.Values.replicas) 1 }}
{{- fail "`replicas` is set together with `highAvailability`: set `highAvailability.replicas` instead" }}
{{- end }}
{{- if $.Values.sharding.enabled }}
{{- if eq .readyPods "owner" }}
{{- fail "`highAvailability.readyPods` is owner together with `sharding`: each pod is the owner of some shards, and Prometheus has to scrape all: set it to all" }}
{{- end }}
{{- if and $.Values.web.enableWriteApi (gt (int .replicas) (int $.Values.sharding.shards)) }}
{{- fail "`web.enableWriteApi` is set, and pods without a shard refuse writes: set `highAvailability.replicas` to `sharding.shards` or less" }}
{{- end }}
{{- else if eq .readyPods "all" }}
{{- if include "aws-transfer-exporter.exposed" $ }}
{{- fail "`ingress`, `route` or `service.type` exposes pages, and those of standbys are empty: set `highAvailability.readyPods` to owner" }}
{{- end }}
{{- if $.Values.web.enableWriteApi }}
{{- fail "`web.enableWriteApi` is set, and standbys refuse writes: set `highAvailability.readyPods` to owner" }}
{{- end }}
{{- else if $.Values.podDisruptionBudget.enabled }}
{{- fail "`podDisruptionBudget` is enabled, but only the owner is ready, so that its node could not be drained: disable it, or set `highAvailability.readyPods` to all" }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.sharding.enabled }}
{{- if .Values.demo }}
{{- fail "`sharding` is set together with `demo`, which runs a single pod" }}
{{- end }}
{{- if ne (int .Values.replicas) 1 }}
{{- fail "`replicas` is set together with `sharding`, which runs one pod per shard: enable `highAvailability` for a free number of pods" }}
{{- end }}
{{- if ne .Values.service.type "ClusterIP" }}
{{- fail (printf "`service.type` is %s together with `sharding`: such a Service would return the metrics of a random shard" .Values.service.type) }}
{{- end }}
{{- if include "aws-transfer-exporter.exposed" . }}
{{- fail "`ingress` or `route` is enabled together with `sharding`: it would show the transfers of a random shard" }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The prefix of all routes: empty, or a path without a slash at its end. */}}
{{- define "aws-transfer-exporter.routePrefix" -}}
{{- with default (urlParse .Values.web.externalURL).path .Values.web.routePrefix | trimAll "/" }}/{{ . }}{{ end }}
{{- end }}

{{- /* A probe, whose path is below the prefix of all routes: `list PROBE $`. */}}
{{- define "aws-transfer-exporter.probe" -}}
{{- $probe := deepCopy (index . 0) }}
{{- with $probe.httpGet }}
{{- if and (eq (default "/" .path) "/-/ready") (include "aws-transfer-exporter.standbysAreReady" (index $ 1)) }}
{{- $_ := set . "path" "/-/healthy" }}
{{- end }}
{{- $_ := set . "path" (printf "%s%s" (include "aws-transfer-exporter.routePrefix" (index $ 1)) (default "/" .path)) }}
{{- end }}
{{- toYaml $probe }}
{{- end }}
