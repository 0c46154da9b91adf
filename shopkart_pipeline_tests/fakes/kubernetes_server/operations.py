"""The operations on kinds of objects: list and get, create, replace, patch and apply, delete."""

import base64
import json
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server import crud, deletion, subresources
from shopkart_pipeline_tests.fakes.kubernetes_server.call import Answer, Call
from shopkart_pipeline_tests.fakes.kubernetes_server.patches import json_patch, merge_patch, strategic_patch
from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import (
    Document,
    Refusal,
    bad_request,
    expired,
    modified,
    not_found,
)
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import ACCESS_REVIEW
from shopkart_pipeline_tests.fakes.kubernetes_server.selectors import fields_match, labels_match
from shopkart_pipeline_tests.fakes.kubernetes_server.store import copied

_STALE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def operate(call: Call) -> Answer:
    """Do what a call asks for; under the world's lock."""
    if call.resource is ACCESS_REVIEW:
        return _review(call)
    if call.part in ("scale", "log", "eviction"):
        return subresources.operate(call)
    match call.verb:
        case "get":
            return Answer(crud.get(call.world, call.resource, call.namespace, call.name))
        case "list":
            return _list(call)
        case "create":
            return _create(call)
        case "update":
            return _update(call, lambda live: call.body)
        case "patch":
            return _patch(call)
        case "delete":
            return _delete(call)
        case "deletecollection":
            for document in _selected(call):
                deletion.delete(
                    call.world,
                    call.resource,
                    document["metadata"].get("namespace", ""),
                    document["metadata"]["name"],
                    _options(call),
                )
            return Answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"})
        case _:
            raise Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def _selected(call: Call) -> list[Document]:
    labels = labels_match(call.query.get("labelSelector", ""))
    fields = fields_match(call.query.get("fieldSelector", ""), call.resource)
    every = call.world.store.all(call.resource, call.namespace or None)
    return [each for each in every if labels(each["metadata"].get("labels", {})) and fields(each)]


