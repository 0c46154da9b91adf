"""Values of the pipeline's Helm chart: which there are, what they are by default, and what may be said in their place.

A value that is not here can't be set: the schema takes no other name. So what the declaration decides (rights, network,
security contexts, limits of the queue) stays as it was generated, and whoever tries to set it is told so by Helm.
Names are those of Dagster's own chart wherever it has one for the same thing.

Sources: Helm, "Schema Files" (a chart's `values.schema.json` is checked at install, upgrade, lint and template); JSON
Schema draft 7.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string", "maxLength": 1024}
_LABEL_VALUES: Schema = {"type": "object", "additionalProperties": _TEXT}
_QUANTITIES: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number"], "pattern": "^[0-9.]+([EPTGMk]i?|m)?$"},
}
COUNT: Schema = {"type": "integer", "minimum": 1}
DAYS: Schema = {"type": "integer", "minimum": -1, "description": "-1: for ever."}
SECONDS: Schema = {"type": "integer", "minimum": 0}
ADDRESS: Schema = {"type": "string", "maxLength": 253, "pattern": "^[A-Za-z0-9_.:/-]*$"}
PARAMETERS: Schema = {"type": "object", "additionalProperties": {"type": ["string", "integer"]}}
PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
NODES: Schema = _LABEL_VALUES
RESOURCES: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"requests": _QUANTITIES, "limits": _QUANTITIES},
}
TOLERATIONS: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "key": _TEXT,
            "operator": {"enum": ["Exists", "Equal"]},
            "value": _TEXT,
            "effect": {"enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]},
            "tolerationSeconds": {"type": "integer"},
        },
    },
}
ANNOTATIONS: Schema = {
    **_LABEL_VALUES,
    "propertyNames": {"not": {"pattern": "shopkart|apparmor|seccomp|role-arn|gcp-service-account|azure\\.workload"}},
}
"""Not those by which a pod or an account would get rights or lose a fence."""


@dataclass(frozen=True)
class ChartValue:
    """One of them."""

    path: str
    """Keys with dots between them."""
    default: Any
    schema: Schema
    says: str
    """What it is for, as `values.yaml` tells it."""

    @property
    def expression(self) -> str:
        """How templates read it."""
        return f".Values.{self.path}"


def values_yaml(values: Iterable[ChartValue]) -> str:
    """`values.yaml`: each value with its default, and what it is for."""
    return "\n".join(_lines(_tree(values), "")) + "\n"


def values_schema(values: Iterable[ChartValue], title: str) -> str:
    """`values.schema.json`, in which nothing else may be said. `global` is Helm's own."""
    schema = _schema(_tree(values))
    schema["properties"]["global"] = {"type": "object"}
    return json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "title": title, **schema}, indent=2) + "\n"


def _tree(values: Iterable[ChartValue]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for value in values:
        *above, last = value.path.split(".")
        place = tree
        for key in above:
            place = place.setdefault(key, {})
        if last in place:
            raise ValueError(f"{value.path} is there twice.")
        place[last] = value
    return tree


def _lines(tree: Mapping[str, Any], indent: str) -> list[str]:
    lines: list[str] = []
    for key, below in tree.items():
        match below:
            case ChartValue():
                lines += [f"{indent}# {below.says}", f"{indent}{key}: {json.dumps(below.default)}"]
            case _:
                lines += [f"{indent}{key}:", *_lines(below, indent + "  ")]
    return lines


def _schema(tree: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        key: {"description": below.says, **below.schema} if isinstance(below, ChartValue) else _schema(below)
        for key, below in tree.items()
    }
    return {"type": "object", "additionalProperties": False, "required": list(properties), "properties": properties}
