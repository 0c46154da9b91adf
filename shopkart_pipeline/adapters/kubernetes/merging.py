"""Patches of a kustomization: strategic merge by the keys that Kubernetes declares, and JSON patches.

Lists of objects with a known key are merged item by item, all others are replaced; `$patch: delete` takes an object or
an item away. What a patch brings keeps the patch's place, so a finding names the file that says it.

Sources: Kubernetes, "Update API Objects in Place Using kubectl patch" (patch merge keys of `core/v1`); RFC 6902.
"""

from shopkart_pipeline.adapters.kubernetes.located import Node
from shopkart_pipeline.domain.errors import Refused

_MERGE_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "ports": "containerPort",
    "imagePullSecrets": "name",
    "topologySpreadConstraints": "topologyKey",
}
_DIRECTIVE = "$patch"


def merged(base: Node, patch: Node, key: str = "") -> Node | None:
    """`patch` laid over `base`; None where it says to take it away.

    Args:
        base: what is there.
        patch: what changes.
        key: the key that both stand under.

    Raises:
        Refused: a directive that is not known here.
    """
    if _deletes(patch):
        return None
    if isinstance(base.content, dict) and isinstance(patch.content, dict):
        return _merged_mapping(base, base.content, patch.content)
    merge_key = _MERGE_KEYS.get(key)
    if isinstance(base.content, list) and isinstance(patch.content, list) and merge_key is not None:
        return Node(_merged_items(base.content, patch.content, merge_key), base.file, base.line)
    return patch


def _merged_mapping(base: Node, under: dict[str, Node], over: dict[str, Node]) -> Node:
    entries = dict(under)
    for name, value in over.items():
        if name.startswith("$"):
            raise Refused(
                f"{value.file}:{value.line} has the directive {name}, which is not supported.", "Write it out."
            )
        if value.content is None:
            entries.pop(name, None)
            continue
        below = entries.get(name)
        after = value if below is None else merged(below, value, name)
        if after is None:
            del entries[name]
        else:
            entries[name] = after
    return Node(entries, base.file, base.line)


def _merged_items(under: list[Node], over: list[Node], merge_key: str) -> list[Node]:
    items = list(under)
    for item in over:
        same = next((index for index, each in enumerate(items) if each.value(merge_key) == item.value(merge_key)), None)
        if same is None:
            items += [] if _deletes(item) else [item]
            continue
        after = merged(items[same], item)
        items[same : same + 1] = [] if after is None else [after]
    return items


def _deletes(patch: Node) -> bool:
    return patch.text(_DIRECTIVE) == "delete"


def json_patched(base: Node, operation: Node) -> None:
    """Carry out one operation of a JSON patch in place: `add`, `replace` or `remove`.

    Raises:
        Refused: another operation, or a path that leads nowhere.
    """
    where, kind = f"{operation.file}:{operation.line}", operation.text("op")
    parts = [part.replace("~1", "/").replace("~0", "~") for part in operation.text("path").split("/")[1:]]
    holder: Node | None = base if parts else None
    for part in parts[:-1]:
        holder = None if holder is None else holder.get(int(part) if part.isdecimal() and _is_list(holder) else part)
    value = operation.get("value")
    known = kind == "remove" or (kind in ("add", "replace") and value is not None)
    if not known:
        raise Refused(f"{where} has an operation {kind!r} that is not supported.", "Use add, replace or remove.")
    content = holder.content if holder is not None else None
    done = False
    if isinstance(content, dict):
        done = _change_entry(content, parts[-1], None if kind == "remove" else value, must_exist=kind != "add")
    elif isinstance(content, list):
        done = _change_item(content, parts[-1], kind, value)
    if not done:
        raise Refused(f"{where}: nothing is at {operation.text('path')}.", "Mend the path.")


def _is_list(node: Node) -> bool:
    return isinstance(node.content, list)


def _change_entry(entries: dict[str, Node], name: str, value: Node | None, *, must_exist: bool) -> bool:
    if must_exist and name not in entries:
        return False
    if value is None:
        del entries[name]
    else:
        entries[name] = value
    return True


def _change_item(items: list[Node], index: str, kind: str, value: Node | None) -> bool:
    if kind == "add" and value is not None and index == "-":
        items.append(value)
        return True
    number = int(index) if index.isdecimal() else len(items) + 1
    if number > len(items) or (kind != "add" and number == len(items)):
        return False
    items[number : number + (kind != "add")] = [] if value is None or kind == "remove" else [value]
    return True
