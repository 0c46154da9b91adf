"""Deliveries that failed are asked for again."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shopkart_pipeline.ports.code_host import HookDelivery
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.redeliver import MAXIMUM_ATTEMPTS, redeliver
from shopkart_pipeline_tests.fakes.fake_code_reader import FakeCodeReader
from shopkart_pipeline_tests.fakes.world import World

DAY_SECONDS = 24 * 3600


@pytest.fixture
def reader(world: World) -> FakeCodeReader:
    world.code_reader = reader = FakeCodeReader(world.clock)
    return reader


def failed(world: World, reader: FakeCodeReader, guid: str = "a", attempts: int = 1) -> HookDelivery:
    delivery = HookDelivery(guid, len(reader.deliveries) + 1, "push", attempts, False, world.clock.now())
    reader.deliveries.append(delivery)
    return delivery


def test_what_failed_is_delivered_again_once(world: World, reader: FakeCodeReader) -> None:
    failed(world, reader)
    world.clock.advance(300)

    [line] = redeliver(world.platform)

    assert reader.delivered_again == ["a"]
    assert "push a is delivered again" in line


def test_what_arrived_is_left_alone(world: World, reader: FakeCodeReader) -> None:
    reader.deliveries.append(replace(failed(world, reader, "delivered"), is_delivered=True))
    reader.deliveries.pop(0)
    failed(world, reader, "too late for GitHub")
    world.inbox.put(Delivery("too late for GitHub", "push", world.clock.now(), b"{}"))
    world.clock.advance(300)

    assert redeliver(world.platform) == ()
    assert reader.delivered_again == []


def test_the_longer_it_fails_the_longer_it_rests(world: World, reader: FakeCodeReader) -> None:
    failed(world, reader, attempts=3)
    world.clock.advance(3600)
    assert redeliver(world.platform) == ()

    world.clock.advance(240)
    redeliver(world.platform)

    assert reader.delivered_again == ["a"]


def test_it_is_said_once_what_is_given_up(world: World, reader: FakeCodeReader) -> None:
    failed(world, reader, attempts=MAXIMUM_ATTEMPTS)
    world.clock.advance(DAY_SECONDS)

    assert redeliver(world.platform) == (f"push a was given up after {MAXIMUM_ATTEMPTS} attempts",)
    assert redeliver(world.platform) == ()
    assert reader.delivered_again == []


def test_every_attempt_is_made_within_the_days_that_deliveries_are_kept(world: World, reader: FakeCodeReader) -> None:
    delivery = failed(world, reader)

    for _ in range(3 * DAY_SECONDS // 300):
        world.clock.advance(300)
        for _ in redeliver(world.platform):
            again = len(reader.delivered_again) + 1
            reader.deliveries[0] = replace(delivery, attempts=again, latest_at=world.clock.now())

    assert len(reader.delivered_again) == MAXIMUM_ATTEMPTS - 1


def test_one_webhook_for_several_repositories_is_asked_once(world: World, reader: FakeCodeReader) -> None:
    other = replace(world.pipeline.services["frontend"].source, repository="shopkart/other")
    world.declare("frontend", lambda service: replace(service, source=other))
    failed(world, reader)
    world.clock.advance(300)

    redeliver(world.platform)

    assert reader.delivered_again == ["a"]


def test_what_has_all_arrived_is_not_listed_again(world: World, reader: FakeCodeReader) -> None:
    redeliver(world.platform)
    settled = world.clock.now()
    world.clock.advance(2 * 3600)
    reader.deliveries.append(HookDelivery("old", 1, "push", 1, False, settled - timedelta(minutes=30)))
    failed(world, reader, "new")
    world.clock.advance(300)

    redeliver(world.platform)

    assert reader.delivered_again == ["new"]


def test_as_long_as_one_delivery_is_open_all_its_attempts_are_counted(world: World, reader: FakeCodeReader) -> None:
    delivery = failed(world, reader, attempts=4)
    for _ in range(8):
        world.clock.advance(3600)
        redeliver(world.platform)

    reader.deliveries[0] = replace(delivery, attempts=5)

    assert redeliver(world.platform) == ("push a was given up after 5 attempts",)


def test_who_does_not_answer_is_named(world: World, reader: FakeCodeReader) -> None:
    failed(world, reader)
    world.clock.advance(300)
    reader.silent = "api.github.com asks for a rest."

    [line] = redeliver(world.platform)

    assert "asks for a rest" in line


def test_nobody_is_asked_without_credentials(world: World) -> None:
    assert redeliver(world.platform) == ()


def test_older_failures_are_not_looked_at(world: World, reader: FakeCodeReader) -> None:
    failed(world, reader)
    world.clock.advance(timedelta(days=4).total_seconds())

    assert redeliver(world.platform) == ()
