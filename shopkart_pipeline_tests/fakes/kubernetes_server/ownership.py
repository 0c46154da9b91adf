"""Who owns which field, and server-side apply: merge, conflicts, force, and giving up what is no longer applied.

Follows the published rules of server-side apply: applying a field that another manager owns with another value is a
conflict, unless it is forced; a field that one manager applied before and applies no more goes, unless somebody else
owns it too; any other write takes what it changes from everybody. What controllers write has no owner here, except
through the `scale` subresource."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.field_sets import (
    FieldSet,
    fields_of,
    fields_v1,
    item_key,
    remove_at,
    value_at,
    written,
)
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document, Refusal
from shopkart_pipeline_tests.fakes.kubernetes_server.schema import Schema

_NOBODYS = {"apiVersion", "kind", "status"}
_NOBODYS_METADATA = {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"}
_NOBODYS_METADATA |= {"deletionTimestamp", "deletionGracePeriodSeconds", "generateName", "selfLink"}


@dataclass(frozen=True, order=True)
class Manager:
    """Somebody who writes, by one way of writing."""

    name: str
    operation: str
    """`Apply` or `Update`."""
    api_version: str
    subresource: str = ""

    @property
    def told(self) -> str:
        told = f'"{self.name}"' + (f' with subresource "{self.subresource}"' if self.subresource else "")
        return f"{told} using {self.api_version}" if self.operation == "Update" else told


@dataclass
class Owners:
    """The managers of one object."""

    fields: dict[Manager, FieldSet] = field(default_factory=dict[Manager, FieldSet])
    times: dict[Manager, str] = field(default_factory=dict[Manager, str])

    def copy(self) -> "Owners":
        return Owners({manager: set(paths) for manager, paths in self.fields.items()}, dict(self.times))

    def document(self) -> list[Document]:
        """As `metadata.managedFields`."""
        listed: list[Document] = []
        for manager, paths in self.fields.items():
            entry = {"manager": manager.name, "operation": manager.operation, "apiVersion": manager.api_version}
            entry |= {"time": self.times[manager], "fieldsType": "FieldsV1", "fieldsV1": fields_v1(paths)}
            listed.append(entry | ({"subresource": manager.subresource} if manager.subresource else {}))
        return listed

    def give(self, manager: Manager, paths: FieldSet, now: str) -> None:
        """Let a manager own exactly these."""
        if self.fields.get(manager) != paths:
            self.times[manager] = now
        self.fields[manager] = paths
        if not paths:
            del self.fields[manager]


def owned_part(document: Document) -> Document:
    """What of an object can have an owner."""
    rest = {name: value for name, value in document.items() if name not in _NOBODYS}
    if "metadata" in rest:
        metadata = {name: value for name, value in rest["metadata"].items() if name not in _NOBODYS_METADATA}
        rest["metadata"] = metadata
        if not metadata:
            del rest["metadata"]
    return rest


def note_update(owners: Owners, schema: Schema, before: Document, after: Document, manager: Manager, now: str) -> None:
    """Write down that a manager changed `before` to `after` by anything but apply."""
    old, new = owned_part(before), owned_part(after)
    old_paths, new_paths = set(fields_of(old, schema)), set(fields_of(new, schema))
    changed = {path for path in new_paths if value_at(old, schema, path) != value_at(new, schema, path)}
    changed = {path for path in changed if path[-1][0] != "k" or value_at(old, schema, path) is ...}
    gone = old_paths - new_paths
    if not changed and not gone:
        return
    for other in list(owners.fields):
        if other != manager:
            kept = owners.fields[other] - changed - gone
            if kept != owners.fields[other]:
                owners.give(other, kept, owners.times[other])
    owners.give(manager, (owners.fields.get(manager, set()) - gone) | changed, now)
    if changed:
        owners.times[manager] = now


def apply(
    owners: Owners, schema: Schema, live: Document, applied: Document, manager: Manager, force: bool, now: str
) -> Document:
    """What `live` becomes; `owners` are changed with it. Raises a refusal (409) for conflicts."""
    wanted = owned_part(applied)
    new_paths = set(fields_of(wanted, schema))
    conflicts = list(_conflicts(owners, schema, live, wanted, new_paths, manager))
    if conflicts and not force:
        raise _refusal(conflicts)
    for other, path in conflicts:
        owners.give(other, owners.fields[other] - {path}, owners.times[other])
    result = merged(live, wanted, schema)
    elsewhere: FieldSet = set().union(*(paths for other, paths in owners.fields.items() if other != manager))
    given_up = owners.fields.get(manager, set()) - new_paths - elsewhere
    for path in sorted(given_up, key=len, reverse=True):
        if path[-1][0] != "k" or not any(other[: len(path)] == path for other in new_paths | elsewhere):
            remove_at(result, schema, path)
    owners.give(manager, new_paths, now)
    if manager in owners.fields and owned_part(result) != owned_part(live):
        owners.times[manager] = now
    return result


def merged(live: Any, applied: Any, schema: Schema) -> Any:
    """`applied` laid over `live`."""
    if isinstance(live, dict) and isinstance(applied, dict) and not schema.is_atomic:
        result = dict(live)
        for name, value in applied.items():
            result[name] = merged(live.get(name), value, schema.child(name))
        return result
    if isinstance(live, list) and isinstance(applied, list) and schema.list_type == "map":
        wanted = {item_key(item, schema): item for item in applied}
        known = {item_key(item, schema) for item in live}
        kept = [merged(item, wanted.get(item_key(item, schema), {}), schema.item) for item in live]
        return kept + [item for key, item in wanted.items() if key not in known]
    if isinstance(live, list) and isinstance(applied, list) and schema.list_type == "set":
        return live + [item for item in applied if item not in live]
    return applied


def _conflicts(
    owners: Owners, schema: Schema, live: Document, wanted: Document, paths: FieldSet, manager: Manager
) -> Iterator[tuple[Manager, Any]]:
    for other, theirs in owners.fields.items():
        if other == manager:
            continue
        for path in sorted(theirs & paths, key=repr):
            is_item = path[-1][0] in ("k", "v")
            if not is_item and value_at(live, schema, path) != value_at(wanted, schema, path):
                yield other, path


def _refusal(conflicts: list[tuple[Manager, Any]]) -> Refusal:
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager.told}", "field": written(path)}
        for manager, path in conflicts
    ]
    if len(conflicts) == 1:
        message = f"Apply failed with 1 conflict: conflict with {conflicts[0][0].told}: {written(conflicts[0][1])}"
    else:
        lines: list[str] = []
        for manager in sorted({manager for manager, _ in conflicts}):
            lines.append(f"conflicts with {manager.told}:")
            lines += [f"- {written(path)}" for other, path in conflicts if other == manager]
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return Refusal(409, "Conflict", message, {"causes": causes})
