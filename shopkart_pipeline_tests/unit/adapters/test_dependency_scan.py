"""The live service first, the snapshot where it does not answer, and no evidence where neither does."""

from datetime import timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.dependency_scan import DependencyScan, Reachability, probe_service
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock
from shopkart_pipeline_tests.scan_requests import NOON, a_request, evidence_of, reason_of

LIVE = FakeScanner("live", Evidence(Tool("live", "1"), "asked the service"))
SNAPSHOT = FakeScanner("snapshot", Evidence(Tool("snapshot", "1"), "read the snapshot", notes=("Dated.",)))
BROKEN = FakeScanner("broken", EvidenceMissing("nothing to read"))


class Probe:
    """Answers what it is told to, and counts."""

    def __init__(self, answer: str | None) -> None:
        self.answer = answer
        self.asked = 0

    def __call__(self) -> str | None:
        self.asked += 1
        return self.answer


def scan(folder: Path, live: FakeScanner, snapshot: FakeScanner, probe: Probe) -> DependencyScan:
    return DependencyScan(live, snapshot, Reachability(probe, folder / "cache" / "reached.json", FixedClock(NOON)))


def test_a_service_that_answers_is_asked(tmp_path: Path) -> None:
    run = scan(tmp_path, LIVE, SNAPSHOT, Probe(None)).scan(a_request(tmp_path, {}))

    assert evidence_of(run).summary == "asked the service"


def test_without_the_service_the_snapshot_judges_and_says_why(tmp_path: Path) -> None:
    run = scan(tmp_path, LIVE, SNAPSHOT, Probe("no such name")).scan(a_request(tmp_path, {}))

    evidence = evidence_of(run)
    assert evidence.summary == "read the snapshot"
    assert evidence.notes == ("Dated.", "No advisory service answered: no such name.")


def test_a_live_scan_that_fails_falls_back_to_the_snapshot(tmp_path: Path) -> None:
    run = scan(tmp_path, BROKEN, SNAPSHOT, Probe(None)).scan(a_request(tmp_path, {}))

    assert evidence_of(run).notes[-1] == "No advisory service answered: nothing to read."


def test_an_absent_tool_falls_back_to_the_snapshot_without_asking(tmp_path: Path) -> None:
    probe = Probe(None)
    absent = FakeScanner("live", reason_unavailable="pip-audit is not installed")

    run = scan(tmp_path, absent, SNAPSHOT, probe).scan(a_request(tmp_path, {}))

    assert "pip-audit is not installed" in evidence_of(run).notes[-1]
    assert probe.asked == 0


def test_neither_service_nor_snapshot_is_no_evidence(tmp_path: Path) -> None:
    run = scan(tmp_path, LIVE, BROKEN, Probe("no such name")).scan(a_request(tmp_path, {}))

    assert reason_of(run) == "no advisory service answered (no such name), and nothing to read"


def test_it_is_unavailable_only_if_both_are(tmp_path: Path) -> None:
    absent = FakeScanner("x", reason_unavailable="absent")

    assert scan(tmp_path, absent, SNAPSHOT, Probe(None)).unavailable() is None
    assert scan(tmp_path, absent, absent, Probe(None)).unavailable() == "absent; absent"


@pytest.mark.parametrize("answer", [None, "no such name"])
def test_an_answer_is_remembered_for_ten_minutes(tmp_path: Path, answer: str | None) -> None:
    probe, clock = Probe(answer), FixedClock(NOON)
    memory = tmp_path / "reached.json"

    answers = [Reachability(probe, memory, clock).unreachable()]
    clock.sleep(599)
    answers.append(Reachability(probe, memory, clock).unreachable())
    asked_within = probe.asked
    clock.sleep(1)
    answers.append(Reachability(probe, memory, clock).unreachable())

    assert answers == [answer] * 3
    assert (asked_within, probe.asked) == (1, 2)


@pytest.mark.parametrize("content", ["", "{}", '{"asked_at": "2025", "unreachable": null}', "\x00"])
def test_a_damaged_memory_is_asked_again(tmp_path: Path, content: str) -> None:
    probe = Probe(None)
    (tmp_path / "reached.json").write_text(content)

    Reachability(probe, tmp_path / "reached.json", FixedClock(NOON)).unreachable()

    assert probe.asked == 1


def test_a_memory_from_the_future_does_not_count(tmp_path: Path) -> None:
    probe, clock = Probe(None), FixedClock(NOON)
    Reachability(probe, tmp_path / "reached.json", clock).unreachable()
    clock.time -= timedelta(days=1)

    Reachability(probe, tmp_path / "reached.json", clock).unreachable()

    assert probe.asked == 2


def test_a_service_that_is_not_there_is_said_to_be_so() -> None:
    reason = probe_service("http://127.0.0.1:9")

    assert reason is not None
    assert "advisory service does not answer" in reason
