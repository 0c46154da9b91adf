"""What every inbox owes its callers: one suite over the fake, SQLite and PostgreSQL, and what only real ones do."""

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import httpx
import pytest

from shopkart_pipeline.adapters.github import signature_of
from shopkart_pipeline.adapters.postgres_inbox import PostgresInbox
from shopkart_pipeline.adapters.sqlite_inbox import SqliteInbox
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.hooks.receiver import create_app
from shopkart_pipeline.ports.inbox import Delivery, Inbox
from shopkart_pipeline_tests.contract.durable_writers import acknowledged, start_writer
from shopkart_pipeline_tests.contract.postgres import Postgres
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.memory_inbox import MemoryInbox

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> Inbox:
    match request.param:
        case "memory":
            return MemoryInbox()
        case "sqlite":
            return SqliteInbox(tmp_path / "below" / "inbox.db")
        case _:
            server: Postgres = request.getfixturevalue("postgres")
            return PostgresInbox(server.address())


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


def test_what_waits_is_counted(inbox: Inbox) -> None:
    assert inbox.waiting() == 0
    for number in (1, 2, 3):
        inbox.put(delivery(number))
    inbox.done("d-2", "done", NOON)
    assert inbox.waiting() == 2


def test_a_delivery_comes_back_as_it_was_put(inbox: Inbox) -> None:
    elsewhere = timezone(timedelta(hours=5, minutes=30))
    given = Delivery("d", "push", NOON.astimezone(elsewhere), bytes(range(256)))
    inbox.put(given)

    assert inbox.pending() == (given,)


def test_a_delivery_is_found_by_its_id_also_when_it_is_done(inbox: Inbox) -> None:
    inbox.put(delivery(1, b"said"))
    inbox.done("d-1", "released", NOON)

    assert inbox.find("d-1") == delivery(1, b"said")
    assert inbox.find("d-2") is None

    inbox.drop_bodies(NOON + timedelta(days=1))
    assert inbox.find("d-1") == delivery(1, b"")


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


def test_those_behind_a_delivery_are_handed_out_alone(inbox: Inbox) -> None:
    for number in range(4):
        inbox.put(delivery(number))
    inbox.done("d-1", "released", NOON)

    assert [each.id for each in inbox.pending(after="d-1")] == ["d-2", "d-3"]
    assert inbox.pending(after="d-3") == ()
    assert len(inbox.pending(after="nobody")) == 3


def test_large_bodies_are_handed_out_a_few_at_a_time(inbox: Inbox) -> None:
    large = b"x" * (25 * 1024 * 1024)
    for number in range(4):
        inbox.put(delivery(number, large))

    assert [each.id for each in inbox.pending()] == ["d-0", "d-1"]
    assert [each.id for each in inbox.pending(after="d-1")] == ["d-2", "d-3"]


def test_many_are_put_at_once_and_each_is_told_whether_it_is_new(inbox: Inbox) -> None:
    inbox.put(delivery(1))

    assert inbox.put_all([delivery(2), delivery(1), delivery(3), delivery(3)]) == (True, False, True, False)
    assert ids(inbox) == ["d-1", "d-2", "d-3"]


@pytest.mark.parametrize("outcome", ["rejected: `ref` is not text", "ignored: no service is released from there"])
def test_what_has_led_to_nothing_is_pending_again_when_it_is_delivered_again(inbox: Inbox, outcome: str) -> None:
    inbox.put(delivery(1, b"first"))
    inbox.put(delivery(2))
    inbox.done("d-1", outcome, NOON)
    inbox.drop_bodies(NOON + timedelta(days=1))

    assert inbox.put(delivery(1, b"again"))

    assert [(each.id, each.body) for each in inbox.pending()] == [("d-1", b"again"), ("d-2", b"{}")]
    inbox.done("d-1", "released", NOON)
    assert not inbox.put(delivery(1))


def test_an_outcome_may_quote_anything(inbox: Inbox) -> None:
    inbox.put(delivery(1))

    inbox.done("d-1", "ignored: \x00 \ud800 100 %", NOON)

    assert inbox.pending() == ()


