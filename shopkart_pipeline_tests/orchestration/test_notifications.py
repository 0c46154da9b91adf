"""Telling people in Dagster: the sensor escalates, sends, and has the asset looked at when a channel falls silent."""

from datetime import datetime
from pathlib import Path
from typing import NoReturn

import pytest
from dagster import DagsterInstance, SensorDefinition, SensorResult, build_sensor_context

from shopkart_pipeline.defs import notifications
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.notifications import build_notifications_sensor
from shopkart_pipeline.domain.notification import Notification
from shopkart_pipeline.ports.notifier import NotDelivered
from shopkart_pipeline.services.notify import notify
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline_tests.fakes.world import World

OPENED = Notification("backend-1/opened", "backend-1", "Errors", "many")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def _tick(sensor: SensorDefinition, world: World, instance: DagsterInstance, cursor: str | None) -> SensorResult:
    context = build_sensor_context(instance, cursor=cursor, resources={"platform": world.platform})
    result = sensor(context)
    assert isinstance(result, SensorResult)
    return result


def test_a_tick_sends_what_waits_and_asks_for_a_look_only_when_something_changed(
    world: World, instance: DagsterInstance
) -> None:
    [sensor] = build_notifications_sensor(world.pipeline)
    world.notifiers["oncall"].failures.append(NotDelivered("It is gone.", ""))
    notify(world.platform, OPENED)

    first = _tick(sensor, world, instance, None)
    second = _tick(sensor, world, instance, first.cursor)
    world.clock.advance(10)
    third = _tick(sensor, world, instance, second.cursor)

    assert world.notifiers["mail"].got == [(OPENED, None, False)]
    assert world.notifiers["oncall"].got == [(OPENED, None, True)]
    assert [len(each.run_requests or ()) for each in (first, second, third)] == [1, 0, 1]
    assert [each.cursor for each in (first, second, third)] == ['["oncall"]', '["oncall"]', "[]"]


def test_a_channel_that_does_not_get_through_is_a_red_check(world: World, instance: DagsterInstance) -> None:
    world.notifiers["oncall"].failures.append(NotDelivered("It is gone.", ""))
    notify(world.platform, OPENED)
    [sensor] = build_notifications_sensor(world.pipeline)
    _tick(sensor, world, instance, None)

    result = build_definitions(world.platform).resolve_job_def("channels").execute_in_process(instance=instance)

    checks = {each.check_name: (each.passed, each.description) for each in result.get_asset_check_evaluations()}
    assert checks["oncall"] == (False, "backend-1/opened, tried 1 times: It is gone.")
    assert [passed for passed, _ in checks.values()] == [False, True, True]


def test_incidents_that_can_not_be_read_keep_nothing_from_being_sent(
    world: World, instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(platform: Platform, now: datetime) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(notifications, "escalate", broken)
    [sensor] = build_notifications_sensor(world.pipeline)
    notify(world.platform, OPENED)

    _tick(sensor, world, instance, None)

    assert world.notifiers["oncall"].got == [(OPENED, None, False)]
