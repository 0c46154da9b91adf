"""Files of the chart that hold no objects."""

HELM_IGNORE = """\
# Not part of the packaged chart.
generated.txt
*.tgz
"""
_NOTES = """\
ShopKart's pipeline ({{ .Chart.AppVersion }}) is installed in {{ .Release.Namespace }}, from
{{ include "shopkart.image" . }}.

  kubectl --namespace {{ .Release.Namespace }} get deployments,externalsecrets
  kubectl --namespace {{ .Release.Namespace }} rollout status deployment/shopkart-webserver

ExternalSecrets have to say SecretSynced, or pods wait in CreateContainerConfigError. The web interfaces are reached by
pods of the login proxy alone, webhooks at the Service shopkart-receiver.
{{- if ne .Release.Namespace "NAMESPACE" }}

Roles in the cloud are associated with service accounts of the namespace NAMESPACE: those of {{ .Release.Namespace }}
have none.
{{- end }}
{{- if and .Release.IsUpgrade (not .Values.migrate.enabled) }}

The database's schema was left as it is. If this release has another version of Dagster, upgrade with
`--set migrate.enabled=true`.
{{- end }}
"""


def notes(namespace: str) -> str:
    """What Helm tells after an installation. `namespace` is the one in which accounts have roles."""
    return _NOTES.replace("NAMESPACE", namespace)
