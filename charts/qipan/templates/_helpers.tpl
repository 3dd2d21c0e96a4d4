{{/* Labels of everything the chart makes; managed-by says Helm, because qipan marks the operator's children. */}}
{{- define "qipan.labels" -}}
app.kubernetes.io/part-of: qipan
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{/* What selects the pods of one program: (list $ "operator"). */}}
{{- define "qipan.selector" -}}
app.kubernetes.io/name: qipan-{{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{/* The image of one program: (list $ "operator"). */}}
{{- define "qipan.image" -}}
{{- $values := index (index . 0).Values (index . 1) -}}
{{- printf "%s:%s" $values.image.repository ($values.image.tag | default (index . 0).Chart.AppVersion) -}}
{{- end }}

{{/* What a hardened pod says (Pod Security Standard Restricted). */}}
{{- define "qipan.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "qipan.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* /livez restarts a program that hangs, /readyz keeps people away until its caches are filled: the port's name. */}}
{{- define "qipan.probes" -}}
startupProbe:
  httpGet: { path: /livez, port: {{ . }} }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /livez, port: {{ . }} }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: { path: /readyz, port: {{ . }} }
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* Where pods may run, spread over nodes and zones: (list $ "operator"). */}}
{{- define "qipan.placement" -}}
{{- $values := index (index . 0).Values (index . 1) -}}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "qipan.selector" . | nindent 8 }}
{{- end }}
