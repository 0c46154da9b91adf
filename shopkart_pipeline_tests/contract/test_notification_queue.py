"""What every queue of notifications owes its callers: one suite over the fake, SQLite and PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.postgres_notifications import PostgresNotificationQueue
from shopkart_pipeline.adapters.sqlite_notifications import SqliteNotificationQueue
from shopkart_pipeline.domain.notification import Notification, Urgency
from shopkart_pipeline.ports.notifier import NotificationQueue
from shopkart_pipeline_tests.fakes.memory_notifications import MemoryNotificationQueue

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OPENED = Notification("backend-1/opened", "backend-1", "Errors ✓", "a\nb", "https://pipeline.example", Urgency.URGENT)
CLOSED = replace(OPENED, key="backend-1/closed", urgency=Urgency.OVER, url=None)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> NotificationQueue:
    match request.param:
        case "memory":
            return MemoryNotificationQueue()
        case "sqlite":
            return SqliteNotificationQueue(tmp_path / "a" / "n.db")
        case _:
            return PostgresNotificationQueue(request.getfixturevalue("stores"))


def _sequence(queue: NotificationQueue, channel: str, now: datetime = NOON) -> int:
    queued = queue.due(channel, now)
    assert queued is not None
    return queued.sequence


def test_a_notification_comes_back_as_it_was_put_for_each_channel(queue: NotificationQueue) -> None:
    assert queue.put(OPENED, ("oncall", "mail"), NOON) == ("oncall", "mail")

    for channel in ("oncall", "mail"):
        queued = queue.due(channel, NOON)
        assert queued is not None
        assert queued.notification == OPENED
        assert (queued.channel, queued.attempts, queued.put_at, queued.remote_id) == (channel, 0, NOON, None)
    assert sorted(queue.waiting()) == ["mail", "oncall"]


def test_a_key_is_told_once_by_each_channel_even_after_it_has_arrived(queue: NotificationQueue) -> None:
    queue.put(OPENED, ("oncall",), NOON)
    queue.sent(_sequence(queue, "oncall"), "", NOON)

    assert queue.put(replace(OPENED, subject="other words"), ("oncall", "mail"), NOON + MINUTE) == ("mail",)
    assert queue.due("oncall", NOON + MINUTE) is None


def test_a_channel_is_told_in_the_order_in_which_things_happened(queue: NotificationQueue) -> None:
    queue.put(OPENED, ("oncall",), NOON)
    queue.put(CLOSED, ("oncall",), NOON)

    queue.postpone(_sequence(queue, "oncall"), NOON + MINUTE, "it rests")

    assert queue.due("oncall", NOON) is None
    assert _sequence(queue, "oncall", NOON + MINUTE) == _sequence(queue, "oncall", NOON + 2 * MINUTE)
    queue.sent(_sequence(queue, "oncall", NOON + MINUTE), "", NOON + MINUTE)
    queued = queue.due("oncall", NOON + MINUTE)
    assert queued is not None
    assert queued.notification == CLOSED


def test_what_shows_an_incident_in_a_channel_is_known_to_what_comes_after(queue: NotificationQueue) -> None:
    other = replace(OPENED, key="frontend-1/opened", incident_id="frontend-1")
    queue.put(OPENED, ("tickets", "oncall"), NOON)
    queue.sent(_sequence(queue, "tickets"), "4711", NOON)
    queue.put(CLOSED, ("tickets", "oncall"), NOON)
    queue.put(other, ("tickets",), NOON)

    queued, elsewhere = queue.due("tickets", NOON), queue.due("oncall", NOON)

    assert queued is not None
    assert elsewhere is not None
    assert (queued.remote_id, elsewhere.remote_id) == ("4711", None)
    queue.sent(queued.sequence, "4711", NOON)
    last = queue.due("tickets", NOON)
    assert last is not None
    assert last.remote_id is None


def test_what_has_not_arrived_is_told_with_its_reason_newest_first(queue: NotificationQueue) -> None:
    queue.put(OPENED, ("oncall", "mail"), NOON)
    queue.put(CLOSED, ("mail",), NOON + MINUTE)
    queue.sent(_sequence(queue, "oncall"), "", NOON)
    first = _sequence(queue, "mail")
    queue.trying(first)
    queue.give_up(first, "nobody reads it", NOON)

    untold = queue.untold()

    assert [(each.channel, each.notification, each.attempts, each.reason, each.given_up) for each in untold] == [
        ("mail", CLOSED, 0, "", False),
        ("mail", OPENED, 1, "nobody reads it", True),
    ]
    assert queue.untold(1) == untold[:1]


def test_one_sends_by_a_channel_at_a_time_until_the_turn_lapses(queue: NotificationQueue) -> None:
    assert queue.take_turn("oncall", "a", NOON + MINUTE, NOON)
    assert not queue.take_turn("oncall", "b", NOON + MINUTE, NOON)
    assert queue.take_turn("mail", "b", NOON + MINUTE, NOON)
    assert queue.take_turn("oncall", "b", NOON + 2 * MINUTE, NOON + MINUTE)

    queue.end_turn("oncall", "a")
    assert not queue.take_turn("oncall", "a", NOON + 3 * MINUTE, NOON + MINUTE)
    queue.end_turn("oncall", "b")
    assert queue.take_turn("oncall", "a", NOON + 3 * MINUTE, NOON + MINUTE)


def test_what_was_settled_long_ago_is_let_go_and_what_waits_stays(queue: NotificationQueue) -> None:
    queue.put(OPENED, ("oncall", "mail"), NOON)
    queue.sent(_sequence(queue, "oncall"), "4711", NOON)

    assert queue.forget(NOON) == 0
    assert queue.forget(NOON + MINUTE) == 1

    assert [each.channel for each in queue.untold()] == ["mail"]
    assert queue.put(OPENED, ("oncall", "mail"), NOON) == ("oncall",)


def test_a_queue_goes_on_in_another_process_where_it_stopped(tmp_path: Path) -> None:
    before, after = (SqliteNotificationQueue(tmp_path / "n.db") for _ in range(2))
    before.put(OPENED, ("oncall",), NOON)
    before.trying(_sequence(before, "oncall"))

    queued = after.due("oncall", NOON)

    assert queued is not None
    assert (queued.notification, queued.attempts) == (OPENED, 1)
    assert after.put(OPENED, ("oncall",), NOON) == ()
