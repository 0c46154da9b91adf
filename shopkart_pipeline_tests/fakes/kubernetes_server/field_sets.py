"""Which fields of an object there are, as sets of paths: what server-side apply reckons with.

A path is a tuple of steps: `("f", name)` into a field, `("k", ((key, value), …))` to an item of a list that is a map,
`("v", value)` to an item of a list that is a set. An item of a list is itself a path, as `.` is in `fieldsV1`."""

import json
from collections.abc import Iterator
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.schema import Schema

Step = tuple[str, Any]
Path = tuple[Step, ...]
FieldSet = set[Path]


def item_key(item: Any, schema: Schema) -> Step:
    """The step to an item of a list that is a map; keys that are missing have their defaults."""
    pairs = ((key, item.get(key, schema.item.default(key))) for key in schema.keys)
    return "k", tuple((key, value) for key, value in pairs if value is not None)


def fields_of(value: Any, schema: Schema, path: Path = ()) -> Iterator[Path]:
    """Paths of everything that a manager who wrote this owns."""
    if isinstance(value, dict) and value and not schema.is_atomic:
        for name, inner in value.items():
            yield from fields_of(inner, schema.child(name), (*path, ("f", name)))
    elif isinstance(value, list) and value and schema.list_type == "map":
        for item in value:
            at = (*path, item_key(item, schema))
            yield at
            yield from fields_of(item, schema.item, at)
    elif isinstance(value, list) and value and schema.list_type == "set":
        yield from ((*path, ("v", item)) for item in value)
    elif path:
        yield path


def value_at(value: Any, schema: Schema, path: Path) -> Any:
    """What stands at a path; `...` where nothing does."""
    for kind, step in path:
        if kind == "f":
            if not isinstance(value, dict) or step not in value:
                return ...
            value, schema = value[step], schema.child(step)
        elif not isinstance(value, list):
            return ...
        elif kind == "v":
            return step if step in value else ...
        else:
            found = [item for item in value if item_key(item, schema) == ("k", step)]
            if not found:
                return ...
            value, schema = found[0], schema.item
    return value


def remove_at(value: Any, schema: Schema, path: Path) -> None:
    """Take away what stands at a path, and the maps and lists that are empty then."""
    (kind, step), rest = path[0], path[1:]
    if kind == "f":
        if not isinstance(value, dict) or step not in value:
            return
        if rest:
            remove_at(value[step], schema.child(step), rest)
        if not rest or value[step] in ({}, []):
            del value[step]
    elif isinstance(value, list):
        for item in list(value):
            if (item if kind == "v" else item_key(item, schema)) == (step if kind == "v" else ("k", step)):
                if rest:
                    remove_at(item, schema.item, rest)
                else:
                    value.remove(item)


def written(path: Path) -> str:
    """As conflicts name it: `.spec.template.spec.containers[name="web"].image`."""
    told = ""
    for kind, step in path:
        if kind == "f":
            told += f".{step}"
        elif kind == "v":
            told += f"[={json.dumps(step)}]"
        else:
            told += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in step) + "]"
    return told


def fields_v1(paths: FieldSet) -> dict[str, Any]:
    """As `managedFields` holds it."""
    tree: dict[str, Any] = {}
    for path in sorted(paths, key=repr):
        at = tree
        for kind, step in path:
            at = at.setdefault(_name(kind, step), {})
        if path[-1][0] == "k":
            at["."] = {}
    return tree


def _name(kind: str, step: Any) -> str:
    if kind == "f":
        return f"f:{step}"
    return f"{kind}:{json.dumps(dict(step) if kind == 'k' else step, separators=(',', ':'))}"
