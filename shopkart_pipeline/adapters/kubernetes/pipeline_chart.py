"""The pipeline's Helm chart: the objects of `pipeline_objects` as templates, and the values that an installer changes.

Rendered with its own values the chart gives the same objects as the plain manifests, all but its own namespace: Helm
keeps its record of a release there, so it has to be there before. It is beside the templates.
Names of objects are fixed, so there is one release in a namespace.

Order: what makes objects is asked with marks in the place of everything that differs by installation; so a field of
`Installation` is a value wherever it gets to, in `dagster.yaml` too.

Sources: Helm, "Charts" (`apiVersion: v2`), "Chart Hooks", "Named Templates"; Dagster's own chart for names of values.
"""

from dataclasses import replace
from typing import Any

from shopkart_pipeline.adapters.kubernetes.chart_instance import mark_instance
from shopkart_pipeline.adapters.kubernetes.chart_markup import Markup
from shopkart_pipeline.adapters.kubernetes.chart_objects import FINGERPRINT_TEMPLATE, component_of, mark_objects
from shopkart_pipeline.adapters.kubernetes.chart_texts import HELM_IGNORE, notes
from shopkart_pipeline.adapters.kubernetes.chart_values import ChartValue, Schema, values_schema, values_yaml
from shopkart_pipeline.adapters.kubernetes.names import Manifest
from shopkart_pipeline.adapters.kubernetes.pipeline_instance import instance_configuration
from shopkart_pipeline.adapters.kubernetes.pipeline_migration import migration
from shopkart_pipeline.adapters.kubernetes.pipeline_objects import (
    DAGSTER_YAML,
    HEAD,
    lines_of,
    pipeline_objects,
    written_out,
)
from shopkart_pipeline.adapters.kubernetes.pipeline_pods import INSTANCE, SETTINGS
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.installation import Installation

CHART_NAME = "shopkart-pipeline"
_S3 = "computeLogManager.config.s3ComputeLogManager"
_MARKED_DIGEST = f"@sha256:{'f' * 64}"
"""Behind the image's mark, as no image is without one."""
_NO_NUMBER = """{{- if regexMatch "^[0-9]" .Release.Namespace }}
{{- fail "The namespace begins with a digit, and would be read as a number. Take another name." }}
{{- end -}}"""
_BLOCK = "in-place-of-dagster-yaml"
_NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"}
_PREFIX: Schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9/_.-]*[A-Za-z0-9]$"}
_REPOSITORY: Schema = {"type": "string", "pattern": "^[a-z0-9][a-z0-9._:/-]{0,254}$"}
_DIGEST: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
_SIGNER: Schema = {"type": "string", "pattern": "^([a-z0-9+-]+:[A-Za-z0-9:/._-]+)?$"}
_HOOK = {
    "helm.sh/hook": "pre-upgrade",
    "helm.sh/hook-delete-policy": "before-hook-creation,hook-succeeded",
}


def render_chart(pipeline: Pipeline, installation: Installation, version: str) -> dict[str, str]:
    """Every file of the chart, by its name.

    Args:
        pipeline: the declaration; it is part of the chart, as it is of the image.
        installation: where; the values' defaults.
        version: of this package.
    """
    marks = Markup()
    marked = _marked(marks, installation)
    configuration = HEAD + written_out([mark_instance(marks, instance_configuration(pipeline, marked))])
    objects = pipeline_objects(pipeline, marked, configuration)
    [settings] = [each["data"] for each in objects if _is(each, "ConfigMap", SETTINGS)]
    mark_objects(marks, objects)
    migrate = ChartValue(
        "migrate.enabled", False, {"type": "boolean"}, "Whether an upgrade first migrates the schema of the database."
    )
    marks.values.append(migrate)
    files = {
        "Chart.yaml": written_out([_chart(version)]),
        "values.yaml": HEAD + values_yaml(marks.values),
        "values.schema.json": values_schema(marks.values, f"Values of {CHART_NAME}"),
        ".helmignore": HELM_IGNORE,
        "templates/NOTES.txt": notes(CHART_NAME),
        "templates/_helpers.tpl": _named(marks, configuration, lines_of(settings)),
        "templates/job-migrate.yaml": _migration(marks, objects, migrate),
    }
    own = [
        each for each in pipeline_objects(pipeline, installation, "") if _is(each, "Namespace", installation.namespace)
    ]
    files["namespace.yaml"] = HEAD + written_out(own)
    by_file: dict[str, list[Manifest]] = {}
    for each in objects:
        if not _is(each, "Namespace", marked.namespace):
            by_file.setdefault(_file_of(each), []).append(each)
    return files | {f"templates/{name}": _templates(marks, listed) for name, listed in sorted(by_file.items())}


