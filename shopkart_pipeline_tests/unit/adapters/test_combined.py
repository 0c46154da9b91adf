"""Several tools as one."""

from pathlib import Path

from shopkart_pipeline.adapters.combined import Combined
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Tool
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.scan_requests import a_request, evidence_of, reason_of

LEFT = FakeScanner("left", Evidence(Tool("left", "1"), "2 found", {"violations": 2, "files": 3}, notes=("a",)))
RIGHT = FakeScanner("right", Evidence(Tool("right", "2", "its rules"), "1 found", {"violations": 1}, notes=("b",)))


def test_measures_are_added_and_versions_named(tmp_path: Path) -> None:
    evidence = evidence_of(Combined([LEFT, RIGHT]).scan(a_request(tmp_path, {})))

    assert evidence.tool == Tool("left+right", "left 1, right 2", "its rules")
    assert evidence.measures == {"violations": 3, "files": 3}
    assert evidence.notes == ("a", "b")


def test_one_missing_tool_leaves_no_evidence_but_keeps_the_reports(tmp_path: Path) -> None:
    report = RawReport("left.json", "application/json", b"[]")
    left = FakeScanner("left", LEFT.result, raw=(report,))
    right = FakeScanner("right", EvidenceMissing("right crashed"))

    run = Combined([left, right]).scan(a_request(tmp_path, {}))

    assert reason_of(run) == "right crashed"
    assert run.raw == (report,)


def test_it_is_unavailable_if_one_of_its_tools_is() -> None:
    assert Combined([LEFT, FakeScanner("right", reason_unavailable="no right here")]).unavailable() == "no right here"
    assert Combined([LEFT, RIGHT]).unavailable() is None
