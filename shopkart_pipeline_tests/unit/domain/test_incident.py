"""An incident's timeline holds what was observed, in order, once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shopkart_pipeline.domain.incident import (
    MOST_ALERTS,
    MOST_TOLD,
    Alert,
    AlertState,
    Incident,
    IncidentStep,
    TimelineEntry,
    with_alerts,
)

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


# Alerts.


def _alert(fingerprint: str = "f1", state: AlertState = AlertState.FIRING, seconds: float = 0) -> Alert:
    at = NOON + timedelta(seconds=seconds)
    return Alert(fingerprint, "ErrorRatio", state, at, at if state is AlertState.RESOLVED else None)


def test_an_alert_that_is_told_again_is_the_same() -> None:
    once = with_alerts(_incident(), (_alert(),), NOON)

    assert with_alerts(once, (_alert(),), NOON + timedelta(hours=1)) == once


def test_one_that_comes_back_began_when_it_first_did() -> None:
    incident = _incident()
    for alert in (_alert(), _alert(state=AlertState.RESOLVED, seconds=60), _alert(seconds=120)):
        incident = with_alerts(incident, (alert,), NOON)

    [alert] = incident.alerts
    assert (alert.state, alert.started_at) == (AlertState.FIRING, NOON)
    assert [entry.text for entry in incident.timeline][1:] == [
        "ErrorRatio fires",
        "ErrorRatio is resolved",
        "ErrorRatio fires again",
    ]


def test_of_a_storm_no_more_is_kept_than_anybody_reads() -> None:
    storm = tuple(_alert(f"f{number}") for number in range(MOST_ALERTS + 50))

    incident = with_alerts(_incident(), storm, NOON)

    assert len(incident.alerts) == MOST_ALERTS
    assert incident.missing == (f"There were more than {MOST_ALERTS} alerts; the others are not kept.",)


def test_an_alert_that_fires_takes_the_place_of_one_that_is_over() -> None:
    """Else an incident could be closed while something fires that nobody kept."""
    over = tuple(_alert(f"f{number}", AlertState.RESOLVED) for number in range(MOST_ALERTS))

    incident = with_alerts(with_alerts(_incident(), over, NOON), (_alert("new"),), NOON)

    assert [alert.fingerprint for alert in incident.firing] == ["new"]
    assert len(incident.alerts) == MOST_ALERTS


def test_alerts_that_come_and_go_with_another_value_each_time_fill_the_timeline_no_further() -> None:
    incident = _incident()
    for number in range(3 * MOST_TOLD):
        state = AlertState.RESOLVED if number % 2 else AlertState.FIRING
        told = replace(_alert(state=state, seconds=number), summary=f"{number} % fail")
        incident = with_alerts(incident, (told,), NOON)

    assert len(incident.timeline) == MOST_TOLD
    assert incident.missing == ("Alerts came and went more often than is told.",)


def test_the_minutes_of_outage_are_those_in_which_everything_fails() -> None:
    counted = replace(_incident(), failed_requests=30, all_requests=100, counted_seconds=600.0)

    assert counted.outage_minutes == 3.0
    assert _incident().outage_minutes is None
