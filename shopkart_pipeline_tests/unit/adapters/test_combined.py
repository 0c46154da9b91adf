"""Several tools as one."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.combined import Combined
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Tool
from shopkart_pipeline.ports.scanner import ScanRequest
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


@dataclass
class Language(FakeScanner):
    """A scanner for a language that the service may not have."""

    lacking: str | None = None

    def idle(self, request: ScanRequest) -> str | None:
        return self.lacking


def language(name: str, lacking: str | None = None, absent: str | None = None) -> Language:
    return Language(name, Evidence(Tool(name, "1"), "fine", {"files": 1}), absent, lacking=lacking)


def test_a_language_that_the_service_lacks_is_not_asked_for_and_that_is_told(tmp_path: Path) -> None:
    python, javascript = language("python"), language("javascript", "no JavaScript here", "not installed")

    evidence = evidence_of(Combined([LEFT], any_of=[python, javascript]).scan(a_request(tmp_path, {})))

    assert evidence.tool.name == "python+left"
    assert evidence.measures == {"files": 4, "violations": 2}
    assert evidence.notes == ("a", "javascript was not asked: no JavaScript here.")
    assert javascript.requests == []


def test_a_language_that_is_there_needs_its_tool(tmp_path: Path) -> None:
    tools = [language("python"), language("javascript", absent="eslint is not installed")]

    assert reason_of(Combined([LEFT], any_of=tools).scan(a_request(tmp_path, {}))) == "eslint is not installed"


def test_a_service_in_no_known_language_is_no_evidence(tmp_path: Path) -> None:
    tools = [language("python", "no Python"), language("javascript", "no JavaScript")]

    run = Combined([LEFT], any_of=tools).scan(a_request(tmp_path, {}))

    assert reason_of(run) == "nothing was looked at: no Python; no JavaScript"


@pytest.mark.parametrize(
    ("python", "javascript", "needed", "expected"),
    [
        (None, "no eslint", None, None),
        ("no ruff", None, None, None),
        ("no ruff", "no eslint", None, "no ruff"),
        (None, None, "no hadolint", "no hadolint"),
    ],
)
def test_it_is_unavailable_without_what_every_service_needs(
    python: str | None, javascript: str | None, needed: str | None, expected: str | None
) -> None:
    either = [language("python", absent=python), language("javascript", absent=javascript)]

    assert Combined([language("docker", absent=needed)], any_of=either).unavailable() == expected


def test_the_key_of_a_result_names_the_tools_that_are_asked(tmp_path: Path) -> None:
    tools = [language("python"), language("javascript", "no JavaScript")]
    tools[0].known = {"python": "1"}
    fixed = FakeScanner("left", known={"left": "2"})

    assert Combined([fixed], any_of=tools).inputs(a_request(tmp_path, {})) == {"python": "1", "left": "2"}
