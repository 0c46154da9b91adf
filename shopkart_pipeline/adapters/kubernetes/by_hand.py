"""What somebody else set in a Deployment's pods, as the API server keeps account of it.

Every field that a request changes gets the name of its sender (`managedFields`). Replicas, which an autoscaler may own,
and what a restart writes into the template's metadata are no configuration, and the image shows by its digest. Names of
fields are told, and never their values. A field that somebody took away has no owner, and is not seen.

Source: Kubernetes, "Server-Side Apply: Field management".
"""

import json
from collections.abc import Iterator
from typing import cast

from shopkart_pipeline.adapters.kubernetes.documents import part, parts, text
from shopkart_pipeline.adapters.kubernetes.names import FIELD_MANAGER, Manifest

_DEEPEST = 2
"""So many list entries are named on the way to a field: a container, and its variable."""
_NAMED = 3


def changed_by_hand(deployment: Manifest) -> str | None:
    """The fields of the pods that others than the pipeline own, and who; None where there are none."""
    containers = parts(deployment, "spec", "template", "spec", "containers")
    told_by_digest = f"containers[{text(containers[0], 'name')}].image" if containers else ""
    found = dict.fromkeys(
        f"{path} by {text(entry, 'manager')}"
        for entry in parts(deployment, "metadata", "managedFields")
        if text(entry, "manager") != FIELD_MANAGER
        for path in _paths(part(entry, "fieldsV1", "f:spec", "f:template", "f:spec"))
        if path != told_by_digest
    )
    if not found:
        return None
    named, more = list(found)[:_NAMED], len(found) - _NAMED
    return ", ".join([*named, *([f"and {more} more"] if more > 0 else [])])


def _paths(fields: Manifest, before: str = "", entries: int = 0) -> Iterator[str]:
    """The fields of a set, such as `containers[backend].env[DEBUG]`."""
    inner = {name: fields[name] for name in fields if name.startswith(("f:", "k:"))}
    if before and (not inner or entries == _DEEPEST):
        yield before
        return
    for name, below in inner.items():
        kind, _, key = name.partition(":")
        if kind == "f":
            yield from _paths(cast(Manifest, below), f"{before}.{key}".lstrip("."), entries)
        else:
            yield from _paths(cast(Manifest, below), f"{before}[{_entry(key)}]", entries + 1)


def _entry(key: str) -> str:
    """How people call an entry of a list: by its name, where it has one."""
    values = cast(dict[str, object], json.loads(key))
    return str(values.get("name") or "/".join(map(str, values.values())))
