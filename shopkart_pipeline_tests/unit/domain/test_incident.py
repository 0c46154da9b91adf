"""An incident's timeline holds what was observed, in order, once."""

from datetime import UTC, datetime, timedelta

from shopkart_pipeline.domain.incident import Incident, IncidentStep, TimelineEntry

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)


def _incident() -> Incident:
    first = TimelineEntry(NOON, IncidentStep.DETECTED, "errors")
    return Incident("i-1", "backend", "production", "key", "sha256:1", "errors", 3, 20, (first,))


def test_entries_are_kept_in_the_order_of_their_times() -> None:
    incident = _incident().with_entry(NOON - timedelta(seconds=5), IncidentStep.INTRODUCED, "first traffic")

    assert [entry.step for entry in incident.timeline] == [IncidentStep.INTRODUCED, IncidentStep.DETECTED]


def test_the_same_entry_is_not_doubled() -> None:
    incident = _incident().with_entry(NOON + timedelta(seconds=9), IncidentStep.DETECTED, "errors")

    assert incident == _incident()


def test_a_step_is_timed_by_its_first_entry() -> None:
    incident = _incident().with_entry(NOON - timedelta(seconds=1), IncidentStep.DETECTED, "an alert")

    assert incident.time_of(IncidentStep.DETECTED) == NOON - timedelta(seconds=1)


def test_a_step_that_nobody_saw_has_no_time() -> None:
    assert _incident().time_of(IncidentStep.RECOVERED) is None
