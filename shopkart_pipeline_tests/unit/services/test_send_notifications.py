"""Telling people: kept at once, sent in order, once, and no channel ever stops another one or whoever tells."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import pytest

from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.notification import Notification
from shopkart_pipeline.ports.notifier import NotDelivered
from shopkart_pipeline.services.notify import Told, notify
from shopkart_pipeline.services.send_notifications import GIVE_UP_AFTER, TURN, send_notifications
from shopkart_pipeline.services.silent_channels import silent_channels
from shopkart_pipeline_tests.fakes.memory_notifications import MemoryNotificationQueue
from shopkart_pipeline_tests.fakes.world import World

OPENED = Notification("backend-1/opened", "backend-1", "Errors", "many")
ACKNOWLEDGED = replace(OPENED, key="backend-1/acknowledged")


def _got(world: World, channel: str) -> list[tuple[Notification, str | None, bool]]:
    return world.notifiers[channel].got


def test_channels_that_are_told_first_get_it_once(world: World) -> None:
    assert notify(world.platform, OPENED) == Told(("oncall", "mail"))
    assert notify(world.platform, OPENED) == Told(())

    assert sorted(send_notifications(world.platform)) == [
        "mail: backend-1/opened sent",
        "oncall: backend-1/opened sent",
    ]
    assert send_notifications(world.platform) == ()
    assert _got(world, "oncall") == _got(world, "mail") == [(OPENED, None, False)]
    assert _got(world, "lead") == []


def test_where_no_channel_is_declared_the_answer_says_so(world: World) -> None:
    world.pipeline = replace(world.pipeline, notifications=None)

    assert notify(world.platform, OPENED) == Told((), "no channel is declared under `notifications`")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ToolUnavailable("The disk is full.", "Make room."), "The disk is full."),
        (OSError(30, "Read-only file system"), "OSError: Read-only file system"),
    ],
)
def test_a_queue_that_is_full_stops_nobody_and_says_so(world: World, error: Exception, reason: str) -> None:
    class FullQueue(MemoryNotificationQueue):
        def put(self, notification: Notification, channels: Sequence[str], now: datetime) -> tuple[str, ...]:
            raise error

    world.notifications = FullQueue()

    assert notify(world.platform, OPENED) == Told((), reason)


def test_what_an_incident_is_called_in_a_channel_comes_with_the_next_notification(world: World) -> None:
    notify(world.platform, OPENED)
    send_notifications(world.platform)
    notify(world.platform, ACKNOWLEDGED)
    send_notifications(world.platform)

    assert _got(world, "oncall") == [(OPENED, None, False), (ACKNOWLEDGED, "id-1", False)]


def test_a_channel_that_does_not_take_it_waits_longer_each_time_and_keeps_its_order(world: World) -> None:
    notify(world.platform, OPENED, ["oncall"])
    notify(world.platform, ACKNOWLEDGED, ["oncall"])
    waits = list[float]()
    for _ in range(11):
        world.notifiers["oncall"].failures.append(NotDelivered("It is gone.", ""))
        began = world.clock.now()
        while world.notifiers["oncall"].failures:
            send_notifications(world.platform)
            world.clock.advance(1)
        waits.append((world.clock.now() - began).total_seconds())
    assert [each.reason for each in world.notifications.untold()] == ["", "It is gone."]
    world.clock.advance(300)
    send_notifications(world.platform)

    assert waits == sorted(waits)
    assert waits[-1] == 300
    assert [notification for notification, _, _ in _got(world, "oncall")] == [OPENED, ACKNOWLEDGED]
    assert _got(world, "oncall")[0][2], "it may have arrived before"


def test_a_channel_gets_the_rest_that_it_asks_for(world: World) -> None:
    notify(world.platform, OPENED, ["oncall"])
    world.notifiers["oncall"].failures.append(NotDelivered("Too much.", "", 90.0))
    assert send_notifications(world.platform) == ("oncall: backend-1/opened waits 90 s: Too much.",)
    world.clock.advance(89)
    assert send_notifications(world.platform) == ()
    world.clock.advance(1)

    assert send_notifications(world.platform) == ("oncall: backend-1/opened sent",)


@pytest.mark.parametrize("failure", [RuntimeError("secret words"), NotDelivered("It is gone.", "")])
def test_a_channel_that_breaks_stops_no_other(world: World, failure: Exception) -> None:
    world.notifiers["oncall"].failures.append(failure)
    notify(world.platform, OPENED)

    told = send_notifications(world.platform)

    assert _got(world, "mail") == [(OPENED, None, False)]
    assert "secret words" not in " ".join(told)


def test_a_channel_that_hangs_stops_no_other_and_is_left_to_itself(world: World) -> None:
    release = threading.Event()

    def hang() -> None:
        release.wait(10)

    world.notifiers["oncall"].failures.append(hang)
    notify(world.platform, OPENED)

    told = send_notifications(world.platform, longest_seconds=0.05)
    again = send_notifications(world.platform, longest_seconds=0.05)

    try:
        assert _got(world, "mail") == [(OPENED, None, False)]
        assert told[-1] == "oncall: still at it, and left to itself"
        assert again == (), "while one hangs no second one tries"
    finally:
        release.set()


def test_a_sender_that_died_is_succeeded_when_its_turn_has_lapsed(world: World) -> None:
    notify(world.platform, OPENED, ["oncall"])
    world.notifications.take_turn("oncall", "dead", world.clock.now() + TURN, world.clock.now())
    assert send_notifications(world.platform) == ()
    world.clock.advance(TURN.total_seconds())

    assert send_notifications(world.platform) == ("oncall: backend-1/opened sent",)


def test_what_can_never_arrive_is_given_up_and_does_not_hold_the_next_one(world: World) -> None:
    world.notifiers["oncall"].failures.append(Refused("It is too long.", ""))
    notify(world.platform, OPENED, ["oncall"])
    notify(world.platform, ACKNOWLEDGED, ["oncall"])

    send_notifications(world.platform)

    assert [notification for notification, _, _ in _got(world, "oncall")] == [ACKNOWLEDGED]
    [untold] = world.notifications.untold()
    assert (untold.notification, untold.given_up, untold.reason) == (OPENED, True, "It is too long.")


def test_what_did_not_arrive_within_a_day_wakes_nobody_any_more(world: World) -> None:
    notify(world.platform, OPENED, ["oncall"])
    world.clock.advance(GIVE_UP_AFTER.total_seconds() + 1)
    world.notifiers["oncall"].failures.append(NotDelivered("It is gone.", ""))

    assert send_notifications(world.platform) == ("oncall: backend-1/opened given up after a day: It is gone.",)


def test_what_waits_for_a_channel_that_is_not_declared_any_more_is_given_up(world: World) -> None:
    notify(world.platform, OPENED, ["pager"])

    assert send_notifications(world.platform) == (
        "pager: backend-1/opened given up: channel pager is not declared any more",
    )


def test_a_storm_behind_what_was_tried_in_vain_does_not_make_its_channel_look_well(world: World) -> None:
    world.notifiers["oncall"].failures.append(NotDelivered("It is gone.", ""))
    notify(world.platform, OPENED, ["oncall"])
    send_notifications(world.platform)
    for number in range(1001):
        notify(world.platform, replace(OPENED, key=f"backend-1/{number}"), ["oncall"])

    assert silent_channels(world.platform) == {"oncall": "backend-1/opened, tried 1 times: much waits behind it"}


def test_a_channel_is_silent_while_something_waits_that_was_tried_and_a_day_after_it_was_given_up(world: World) -> None:
    notify(world.platform, OPENED)
    assert silent_channels(world.platform) == {}, "it only waits for its turn"
    world.notifiers["oncall"].failures.append(NotDelivered("It is gone.", ""))
    world.notifiers["mail"].failures.append(Refused("No such recipient.", ""))
    send_notifications(world.platform)

    assert silent_channels(world.platform) == {
        "oncall": "backend-1/opened, tried 1 times: It is gone.",
        "mail": "backend-1/opened, given up: No such recipient.",
    }
    world.clock.advance(10)
    send_notifications(world.platform)
    assert list(silent_channels(world.platform)) == ["mail"]
    world.clock.advance(GIVE_UP_AFTER.total_seconds())
    assert silent_channels(world.platform) == {}
