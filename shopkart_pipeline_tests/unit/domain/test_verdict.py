"""Silence is never a pass: every way in which evidence can fail to say yes, and the laws of a verdict."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.declaration import LeftOut
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Reuse, Severity, StageRecord, Tool
from shopkart_pipeline.domain.policy import Comparison, FindingsRule, Gate, MeasureRule
from shopkart_pipeline.domain.verdict import (
    GateResult,
    Outcome,
    Subject,
    Verdict,
    Waived,
    evaluate_stage,
    judge_stages,
    skipped_lines,
)
from shopkart_pipeline.domain.waiver import Waiver

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
COMMIT = "a" * 40
DIGEST = f"sha256:{'1' * 64}"
SUBJECT = Subject(COMMIT, DIGEST, NOON, 14 * 24 * 3600.0, frozenset({"image_scan"}))
TOOL = Tool("tool", "1")

COVERAGE = Gate(
    "coverage",
    "unit_tests",
    "new lines are tested",
    MeasureRule("new_coverage_percent", Comparison.AT_LEAST, 80.0, "new_lines", 20.0),
)
FAILURES = Gate("failures", "unit_tests", "no test fails", MeasureRule("failed", Comparison.AT_MOST, 0.0))
VULNERABLE = Gate("high", "image_scan", "nothing bad", FindingsRule(Severity.HIGH, only_new=False))
REQUIRED: Mapping[str, tuple[Gate, ...]] = {
    "source": (),
    "unit_tests": (COVERAGE, FAILURES),
    "image_scan": (VULNERABLE,),
}


def evidence(**measures: float) -> Evidence:
    return Evidence(TOOL, "fine", measures or {"new_coverage_percent": 91.5, "new_lines": 120, "failed": 0})


def record(stage: str, result: Evidence | EvidenceMissing | None = None, digest: str | None = None) -> StageRecord:
    began = NOON - timedelta(minutes=2)
    return StageRecord(
        "backend", "key", stage, "run-1", began, NOON - timedelta(minutes=1), COMMIT, digest, result or evidence()
    )


def all_passed() -> dict[str, StageRecord]:
    return {
        "source": record("source"),
        "unit_tests": record("unit_tests"),
        "image_scan": record("image_scan", digest=DIGEST),
    }


def finding(severity: Severity = Severity.HIGH, **details: Any) -> Finding:
    return replace(Finding("CVE-1", severity, "bad", "f1"), **details)


def lines_of(verdict: Verdict) -> str:
    return "\n".join(result.line for result in verdict.blocking)


def test_a_release_whose_every_stage_left_good_evidence_passes() -> None:
    verdict = judge_stages(REQUIRED, all_passed(), SUBJECT)

    assert verdict.outcome is Outcome.PASS
    assert [result.gate for result in verdict.results] == ["evidence", "coverage", "failures", "high"]
    assert verdict.blocking == ()


def test_each_line_carries_value_and_limit() -> None:
    [line, _] = evaluate_stage("unit_tests", (COVERAGE, FAILURES), evidence(new_coverage_percent=71.3, failed=0))

    assert line.outcome is Outcome.FAIL
    assert (line.value, line.limit, line.comparison) == (71.3, 80.0, Comparison.AT_LEAST)
    assert line.line == "unit_tests.coverage: fail: new_coverage_percent 71.3 < 80"


def test_a_value_at_its_limit_passes() -> None:
    gates = (COVERAGE, FAILURES)

    assert Verdict(evaluate_stage("unit_tests", gates, evidence(new_coverage_percent=80, failed=0))).outcome == "pass"


@pytest.mark.parametrize("stage", REQUIRED)
def test_a_stage_that_never_ran_blocks(stage: str) -> None:
    records = all_passed()
    del records[stage]

    verdict = judge_stages(REQUIRED, records, SUBJECT)

    assert verdict.outcome is Outcome.MISSING
    assert "the stage never ran" in lines_of(verdict)


@pytest.mark.parametrize("stage", REQUIRED)
def test_a_tool_that_did_not_run_blocks_with_its_own_reason(stage: str) -> None:
    records = all_passed()
    records[stage] = replace(records[stage], result=EvidenceMissing("the scanner ran out of time"))

    verdict = judge_stages(REQUIRED, records, SUBJECT)

    assert verdict.outcome is Outcome.MISSING
    assert lines_of(verdict).count("the scanner ran out of time") == max(1, len(REQUIRED[stage]))


def test_evidence_about_another_commit_blocks() -> None:
    records = all_passed()
    records["unit_tests"] = replace(records["unit_tests"], commit="b" * 40)

    verdict = judge_stages(REQUIRED, records, SUBJECT)

    assert verdict.outcome is Outcome.MISSING
    assert f"about commit {'b' * 12}, not {'a' * 12}" in lines_of(verdict)


@pytest.mark.parametrize("known", [DIGEST, None])
def test_evidence_about_another_image_blocks(known: str | None) -> None:
    records = all_passed()
    records["image_scan"] = replace(records["image_scan"], subject_digest=f"sha256:{'2' * 64}")

    verdict = judge_stages(REQUIRED, records, replace(SUBJECT, digest=known))

    assert verdict.outcome is Outcome.MISSING
    assert f"about sha256:{'2' * 64}, not {known}" in lines_of(verdict)


def test_evidence_about_an_unnamed_image_blocks() -> None:
    records = all_passed()
    records["image_scan"] = replace(records["image_scan"], subject_digest=None)

    verdict = judge_stages(REQUIRED, records, SUBJECT)

    assert verdict.outcome is Outcome.MISSING
    assert "does not say which image" in lines_of(verdict)


@pytest.mark.parametrize(("seconds_over", "outcome"), [(0, Outcome.PASS), (1, Outcome.MISSING)])
def test_evidence_that_is_too_old_blocks(seconds_over: int, outcome: Outcome) -> None:
    records = all_passed()
    age = timedelta(days=14, seconds=seconds_over)
    records["source"] = replace(records["source"], finished_at=NOON - age)

    assert judge_stages(REQUIRED, records, SUBJECT).outcome is outcome


def test_evidence_of_the_future_blocks_because_it_would_never_get_old() -> None:
    records = all_passed()
    records["source"] = replace(records["source"], finished_at=NOON + timedelta(days=900))

    verdict = judge_stages(REQUIRED, records, SUBJECT)

    assert verdict.outcome is Outcome.MISSING
    assert "a clock is wrong" in lines_of(verdict)


def test_clocks_of_two_machines_may_differ_a_little() -> None:
    records = all_passed()
    records["source"] = replace(records["source"], finished_at=NOON + timedelta(seconds=20))

    assert judge_stages(REQUIRED, records, SUBJECT).outcome is Outcome.PASS


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_measure_that_is_no_number_is_missing(value: float) -> None:
    [line] = evaluate_stage("unit_tests", (FAILURES,), evidence(failed=value))

    assert line.outcome is Outcome.MISSING
    assert line.reason == "the evidence of tool holds no failed"


def test_an_absent_measure_is_missing() -> None:
    [line] = evaluate_stage("unit_tests", (FAILURES,), evidence(passed=12))

    assert line.outcome is Outcome.MISSING


def test_an_exempted_line_says_so() -> None:
    [line] = evaluate_stage("unit_tests", (COVERAGE,), evidence(new_coverage_percent=0, new_lines=19))

    assert (line.outcome, line.exempted) == (Outcome.PASS, True)
    assert line.reason == "exempt: new_lines 19 < 20 (new_coverage_percent 0, limit 80)"


@pytest.mark.parametrize("size", [20.0, math.nan, math.inf, -math.inf, None])
def test_a_size_that_is_large_or_unknown_exempts_nothing(size: float | None) -> None:
    sizes = {} if size is None else {"new_lines": size}

    [line] = evaluate_stage("unit_tests", (COVERAGE,), evidence(new_coverage_percent=0, **sizes))

    assert (line.outcome, line.exempted) == (Outcome.FAIL, False)


@pytest.mark.parametrize(
    ("found", "rule", "counted"),
    [
        (finding(Severity.HIGH), FindingsRule(Severity.HIGH), 1),
        (finding(Severity.CRITICAL), FindingsRule(Severity.HIGH), 1),
        (finding(Severity.MEDIUM), FindingsRule(Severity.HIGH), 0),
        (finding(Severity.UNKNOWN), FindingsRule(Severity.HIGH), 1),
        (finding(Severity.UNKNOWN), FindingsRule(Severity.CRITICAL), 0),
        (finding(is_new=False), FindingsRule(Severity.HIGH), 0),
        (finding(is_new=False), FindingsRule(Severity.HIGH, only_new=False), 1),
        (finding(), FindingsRule(Severity.HIGH, only_fixable=True), 0),
        (finding(fixed_in="1.2"), FindingsRule(Severity.HIGH, only_fixable=True), 1),
        (finding(fix_unknown=True), FindingsRule(Severity.HIGH, only_fixable=True), 1),
    ],
)
def test_findings_count_by_severity_novelty_and_remedy(found: Finding, rule: FindingsRule, counted: int) -> None:
    gate = Gate("high", "image_scan", "nothing bad", rule)

    [line] = evaluate_stage("image_scan", (gate,), replace(evidence(), findings=(found,)))

    assert line.value == counted
    assert line.outcome is (Outcome.FAIL if counted else Outcome.PASS)


def test_findings_of_a_look_that_declaredly_did_not_happen_are_not_counted() -> None:
    rule = FindingsRule(Severity.HIGH, exempt_measure="scans", exempt_below=1.0)
    gate, found = Gate("high", "published_image", "", rule), (finding(Severity.HIGH),)

    [exempt] = evaluate_stage("published_image", (gate,), replace(evidence(scans=0), findings=found))
    [looked] = evaluate_stage("published_image", (gate,), replace(evidence(scans=1), findings=found))
    [silent] = evaluate_stage("published_image", (gate,), replace(evidence(), findings=found))

    assert (exempt.outcome, exempt.exempted, exempt.reason) == (
        Outcome.PASS,
        True,
        "exempt: scans 0 < 1 (findings 1, limit 0)",
    )
    assert (looked.outcome, silent.outcome) == (Outcome.FAIL, Outcome.FAIL)


def test_a_failed_line_names_examples() -> None:
    found = finding(package="jinja2", installed_version="3.0", fixed_in="3.1")
    unknown = finding(package="zlib", installed_version="1", fix_unknown=True)
    elsewhere = replace(finding(), rule="S105", path="a.py", line=7)

    [line] = evaluate_stage("image_scan", (VULNERABLE,), replace(evidence(), findings=(found, unknown, elsewhere)))

    assert line.reason == (
        "3 findings of high or worse > 0 (CVE-1 jinja2 3.0, fixed in 3.1; CVE-1 zlib 1, fix unknown; S105 a.py:7)"
    )


def test_a_failure_outweighs_a_gap_in_the_outcome_and_both_block() -> None:
    records = all_passed()
    records["unit_tests"] = replace(records["unit_tests"], result=evidence(new_coverage_percent=99, failed=3))
    del records["source"]

    verdict = judge_stages(REQUIRED, records, SUBJECT)

    assert verdict.outcome is Outcome.FAIL
    assert [result.outcome for result in verdict.blocking] == [Outcome.MISSING, Outcome.FAIL]


def test_a_verdict_about_nothing_is_no_pass() -> None:
    assert judge_stages({}, all_passed(), SUBJECT).outcome is Outcome.MISSING


_RANK = {Outcome.FAIL: 0, Outcome.MISSING: 0, Outcome.PASS: 1}
_FINDINGS = st.builds(
    Finding,
    rule=st.sampled_from(["CVE-1", "CVE-2"]),
    severity=st.sampled_from(Severity),
    message=st.just("bad"),
    fingerprint=st.text("ab", min_size=1, max_size=3),
    fixed_in=st.none() | st.just("2.0"),
    fix_unknown=st.booleans(),
    is_new=st.booleans(),
)
_RULES = st.builds(
    FindingsRule,
    severity=st.sampled_from(Severity),
    only_new=st.booleans(),
    only_fixable=st.booleans(),
    limit=st.integers(0, 3),
)


@given(_RULES, st.lists(_FINDINGS, max_size=6), _FINDINGS)
def test_adding_a_finding_never_improves_a_verdict(rule: FindingsRule, found: list[Finding], more: Finding) -> None:
    gate = Gate("gate", "scan", "", rule)
    before = Verdict(evaluate_stage("scan", (gate,), replace(evidence(), findings=tuple(found))))
    after = Verdict(evaluate_stage("scan", (gate,), replace(evidence(), findings=(*found, more))))

    assert _RANK[after.outcome] <= _RANK[before.outcome]


@given(st.sets(st.sampled_from(sorted(REQUIRED)), min_size=1))
def test_removing_any_evidence_never_yields_a_pass(removed: set[str]) -> None:
    records = {stage: each for stage, each in all_passed().items() if stage not in removed}

    assert judge_stages(REQUIRED, records, SUBJECT).outcome is Outcome.MISSING


@given(st.sets(st.sampled_from(["new_coverage_percent", "failed"]), min_size=1))
def test_removing_any_measure_that_is_asked_for_never_yields_a_pass(removed: set[str]) -> None:
    records = all_passed()
    measures = {name: value for name, value in evidence().measures.items() if name not in removed}
    records["unit_tests"] = replace(records["unit_tests"], result=Evidence(TOOL, "fine", measures))

    assert judge_stages(REQUIRED, records, SUBJECT).outcome is Outcome.MISSING


def _spoiled(good: StageRecord) -> list[StageRecord | None]:
    """Every way in which a record can fail to say yes."""
    failed = replace(evidence(new_coverage_percent=12, new_lines=300, failed=9), findings=(finding(),))
    return [
        None,
        replace(good, commit="b" * 40),
        replace(good, finished_at=NOON - timedelta(days=15)),
        replace(good, reused=Reuse("earlier", "c" * 40, "run-0", NOON - timedelta(days=15))),
        replace(good, subject_digest="sha256:other"),
        replace(good, result=EvidenceMissing("crashed")),
        *([replace(good, result=failed)] if REQUIRED[good.stage] else []),
    ]


_RECORDS = {stage: st.sampled_from([good, *_spoiled(good)]) for stage, good in all_passed().items()}


@given(st.fixed_dictionaries(_RECORDS))
def test_no_set_of_missing_or_failed_evidence_ever_passes(found: Mapping[str, StageRecord | None]) -> None:
    records = {stage: each for stage, each in found.items() if each is not None}

    assert (judge_stages(REQUIRED, records, SUBJECT).outcome is Outcome.PASS) == (records == all_passed())


# Waivers: somebody answers for a finding, for a while.

MIDNIGHT = datetime(2025, 3, 6, tzinfo=UTC)


def a_waiver(**details: Any) -> Waiver:
    waiver = Waiver("image_scan", "not reachable", "maya@shopkart.example", MIDNIGHT, "backend/waivers.yaml:3", "f1")
    return replace(waiver, **details)


def gated(*findings: Finding, waivers: tuple[Waiver, ...] = (), now: datetime = NOON) -> GateResult:
    [line] = evaluate_stage(
        "image_scan", (VULNERABLE,), Evidence(TOOL, "looked", {}, findings), waived=Waived(waivers, now)
    )
    return line


def test_a_waived_finding_does_not_count_and_is_told() -> None:
    line = gated(finding(package="jinja2", installed_version="3.1.0"), waivers=(a_waiver(),))

    assert (line.outcome, line.value) == (Outcome.PASS, 0)
    assert line.reason == (
        "0 findings of high or worse <= 0 [1 not counted: waived; CVE-1 jinja2 3.1.0 waived by maya@shopkart.example "
        "until 2025-03-05: not reachable (backend/waivers.yaml:3)]"
    )
    assert len(line.waived) == 1


def test_an_expired_waiver_opens_the_gate_again_and_is_told() -> None:
    line = gated(finding(), waivers=(a_waiver(),), now=MIDNIGHT)

    assert (line.outcome, line.value) == (Outcome.FAIL, 1)
    assert "its waiver has expired: by maya@shopkart.example until 2025-03-05" in line.reason


@pytest.mark.parametrize(
    "waiver",
    [
        a_waiver(finding="f2"),
        a_waiver(stage="dependency_scan"),
        a_waiver(finding=None, rule="CVE-1"),
        a_waiver(finding=None, rule="CVE-2", package="jinja2"),
        a_waiver(finding=None, rule="CVE-1", package="flask"),
        a_waiver(finding=None, rule="CVE-1", package="jinja2", path="elsewhere.lock"),
    ],
)
def test_a_waiver_of_something_else_changes_nothing(waiver: Waiver) -> None:
    line = gated(finding(package="jinja2", path="requirements.lock"), waivers=(waiver,))

    assert (line.outcome, line.waived) == (Outcome.FAIL, ())


@pytest.mark.parametrize(
    "waiver",
    [
        a_waiver(finding=None, rule="CVE-1", package="jinja2"),
        a_waiver(finding=None, rule="CVE-1", path="requirements.lock"),
        a_waiver(finding=None, rule="CVE-1", package="jinja2", path="requirements.lock"),
    ],
)
def test_a_waiver_may_name_its_finding_by_rule_and_place(waiver: Waiver) -> None:
    assert gated(finding(package="jinja2", path="requirements.lock"), waivers=(waiver,)).outcome is Outcome.PASS


def test_a_waiver_is_no_evidence() -> None:
    [line] = evaluate_stage("image_scan", (VULNERABLE,), EvidenceMissing("crashed"), Waived((a_waiver(),), NOON))

    assert (line.outcome, line.limit) == (Outcome.MISSING, 0)


@given(
    st.lists(st.sampled_from([finding(Severity.HIGH, fingerprint=name) for name in "abc"]), max_size=5),
    st.lists(st.sampled_from([a_waiver(finding=name) for name in "abc"]), max_size=3),
    st.booleans(),
)
def test_taking_a_waiver_away_never_improves_a_gate(
    findings: list[Finding], waivers: list[Waiver], expired: bool
) -> None:
    now = MIDNIGHT if expired else NOON
    value = gated(*findings, waivers=tuple(waivers), now=now).value or 0
    fewer = gated(*findings, waivers=tuple(waivers[1:]), now=now).value or 0

    assert fewer >= value
    assert not expired or value == len(findings)


def test_findings_that_do_not_count_are_counted_apart() -> None:
    gate = replace(VULNERABLE, rule=FindingsRule(Severity.HIGH, only_new=True, only_fixable=True))
    findings = (finding(is_new=False), finding(fingerprint="f2"), finding(fingerprint="f3", fixed_in="2"))

    [line] = evaluate_stage("image_scan", (gate,), Evidence(TOOL, "looked", {}, findings))

    assert line.value == 1
    assert "[1 not counted: production has them already; 1 not counted: no version fixes them]" in line.reason


def test_a_rule_may_be_about_findings_of_some_names_alone() -> None:
    gate = replace(
        VULNERABLE, rule=FindingsRule(Severity.INFO, only_new=False, rules=("licence:GPL-*", "licence:AGPL-*"))
    )
    licences = [
        finding(Severity.INFO, rule=name) for name in ("licence:MIT", "licence:gpl-3.0-only", "licence:LGPL-2.1")
    ]

    [line] = evaluate_stage("image_scan", (gate,), Evidence(TOOL, "looked", {}, tuple(licences)))

    assert (line.outcome, line.value) == (Outcome.FAIL, 1)
    assert "1 findings of info or worse by licence:GPL-*, licence:AGPL-* > 0" in line.reason


# What the declaration leaves out.


def test_what_is_left_out_is_a_line_with_its_reason_and_blocks_nothing() -> None:
    left_out = (LeftOut("backend", "lint", None, "no code yet"), LeftOut("backend", "unit_tests", "flaky", "legacy"))
    lines = (*skipped_lines(left_out, None), *skipped_lines(left_out, "unit_tests"))

    assert [line.line for line in lines] == [
        "lint.evidence: skipped: left out by the declaration: no code yet",
        "unit_tests.flaky: skipped: left out by the declaration: legacy",
    ]
    passed = judge_stages(REQUIRED, all_passed(), SUBJECT).results
    assert Verdict((*passed, *lines)).outcome is Outcome.PASS
    assert Verdict((*passed, *lines)).blocking == ()


def test_a_verdict_of_nothing_but_skips_is_no_pass() -> None:
    assert Verdict(skipped_lines((LeftOut("backend", "lint", None, "why"),), None)).outcome is Outcome.MISSING
