"""The three kinds of patch that say what to change: merge (RFC 7396), JSON (RFC 6902) and strategic merge."""

from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Refusal, bad_request
from shopkart_pipeline_tests.fakes.kubernetes_server.schema import Schema

_DIRECTIVES = ("$patch", "$retainKeys", "$setElementOrder/", "$deleteFromPrimitiveList/")


def merge_patch(live: Any, patch: Any) -> Any:
    """`live` as the merge patch wants it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(live) if isinstance(live, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def strategic_patch(live: Any, patch: Any, schema: Schema) -> Any:
    """`live` as the strategic merge patch wants it: lists by their merge keys."""
    if isinstance(patch, dict):
        if patch.get("$patch") == "replace":
            return {name: value for name, value in patch.items() if name != "$patch"}
        result = dict(live) if isinstance(live, dict) else {}
        for name, value in patch.items():
            if name.startswith(_DIRECTIVES):
                continue
            if value is None or (isinstance(value, dict) and value.get("$patch") == "delete"):
                result.pop(name, None)
            else:
                result[name] = strategic_patch(result.get(name), value, schema.child(name))
        return result
    if isinstance(patch, list) and isinstance(live, list):
        if schema.merge_key is not None:
            return _by_key(live, patch, schema, schema.merge_key)
        if schema.merges_values:
            return live + [item for item in patch if item not in live]
    if isinstance(patch, list):
        return [item for item in patch if not (isinstance(item, dict) and "$patch" in item)]
    return patch


def _by_key(live: list[Any], patch: list[Any], schema: Schema, key: str) -> list[Any]:
    if any(item.get("$patch") == "replace" for item in patch):
        return [item for item in patch if "$patch" not in item]
    result = list(live)
    for item in patch:
        at = next((index for index, known in enumerate(result) if known.get(key) == item.get(key)), None)
        if item.get("$patch") == "delete":
            result = [known for index, known in enumerate(result) if index != at]
        elif at is None:
            result.append(strategic_patch({}, item, schema.item))
        else:
            result[at] = strategic_patch(result[at], item, schema.item)
    return result


def json_patch(live: Any, operations: Any) -> Any:
    """`live` after these operations, `live` itself being changed. Raises a refusal for a path that isn't there (422)
    and for what is no operation (400)."""
    if not isinstance(operations, list):
        raise bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    for each in operations:
        live = _operation(live, each)
    return live


def _operation(live: Any, operation: dict[str, Any]) -> Any:
    verb, steps = operation.get("op"), [_unescaped(step) for step in operation["path"].split("/")[1:]]
    if not steps:
        return operation["value"]
    parent = live
    for step in steps[:-1]:
        parent = _inside(parent, step)
    last = steps[-1]
    if verb == "test":
        if _inside(parent, last) != operation.get("value"):
            raise _refused("testing value failed")
    elif verb == "remove":
        _inside(parent, last)
        del parent[int(last) if isinstance(parent, list) else last]
    elif verb == "add" and isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else int(last), operation["value"])
    elif verb == "add" and isinstance(parent, dict):
        parent[last] = operation["value"]
    elif verb == "replace":
        _inside(parent, last)
        parent[int(last) if isinstance(parent, list) else last] = operation["value"]
    else:
        raise bad_request(f"Unexpected kind: {verb}")
    return live


def _inside(value: Any, step: str) -> Any:
    try:
        return value[int(step)] if isinstance(value, list) else value[step]
    except (KeyError, IndexError, ValueError, TypeError):
        raise _refused(f"missing path: {step}") from None


def _refused(why: str) -> Refusal:
    return Refusal(422, "Invalid", f"the server rejected our request due to an error in our request: {why}")


def _unescaped(step: str) -> str:
    return step.replace("~1", "/").replace("~0", "~")
