"""Findings as SARIF: what is written is read again as what it was, by our own reader of that format."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters import sarif
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Severity, StageRecord, Tool
from shopkart_pipeline.domain.sarif_log import FINGERPRINT, sarif_log
from shopkart_pipeline.domain.verdict import Waived
from shopkart_pipeline.domain.waiver import Waiver

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
TOOL = Tool("trivy", "0.60", "database of 2025-03-04")
FINDING = Finding(
    "CVE-1", Severity.CRITICAL, "bad", "f" * 24, path="a b/ü.lock", line=3, package="jinja2", fixed_in="3.2"
)


def record(*findings: Finding) -> StageRecord:
    return StageRecord(
        "backend", "key", "scan", "run", NOON, NOON, "a" * 40, None, Evidence(TOOL, "looked", {}, findings)
    )


def read(record: StageRecord, waived: Waived | None = None) -> sarif.SarifLog:
    log = sarif_log([record], waived) if waived else sarif_log([record])
    return sarif.parse(json.dumps(log).encode())


_TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C",)), min_size=1, max_size=20)
_FINDINGS = st.builds(
    Finding,
    rule=_TEXT,
    severity=st.sampled_from([severity for severity in Severity if severity is not Severity.UNKNOWN]),
    message=_TEXT,
    fingerprint=st.text("0123456789abcdef", min_size=24, max_size=24),
    path=st.from_regex(r"[a-zA-Zäß #%?]{1,8}(/[a-zA-Z._]{1,8}){0,2}", fullmatch=True),
    line=st.integers(1, 10_000) | st.none(),
    is_new=st.booleans(),
)


@given(st.lists(_FINDINGS, max_size=5))
def test_what_is_exported_is_imported_as_the_same(findings: list[Finding]) -> None:
    said = read(record(*findings)).said

    assert [(one.rule, one.severity, one.message, one.path, one.line) for one in said] == [
        (one.rule, one.severity, one.message, one.path, one.line) for one in findings
    ]


def test_an_unknown_severity_is_exported_as_what_gates_take_it_for() -> None:
    assert read(record(replace(FINDING, severity=Severity.UNKNOWN))).said[0].severity is Severity.HIGH


def test_fingerprint_baseline_and_package_are_in_it() -> None:
    [result] = sarif_log([record(replace(FINDING, is_new=False))])["runs"][0]["results"]

    assert result["partialFingerprints"] == {FINGERPRINT: "f" * 24}
    assert result["baselineState"] == "unchanged"
    assert (result["properties"]["package"], result["properties"]["fixedIn"]) == ("jinja2", "3.2")
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/%C3%BC.lock"


@pytest.mark.parametrize(("days", "suppressed"), [(1, 1), (-1, 0)])
def test_a_waived_finding_is_suppressed_until_the_waiver_expires(days: int, suppressed: int) -> None:
    waiver = Waiver("scan", "why", "team:shop", NOON + timedelta(days=days), "waivers.yaml:3", "f" * 24)

    assert read(record(FINDING), Waived((waiver,), NOON)).suppressed == suppressed


def test_missing_evidence_is_a_run_that_failed_and_reads_as_no_evidence() -> None:
    missing = replace(record(), result=EvidenceMissing("it crashed", TOOL))

    with pytest.raises(ValueError, match="trivy says that it failed"):
        read(missing)


def test_every_stage_is_a_run_of_its_own() -> None:
    runs = sarif_log([record(FINDING), replace(record(), stage="lint")])["runs"]

    assert [run["automationDetails"]["id"] for run in runs] == [
        "shopkart/backend/scan/key",
        "shopkart/backend/lint/key",
    ]
