"""Label and field selectors."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document, bad_request
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import Resource

_REQUIREMENT = re.compile(
    r"\s*(?:(!)?([^\s=!,()]+)\s*(?:(==|=|!=)\s*([^\s,()]*)|(in|notin)\s*\(([^()]*)\))?)\s*(?:,|$)"
)
_FIELDS = {
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase"),
    "events": (
        *("involvedObject.kind", "involvedObject.name", "involvedObject.namespace", "involvedObject.uid", "reason"),
        *("involvedObject.resourceVersion", "involvedObject.fieldPath", "type", "reportingComponent"),
    ),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "replicasets": ("status.replicas",),
}


def labels_match(selector: str) -> Callable[[Mapping[str, str]], bool]:
    """By a label selector as a query has it: `a=b,c!=d,e in (f,g),h,!i`."""
    position, tests = 0, list[Callable[[Mapping[str, str]], bool]]()
    while position < len(selector):
        found = _REQUIREMENT.match(selector, position)
        if found is None:
            raise bad_request(f"unable to parse requirement: found '{selector[position:]}'")
        position = found.end()
        tests.append(_test(*found.groups()))
    return lambda labels: all(test(labels) for test in tests)


def _test(
    absent: str | None, key: str, sign: str | None, value: str | None, word: str | None, values: str | None
) -> Callable[[Mapping[str, str]], bool]:
    if word is not None:
        among = {each.strip() for each in (values or "").split(",")}
        return lambda labels: (labels.get(key) in among) == (word == "in")
    if sign is not None:
        return lambda labels: (labels.get(key) == value) == (sign != "!=")
    return lambda labels: (key in labels) == (absent is None)


def selector_matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """By a `LabelSelector`. An empty one matches all, a missing one nothing."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for each in selector.get("matchExpressions", []):
        value, among = labels.get(each["key"]), each.get("values", [])
        holds = {
            "In": value in among,
            "NotIn": value not in among,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }
        if not holds[each["operator"]]:
            return False
    return True


def fields_match(selector: str, resource: Resource) -> Callable[[Document], bool]:
    """By a field selector as a query has it; raises a refusal (400) for a field that the kind doesn't offer."""
    wanted: list[tuple[str, str, bool]] = []
    for part in filter(None, selector.split(",")):
        field, sign, value = re.match(r"(.*?)(!=|==|=)(.*)", part).groups()  # type: ignore[union-attr]
        if field not in ("metadata.name", "metadata.namespace", *_FIELDS.get(resource.plural, ())):
            raise bad_request(f"field label not supported: {field}")
        wanted.append((field, value, sign != "!="))
    return lambda document: all((_at(document, field) == value) == same for field, value, same in wanted)


def _at(document: Any, field: str) -> str:
    for name in field.split("."):
        document = document.get(name, "") if isinstance(document, dict) else ""
    return str(document).lower() if isinstance(document, bool) else str(document)
