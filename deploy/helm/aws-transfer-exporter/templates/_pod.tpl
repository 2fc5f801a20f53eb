{{- /* Pod template of the Deployment or StatefulSet. */}}
{{- define "aws-transfer-exporter.pod" -}}
metadata:
  labels:
    {{- include "aws-transfer-exporter.podLabels" . | nindent 4 }}
  {{- $annotations := include "aws-transfer-exporter.tpl" (list .Values.podAnnotations .) | fromYaml }}
  {{- if .Values.rollOnConfigChange }}
  {{- if include "aws-transfer-exporter.ownsConfig" . }}
  {{- $_ := set $annotations "checksum/config" (include "aws-transfer-exporter.config" . | sha256sum) }}
  {{- end }}
  {{- if .Values.web.config }}
  {{- $_ := set $annotations "checksum/web-config" (toYaml .Values.web.config | sha256sum) }}
  {{- end }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "aws-transfer-exporter.serviceAccountName" . }}
  automountServiceAccountToken: {{ .Values.serviceAccount.automountServiceAccountToken }}
  enableServiceLinks: false
  {{- if .Values.shareProcessNamespace }}
  shareProcessNamespace: true
  {{- end }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with include "aws-transfer-exporter.imagePullSecrets" . }}
  imagePullSecrets:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .Values.dnsPolicy }}
  dnsPolicy: {{ . }}
  {{- end }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 4 }}
  {{- end }}
  {{- with .Values.hostAliases }}
  hostAliases:
    {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 4 }}
  {{- end }}
  {{- with .Values.podSecurityContext }}
  securityContext:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.initContainers }}
  initContainers:
    {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 4 }}
  {{- end }}
  containers:
    - name: aws-transfer-exporter
      image: {{ include "aws-transfer-exporter.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        {{- if .Values.demo }}
        - demo
        {{- else }}
        - {{ printf "--config.file=/etc/aws-transfer-exporter/%s" .Values.configKey | quote }}
        {{- end }}
        - --web.listen-address=:{{ .Values.containerPort }}
        - --web.health-listen-address=:{{ .Values.web.healthPort }}
        - {{ printf "--web.telemetry-path=%s" .Values.telemetryPath | quote }}
        {{- with .Values.web.externalURL }}
        - {{ printf "--web.external-url=%s" . | quote }}
        {{- end }}
        {{- with .Values.web.routePrefix }}
        - {{ printf "--web.route-prefix=%s" . | quote }}
        {{- end }}
        - --log.level={{ .Values.logLevel }}
        - --log.format={{ .Values.logFormat }}
        {{- if .Values.sharding.enabled }}
        - --shard.index={{ ternary "auto" "from-hostname" .Values.highAvailability.enabled }}
        - --shard.total={{ .Values.sharding.shards }}
        {{- end }}
        {{- if include "aws-transfer-exporter.stored" . }}
        {{- /* A folder in the volume, which some provisioners make writable for every user. */}}
        - --storage.path=/var/lib/aws-transfer-exporter/state
        {{- end }}
        {{- with .Values.highAvailability }}
        {{- if .enabled }}
        - {{ printf "--storage.url=%s" .url | quote }}
        - --storage.lease-duration={{ .leaseDuration }}
        {{- end }}
        {{- end }}
        {{- if include "aws-transfer-exporter.secured" . }}
        - {{ printf "--web.config.file=/etc/aws-transfer-exporter-web/%s" .Values.web.configKey | quote }}
        {{- end }}
        {{- if .Values.web.enableLifecycle }}
        - --web.enable-lifecycle
        {{- end }}
        {{- if .Values.web.enableWriteApi }}
        - --web.enable-write-api
        {{- end }}
        {{- with .Values.autoReloadInterval }}
        - --config.auto-reload-interval={{ . }}
        {{- end }}
        {{- with .Values.extraArgs }}
        {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 8 }}
        {{- end }}
      {{- with .Values.extraEnv }}
      env:
        {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 8 }}
      {{- end }}
      {{- with .Values.envFrom }}
      envFrom:
        {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: {{ .Values.containerPort }}
          protocol: TCP
        - name: health
          containerPort: {{ .Values.web.healthPort }}
          protocol: TCP
      {{- with .Values.lifecycle }}
      lifecycle:
        {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 8 }}
      {{- end }}
      {{- with .Values.startupProbe }}
      startupProbe:
        {{- include "aws-transfer-exporter.probe" (list . $) | nindent 8 }}
      {{- end }}
      {{- with .Values.livenessProbe }}
      livenessProbe:
        {{- include "aws-transfer-exporter.probe" (list . $) | nindent 8 }}
      {{- end }}
      {{- with .Values.readinessProbe }}
      readinessProbe:
        {{- include "aws-transfer-exporter.probe" (list . $) | nindent 8 }}
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- $secured := include "aws-transfer-exporter.secured" . }}
      {{- if or (not .Values.demo) $secured .Values.extraVolumeMounts }}
      volumeMounts:
        {{- if not .Values.demo }}
        - name: config
          mountPath: /etc/aws-transfer-exporter
          readOnly: true
        {{- end }}
        {{- if include "aws-transfer-exporter.stored" . }}
        - name: storage
          mountPath: /var/lib/aws-transfer-exporter
        {{- end }}
        {{- if $secured }}
        - name: web
          mountPath: /etc/aws-transfer-exporter-web
          readOnly: true
        {{- end }}
        {{- if .Values.web.tlsSecret }}
        - name: tls
          mountPath: /etc/aws-transfer-exporter-tls
          readOnly: true
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 8 }}
        {{- end }}
      {{- end }}
    {{- with .Values.extraContainers }}
    {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 4 }}
    {{- end }}
  {{- if or (not .Values.demo) $secured .Values.extraVolumes }}
  volumes:
    {{- if not .Values.demo }}
    - name: config
      {{- if .Values.existingSecret }}
      secret:
        secretName: {{ include "aws-transfer-exporter.tpl" (list .Values.existingSecret $) }}
      {{- else if .Values.existingConfigMap }}
      configMap:
        name: {{ include "aws-transfer-exporter.tpl" (list .Values.existingConfigMap $) }}
      {{- else if .Values.configInSecret }}
      secret:
        secretName: {{ include "aws-transfer-exporter.fullname" . }}
      {{- else }}
      configMap:
        name: {{ include "aws-transfer-exporter.fullname" . }}
      {{- end }}
    {{- end }}
    {{- if not (include "aws-transfer-exporter.persistent" .) }}
    {{- if include "aws-transfer-exporter.stored" . }}
    - name: storage
      emptyDir: {{ with .Values.storage.emptyDir.sizeLimit }}{sizeLimit: {{ . }}}{{ else }}{}{{ end }}
    {{- end }}
    {{- else if .Values.storage.existingClaim }}
    - name: storage
      persistentVolumeClaim:
        claimName: {{ include "aws-transfer-exporter.tpl" (list .Values.storage.existingClaim $) }}
    {{- end }}
    {{- if $secured }}
    - name: web
      secret:
        secretName: {{ include "aws-transfer-exporter.webSecretName" . }}
    {{- end }}
    {{- with .Values.web.tlsSecret }}
    - name: tls
      secret:
        secretName: {{ include "aws-transfer-exporter.tpl" (list . $) }}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- include "aws-transfer-exporter.tpl" (list . $) | nindent 4 }}
  {{- end }}
  {{- $constraints := .Values.topologySpreadConstraints }}
  {{- if and .Values.highAvailability.enabled (not $constraints) (not .Values.affinity) }}
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  {{- $constraints = append $constraints (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" "ScheduleAnyway") }}
  {{- end }}
  {{- end }}
  {{- with $constraints }}
  topologySpreadConstraints:
    {{- range . }}
    {{- $constraint := deepCopy . }}
    {{- if not (hasKey $constraint "labelSelector") }}
    {{- $_ := set $constraint "labelSelector" (dict "matchLabels" (include "aws-transfer-exporter.selectorLabels" $ | fromYaml)) }}
    {{- end }}
    - {{- include "aws-transfer-exporter.tpl" (list $constraint $) | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end }}
