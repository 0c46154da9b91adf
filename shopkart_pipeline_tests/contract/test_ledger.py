"""What every ledger owes its callers, and what an attacker who can write to the file can't hide."""

import json
import signal
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopkart_pipeline.adapters._postgres import Connection, Database
from shopkart_pipeline.adapters.postgres_ledger import PostgresLedger
from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.hash_chain import GENESIS, SignedHead, hash_of
from shopkart_pipeline.ports.ledger import Act, Entry, Ledger
from shopkart_pipeline_tests.contract.durable_writers import acknowledged, start_writer
from shopkart_pipeline_tests.contract.postgres import Postgres
from shopkart_pipeline_tests.fakes.memory_ledger import MemoryLedger

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Ledger:
    match request.param:
        case "memory":
            return MemoryLedger()
        case "sqlite":
            return SqliteLedger(tmp_path / "below" / "ledger.db")
        case _:
            server: Postgres = request.getfixturevalue("postgres")
            return PostgresLedger(server.address())


def act(number: int = 1, service: str = "backend", release_key: str = "key") -> Act:
    at = NOON + timedelta(seconds=number)
    return Act(at, "maya@shopkart.example", "approve", service, release_key, "sha256:x", {"number": str(number)})


def test_a_new_ledger_is_empty_and_whole(ledger: Ledger) -> None:
    assert ledger.entries() == ()
    assert ledger.verify() is None


def test_entries_come_back_in_order_and_chained(ledger: Ledger) -> None:
    told = [ledger.append(act(number)) for number in range(1, 4)]

    assert ledger.entries() == tuple(told)
    assert [entry.sequence for entry in told] == [1, 2, 3]
    assert [entry.previous_hash for entry in told[1:]] == [entry.entry_hash for entry in told[:-1]]
    assert ledger.verify() is None


def test_what_came_after_an_entry_is_read_a_few_at_a_time(ledger: Ledger) -> None:
    told = [ledger.append(act(number)) for number in range(1, 6)]
    assert ledger.after(0, 2) == tuple(told[:2])
    assert ledger.after(2, 10) == tuple(told[2:])
    assert ledger.after(5, 10) == ()


def test_an_act_comes_back_as_it_was_told(ledger: Ledger) -> None:
    elsewhere = timezone(timedelta(hours=-7))
    told = Act(NOON.astimezone(elsewhere), "Zoë ✓", "approve", "backend", "key", "sha256:x", {"text": 'a"b\n\\c\0d'})

    ledger.append(told)

    [entry] = ledger.entries()
    assert entry.act == told


def asked(delivery: str, number: int = 1, verb: str = "approve", release_key: str = "key") -> Act:
    return replace(act(number, release_key=release_key), verb=verb, body={"delivery": delivery})


def test_what_a_delivery_asked_for_is_added_once(ledger: Ledger) -> None:
    first = ledger.append_once(asked("d", 1))

    assert ledger.append_once(asked("d", 2)) == first
    assert ledger.entries() == (first,)


def test_another_delivery_verb_or_release_is_another_act(ledger: Ledger) -> None:
    told = [asked("d"), asked("e"), asked("d", verb="rerun"), asked("d", release_key="other")]

    assert [ledger.append_once(each).act for each in told] == told
    assert ledger.verify() is None


def test_of_several_who_come_at_once_one_adds_it(ledger: Ledger) -> None:
    with ThreadPoolExecutor(8) as pool:
        entries = set(pool.map(lambda number: ledger.append_once(asked("d", number)).sequence, range(16)))

    assert entries == {1}
    assert len(ledger.entries()) == 1


def test_the_newest_entries_of_a_service_come_first(ledger: Ledger) -> None:
    told = [ledger.append(act(number, "frontend" if number % 3 else "backend")) for number in range(70)]

    assert list(ledger.newest_first("backend")) == [entry for entry in reversed(told) if entry.act.service == "backend"]
    assert list(ledger.newest_first("nobody")) == []


def test_entries_are_found_by_service_and_release(ledger: Ledger) -> None:
    for service, key in [("backend", "a"), ("frontend", "a"), ("backend", "b")]:
        ledger.append(act(1, service, key))

    assert [entry.sequence for entry in ledger.entries("backend")] == [1, 3]
    assert [entry.sequence for entry in ledger.entries(release_key="a")] == [1, 2]
    assert [entry.sequence for entry in ledger.entries("backend", "a")] == [1]
    assert ledger.entries("nobody") == ()


def test_the_same_act_may_be_told_twice(ledger: Ledger) -> None:
    assert ledger.append(act()).entry_hash != ledger.append(act()).entry_hash
    assert ledger.verify() is None