def _marked(marks: Markup, installation: Installation) -> Installation:
    repository, _, digest = installation.image.partition("@")
    marks.values += [
        ChartValue("image.repository", repository, _REPOSITORY, "The pipeline's own image."),
        ChartValue("image.digest", digest, _DIGEST, "Its digest; there are no tags."),
    ]

    def said(path: str, default: str, schema: Schema, says: str) -> str:
        return marks.text(ChartValue(path, default, schema, says))

    signer = ChartValue(
        "signer.uri",
        installation.signer_uri,
        _SIGNER,
        "Key that signs statements, such as awskms:KEY; nothing is a key that the signer makes.",
    )
    bucket, store = installation.compute_logs_bucket, installation.secret_store
    return replace(
        installation,
        image=marks.expression('include "shopkart.image" .') + _MARKED_DIGEST,
        namespace=marks.expression(".Release.Namespace"),
        compute_logs_bucket=said(f"{_S3}.bucket", bucket, _NAME, "Bucket for outputs of steps."),
        region=said(f"{_S3}.region", installation.region, _NAME, "AWS region of the bucket, and of everything else."),
        secret_store=said("externalSecrets.secretStore", store, _NAME, "ClusterSecretStore of the operator."),
        secret_prefix=said("externalSecrets.prefix", installation.secret_prefix, _PREFIX, "What names begin with."),
        signer_uri=marks.optional(signer),
    )


def _templates(marks: Markup, objects: list[Manifest]) -> str:
    """One file of templates."""
    for each in objects:
        if _is(each, "ConfigMap", INSTANCE):
            each["data"] = {**each["data"], DAGSTER_YAML: _BLOCK}
    text = marks.template(written_out(objects).replace(_MARKED_DIGEST, ""))
    return HEAD + text.replace(f" {_BLOCK}\n", ' |\n    {{- include "shopkart.instance" . | nindent 4 }}\n')


def _named(marks: Markup, configuration: str, settings: str) -> str:
    """What templates share."""
    parts = {
        "shopkart.image": "{{ .Values.image.repository }}@{{ .Values.image.digest }}",
        "shopkart.instance": marks.template(configuration, quoted=False).rstrip("\n"),
        "shopkart.settings": marks.template(settings.replace(_MARKED_DIGEST, ""), quoted=False).rstrip("\n"),
        FINGERPRINT_TEMPLATE: f"{_NO_NUMBER}\n"
        '{{ printf "%s\\n%s\\n" (include "shopkart.instance" .) (include "shopkart.settings" .)'
        " | sha256sum }}",
    }
    return "\n".join(f'{{{{- define "{name}" -}}}}\n{text}\n{{{{- end }}}}' for name, text in parts.items()) + "\n"


def _migration(marks: Markup, objects: list[Manifest], migrate: ChartValue) -> str:
    job = migration(objects)
    job["metadata"]["annotations"] = dict(_HOOK)
    return f"{{{{- if {migrate.expression} }}}}\n{_templates(marks, [job])}{{{{- end }}}}\n"


def _file_of(manifest: Manifest) -> str:
    kind = str(manifest["kind"]).lower()
    return f"{kind}-{component_of(manifest)}.yaml" if kind == "deployment" else f"{kind}.yaml"


def _is(manifest: Manifest, kind: str, name: str) -> bool:
    return bool(manifest["kind"] == kind and manifest["metadata"]["name"] == name)


def _chart(version: str) -> dict[str, Any]:
    return {
        "apiVersion": "v2",
        "name": CHART_NAME,
        "description": "ShopKart's build and release pipeline, for the declaration that it was generated from.",
        "type": "application",
        "version": version,
        "appVersion": version,
    }
