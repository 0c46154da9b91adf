"""Answers that are errors, as `Status` documents in the API server's words."""

from collections.abc import Mapping, Sequence
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.resources import Resource

Document = dict[str, Any]


class Refusal(Exception):
    """What the API server says instead of doing it."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Document | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.headers = dict(headers or {})
        self.document: Document = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        self.document["message"] = message
        if reason:
            self.document["reason"] = reason
        if details:
            self.document["details"] = details
        self.document["code"] = code


def details_of(resource: Resource, name: str = "") -> Document:
    """Which object it is about."""
    found = {"name": name} if name else {}
    if resource.group:
        found["group"] = resource.group
    return {**found, "kind": resource.plural}


def not_found(resource: Resource, name: str) -> Refusal:
    return Refusal(404, "NotFound", f'{resource.qualified} "{name}" not found', details_of(resource, name))


def no_such_page() -> Refusal:
    return Refusal(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: Resource, name: str) -> Refusal:
    return Refusal(409, "AlreadyExists", f'{resource.qualified} "{name}" already exists', details_of(resource, name))


def modified(resource: Resource, name: str, why: str = "") -> Refusal:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return Refusal(409, "Conflict", message, details_of(resource, name))


def forbidden(resource: Resource, name: str, why: str) -> Refusal:
    about = f'{resource.qualified} "{name}"' if name else resource.qualified
    return Refusal(403, "Forbidden", f"{about} is forbidden: {why}", details_of(resource, name))


def bad_request(message: str) -> Refusal:
    return Refusal(400, "BadRequest", message)


def unauthorized() -> Refusal:
    return Refusal(401, "Unauthorized", "Unauthorized")


def expired(message: str) -> Refusal:
    return Refusal(410, "Expired", message)


def invalid(resource: Resource, name: str, faults: Sequence[tuple[str, str, str]]) -> Refusal:
    """`faults`: field, reason such as `FieldValueInvalid`, and message."""
    told = [f"{field}: {message}" for field, _, message in faults]
    listed = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    causes = [{"reason": reason, "message": message, "field": field} for field, reason, message in faults]
    details = {**details_of(resource, name), "kind": resource.kind, "causes": causes}
    return Refusal(422, "Invalid", f'{kind} "{name}" is invalid: {listed}', details)


def too_many_requests(name: str, why: str) -> Refusal:
    """For an eviction that a disruption budget forbids."""
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    details = {"name": name, "causes": [{"reason": "DisruptionBudget", "message": why}]}
    return Refusal(429, "TooManyRequests", message, details)
