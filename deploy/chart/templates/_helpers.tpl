{{- define "mcp-gateway.pod-labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: mcp-gateway
{{- end }}

{{/* Of an object. Pods have fewer, so that a new version of the chart alone restarts none. */}}
{{- define "mcp-gateway.labels" -}}
{{ include "mcp-gateway.pod-labels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "mcp-gateway.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* What both pods have in common, before the containers. */}}
{{- define "mcp-gateway.pod" -}}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  seccompProfile:
    type: RuntimeDefault
{{- with .part.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- topologyKey: {{ . }}
  maxSkew: 1
  whenUnsatisfiable: ScheduleAnyway
  matchLabelKeys: [pod-template-hash]
  labelSelector:
    matchLabels:
      app.kubernetes.io/name: {{ $.name }}
{{- end }}
{{- end }}

{{/* Environment of both. */}}
{{- define "mcp-gateway.env" -}}
- name: MCP_GATEWAY_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: MCP_GATEWAY_INSTANCE
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- with .root.Values.logLevel }}
- name: MCP_GATEWAY_LOG_LEVEL
  value: {{ . | quote }}
{{- end }}
{{- with .root.Values.logFormat }}
- name: MCP_GATEWAY_LOG_FORMAT
  value: {{ . }}
{{- end }}
{{- with .part.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "mcp-gateway.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Secrets that the controller writes and the data plane reads. */}}
{{- define "mcp-gateway.own-secrets" -}}
- mcp-gateway-config
{{- range $part := untilStep 1 16 1 }}
- mcp-gateway-config-{{ $part }}
{{- end }}
- mcp-gateway-session-key
{{- end }}

{{- define "mcp-gateway.disruption" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "mcp-gateway.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .root.Values.podDisruptionBudget.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      app.kubernetes.io/name: {{ .name }}
{{- end }}

{{/* Rules of both network policies. */}}
{{- define "mcp-gateway.monitoring-ingress" -}}
{{- with .Values.networkPolicy.monitoringNamespaces }}
- from:
  {{- range . }}
  - namespaceSelector:
      matchLabels:
        kubernetes.io/metadata.name: {{ . }}
  {{- end }}
  ports:
  - {port: admin, protocol: TCP}
{{- end }}
{{- end }}

{{- define "mcp-gateway.cluster-egress" -}}
- ports:
  - {port: 53, protocol: UDP}
  - {port: 53, protocol: TCP}
  - {port: 5353, protocol: UDP}
  - {port: 5353, protocol: TCP}
- ports:
  {{- range .Values.networkPolicy.apiServerPorts }}
  - {port: {{ . }}, protocol: TCP}
  {{- end }}
{{- end }}
