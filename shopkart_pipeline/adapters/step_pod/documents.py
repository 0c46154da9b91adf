"""What a step pod is to do, and what came out of it, as JSON.

An order names service, stage and tool; the pod has the same image, and so the same declaration. It brings along what a
tool may ask of the repository's history, so that no repository has to go there.

A result is a stranger's: the code that was run may have written it. It has to be what a run of a tool can be, within
bounds, and what the run itself knows is not taken from it: references to stored reports, waivers, and facts, by which
stages tell each other what they made.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline.domain.release import Release

RESULT_LIMIT_BYTES = 32 * 1024 * 1024
"""Of the document alone."""
_FINDINGS_LIMIT = 50_000
_WORDS_LIMIT = 20_000
_REPORTS_LIMIT = 200
_NAME_LIMIT = 200


class Act(StrEnum):
    """What a step does."""

    SCAN = "scan"
    INSTALL = "install"
    BUILD = "build"


@dataclass(frozen=True)
class History:
    """What the repository's history says, as far as tools ask."""

    lines: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """New lines by path."""
    lines_unknown: str = ""
    """Why they can't be told; empty: they can."""
    earlier: str = ""
    """The commit that tests are compared with; empty: none."""
    changed: tuple[str, ...] = ()
    """Paths that differ from it."""
    changed_unknown: str = ""


@dataclass(frozen=True)
class Order:
    """What a pod is to do."""

    act: Act
    tool: str
    service: str
    stage: str
    release: Release
    environment: str | None = None
    """Name of the environment that comes along, or is to be made."""
    base_commit: str | None = None
    image_digest: str | None = None
    url: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    reports: tuple[str, ...] = ()
    """Names of the reports that come along, in order."""
    history: History = field(default_factory=History)


@dataclass(frozen=True)
class ReportEntry:
    """A raw report whose content is a part of the package."""

    name: str
    media_type: str


@dataclass(frozen=True)
class Result:
    """What came out: evidence, or why there is none; and the raw reports."""

    result: Evidence | EvidenceMissing
    reports: tuple[ReportEntry, ...] = ()


_ORDER = TypeAdapter(Order)
_RESULT = TypeAdapter(Result)


def dump_order(order: Order) -> bytes:
    return _dump(_ORDER, order)


def load_order(content: bytes) -> Order:
    """Raises `UntrustedInput`."""
    try:
        return _ORDER.validate_json(content)
    except ValidationError as error:
        raise UntrustedInput(f"The order can't be read: {_first(error)}.", "Use one image everywhere.") from None


def dump_result(result: Result) -> bytes:
    return _dump(_RESULT, result)


def load_result(content: bytes) -> Result:
    """The result, as far as its form goes. Raises `UntrustedInput` for what no tool's run can be."""
    if len(content) > RESULT_LIMIT_BYTES:
        raise UntrustedInput(f"The result has more than {RESULT_LIMIT_BYTES} bytes.", "Have the tool find less.")
    try:
        found: Result = _RESULT.validate_json(content, strict=True)
    except ValidationError as error:
        raise UntrustedInput(f"The result can't be read: {_first(error)}.", "Look into the stage's log.") from None
    problem = _problem(found)
    if problem:
        raise UntrustedInput(f"The result {problem}.", "Look into what the stage runs.")
    return found


def _problem(found: Result) -> str | None:
    names = [each.name for each in found.reports]
    if found.result.reports:
        return "claims reports that nobody has stored"
    if len(names) > _REPORTS_LIMIT or len(set(names)) != len(names) or not all(map(_is_name, names)):
        return "has reports whose names can't be"
    if isinstance(found.result, EvidenceMissing):
        return None if len(found.result.reason) <= _WORDS_LIMIT else "has too many words"
    evidence = found.result
    if evidence.facts or evidence.waivers:
        return "claims facts or waivers, which no tool's run may"
    if not all(map(math.isfinite, evidence.measures.values())):
        return "has measures that are no numbers"
    if len(evidence.findings) > _FINDINGS_LIMIT or len(evidence.measures) > _REPORTS_LIMIT:
        return "has too many findings or measures"
    return None if len(evidence.summary) + sum(map(len, evidence.notes)) <= _WORDS_LIMIT else "has too many words"


def _is_name(name: str) -> bool:
    return 0 < len(name) <= _NAME_LIMIT and name.isprintable() and "\\" not in name and not name.startswith(("/", "."))


def _dump(adapter: TypeAdapter[Any], value: object) -> bytes:
    plain = adapter.dump_python(value, mode="json")
    # What could not be read back is no number, and half of a pair is no character.
    return json.dumps(plain, allow_nan=False, ensure_ascii=False).encode(errors="replace")


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(each) for each in first['loc'])[:200]}: {first['msg'][:200]}"