def _list(call: Call) -> Answer:
    """A page by name; the token of the next names the version of the first, and is expired when that is forgotten.
    (The real server shows the later pages as of that version; here they show what is there now.)"""
    found, limit = _selected(call), int(call.query.get("limit", 0) or 0)
    version, after = str(call.world.store.version), ""
    if call.query.get("continue"):
        try:
            token = json.loads(base64.urlsafe_b64decode(call.query["continue"]))
        except ValueError:
            raise bad_request("continue key is not valid") from None
        version, after = str(token["rv"]), token["start"]
        if int(version) < call.world.store.compacted:
            raise expired(_STALE)
        found = [each for each in found if _order(each) > after]
    metadata: Document = {"resourceVersion": version}
    if limit and len(found) > limit:
        token = json.dumps({"v": "meta.k8s.io/v1", "rv": int(version), "start": _order(found[limit - 1])})
        metadata["continue"] = base64.urlsafe_b64encode(token.encode()).decode()
        metadata["remainingItemCount"] = len(found) - limit
        found = found[:limit]
    items = [_without(each, "kind", "apiVersion") for each in found]
    kind, api_version = f"{call.resource.kind}List", call.resource.api_version
    return Answer({"kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items})


def _create(call: Call) -> Answer:
    warnings = _checked(call, call.body)
    made = crud.create(call.world, call.resource, call.namespace, call.body, call.manager(), call.dry)
    return Answer(made, 201, warnings)


def _update(call: Call, change: Any) -> Answer:
    live = crud.get(call.world, call.resource, call.namespace, call.name)
    wanted = change(live)
    warnings = _checked(call, wanted)
    made = crud.update(call.world, call.resource, live, wanted, call.manager(), call.part, call.dry)
    return Answer(made, 200, warnings)


def _patch(call: Call) -> Answer:
    schema, body = crud.schema_of(call.resource), call.body
    match call.content_type:
        case "application/apply-patch+yaml":
            return _apply(call)
        case "application/merge-patch+json":
            return _update(call, lambda live: _versioned(call, live, merge_patch(copied(live), body)))
        case "application/strategic-merge-patch+json":
            if schema.is_free:
                raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
            return _update(call, lambda live: _versioned(call, live, strategic_patch(copied(live), body, schema)))
        case "application/json-patch+json":
            return _update(call, lambda live: _versioned(call, live, json_patch(copied(live), body)))
        case other:
            raise Refusal(415, "UnsupportedMediaType", f"the body of the request was in an unknown format - {other}")


def _versioned(call: Call, live: Document, patched: Document) -> Document:
    """A patch that names a resourceVersion holds for that alone."""
    if patched["metadata"].get("resourceVersion") != live["metadata"]["resourceVersion"]:
        raise modified(call.resource, call.name)
    return patched


def _apply(call: Call) -> Answer:
    if not call.query.get("fieldManager"):
        message = 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        cause = {"reason": "FieldValueRequired", "field": "fieldManager"}
        cause["message"] = "Required value: is required for apply patch"
        details = {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": [cause]}
        raise Refusal(422, "Invalid", message, details)
    force, manager = call.asks("force"), call.manager("Apply")
    if not isinstance(call.body, dict):
        raise bad_request("error decoding YAML: json: cannot unmarshal into Go value of type map[string]interface {}")
    made, new = crud.apply(
        call.world, call.resource, call.namespace, call.name, call.body, manager, force, call.part, call.dry
    )
    return Answer(made, 201 if new else 200)


def _delete(call: Call) -> Answer:
    if call.part:
        raise not_found(call.resource, call.name)
    return Answer(deletion.delete(call.world, call.resource, call.namespace, call.name, _options(call), call.dry))


def _options(call: Call) -> Document:
    named = ("gracePeriodSeconds", "propagationPolicy")
    return {name: call.query[name] for name in named if name in call.query} | (call.body or {})


def _checked(call: Call, document: Any) -> tuple[str, ...]:
    """Field validation: what is unknown is refused (`Strict`) or warned of (`Warn`, the default)."""
    if not isinstance(document, dict):
        raise bad_request("the object provided is unrecognized (must be of type Object)")
    schema, resource = crud.schema_of(call.resource), call.resource
    handled = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    for path, found, wanted in schema.wrong_types(document):
        field = f"Go struct field {resource.kind}.{path} of type {wanted}"
        raise bad_request(f"{handled}: json: cannot unmarshal {found} into {field}")
    unknown = [f'unknown field "{path}"' for path in schema.unknown_fields(document)]
    mode = call.query.get("fieldValidation", "Warn")
    if unknown and mode == "Strict":
        raise bad_request(f"{handled}: strict decoding error: {', '.join(unknown)}")
    for path in list(schema.unknown_fields(document)):
        _drop(document, path)
    return tuple(unknown) if mode == "Warn" else ()


def _drop(document: Any, path: str) -> None:
    """Unknown fields are not kept."""
    *way, last = path.replace("[", ".[").split(".")
    for step in way:
        document = document[int(step[1:-1])] if step.startswith("[") else document[step]
    del document[last]


def _review(call: Call) -> Answer:
    asked = call.body["spec"].get("resourceAttributes", {})
    named = asked.get("resource", "*") + (f"/{asked['subresource']}" if asked.get("subresource") else "")
    allowed = call.user.may(asked.get("verb", "*"), asked.get("group", ""), named, asked.get("namespace", ""))
    status = {"allowed": True, "reason": "RBAC"} if allowed else {"allowed": False}
    identity = {"kind": call.resource.kind, "apiVersion": call.resource.api_version, "metadata": {}}
    return Answer({**identity, "spec": call.body["spec"], "status": status}, 201)


def _order(document: Document) -> str:
    return f"{document['metadata'].get('namespace', '')}/{document['metadata']['name']}"


def _without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}