def test_entries_are_found_by_verb(ledger: Ledger) -> None:
    told = [replace(act(number), verb=verb) for number, verb in enumerate(("approve", "promote", "rerun", "approve"))]
    ledger.append_all(told)
    ledger.append(replace(act(9, "frontend"), verb="rerun"))

    assert [entry.sequence for entry in ledger.entries("backend", verbs=["approve", "rerun"])] == [1, 3, 4]
    assert [entry.sequence for entry in ledger.entries(verbs=["rerun"])] == [3, 5]
    assert ledger.entries("backend", "key", ["nothing"]) == ()


def test_acts_of_one_transaction_are_all_there_and_chained(ledger: Ledger) -> None:
    told = ledger.append_all([act(number) for number in range(1, 4)])

    assert ledger.entries() == told
    assert ledger.append_all([]) == ()
    assert ledger.verify() is None


def test_entries_are_read_as_they_are_stored(ledger: Ledger) -> None:
    told = [ledger.append(act(number)) for number in range(1, 4)]

    stored = ledger.stored(None, 10)
    assert [(entry.sequence, entry.previous_hash, entry.entry_hash) for entry in stored] == [
        (entry.sequence, entry.previous_hash, entry.entry_hash) for entry in told
    ]
    assert {(entry.service, entry.release_key, entry.verb) for entry in stored} == {("backend", "key", "approve")}
    assert [hash_of(entry.sequence, entry.document, entry.previous_hash) for entry in stored] == [
        entry.entry_hash for entry in told
    ]
    assert ledger.stored(1, 1) == stored[1:2]
    assert ledger.newest() == stored[-1]


def test_heads_are_kept_in_their_order_and_stay(ledger: Ledger) -> None:
    assert (ledger.newest(), ledger.newest_head(), ledger.heads()) == (None, None, ())
    heads = [SignedHead(number, f"{number}" * 64, b'{"payload":"%d"}' % number) for number in (2, 5, 9)]

    assert [ledger.add_head(head, after) for head, after in zip(heads, (0, 2, 5), strict=True)] == [True] * 3

    assert not ledger.add_head(SignedHead(12, "f" * 64, b"{}"), 5), "another one came before"
    assert not ledger.add_head(SignedHead(9, "f" * 64, b"{}"), 9)
    assert ledger.heads() == tuple(heads)
    assert ledger.heads(5) == tuple(heads[1:])
    assert ledger.heads(3, 1) == tuple(heads[1:2])
    assert ledger.newest_head() == heads[-1]


# Many writers.


def test_writers_in_threads_never_fork_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"

    def append(number: int) -> Entry:
        return SqliteLedger(path).append(act(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(40)))

    ledger = SqliteLedger(path)
    assert ledger.verify() is None
    assert [entry.sequence for entry in ledger.entries()] == list(range(1, 41))


def test_writers_in_processes_never_fork_the_chain_and_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    writers = [start_writer("ledger", path, name, 25) for name in ("a", "b", "c")]

    told = [line for writer in writers for line in acknowledged(writer)]

    ledger = SqliteLedger(path)
    assert ledger.verify() is None
    assert sorted(entry.act.release_key for entry in ledger.entries()) == sorted(told)
    assert len(told) == 75


def test_what_was_acknowledged_survives_a_kill_in_the_middle_of_writing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    writer = start_writer("ledger", path, "w", 100_000)
    assert writer.stdout is not None
    seen = [writer.stdout.readline().strip() for _ in range(20)]

    writer.send_signal(signal.SIGKILL)

    told = [*seen, *acknowledged(writer)]
    ledger = SqliteLedger(path)
    assert ledger.verify() is None
    kept = [entry.act.release_key for entry in ledger.entries()]
    assert kept[: len(told)] == told
    assert len(kept) - len(told) <= 1
    ledger.append(act())
    assert ledger.verify() is None


# One database for many.


def test_writers_in_processes_never_fork_a_database_and_a_killed_one_loses_nothing(postgres: Postgres) -> None:
    address = postgres.address()
    writers = [start_writer("ledger", address, name, 30) for name in ("a", "b")]
    killed = writers[0].stdout
    assert killed is not None
    seen = [killed.readline().strip() for _ in range(10)]

    writers[0].send_signal(signal.SIGKILL)

    told = [*seen, *acknowledged(writers[0]), *acknowledged(writers[1])]
    ledger = PostgresLedger(address)
    assert ledger.verify() is None
    kept = [entry.act.release_key for entry in ledger.entries()]
    assert set(told) <= set(kept)
    assert len(kept) - len(told) <= 1