def test_bodies_of_what_was_done_long_ago_are_dropped_and_nothing_else(inbox: Inbox) -> None:
    for number in range(3):
        inbox.put(delivery(number))
    inbox.done("d-0", "released", NOON)
    inbox.done("d-1", "released", NOON.astimezone(timezone(timedelta(hours=-8))) + timedelta(hours=2))

    assert inbox.drop_bodies(NOON + timedelta(hours=1)) == 1

    assert inbox.drop_bodies(NOON + timedelta(hours=1)) == 0
    assert not inbox.put(delivery(0))
    assert [each.body for each in inbox.pending()] == [b"{}"]


# What only a server can do.


def test_receivers_and_drains_of_one_database_share_it(postgres: Postgres) -> None:
    address = postgres.address()

    def put(number: int) -> bool:
        return PostgresInbox(address).put(delivery(number % 4))

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(put, range(32)))

    first, second = PostgresInbox(address), PostgresInbox(address)
    assert sum(told) == 4
    assert ids(first) == ids(second)
    first.done("d-1", "released", NOON)
    second.done("d-1", "released", NOON)
    assert sorted(ids(second)) == ["d-0", "d-2", "d-3"]


def test_a_lost_server_is_unavailable_and_back_when_it_is(postgres: Postgres) -> None:
    inbox = PostgresInbox(postgres.address())
    inbox.put(delivery(1))
    postgres.stop()

    try:
        with pytest.raises(ToolUnavailable, match="can't be used"):
            inbox.put(delivery(2))
    finally:
        postgres.start()

    assert inbox.put(delivery(2))
    assert ids(inbox) == ["d-1", "d-2"]


def test_a_connection_that_was_lost_while_it_lay_idle_is_replaced(postgres: Postgres) -> None:
    inbox = PostgresInbox(postgres.address())
    inbox.put(delivery(1))
    postgres.stop()
    postgres.start()

    assert inbox.put(delivery(2))


def test_a_receiver_says_503_while_the_server_is_away_and_202_afterwards(postgres: Postgres) -> None:
    inbox, body = PostgresInbox(postgres.address()), b"{}"
    app = create_app(inbox, ["a secret"], FakeClock(), lambda: None)
    headers = {
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": "d-1",
        "X-Hub-Signature-256": signature_of(body, "a secret"),
    }

    async def post() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://receiver") as client:
            return (await client.post("/webhooks/github", content=body, headers=headers)).status_code

    postgres.stop()
    try:
        assert asyncio.run(post()) == 503
    finally:
        postgres.start()

    assert asyncio.run(post()) == 202
    assert ids(inbox) == ["d-1"]


@pytest.mark.parametrize("address", ["postgresql://u:top secret@h/d", "postgresql://u:top%20secret@127.0.0.1:1/d"])
def test_no_error_repeats_the_password(address: str) -> None:
    with pytest.raises(PipelineError) as caught:
        PostgresInbox(address).put(delivery(1))

    shown = f"{caught.value} {caught.value.__cause__}"
    assert "secret" not in shown


def test_a_password_that_is_wrong_is_not_repeated_either(postgres: Postgres) -> None:
    inbox = PostgresInbox(postgres.address(password="hunter2"))

    with pytest.raises(ToolUnavailable, match="password authentication failed") as caught:
        inbox.put(delivery(1))

    assert "hunter2" not in str(caught.value)


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


def test_what_came_in_is_known_whatever_became_of_it(inbox: Inbox) -> None:
    for number in (1, 2, 3):
        inbox.put(delivery(number))
    inbox.done("d-1", "released", NOON)
    inbox.done("d-2", "rejected: it is not JSON", NOON)
    inbox.drop_bodies(NOON + timedelta(days=1))

    assert inbox.known(["d-1", "d-2", "d-3", "d-4", "'; --"]) == {"d-1", "d-2", "d-3"}
    assert inbox.known([]) == frozenset()
    assert inbox.known([f"d-{number}" for number in range(40_000)]) == {"d-1", "d-2", "d-3"}
