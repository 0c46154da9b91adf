"""An alert storm is one incident, two things that go wrong are two, and what is resolved is told to the right one."""

import json
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.incident import AlertState, IncidentSeverity, IncidentSource, IncidentStep
from shopkart_pipeline.domain.notification import Urgency
from shopkart_pipeline.ports.alert_reader import ALERTS
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.raise_incident import raise_incident
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

SAMPLES = Path(__file__).parents[2] / "samples" / "alertmanager"


def tell(world: World, name: str, **changes: Any) -> str:
    """Alertmanager's words are drained from the inbox; returns what is said of them."""
    payload = json.loads((SAMPLES / f"{name}.json").read_text()) | changes
    return accept(world.platform, Delivery("d", ALERTS, world.clock.now(), json.dumps(payload).encode())).outcome


def test_alerts_of_one_group_open_one_incident(world: World) -> None:
    tell(world, "firing_two")

    [incident] = world.incidents.list()
    assert (incident.service, incident.environment, incident.source) == ("backend", PRODUCTION, "alertmanager")
    assert incident.severity is IncidentSeverity.CRITICAL
    assert {alert.name for alert in incident.firing} == {"LatencyP95", "ErrorRatio"}
    assert incident.reason == "LatencyP95: p95 is 0.9 s (and 1 more)"
    assert incident.time_of(IncidentStep.DETECTED) == incident.alerts[0].started_at


def test_a_storm_is_one_incident_however_often_it_is_told(world: World) -> None:
    for _ in range(20):
        tell(world, "firing_two")

    [incident] = world.incidents.list()
    assert len(incident.alerts) == 2
    assert len([entry for entry in incident.timeline if entry.step is IncidentStep.DETECTED]) == 2


def test_two_services_that_fail_at_once_are_two_incidents(world: World) -> None:
    tell(world, "firing_two")
    tell(world, "firing_frontend")

    assert {incident.service for incident in world.incidents.list()} == {"backend", "frontend"}


def test_two_groups_of_one_service_are_two_incidents(world: World) -> None:
    tell(world, "firing_two")
    tell(world, "firing_two", groupLabels={"alertname": "ErrorRatio", "service": "backend"})

    assert len(world.incidents.list()) == 2


def test_a_storm_that_comes_by_two_routes_is_one_incident(world: World) -> None:
    """What is critical is told by a route of its own."""
    tell(world, "firing_two")
    tell(world, "firing_two", groupKey='{}/{severity="critical"}:{environment="production", service="backend"}')

    assert len(world.incidents.list()) == 1


def test_what_is_resolved_is_resolved_where_it_belongs(world: World) -> None:
    tell(world, "firing_two")
    said = tell(world, "one_resolved")

    [incident] = world.incidents.list()
    assert {alert.name: alert.state for alert in incident.alerts} == {
        "LatencyP95": AlertState.RESOLVED,
        "ErrorRatio": AlertState.FIRING,
    }
    assert f"resolved in incident {incident.id}" in said
    tell(world, "resolved")
    assert world.incidents.list()[0].firing == ()
    assert world.incidents.list()[0].is_open, "that nothing fires is no recovery yet"


def test_what_is_resolved_and_belongs_nowhere_opens_nothing(world: World) -> None:
    assert tell(world, "resolved").startswith("ignored: ")
    assert world.incidents.list() == ()


def test_an_alert_joins_what_the_pipeline_itself_found_in_that_service(world: World) -> None:
    first = raise_incident(
        world.platform, IncidentSource.OBJECTIVE, "backend", PRODUCTION, "error ratio 0.2 > 0.01", group="error_ratio"
    )

    tell(world, "firing_two")

    [incident] = world.incidents.list()
    assert (incident.id, len(incident.firing), len(incident.groups)) == (first.id, 2, 2)


def test_an_objective_that_stays_missed_is_told_once(world: World) -> None:
    for ratio in ("0.2", "0.3", "0.4"):
        raise_incident(
            world.platform, IncidentSource.OBJECTIVE, "backend", PRODUCTION, f"error ratio {ratio}", group="error_ratio"
        )
        world.clock.advance(60)

    [incident] = world.incidents.list()
    assert [entry.text for entry in incident.timeline if entry.step is IncidentStep.DETECTED] == ["error ratio 0.2"]


def test_what_fires_after_its_incident_was_closed_is_a_new_one(world: World) -> None:
    tell(world, "firing_two")
    [first] = world.incidents.list()
    world.incidents.change(first.id, lambda it: it.with_entry(world.clock.now(), IncidentStep.CLOSED, "closed"))

    tell(world, "firing_two")

    assert {incident.id: incident.is_open for incident in world.incidents.list()} == {
        first.id: False,
        f"{first.id}-2": True,
    }


def test_an_alert_about_nothing_that_is_declared_is_not_lost(world: World) -> None:
    payload = json.loads((SAMPLES / "firing_frontend.json").read_text())
    payload["alerts"][0]["labels"] = {"alertname": "DiskFull", "service": "../etc", "environment": "moon"}

    tell(world, "firing_frontend", alerts=payload["alerts"])

    [incident] = world.incidents.list()
    assert (incident.service, incident.environment) == ("unattributed", PRODUCTION)


def test_what_can_not_be_understood_is_refused(world: World) -> None:
    with pytest.raises(UntrustedInput):
        tell(world, "firing_two", version="5")


def test_a_full_store_has_the_alerts_wait(world: World) -> None:
    world.incidents.is_full = True

    with pytest.raises(ToolUnavailable):
        tell(world, "firing_two")

    world.incidents.is_full = False
    tell(world, "firing_two")
    assert len(world.incidents.list()) == 1


def test_what_a_person_opens_is_always_another_one(world: World) -> None:
    tell(world, "firing_two")

    raise_incident(world.platform, IncidentSource.PERSON, "backend", PRODUCTION, "customers can't pay")

    assert len(world.incidents.list()) == 2


def test_an_alert_about_an_environment_that_nobody_declared_is_nothing_of_production(world: World) -> None:
    """A preview's alert must not have production go back."""
    payload = json.loads((SAMPLES / "firing_two.json").read_text())
    for alert in payload["alerts"]:
        alert["labels"]["environment"] = "preview-7"

    tell(world, "firing_two", alerts=payload["alerts"])

    assert [incident.service for incident in world.incidents.list()] == ["unattributed"]


def test_one_that_becomes_worse_is_told_again_and_urgently(world: World) -> None:
    payload = json.loads((SAMPLES / "firing_two.json").read_text())
    mild = [alert for alert in payload["alerts"] if alert["labels"]["severity"] == "warning"]
    tell(world, "firing_two", alerts=mild)
    tell(world, "firing_two")
    tell(world, "firing_two")

    assert [each.urgency for each in world.notifications.told("oncall")] == [Urgency.NORMAL, Urgency.URGENT]


def test_two_environments_with_the_same_alert_are_two_incidents_and_are_resolved_apart(world: World) -> None:
    for environment, fingerprint in (("staging", "aa"), (PRODUCTION, "bb")):
        payload = json.loads((SAMPLES / "firing_two.json").read_text())
        alert = payload["alerts"][0] | {"fingerprint": fingerprint}
        alert["labels"]["environment"] = environment
        tell(world, "firing_two", alerts=[alert], groupLabels={"service": "backend", "environment": environment})
    ended = alert | {"status": "resolved", "endsAt": alert["startsAt"]}
    tell(world, "firing_two", alerts=[ended])

    assert {incident.environment: len(incident.firing) for incident in world.incidents.list()} == {
        "staging": 1,
        PRODUCTION: 0,
    }
