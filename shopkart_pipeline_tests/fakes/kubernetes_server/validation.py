"""What the API server finds invalid: the rules that a deployment tool can run into. Not all of the real ones."""

import json
import re
from collections.abc import Iterator
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.selectors import selector_matches

Fault = tuple[str, str, str]
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_LABEL_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_LARGEST_ANNOTATIONS_BYTES = 256 * 1024


def faults(kind: str, document: Document, before: Document | None) -> list[Fault]:
    """Field, reason and message of everything that is wrong with an object, `before` being what it was."""
    found = list(_metadata(document["metadata"]))
    if kind == "Deployment":
        found += _deployment(document["spec"], None if before is None else before["spec"])
    if kind == "Job":
        found += _job(document["spec"], None if before is None else before["spec"])
    if kind == "Pod" and before is None:
        found += _containers(document["spec"], "spec")
    fixed = kind in ("ConfigMap", "Secret") and before is not None and before.get("immutable")
    if fixed and before is not None and any(before.get(name) != document.get(name) for name in ("data", "binaryData")):
        found.append(("data", "FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set"))
    if kind == "HorizontalPodAutoscaler" and document["spec"].get("maxReplicas", 0) < document["spec"]["minReplicas"]:
        told = _invalid(document["spec"].get("maxReplicas"), "must be greater than or equal to `minReplicas`")
        found.append(("spec.maxReplicas", "FieldValueInvalid", told))
    if kind == "PodDisruptionBudget" and {"minAvailable", "maxUnavailable"} <= set(document.get("spec", {})):
        told = _invalid(document["spec"], "minAvailable and maxUnavailable cannot be both set")
        found.append(("spec", "FieldValueInvalid", told))
    return found


def _job(spec: Document, before: Document | None) -> Iterator[Fault]:
    policy = spec["template"]["spec"].get("restartPolicy")
    if policy not in ("OnFailure", "Never"):
        told = f'Unsupported value: {json.dumps(policy)}: supported values: "OnFailure", "Never"'
        yield "spec.template.spec.restartPolicy", "FieldValueNotSupported", told
    if before is not None and spec["template"] != before["template"]:
        yield "spec.template", "FieldValueInvalid", "Invalid value: field is immutable"


def _invalid(value: Any, why: str) -> str:
    return f"Invalid value: {json.dumps(value, separators=(',', ':'))}: {why}"


def _metadata(metadata: Document) -> Iterator[Fault]:
    name = metadata.get("name", "")
    if not name:
        yield "metadata.name", "FieldValueRequired", "Required value: name or generateName is required"
    elif not _NAME.fullmatch(name) or len(name) > 253:
        yield "metadata.name", "FieldValueInvalid", _invalid(name, _SUBDOMAIN)
    for value in metadata.get("labels", {}).values():
        if not isinstance(value, str) or not _LABEL.fullmatch(value):
            yield "metadata.labels", "FieldValueInvalid", _invalid(value, _LABEL_RULE)
        elif len(value) > 63:
            yield "metadata.labels", "FieldValueInvalid", _invalid(value, "must be no more than 63 bytes")
    size = sum(len(key) + len(str(value)) for key, value in metadata.get("annotations", {}).items())
    if size > _LARGEST_ANNOTATIONS_BYTES:
        told = f"Too long: may not be more than {_LARGEST_ANNOTATIONS_BYTES} bytes"
        yield "metadata.annotations", "FieldValueTooLong", told


def _deployment(spec: Document, before: Document | None) -> Iterator[Fault]:
    for field in ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"):
        if spec.get(field, 0) < 0:
            told = _invalid(spec[field], "must be greater than or equal to 0")
            yield f"spec.{field}", "FieldValueInvalid", told
    if spec["progressDeadlineSeconds"] <= spec.get("minReadySeconds", 0):
        told = _invalid(spec["progressDeadlineSeconds"], "must be greater than minReadySeconds")
        yield "spec.progressDeadlineSeconds", "FieldValueInvalid", told
    rolling = spec["strategy"].get("rollingUpdate", {})
    if rolling and {str(rolling["maxUnavailable"]), str(rolling["maxSurge"])} <= {"0", "0%"}:
        told = _invalid(rolling["maxUnavailable"], "may not be 0 when `maxSurge` is 0")
        yield "spec.strategy.rollingUpdate.maxUnavailable", "FieldValueInvalid", told
    labels = spec["template"].get("metadata", {}).get("labels", {})
    if not spec.get("selector"):
        yield "spec.selector", "FieldValueRequired", "Required value"
    elif before is not None and before["selector"] != spec["selector"]:
        yield "spec.selector", "FieldValueInvalid", _invalid(spec["selector"], "field is immutable")
    elif not selector_matches(spec["selector"], labels):
        told = _invalid(labels, "`selector` does not match template `labels`")
        yield "spec.template.metadata.labels", "FieldValueInvalid", told
    yield from _containers(spec["template"]["spec"], "spec.template.spec")


def _containers(spec: Document, path: str) -> Iterator[Fault]:
    if not spec.get("containers"):
        yield f"{path}.containers", "FieldValueRequired", "Required value"
    names: set[str] = set()
    for index, container in enumerate(spec.get("containers", [])):
        at = f"{path}.containers[{index}]"
        for field in ("name", "image"):
            if not container.get(field):
                yield f"{at}.{field}", "FieldValueRequired", "Required value"
        if container.get("name") in names:
            yield f"{at}.name", "FieldValueDuplicate", f'Duplicate value: "{container["name"]}"'
        names.add(container.get("name", ""))
        mounted = {volume["name"] for volume in spec.get("volumes", [])}
        for number, mount in enumerate(container.get("volumeMounts", [])):
            if mount["name"] not in mounted:
                yield f"{at}.volumeMounts[{number}].name", "FieldValueNotFound", f'Not found: "{mount["name"]}"'
