"""May this release go on? Pure: the same evidence under the same policy always gives the same verdict.

Every gate gives one line with value and limit. Missing evidence, an absent measure, evidence about another commit,
image or configuration, and evidence that is too old or of the future are `MISSING`, and `MISSING` blocks like `FAIL`. A
stage without gates still needs its evidence. The verdict is `PASS` only if every line is, but for the lines that say
what the declaration leaves out.

Findings that don't count are told all the same: known to production, without a fix, or waived, with who waived them
until when. A waiver that has expired counts for nothing, and the line says so.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from fnmatch import fnmatchcase

from shopkart_pipeline.domain.declaration import LeftOut
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, StageRecord
from shopkart_pipeline.domain.policy import Comparison, FindingsRule, Gate, MeasureRule
from shopkart_pipeline.domain.release_unit import CONFIGURATION, short
from shopkart_pipeline.domain.waiver import Waiver

_CLOCK_TOLERANCE_SECONDS = 300.0
"""Clocks of two machines may differ by as much."""


class Outcome(StrEnum):
    """How a gate, or a whole verdict, came out."""

    PASS = "pass"
    FAIL = "fail"
    MISSING = "missing"
    SKIPPED = "skipped"
    """The declaration leaves it out, and says why. Nothing else can be skipped."""


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
    waived: tuple[str, ...] = ()
    """What waivers have to do with it, a line each."""

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
        outcomes = {result.outcome for result in self.results} - {Outcome.SKIPPED}
        if not outcomes or Outcome.MISSING in outcomes:
            return Outcome.FAIL if Outcome.FAIL in outcomes else Outcome.MISSING
        return Outcome.FAIL if Outcome.FAIL in outcomes else Outcome.PASS

    @property
    def blocking(self) -> tuple[GateResult, ...]:
        return tuple(result for result in self.results if result.outcome not in (Outcome.PASS, Outcome.SKIPPED))


@dataclass(frozen=True)
class Waived:
    """The waivers that may count, and the moment that decides whether they have expired."""

    waivers: tuple[Waiver, ...]
    now: datetime

    def of(self, stage: str, finding: Finding) -> tuple[Waiver, ...]:
        """The waivers about a finding of a stage, expired ones included."""
        return tuple(waiver for waiver in self.waivers if waiver.stage == stage and waiver.covers(finding))


NOTHING_WAIVED = Waived((), datetime.min.replace(tzinfo=UTC))


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
    configurations: Mapping[str, str] = field(default_factory=dict[str, str])
    """By stage the configuration that its evidence has to be about, where it says that it is about one."""
    waived: Waived = NOTHING_WAIVED


def evaluate_stage(
    stage: str, gates: Sequence[Gate], result: Evidence | EvidenceMissing, waived: Waived = NOTHING_WAIVED
) -> tuple[GateResult, ...]:
    """The lines of one stage: one per gate, or one that says that the evidence is there."""
    if isinstance(result, EvidenceMissing):
        if not gates:
            return (GateResult("evidence", stage, Outcome.MISSING, result.reason),)
        return tuple(_without_value(gate, result.reason) for gate in gates)
    if not gates:
        return (GateResult("evidence", stage, Outcome.PASS, result.summary),)
    return tuple(_evaluate(gate, result, waived) for gate in gates)


def skipped_lines(left_out: Sequence[LeftOut], stage: str | None) -> tuple[GateResult, ...]:
    """The lines about what a declaration leaves out: gates of a stage, or where `stage` is None whole stages."""
    return tuple(
        GateResult(each.gate or "evidence", each.stage, Outcome.SKIPPED, f"left out by the declaration: {each.reason}")
        for each in left_out
        if (each.gate is None if stage is None else each.gate is not None and each.stage == stage)
    )


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
        results.extend(evaluate_stage(stage, gates, result, subject.waived))
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
    if isinstance(record.result, Evidence) and stage in subject.configurations:
        told, wanted = record.result.facts.get(CONFIGURATION), subject.configurations[stage]
        if told != wanted:
            return f"the evidence is about configuration {short(told)}, not {short(wanted)}, which is declared now"
    age = (subject.now - record.produced_at).total_seconds()
    if age < -_CLOCK_TOLERANCE_SECONDS:
        return f"the evidence is of the future ({record.produced_at.isoformat()}): a clock is wrong"
    if age > subject.maximum_age_seconds:
        return f"the evidence is {age:.0f} s old (at most {subject.maximum_age_seconds:.0f} s)"
    return ""


def _without_value(gate: Gate, reason: str) -> GateResult:
    comparison = gate.rule.comparison if isinstance(gate.rule, MeasureRule) else Comparison.AT_MOST
    return GateResult(gate.name, gate.stage, Outcome.MISSING, reason, None, gate.rule.limit, comparison)


def _evaluate(gate: Gate, evidence: Evidence, waived: Waived) -> GateResult:
    match gate.rule:
        case MeasureRule() as rule:
            return _exempt(gate, evidence, _evaluate_measure(gate, rule, evidence))
        case FindingsRule() as rule:
            return _exempt(gate, evidence, _evaluate_findings(gate, rule, evidence, waived))


def _exempt(gate: Gate, evidence: Evidence, result: GateResult) -> GateResult:
    """The line as it is, or where a measure of the stage exempts the gate, one that says so with value and limit."""
    rule = gate.rule
    size = None if rule.exempt_measure is None else evidence.measures.get(rule.exempt_measure)
    if size is None or not math.isfinite(size) or size >= rule.exempt_below:
        return result
    name = rule.measure if isinstance(rule, MeasureRule) else "findings"
    shown = f"{name} {result.value:g}" if result.value is not None else f"no {name}"
    reason = f"exempt: {rule.exempt_measure} {size:g} < {rule.exempt_below:g} ({shown}, limit {rule.limit:g})"
    return replace(result, outcome=Outcome.PASS, reason=reason, exempted=True)


def _evaluate_measure(gate: Gate, rule: MeasureRule, evidence: Evidence) -> GateResult:
    value = evidence.measures.get(rule.measure)
    if value is None or not math.isfinite(value):
        return _without_value(gate, f"the evidence of {evidence.tool.name} holds no {rule.measure}")
    return _compared(gate, value, rule.limit, rule.comparison, f"{rule.measure} {value:g}")


def _evaluate_findings(gate: Gate, rule: FindingsRule, evidence: Evidence, waived: Waived) -> GateResult:
    counted = list[Finding]()
    apart: dict[str, int] = {}
    touched = list[str]()
    for finding in (finding for finding in evidence.findings if _is_meant(finding, rule)):
        waivers = waived.of(gate.stage, finding)
        touched += [_touch(finding, waiver, waived.now) for waiver in waivers]
        if why := _not_counted(finding, rule, any(waiver.holds(waived.now) for waiver in waivers)):
            apart[why] = apart.get(why, 0) + 1
        else:
            counted.append(finding)
    kind = ("new " if rule.only_new else "") + ("fixable " if rule.only_fixable else "")
    rules = f" by {', '.join(rule.rules)}" if rule.rules else ""
    subject = f"{len(counted)} {kind}findings of {rule.severity.name.lower()} or worse{rules}"
    examples = "; ".join(_describe(finding) for finding in counted[:3])
    more = "; ".join([*(f"{number} {why}" for why, number in apart.items()), *touched])
    result = _compared(gate, len(counted), rule.limit, Comparison.AT_MOST, subject, examples, more)
    return replace(result, waived=tuple(touched))


def counted_findings(gate: Gate, rule: FindingsRule, evidence: Evidence, waived: Waived) -> tuple[Finding, ...]:
    """The findings that count for a gate with this rule."""
    return tuple(
        finding
        for finding in evidence.findings
        if _is_meant(finding, rule)
        and not _not_counted(finding, rule, any(waiver.holds(waived.now) for waiver in waived.of(gate.stage, finding)))
    )


def _is_meant(finding: Finding, rule: FindingsRule) -> bool:
    """Whether the rule is about findings like this one at all."""
    meant = not rule.rules or any(fnmatchcase(finding.rule.lower(), pattern.lower()) for pattern in rule.rules)
    return meant and finding.severity.effective >= rule.severity


def _not_counted(finding: Finding, rule: FindingsRule, is_waived: bool) -> str:
    """Why a finding that is meant does not count; empty where it does."""
    if rule.only_new and not finding.is_new:
        return "not counted: production has them already"
    if rule.only_fixable and finding.fixed_in is None and not finding.fix_unknown:
        return "not counted: no version fixes them"
    return "not counted: waived" if is_waived else ""


def _touch(finding: Finding, waiver: Waiver, now: datetime) -> str:
    state = "waived" if waiver.holds(now) else "its waiver has expired:"
    return f"{_describe(finding)} {state} {waiver.words} ({waiver.place})"


def _describe(finding: Finding) -> str:
    place = finding.path or ""
    if finding.path and finding.line:
        place = f"{finding.path}:{finding.line}"
    if finding.package:
        fixed = f", fixed in {finding.fixed_in}" if finding.fixed_in else ", fix unknown" if finding.fix_unknown else ""
        place = " ".join(filter(None, (finding.package, finding.installed_version))) + fixed
    return f"{finding.rule} {place}".strip()


def _compared(
    gate: Gate, value: float, limit: float, comparison: Comparison, subject: str, examples: str = "", more: str = ""
) -> GateResult:
    holds = comparison.holds(value, limit)
    sign = comparison.value if holds else {"<=": ">", ">=": "<"}[comparison.value]
    reason = f"{subject} {sign} {limit:g}" + (f" ({examples})" if examples and not holds else "")
    reason += f" [{more}]" if more else ""
    outcome = Outcome.PASS if holds else Outcome.FAIL
    return GateResult(gate.name, gate.stage, outcome, reason, value, limit, comparison)
