"""May this release go on? Pure: the same evidence under the same policy always gives the same verdict.

Every gate gives one line with value and limit. Missing evidence, an absent measure, evidence about another commit
or another image, and evidence that is too old or of the future are `MISSING`, and `MISSING` blocks like `FAIL`. A
stage without gates still needs its evidence. The verdict is `PASS` only if every line is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, StageRecord
from shopkart_pipeline.domain.policy import Comparison, FindingsRule, Gate, MeasureRule

_CLOCK_TOLERANCE_SECONDS = 300.0
"""Clocks of two machines may differ by as much."""


class Outcome(StrEnum):
    """How a gate, or a whole verdict, came out."""

    PASS = "pass"
    FAIL = "fail"
    MISSING = "missing"


@dataclass(frozen=True)
class GateResult:
    """One line of a verdict."""

    gate: str
    stage: str
    outcome: Outcome
    reason: str
    value: float | None = None
    limit: float | None = None
    comparison: Comparison | None = None
    exempted: bool = False

    @property
    def line(self) -> str:
        """The line as people read it."""
        return f"{self.stage}.{self.gate}: {self.outcome.value}: {self.reason}"


@dataclass(frozen=True)
class Verdict:
    """All lines, and what they come to."""

    results: tuple[GateResult, ...]

    @property
    def outcome(self) -> Outcome:
        outcomes = {result.outcome for result in self.results}
        if not self.results or Outcome.MISSING in outcomes:
            return Outcome.FAIL if Outcome.FAIL in outcomes else Outcome.MISSING
        return Outcome.FAIL if Outcome.FAIL in outcomes else Outcome.PASS

    @property
    def blocking(self) -> tuple[GateResult, ...]:
        return tuple(result for result in self.results if result.outcome is not Outcome.PASS)


@dataclass(frozen=True)
class Subject:
    """What a verdict is about."""

    commit: str
    digest: str | None
    """None while no image exists; then evidence about an image is not asked for."""
    now: datetime
    maximum_age_seconds: float
    image_stages: frozenset[str] = frozenset()
    """Stages whose evidence must say which image it is about."""


def evaluate_stage(stage: str, gates: Sequence[Gate], result: Evidence | EvidenceMissing) -> tuple[GateResult, ...]:
    """The lines of one stage: one per gate, or one that says that the evidence is there."""
    if isinstance(result, EvidenceMissing):
        names = [gate.name for gate in gates] or ["evidence"]
        return tuple(GateResult(name, stage, Outcome.MISSING, result.reason) for name in names)
    if not gates:
        return (GateResult("evidence", stage, Outcome.PASS, result.summary),)
    return tuple(_evaluate(gate, result) for gate in gates)


def judge_stages(
    required: Mapping[str, Sequence[Gate]], records: Mapping[str, StageRecord], subject: Subject
) -> Verdict:
    """The verdict over all stages that must have passed.

    Args:
        required: gates by stage, for every stage that must have left evidence (also those without gates).
        records: latest finished record by stage.
        subject: the commit and image digest that the verdict is about, and the moment.
    """
    results: list[GateResult] = []
    for stage, gates in required.items():
        record = records.get(stage)
        unfit = _unfit(stage, record, subject)
        result = EvidenceMissing(unfit) if record is None or unfit else record.result
        results.extend(evaluate_stage(stage, gates, result))
    return Verdict(tuple(results))


def _unfit(stage: str, record: StageRecord | None, subject: Subject) -> str:
    """Why a record can't count for the subject; empty where it can."""
    if record is None:
        return "the stage never ran"
    if record.commit != subject.commit:
        return f"the evidence is about commit {record.commit[:12]}, not {subject.commit[:12]}"
    if record.subject_digest is None and stage in subject.image_stages and isinstance(record.result, Evidence):
        return "the evidence does not say which image it is about"
    if record.subject_digest is not None and record.subject_digest != subject.digest:
        return f"the evidence is about {record.subject_digest}, not {subject.digest}"
    age = (subject.now - record.finished_at).total_seconds()
    if age < -_CLOCK_TOLERANCE_SECONDS:
        return f"the evidence is of the future ({record.finished_at.isoformat()}): a clock is wrong"
    if age > subject.maximum_age_seconds:
        return f"the evidence is {age:.0f} s old (at most {subject.maximum_age_seconds:.0f} s)"
    return ""


def _evaluate(gate: Gate, evidence: Evidence) -> GateResult:
    match gate.rule:
        case MeasureRule() as rule:
            return _evaluate_measure(gate, rule, evidence)
        case FindingsRule() as rule:
            return _evaluate_findings(gate, rule, evidence)


def _evaluate_measure(gate: Gate, rule: MeasureRule, evidence: Evidence) -> GateResult:
    if rule.exempt_measure is not None:
        size = evidence.measures.get(rule.exempt_measure)
        if size is not None and math.isfinite(size) and size < rule.exempt_below:
            reason = f"exempt: {rule.exempt_measure} {size:g} < {rule.exempt_below:g}"
            return GateResult(gate.name, gate.stage, Outcome.PASS, reason, limit=rule.limit, exempted=True)
    value = evidence.measures.get(rule.measure)
    if value is None or not math.isfinite(value):
        reason = f"the evidence of {evidence.tool.name} holds no {rule.measure}"
        return GateResult(gate.name, gate.stage, Outcome.MISSING, reason, limit=rule.limit)
    return _compared(gate, value, rule.limit, rule.comparison, f"{rule.measure} {value:g}", "")


def _evaluate_findings(gate: Gate, rule: FindingsRule, evidence: Evidence) -> GateResult:
    counted = [finding for finding in evidence.findings if _counts(finding, rule)]
    kind = "new " if rule.only_new else ""
    kind += "fixable " if rule.only_fixable else ""
    subject = f"{len(counted)} {kind}findings of {rule.severity.name.lower()} or worse"
    examples = "; ".join(_describe(finding) for finding in counted[:3])
    return _compared(gate, len(counted), rule.limit, Comparison.AT_MOST, subject, examples)


def _counts(finding: Finding, rule: FindingsRule) -> bool:
    return (
        finding.severity.effective >= rule.severity
        and (finding.is_new or not rule.only_new)
        and (finding.fixed_in is not None or not rule.only_fixable)
        and (not rule.rules or any(fnmatchcase(finding.rule.lower(), pattern.lower()) for pattern in rule.rules))
    )


def _describe(finding: Finding) -> str:
    place = finding.path or ""
    if finding.path and finding.line:
        place = f"{finding.path}:{finding.line}"
    if finding.package:
        fixed = f", fixed in {finding.fixed_in}" if finding.fixed_in else ""
        place = f"{finding.package} {finding.installed_version or ''}{fixed}"
    return f"{finding.rule} {place}".strip()


def _compared(
    gate: Gate, value: float, limit: float, comparison: Comparison, subject: str, examples: str
) -> GateResult:
    holds = comparison.holds(value, limit)
    sign = comparison.value if holds else {"<=": ">", ">=": "<"}[comparison.value]
    reason = f"{subject} {sign} {limit:g}" + (f" ({examples})" if examples and not holds else "")
    outcome = Outcome.PASS if holds else Outcome.FAIL
    return GateResult(gate.name, gate.stage, outcome, reason, value, limit, comparison)
