"""What answers to probes mean."""

import pytest

from shopkart_pipeline.adapters.local_cluster.health import (
    Answer,
    Health,
    Probe,
    after,
    delay_before_restart_seconds,
    failure_after_crash,
    how_it_ended,
    reason_for_waiting,
    reason_to_restart,
    round_of,
)
from shopkart_pipeline_tests.unit.adapters.local_cluster.replicas import PROBES

GOOD = Answer(True, False, "200 ok")
BAD = Answer(False, False, "503 not ready")
SILENT = Answer(False, True, "no answer within 2 s")
SERVING = Health(started=True, ready=True, was_ready=True)


def told(health: Health, probe: Probe, *answers: Answer) -> Health:
    for answer in answers:
        health = after(health, probe, answer)
    return health


def test_a_starting_replica_is_asked_nothing_but_whether_it_has_started() -> None:
    assert round_of(Health()) == (Probe.STARTUP,)
    assert Probe.LIVENESS in round_of(told(Health(), Probe.STARTUP, GOOD))


def test_once_started_is_started() -> None:
    assert told(Health(), Probe.STARTUP, GOOD, BAD).started


def test_a_replica_that_says_it_is_not_ready_is_believed_at_once() -> None:
    assert not told(SERVING, Probe.READINESS, BAD).ready


@pytest.mark.parametrize(("silences", "ready"), [(2, True), (3, False)])
def test_a_replica_that_says_nothing_has_three_chances(silences: int, ready: bool) -> None:
    assert told(SERVING, Probe.READINESS, *[SILENT] * silences).ready is ready


def test_an_answer_in_between_gives_back_all_chances() -> None:
    assert told(SERVING, Probe.READINESS, SILENT, SILENT, GOOD, SILENT, SILENT).ready


def test_a_replica_is_not_restarted_for_being_unready() -> None:
    unready = told(SERVING, Probe.READINESS, *[BAD] * 20)
    assert reason_to_restart(unready, PROBES, 100.0) is None


@pytest.mark.parametrize("answer", [BAD, SILENT])
def test_a_replica_is_restarted_after_three_failed_liveness_probes(answer: Answer) -> None:
    assert reason_to_restart(told(SERVING, Probe.LIVENESS, answer, answer), PROBES, 1.0) is None
    reason = reason_to_restart(told(SERVING, Probe.LIVENESS, answer, answer, answer), PROBES, 1.0)
    assert reason is not None
    assert answer.text in reason


def test_a_replica_that_does_not_start_in_time_is_restarted_with_the_last_answer_named() -> None:
    starting = told(Health(), Probe.STARTUP, BAD)
    assert reason_to_restart(starting, PROBES, 5.0) is None
    assert reason_to_restart(starting, PROBES, 5.1) == "it did not start within 5 s (startup probe: 503 not ready)"


def test_a_replica_that_started_but_was_never_ready_fails_at_its_deadline() -> None:
    started = told(told(Health(), Probe.STARTUP, GOOD), Probe.READINESS, BAD)
    assert reason_for_waiting(started, PROBES, 5.0) is None
    assert reason_for_waiting(started, PROBES, 5.1) == "never ready within 5 s (readiness probe: 503 not ready)"


def test_a_replica_that_was_ready_once_does_not_fail_by_time() -> None:
    assert reason_for_waiting(told(SERVING, Probe.READINESS, BAD), PROBES, 500.0) is None


def test_restarts_take_longer_and_longer_but_never_stop() -> None:
    delays = [delay_before_restart_seconds(crashes) for crashes in range(1, 12)]
    assert delays == sorted(delays)
    assert (delays[0], delays[-1]) == (0.1, 30.0)


def test_two_crashes_are_no_loop_and_three_are() -> None:
    how = how_it_ended(3, "ModuleNotFoundError")
    assert failure_after_crash("stable-1", 2, how) is None
    assert failure_after_crash("stable-1", 3, how) == (
        "crash loop: stable-1 ended with exit code 3 (its last log line: ModuleNotFoundError), 3 times in a row"
    )
