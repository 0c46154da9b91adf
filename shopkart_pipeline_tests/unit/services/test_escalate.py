"""Who is told when nobody answers, when, and how often."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.sqlite_notifications import SqliteNotificationQueue
from shopkart_pipeline.domain.incident import Incident, IncidentSeverity, IncidentStep, TimelineEntry
from shopkart_pipeline.domain.notification import NotificationPolicy
from shopkart_pipeline.services.escalate import OLDEST, escalate
from shopkart_pipeline_tests.fakes.world import CHANNELS, World

LEVELS = ("lead", "oncall", "lead")


@pytest.fixture(autouse=True)
def policy(world: World) -> None:
    world.pipeline = replace(
        world.pipeline, notifications=NotificationPolicy(CHANNELS, ("oncall", "mail"), 600.0, LEVELS)
    )


def _open(world: World, number: int = 1, severity: IncidentSeverity = IncidentSeverity.CRITICAL) -> Incident:
    now = world.clock.now()
    incident = Incident(
        id=f"backend-{number}-production",
        service="backend",
        environment="production",
        suspected_release="",
        suspected_digest="",
        reason="too many errors",
        failed_requests=1,
        answered_requests=2,
        timeline=(TimelineEntry(now, IncidentStep.OPENED, "opened"),),
        severity=severity,
    )
    return world.incidents.keep(lambda _: incident)


def _after(world: World, seconds: float) -> tuple[str, ...]:
    world.clock.advance(seconds)
    return escalate(world.platform, world.clock.now())


def test_each_level_is_told_once_after_its_time(world: World) -> None:
    incident = _open(world)

    assert _after(world, 599) == ()
    assert _after(world, 1) == (f"{incident.id} is escalated to lead",)
    assert _after(world, 1) == ()
    assert _after(world, 599) == (f"{incident.id} is escalated to oncall",)
    assert _after(world, 600) == (f"{incident.id} is escalated to lead",)
    assert _after(world, 6000) == ()
    told = world.notifications.told("lead")
    assert [each.key for each in told] == [f"{incident.id}/escalation-1", f"{incident.id}/escalation-3"]
    assert "open for 0:10:00" in told[0].body
    assert f"shopkart incident {incident.id} ack" in told[0].body


@pytest.mark.parametrize("step", [IncidentStep.ACKNOWLEDGED, IncidentStep.CLOSED])
def test_whoever_acknowledges_or_closes_ends_it(world: World, step: IncidentStep) -> None:
    incident = _open(world)
    _after(world, 600)
    world.incidents.change(incident.id, lambda known: known.with_entry(world.clock.now(), step, "done"))

    assert _after(world, 600) == ()


def test_incidents_are_escalated_apart(world: World) -> None:
    first = _open(world, 1)
    world.clock.advance(300)
    second = _open(world, 2)

    assert _after(world, 300) == (f"{first.id} is escalated to lead",)
    assert _after(world, 300) == (f"{second.id} is escalated to lead",)


def test_what_became_due_while_nothing_ran_is_told_afterwards(world: World) -> None:
    _open(world)

    assert len(_after(world, 3 * 600)) == 3


def test_nobody_is_woken_for_what_is_long_ago(world: World) -> None:
    _open(world)

    assert _after(world, (timedelta(seconds=1801) + OLDEST).total_seconds()) == ()


def test_what_is_only_for_information_wakes_nobody(world: World) -> None:
    _open(world, severity=IncidentSeverity.INFO)

    assert _after(world, 6000) == ()


def test_a_level_is_told_once_though_the_pipeline_was_started_again(world: World, tmp_path: Path) -> None:
    incident = _open(world)
    told = list[tuple[str, ...]]()
    for _ in range(2):
        platform = replace(world.platform, notifications=SqliteNotificationQueue(tmp_path / "notifications.db"))
        world.clock.advance(300)
        told += [escalate(platform, world.clock.now()), escalate(platform, world.clock.now())]

    assert told == [(), (), (f"{incident.id} is escalated to lead",), ()]
    again = replace(world.platform, notifications=SqliteNotificationQueue(tmp_path / "notifications.db"))
    assert escalate(again, world.clock.now()) == ()
