"""One tool where what it needs can be had, another one where it can't."""

from pathlib import Path

import pytest

from shopkart_pipeline.adapters.preferred import Preferred
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline_tests.scan_requests import a_request, evidence_of, reason_of

GOOD = Evidence(Tool("second", "1"), "fine", notes=("Its own note.",))


class First(Scanner):
    """What is preferred."""

    name = "first"

    def __init__(self, absent: str | None = None, lacks: str | None = None, known: str | None = None) -> None:
        self._absent, self._lacks, self._known = absent, lacks, known
        self.result: Evidence | EvidenceMissing = Evidence(Tool("first", "1"), "fine")

    def unavailable(self) -> str | None:
        return self._absent

    def inputs(self, request: ScanRequest) -> dict[str, str] | None:
        return {"first": "1"}

    def trouble(self, request: ScanRequest) -> str | None:
        return self._known

    def prepare(self, request: ScanRequest) -> str | None:
        return self._lacks

    def scan(self, request: ScanRequest) -> ToolRun:
        return ToolRun(self.result)


class Second(Scanner):
    """What stands in."""

    name = "second"

    def __init__(self, result: Evidence | EvidenceMissing = GOOD, absent: str | None = None) -> None:
        self._result, self._absent = result, absent

    def unavailable(self) -> str | None:
        return self._absent

    def inputs(self, request: ScanRequest) -> dict[str, str] | None:
        return {"second": "1"}

    def scan(self, request: ScanRequest) -> ToolRun:
        return ToolRun(self._result)


@pytest.fixture
def request_(tmp_path: Path) -> ScanRequest:
    return a_request(tmp_path, {})


def test_the_first_is_asked_where_it_has_what_it_needs(request_: ScanRequest) -> None:
    assert evidence_of(Preferred(First(), Second()).scan(request_)).tool.name == "first"


def test_the_second_stands_in_for_one_that_lacks_its_data_and_says_so(request_: ScanRequest) -> None:
    evidence = evidence_of(Preferred(First(lacks="no data"), Second()).scan(request_))

    assert evidence.tool.name == "second"
    assert evidence.notes == ("Its own note.", "First could not be asked: no data.")


def test_the_second_stands_in_without_a_word_where_the_first_is_not_installed(request_: ScanRequest) -> None:
    assert evidence_of(Preferred(First(absent="not here"), Second()).scan(request_)) == GOOD


def test_a_first_that_looked_and_failed_is_not_replaced(request_: ScanRequest) -> None:
    first = First()
    first.result = EvidenceMissing("crashed")

    assert reason_of(Preferred(first, Second()).scan(request_)) == "crashed"


def test_where_neither_gives_evidence_both_reasons_are_told(request_: ScanRequest) -> None:
    run = Preferred(First(lacks="no data"), Second(EvidenceMissing("no lock"))).scan(request_)

    assert reason_of(run) == "first could not be asked (no data), and no lock"


def test_it_is_there_if_one_of_them_is() -> None:
    assert Preferred(First(absent="a"), Second()).unavailable() is None
    assert Preferred(First(), Second(absent="b")).unavailable() is None
    assert Preferred(First(absent="a"), Second(absent="b")).unavailable() == "a; b"


def test_what_a_result_depends_on_is_that_of_the_one_that_will_be_asked(request_: ScanRequest) -> None:
    assert Preferred(First(), Second()).inputs(request_) == {"first": "1"}
    for first in (First(known="no data"), First(absent="not here")):
        assert Preferred(first, Second()).inputs(request_) == {"second": "1", "in place of": "first"}
