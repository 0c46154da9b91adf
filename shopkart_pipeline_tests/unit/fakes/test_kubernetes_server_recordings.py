"""The emulated Kubernetes answers and behaves as the real one was recorded to."""

import pytest

from shopkart_pipeline_tests.kubernetes_replay import (
    answers,
    conditions,
    endpoints,
    pod_lives,
    recordings,
    replay,
    scalings,
    told_events,
)

_NAMES = sorted(recordings())
_WATCHED = [name for name in _NAMES if any("watch" in line for line in recordings()[name])]


@pytest.mark.parametrize("name", _NAMES)
def test_requests_are_answered_as_recorded(name: str) -> None:
    replayed = replay()[name]
    assert answers(replayed.lines) == answers(replayed.recorded)


@pytest.mark.parametrize("name", _WATCHED)
def test_the_deployment_controller_scales_as_recorded(name: str) -> None:
    replayed = replay()[name]
    assert scalings(replayed.lines) == scalings(replayed.recorded)


@pytest.mark.parametrize("name", _WATCHED)
def test_a_deployment_goes_through_the_recorded_conditions(name: str) -> None:
    replayed = replay()[name]
    assert conditions(replayed.lines) == conditions(replayed.recorded)


@pytest.mark.parametrize("name", _WATCHED)
def test_pods_live_as_recorded(name: str) -> None:
    replayed = replay()[name]
    assert pod_lives(replayed.lines) == pod_lives(replayed.recorded)


@pytest.mark.parametrize("name", _WATCHED)
def test_endpoints_go_through_recorded_states_alone_and_end_as_recorded(name: str) -> None:
    replayed = replay()[name]
    emulated, recorded = endpoints(replayed.lines), endpoints(replayed.recorded)
    remaining = iter(recorded)
    assert all(state in remaining for state in emulated)
    assert emulated[-1:] == recorded[-1:]


@pytest.mark.parametrize("name", _WATCHED)
def test_events_are_told_as_recorded(name: str) -> None:
    """But for probes of pods that are dying, which aren't emulated, and for an autoscaler that was removed at once."""
    replayed = replay()[name]
    emulated, recorded = told_events(replayed.lines), told_events(replayed.recorded)
    assert {event[4] for event in recorded - emulated} <= {"Unhealthy"}
    assert {event[4] for event in emulated - recorded} <= {"FailedGetResourceMetric"}
    assert name != "03-crash-loop-and-undo" or emulated == recorded