def test_what_was_acknowledged_survives_a_server_that_is_stopped_and_connections_are_made_anew(
    postgres: Postgres,
) -> None:
    ledger = PostgresLedger(postgres.address())
    told = [ledger.append(act(1))]
    postgres.stop()
    try:
        with pytest.raises(ToolUnavailable, match="can't be used"):
            ledger.append(act(2))
    finally:
        postgres.start()

    told.append(ledger.append(act(3)))

    assert ledger.entries() == tuple(told)
    assert ledger.verify() is None


def test_a_commit_whose_answer_was_lost_is_not_made_twice(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = PostgresLedger(postgres.address())
    ledger.append(act(1))

    class AnswerLost:
        """Commits, doesn't hear of it, and does its work once more as `Database` does."""

        def __init__(self, database: Database) -> None:
            self._database = database

        def run(self, work: Callable[[Connection], object]) -> object:
            self._database.run(work)
            return self._database.run(work)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_database", AnswerLost(ledger._database))
        told = ledger.append_all([act(2), act(3)])
        assert ledger.add_head(SignedHead(3, told[-1].entry_hash, b"{}"), 0)

    assert ledger.entries()[1:] == told
    assert len(ledger.heads()) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE shopkart_ledger SET verb = 'promote'",
        "DELETE FROM shopkart_ledger",
        "TRUNCATE shopkart_ledger",
        "DELETE FROM shopkart_ledger_heads",
        "INSERT INTO shopkart_ledger SELECT sequence + 1, service, release_key, verb, document, previous_hash, 'x' FROM"
        " shopkart_ledger",
    ],
)
def test_the_database_itself_refuses_to_change_the_past_or_to_fork_it(postgres: Postgres, statement: str) -> None:
    address = postgres.address()
    PostgresLedger(address).append(act(1))

    with psycopg.connect(address) as connection, pytest.raises(psycopg.Error, match=r"append-only|duplicate key"):
        connection.execute(statement.encode())


def test_no_error_of_the_ledger_repeats_the_password() -> None:
    with pytest.raises(PipelineError) as caught:
        PostgresLedger("postgresql://u:top secret@h/d")

    assert "SHOPKART_LEDGER" in str(caught.value)
    assert "secret" not in str(caught.value)


# An attacker who can write to the file.

