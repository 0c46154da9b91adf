"""Reads what `terraform plan -json` says, line by line, into what drifted.

Only a whole answer counts: its version is known, its summary is there and counts the changes that were told, its exit
code agrees with them, and something was looked at where it runs. Values of resources and outputs are not read.

Source: Terraform, "Machine-Readable UI" (`ui` 1.x), and `terraform plan -detailed-exitcode`.
"""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, TypeAdapter

from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.infrastructure import Difference, DriftedResource, InfrastructureState

UNCHANGED, FAILED, CHANGED = 0, 1, 2
"""Exit codes with `-detailed-exitcode`."""
_LONGEST_REASON = 300
_COUNTED = {"create": ("add",), "update": ("change",), "delete": ("remove",), "replace": ("add", "remove")}
"""What an action counts as in the summary."""


class _Resource(BaseModel):
    addr: str


class _Change(BaseModel):
    resource: _Resource
    action: str


class _Version(BaseModel):
    type: Literal["version"]
    terraform: str
    ui: str


class _Planned(BaseModel):
    type: Literal["planned_change"]
    change: _Change


class _Drift(BaseModel):
    type: Literal["resource_drift"]
    change: _Change


class _Refreshed(BaseModel):
    type: Literal["refresh_complete"]


class _Counts(BaseModel):
    add: int
    change: int
    remove: int
    operation: str


class _Summary(BaseModel):
    type: Literal["change_summary"]
    changes: _Counts


class _Output(BaseModel):
    action: str = "noop"


class _Outputs(BaseModel):
    type: Literal["outputs"]
    outputs: dict[str, _Output]


class _Words(BaseModel):
    severity: str
    summary: str


class _Diagnostic(BaseModel):
    type: Literal["diagnostic"]
    diagnostic: _Words


_Message = _Version | _Planned | _Drift | _Refreshed | _Summary | _Outputs | _Diagnostic
_KNOWN = {"version", "planned_change", "resource_drift", "refresh_complete", "change_summary", "outputs", "diagnostic"}
_MESSAGE: TypeAdapter[_Message] = TypeAdapter(Annotated[_Message, Field(discriminator="type")])


def read_plan(output: bytes, exit_code: int) -> InfrastructureState | EvidenceMissing:
    """What a plan found.

    Args:
        output: what Terraform wrote to its standard output.
        exit_code: how it ended.
    """
    try:
        messages = list(_messages(output))
    except ValueError:
        return EvidenceMissing("Terraform wrote something that is not its JSON")
    errors = [
        each.diagnostic.summary
        for each in messages
        if isinstance(each, _Diagnostic) and each.diagnostic.severity == "error"
    ]
    if errors or exit_code not in (UNCHANGED, CHANGED):
        words = "; ".join(dict.fromkeys(errors)) or f"it ended with exit code {exit_code}"
        return EvidenceMissing(f"Terraform could not compare: {words[:_LONGEST_REASON]}")
    versions = [each for each in messages if isinstance(each, _Version)]
    if len(versions) != 1 or versions[0].ui.partition(".")[0] != "1":
        return EvidenceMissing("Terraform did not tell a version that is understood here")
    compared = sum(isinstance(each, _Refreshed) for each in messages)
    drifted = tuple(_drifted(messages))
    reason = _not_whole(messages, exit_code, compared, drifted)
    if reason:
        return EvidenceMissing(reason)
    return InfrastructureState(f"Terraform {versions[0].terraform}", compared, drifted)


def _messages(output: bytes) -> Iterable[_Message]:
    for line in output.decode("utf-8").splitlines():
        document: Any = json.loads(line)
        if not isinstance(document, dict) or "type" not in document:
            raise ValueError("a line is no message")
        if document["type"] in _KNOWN:
            yield _MESSAGE.validate_python(document)


def _drifted(messages: Iterable[_Message]) -> Iterable[DriftedResource]:
    for each in messages:
        match each:
            case _Drift():
                yield DriftedResource(each.change.resource.addr, Difference.CHANGED_BY_HAND, each.change.action)
            case _Planned():
                yield DriftedResource(each.change.resource.addr, Difference.NOT_APPLIED, each.change.action)
            case _Outputs():
                for name, output in each.outputs.items():
                    if output.action != "noop":
                        yield DriftedResource(f"output.{name}", Difference.NOT_APPLIED, output.action)
            case _:
                pass


def _not_whole(
    messages: Iterable[_Message], exit_code: int, compared: int, drifted: tuple[DriftedResource, ...]
) -> str | None:
    """Why an answer can't be relied on, in words."""
    summaries = [each.changes for each in messages if isinstance(each, _Summary) and each.changes.operation == "plan"]
    if len(summaries) != 1:
        return "Terraform's answer has no end: its summary is missing"
    planned = [each.change.action for each in messages if isinstance(each, _Planned)]
    told = Counter(kind for action in planned for kind in _COUNTED.get(action, ()))
    counted = {"add": summaries[0].add, "change": summaries[0].change, "remove": summaries[0].remove}
    if any(told[kind] != count for kind, count in counted.items()):
        return "Terraform told other changes than it counted"
    is_changed = any(each.difference is Difference.NOT_APPLIED for each in drifted)
    if is_changed != (exit_code == CHANGED):
        return f"Terraform ended with exit code {exit_code}, which is not what it told"
    if not compared and not drifted:
        return "Terraform looked at nothing: there is no resource in its state"
    return None
