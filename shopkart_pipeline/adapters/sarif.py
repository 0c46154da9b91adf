"""SARIF 2.1.0: what any scanner that speaks it found, as findings.

A run without `results`, or one that says its tool failed, looked at nothing: that is not read as clean. Results that
the tool marks as suppressed are counted apart. Levels become severities; a numeric `security-severity` (the CVSS score
that code hosts read) wins over them.

Source: OASIS SARIF 2.1.0, sections 3.14 (run), 3.20 (invocation), 3.27 (result), 3.35 (suppression).
"""

import json
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, FiniteFloat

from shopkart_pipeline.adapters._findings import Located
from shopkart_pipeline.adapters._report_limits import Many, json_value
from shopkart_pipeline.domain.evidence import Severity, Tool

_LEVELS = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "note": Severity.LOW, "none": Severity.INFO}
_SCORES = ((9.0, Severity.CRITICAL), (7.0, Severity.HIGH), (4.0, Severity.MEDIUM), (0.1, Severity.LOW))
_QUOTES = frozenset({"snippet", "contextRegion", "contents", "insertedContent", "deletedContent"})
_Level = Literal["error", "warning", "note", "none"]


class _Properties(BaseModel):
    score: FiniteFloat | None = Field(None, alias="security-severity")


class _Configuration(BaseModel):
    level: _Level | None = None


class _Rule(BaseModel):
    id: str = ""
    help_uri: str | None = Field(None, alias="helpUri")
    configuration: _Configuration = Field(_Configuration(), alias="defaultConfiguration")
    properties: _Properties = Field(default_factory=lambda: _Properties.model_validate({}))


class _Driver(BaseModel):
    name: str
    version: str | None = None
    semantic_version: str | None = Field(None, alias="semanticVersion")
    rules: Many[_Rule] = []


class _DrivenTool(BaseModel):
    driver: _Driver


class _Invocation(BaseModel):
    successful: bool = Field(alias="executionSuccessful")


class _Artifact(BaseModel):
    uri: str = ""


class _Region(BaseModel):
    start_line: int | None = Field(None, alias="startLine")


class _PhysicalLocation(BaseModel):
    artifact: _Artifact = Field(_Artifact(), alias="artifactLocation")
    region: _Region = Field(default_factory=lambda: _Region.model_validate({}))


class _Location(BaseModel):
    physical: _PhysicalLocation = Field(
        default_factory=lambda: _PhysicalLocation.model_validate({}), alias="physicalLocation"
    )


class _Message(BaseModel):
    text: str | None = None
    id: str | None = None


class _Suppression(BaseModel):
    status: str = "accepted"


class _Result(BaseModel):
    rule_id: str | None = Field(None, alias="ruleId")
    rule_index: int = Field(-1, alias="ruleIndex")
    level: _Level | None = None
    message: _Message
    locations: list[_Location] = []
    suppressions: list[_Suppression] | None = None
    properties: _Properties = Field(default_factory=lambda: _Properties.model_validate({}))


class _Run(BaseModel):
    tool: _DrivenTool
    invocations: list[_Invocation] = []
    results: Many[_Result] | None = None


class _Log(BaseModel):
    version: Literal["2.1.0"]
    runs: list[_Run] = Field(min_length=1)


@dataclass(frozen=True)
class SarifLog:
    """All runs of a log."""

    tool: Tool
    said: tuple[Located, ...]
    suppressed: int


def parse(content: bytes) -> SarifLog:
    """Read a log.

    Raises:
        ValueError: it is not SARIF 2.1.0, or a run of it looked at nothing.
    """
    log = _Log.model_validate_json(content)
    said: list[Located] = []
    suppressed = 0
    for run in log.runs:
        rules = run.tool.driver.rules
        by_id = {rule.id: rule for rule in reversed(rules)}
        for result in _results(run):
            if any(suppression.status == "accepted" for suppression in result.suppressions or []):
                suppressed += 1
            else:
                said.append(_located(result, rules, by_id))
    drivers = [run.tool.driver for run in log.runs]
    versions = [driver.semantic_version or driver.version or "unknown" for driver in drivers]
    return SarifLog(Tool(", ".join(driver.name for driver in drivers), ", ".join(versions)), tuple(said), suppressed)


def without_snippets(content: bytes) -> bytes:
    """A log without the pieces of source that it quotes: those of a search for secrets are the secrets.

    Raises:
        ValueError: it is not JSON.
    """
    return json.dumps(_without(json_value(content), _QUOTES), indent=1).encode()


def _without(value: object, names: Set[str]) -> object:
    if isinstance(value, dict):
        members = cast("dict[str, object]", value).items()
        return {name: _without(inner, names) for name, inner in members if name not in names}
    return [_without(inner, names) for inner in cast("list[object]", value)] if isinstance(value, list) else value


def _results(run: _Run) -> list[_Result]:
    if not all(invocation.successful for invocation in run.invocations):
        raise ValueError(f"{run.tool.driver.name} says that it failed")
    if run.results is None:
        raise ValueError(f"{run.tool.driver.name} gives no results")
    return run.results


def _located(result: _Result, rules: Sequence[_Rule], by_id: Mapping[str, _Rule]) -> Located:
    rule = _rule(result, rules, by_id)
    place = result.locations[0].physical if result.locations else _PhysicalLocation.model_validate({})
    rule_id = result.rule_id or rule.id or "unnamed"
    return Located(
        rule=rule_id,
        severity=_severity(result, rule),
        message=result.message.text or result.message.id or rule_id,
        path=unquote(urlsplit(place.artifact.uri).path).removeprefix("./"),
        line=place.region.start_line,
        link=rule.help_uri,
    )


def _rule(result: _Result, rules: Sequence[_Rule], by_id: Mapping[str, _Rule]) -> _Rule:
    if 0 <= result.rule_index < len(rules):
        return rules[result.rule_index]
    return by_id.get(result.rule_id or "") or _Rule.model_validate({})


def _severity(result: _Result, rule: _Rule) -> Severity:
    score = result.properties.score if result.properties.score is not None else rule.properties.score
    if score is not None:
        return next((severity for least, severity in _SCORES if score >= least), Severity.INFO)
    return _LEVELS[result.level or rule.configuration.level or "warning"]
