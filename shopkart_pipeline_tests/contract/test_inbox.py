"""What every inbox owes its callers: one suite over the fake and over SQLite, and what only a real file can lose."""

import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.sqlite_inbox import SqliteInbox
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.ports.inbox import Delivery, Inbox
from shopkart_pipeline_tests.contract.durable_writers import acknowledged, start_writer
from shopkart_pipeline_tests.fakes.memory_inbox import MemoryInbox

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> Inbox:
    return MemoryInbox() if request.param == "memory" else SqliteInbox(tmp_path / "below" / "inbox.db")


def delivery(number: int, body: bytes = b"{}") -> Delivery:
    return Delivery(f"d-{number}", "push", NOON + timedelta(seconds=number), body)


def ids(inbox: Inbox) -> list[str]:
    return [each.id for each in inbox.pending()]


def test_a_new_inbox_is_empty(inbox: Inbox) -> None:
    assert inbox.pending() == ()


def test_deliveries_are_pending_in_the_order_of_their_arrival(inbox: Inbox) -> None:
    for number in (3, 1, 2):
        assert inbox.put(delivery(number))

    assert ids(inbox) == ["d-3", "d-1", "d-2"]


def test_a_delivery_comes_back_as_it_was_put(inbox: Inbox) -> None:
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    given = Delivery("d", "push", NOON.astimezone(elsewhere), bytes(range(256)))
    inbox.put(given)

    assert inbox.pending() == (given,)


def test_an_id_that_is_known_is_not_kept_twice(inbox: Inbox) -> None:
    inbox.put(delivery(1, b"first"))

    assert not inbox.put(delivery(1, b"second"))
    assert [each.body for each in inbox.pending()] == [b"first"]


def test_what_is_done_is_not_pending_and_stays_known(inbox: Inbox) -> None:
    inbox.put(delivery(1))
    inbox.put(delivery(2))

    inbox.done("d-1", "released", NOON)

    assert ids(inbox) == ["d-2"]
    assert not inbox.put(delivery(1))
    assert ids(inbox) == ["d-2"]


def test_doing_it_twice_or_for_nobody_changes_nothing(inbox: Inbox) -> None:
    inbox.put(delivery(1))
    inbox.done("d-1", "released", NOON)

    inbox.done("d-1", "ignored", NOON)
    inbox.done("nobody", "ignored", NOON)

    assert inbox.pending() == ()


def test_no_more_are_handed_out_than_asked_for(inbox: Inbox) -> None:
    for number in range(5):
        inbox.put(delivery(number))

    assert [each.id for each in inbox.pending(limit=2)] == ["d-0", "d-1"]


# What only a file can do.


def test_everything_is_there_for_the_next_process(tmp_path: Path) -> None:
    first = SqliteInbox(tmp_path / "inbox.db")
    first.put(delivery(1))
    first.put(delivery(2))
    first.done("d-1", "released", NOON)

    assert ids(SqliteInbox(tmp_path / "inbox.db")) == ["d-2"]


def test_of_many_who_put_the_same_delivery_one_is_told_that_it_is_new(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"

    def put(number: int) -> bool:
        return SqliteInbox(path).put(delivery(number % 4))

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(put, range(32)))

    assert sum(told) == 4
    assert sorted(ids(SqliteInbox(path))) == ["d-0", "d-1", "d-2", "d-3"]


def test_what_was_acknowledged_survives_a_kill_in_the_middle_of_writing(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    writer = start_writer("inbox", path, "w", 100_000)
    assert writer.stdout is not None
    seen = [writer.stdout.readline().strip() for _ in range(20)]

    writer.send_signal(signal.SIGKILL)

    told = [*seen, *acknowledged(writer)]
    kept = [each.id for each in SqliteInbox(path).pending(limit=200_000)]
    assert kept[: len(told)] == told
    assert len(kept) - len(told) <= 1


def test_a_file_that_is_no_database_is_an_unavailable_tool(tmp_path: Path) -> None:
    path = tmp_path / "inbox.db"
    path.write_bytes(b"this is no database" * 100)

    with pytest.raises(ToolUnavailable, match="can't be used"):
        SqliteInbox(path).put(delivery(1))