_LENGTH = 6


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A ledger of six entries."""
    path = tmp_path / "ledger.db"
    ledger = SqliteLedger(path)
    for number in range(1, _LENGTH + 1):
        ledger.append(act(number, "backend" if number % 2 else "frontend", f"key-{number}"))
    return path


def edit(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def fault(path: Path) -> str:
    found = SqliteLedger(path).verify()
    assert found is not None
    return found


_SHIFT = [f"UPDATE entries SET sequence = {number - 1} WHERE sequence = {number}" for number in range(4, _LENGTH + 1)]


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (["UPDATE entries SET document = replace(document, 'approve', 'promote') WHERE sequence = 3"], "entry 3 was"),
        (["UPDATE entries SET document = document || ' ' WHERE sequence = 3"], "entry 3 was changed"),
        (["UPDATE entries SET document = '' WHERE sequence = 3"], "entry 3 was changed"),
        (["UPDATE entries SET document = x'00ff' WHERE sequence = 3"], "entry 3 was changed"),
        (["UPDATE entries SET entry_hash = 'x' WHERE sequence = 3"], "entry 3 was changed"),
        (["UPDATE entries SET previous_hash = 'x' WHERE sequence = 3"], "entry 3 does not follow entry 2"),
        (["UPDATE entries SET service = 'frontend' WHERE sequence = 3"], "entry 3 is filed under another release"),
        (["UPDATE entries SET release_key = 'key-1' WHERE sequence = 3"], "entry 3 is filed under another release"),
        (["DELETE FROM entries WHERE sequence = 3"], "entry 3 is missing"),
        (["DELETE FROM entries WHERE sequence = 1"], "entry 1 is missing"),
        (["DELETE FROM entries WHERE sequence = 3", *_SHIFT], "entry 3 does not follow entry 2"),
        (
            [
                "UPDATE entries SET sequence = 99 WHERE sequence = 3",
                "UPDATE entries SET sequence = 3 WHERE sequence = 4",
                "UPDATE entries SET sequence = 4 WHERE sequence = 99",
            ],
            "entry 3 does not follow entry 2",
        ),
        (["UPDATE entries SET sequence = 99 WHERE sequence = 6"], "entry 6 is missing: entry 99 stands in its place"),
        (["UPDATE entries SET sequence = 0 WHERE sequence = 1"], "entry 1 is missing: entry 0 stands in its place"),
        (
            ["INSERT INTO entries SELECT 0, service, release_key, document, previous_hash, 'y' FROM entries LIMIT 1"],
            "entry 1 is missing: entry 0 stands in its place",
        ),
        (
            [
                "UPDATE entries SET document = replace(document, 'approve', 'promote') WHERE sequence = 5",
                "UPDATE entries SET document = replace(document, 'approve', 'promote') WHERE sequence = 2",
            ],
            "entry 2 was changed",
        ),
    ],
)
def test_every_edit_is_found_and_the_first_one_named(kept: Path, statements: list[str], found: str) -> None:
    edit(kept, *statements)

    assert fault(kept).startswith(found)


def test_an_entry_that_was_changed_with_its_hash_is_betrayed_by_the_next(kept: Path) -> None:
    _rewrite(kept, 3, lambda document: document.replace("approve", "promote"))

    assert fault(kept) == "entry 4 does not follow entry 3"


def test_an_entry_that_was_inserted_with_a_fitting_hash_is_betrayed_by_the_next(kept: Path) -> None:
    edit(kept, *(f"UPDATE entries SET sequence = {number + 1} WHERE sequence = {number}" for number in range(6, 2, -1)))
    with closing(sqlite3.connect(kept)) as connection, connection:
        document, previous = connection.execute(
            "SELECT document, entry_hash FROM entries WHERE sequence = 2"
        ).fetchone()
        row = (3, "frontend", "key-2", document, previous, hash_of(3, document, previous))
        connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)

    assert fault(kept) == "entry 4 does not follow entry 3"


def test_a_newest_entry_that_can_not_be_read_is_named_although_its_hash_fits(kept: Path) -> None:
    _rewrite(kept, _LENGTH, lambda document: json.dumps({"nonsense": document}))

    assert fault(kept) == "entry 6 can't be read"
    with pytest.raises(PipelineError, match="Entry 6 of the ledger can't be read"):
        SqliteLedger(kept).entries()


def _rewrite(path: Path, sequence: int, change: Callable[[str], str]) -> None:
    """Change an entry, and its hash with it."""
    with closing(sqlite3.connect(path)) as connection, connection:
        query = "SELECT document, previous_hash FROM entries WHERE sequence = ?"
        document, previous = connection.execute(query, (sequence,)).fetchone()
        changed = change(document)
        connection.execute(
            "UPDATE entries SET document = ?, entry_hash = ? WHERE sequence = ?",
            (changed, hash_of(sequence, changed, previous), sequence),
        )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sequence=st.integers(1, _LENGTH),
    column=st.sampled_from(["service", "release_key", "document", "previous_hash", "entry_hash"]),
    place=st.integers(0, 400),
    letter=st.sampled_from('0aZ \0"é'),
)
def test_no_single_letter_can_be_changed_unseen(
    tmp_path: Path, sequence: int, column: str, place: int, letter: str
) -> None:
    path = tmp_path / "letters.db"
    if not path.exists():
        for number in range(1, _LENGTH + 1):
            SqliteLedger(path).append(act(number))
    with closing(sqlite3.connect(path)) as connection:
        query = f"SELECT {column} FROM entries WHERE sequence = ?"
        before = connection.execute(query, (sequence,)).fetchone()[0]
        place %= len(before)
        after = before[:place] + letter + before[place + 1 :]
        update = f"UPDATE entries SET {column} = ? WHERE sequence = ?"
        with connection:
            connection.execute(update, (after, sequence))
        found = SqliteLedger(path).verify()
        with connection:
            connection.execute(update, (before, sequence))

    assert (found is None) == (before == after)
    assert found is None or f"entry {sequence}" in found


def test_the_chain_begins_at_a_fixed_place(tmp_path: Path) -> None:
    assert SqliteLedger(tmp_path / "ledger.db").append(act()).previous_hash == GENESIS


def test_whoever_is_patient_waits_for_a_server_that_comes_back(postgres: Postgres) -> None:
    ledger = PostgresLedger(postgres.address(), patience_seconds=60.0)
    told = [ledger.append(act(1))]
    postgres.stop()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ledger.append, act(2))
        try:
            assert not waiting.done()
        finally:
            postgres.start()
        told.append(waiting.result(60))

    assert ledger.entries() == tuple(told)


def test_patience_does_not_wait_for_a_password_to_become_right(postgres: Postgres) -> None:
    with pytest.raises(ToolUnavailable, match="password authentication failed"):
        PostgresLedger(postgres.address(password="hunter2"), patience_seconds=600.0).append(act(1))
