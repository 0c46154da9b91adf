"""What stores in PostgreSQL owe besides their ports' suites: many writers, lost connections, and one set of tables.

The suites of the ports (`test_evidence_store` and its like) run over them, too.
"""

import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from shopkart_pipeline.adapters import _postgres, postgres_reports
from shopkart_pipeline.adapters._postgres import Connection, Database
from shopkart_pipeline.adapters._store_tables import VERSION, stores_database
from shopkart_pipeline.adapters.postgres_components import PostgresComponentIndex
from shopkart_pipeline.adapters.postgres_evidence import PostgresEvidenceStore
from shopkart_pipeline.adapters.postgres_incidents import PostgresIncidentStore
from shopkart_pipeline.adapters.postgres_notifications import PostgresNotificationQueue
from shopkart_pipeline.adapters.postgres_outbox import PostgresOutbox
from shopkart_pipeline.adapters.postgres_reports import PostgresReports
from shopkart_pipeline.domain.component import PackageVersion
from shopkart_pipeline.domain.errors import NotFound, PipelineError, ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, RawReport, StageRecord, Tool
from shopkart_pipeline.domain.incident import Incident, IncidentStep, TimelineEntry
from shopkart_pipeline.domain.notice import CommentNotice
from shopkart_pipeline.domain.notification import Notification
from shopkart_pipeline.domain.release import Person, Release
from shopkart_pipeline.known_secrets import KNOWN, know
from shopkart_pipeline.ports.component_index import DescribedRelease
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline_tests.contract.postgres import EMPTIED, Postgres

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ANA = Person("Ana", "ana@shopkart.example")


def evidence_in(database: Database) -> PostgresEvidenceStore:
    return PostgresEvidenceStore(database, PostgresReports(database))


def a_release(key: str, title: str = "Carts") -> Release:
    return Release(
        "backend", key, "shopkart/storefront", "main", "a" * 40, None, title, ANA, (ANA.email,), "ana", "d-1", NOON
    )


def a_note(message: str = "said", key: str = "key") -> Note:
    return Note("backend", key, NOON, "rollout", message, {})


def a_record(stage: str) -> StageRecord:
    evidence = Evidence(Tool("ruff", "1"), "fine", {"violations": 0})
    return StageRecord("backend", "key", stage, "run", NOON, NOON, "a" * 40, "in", evidence)


def an_incident(incident_id: str) -> Incident:
    timeline = (TimelineEntry(NOON, IncidentStep.DETECTED, "errors"),)
    return Incident(incident_id, "backend", "production", "key", "sha256:x", "errors", 3, 20, timeline, (), ())


def at_once(databases: list[Database], act: Callable[[Database, int], Any]) -> list[Any]:
    """What each of as many machines gives that do the same at once."""
    with ThreadPoolExecutor(len(databases)) as machines:
        return list(machines.map(act, databases, range(len(databases))))


@pytest.fixture
def machines(stores: Database, stores_address: str) -> list[Database]:
    """Four that use the same database, each by connections of its own."""
    return [stores_database(stores_address) for _ in range(4)]


# Many at once.


def test_of_many_who_come_first_one_makes_the_tables(postgres: Postgres) -> None:
    address = postgres.address()
    pods = [stores_database(address) for _ in range(10)]

    at_once(pods, lambda pod, number: evidence_in(pod).note(a_note(str(number))))

    assert len(evidence_in(pods[0]).notes("backend", "key")) == 10
    assert pods[0].rows("SELECT version FROM shopkart_stores") == [(VERSION,)]


def test_of_many_who_say_the_same_one_is_told_that_it_is_new(machines: list[Database]) -> None:
    told = Notification("one/opened", "one", "Errors", "", "")
    comment = CommentNotice("shopkart/storefront", 7, "| stage |")

    assert sum(at_once(machines, lambda it, _: evidence_in(it).add_release(a_release("key")))) == 1
    assert sum(map(len, at_once(machines, lambda it, _: evidence_in(it).note_once(a_note())))) == 1
    assert sum(map(len, at_once(machines, lambda it, _: PostgresNotificationQueue(it).put(told, ("a",), NOON)))) == 1
    at_once(machines, lambda it, _: PostgresOutbox(it).put([comment], NOON))
    assert PostgresOutbox(machines[0]).waiting() == 1


def test_of_many_who_want_to_send_one_has_the_turn(machines: list[Database]) -> None:
    until = NOON + MINUTE

    assert sum(at_once(machines, lambda it, number: PostgresOutbox(it).take_turn(str(number), until, NOON))) == 1
    turns = at_once(machines, lambda it, number: PostgresNotificationQueue(it).take_turn("a", str(number), until, NOON))
    assert sum(turns) == 1


def test_of_many_who_change_an_incident_none_is_lost_and_of_two_who_open_the_second_sees_the_first(
    machines: list[Database],
) -> None:
    def open_or_join(known: tuple[Incident, ...]) -> Incident:
        return known[0].lacking("joined") if known else an_incident("one")

    at_once(machines, lambda it, _: PostgresIncidentStore(it).keep(open_or_join))
    at_once(machines, lambda it, n: PostgresIncidentStore(it).change("one", lambda one: one.lacking(f"{n}")))

    [incident] = PostgresIncidentStore(machines[0]).list()
    assert sorted(incident.missing) in (["0", "1", "2", "3", "joined"], ["0", "1", "2", "3", *["joined"] * 3])


def test_who_reads_on_from_a_position_overlooks_nobody_who_began_earlier_and_committed_later(
    machines: list[Database],
) -> None:
    reader, *writers = machines
    store, seen, done = evidence_in(reader), list[tuple[int, str]](), threading.Event()

    def write(machine: Database, writer: int) -> None:
        for number in range(8):
            evidence_in(machine).finish(a_record(f"{writer}-{number}"))

    def read() -> bool:
        was_done = done.is_set()
        found = store.finished_after(seen[-1][0] if seen else 0, 100)
        seen.extend((position, record.stage) for position, record in found)
        return was_done

    def read_to_the_end() -> None:
        while not read():
            pass

    with ThreadPoolExecutor(1) as reading:
        end = reading.submit(read_to_the_end)
        try:
            at_once(writers, write)
        finally:
            done.set()
        end.result()

    assert sorted(stage for _, stage in seen) == [f"{writer}-{number}" for writer in range(3) for number in range(8)]


def test_images_that_are_described_at_once_are_all_known(machines: list[Database]) -> None:
    packages = [PackageVersion("PyPI", f"p{number}", "1") for number in range(5)]

    def describe(machine: Database, number: int) -> None:
        release = DescribedRelease("backend", str(number), f"sha256:{number}", "sha256:bill")
        PostgresComponentIndex(machine).add(release, packages)

    at_once(machines, describe)

    index = PostgresComponentIndex(machines[0])
    assert [len(index.packages(f"sha256:{number}") or ()) for number in range(4)] == [5] * 4
    assert len(index.holding(packages)) == 20


# What is lost on the way.


def _end_sessions(postgres: Postgres, address: str) -> None:
    with psycopg.connect(address) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname ="
            " current_database()"
        )


def test_a_connection_that_was_lost_is_made_anew_once_and_nothing_of_it_is_seen(
    stores: Database, postgres: Postgres, stores_address: str
) -> None:
    store = evidence_in(stores)
    store.note(a_note("before"))
    _end_sessions(postgres, stores_address)

    store.note(a_note("after"))

    assert [note.message for note in store.notes("backend", "key")] == ["before", "after"]


def test_a_write_that_was_committed_without_an_answer_is_not_made_again(stores: Database) -> None:
    said = list[int]()

    def add(connection: Connection) -> int:
        said.append(len(said))
        connection.execute("INSERT INTO shopkart_things VALUES (%s, 'x')", (f"{len(said)}",))
        return len(said)

    write = _postgres._Write(add, "")

    # The first connection breaks while it commits, so the same write comes to a second one.
    assert stores._use(write) == stores._use(write) == 1
    assert (said, stores.rows("SELECT about FROM shopkart_things")) == ([0], [("1",)])


def test_what_a_server_says_of_a_transaction_that_may_be_another_ones_is_no_answer(
    stores: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    [(rights,)] = stores.rows(
        "SELECT count(proacl) FROM pg_proc"
        " WHERE proname IN ('pg_control_system', 'pg_walfile_name', 'pg_current_wal_lsn')"
    )
    assert rights == 0, "not everybody may ask for the timeline"
    write = _postgres._Write(lambda connection: connection.execute("DELETE FROM shopkart_things").rowcount, "")
    stores._use(write)

    # A standby took over, on a timeline of its own, and has given the number to somebody else.
    assert _postgres._HISTORY.replace("8)", "7)") != _postgres._HISTORY
    monkeypatch.setattr(_postgres, "_HISTORY", _postgres._HISTORY.replace("8)", "7)"))
    stores._forget_idle()
    with pytest.raises(ToolUnavailable, match="whether it was written is not known"):
        stores._use(write)


def test_one_absence_of_a_server_is_waited_out_once(stores_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(database: Database) -> Connection:
        raise psycopg.OperationalError("the database system is starting up")

    stores = stores_database(stores_address, patience_seconds=0.25)
    stores.rows("SELECT 1")
    stores._forget_idle()
    tries = list[int]()
    with monkeypatch.context() as patched:
        patched.setattr(Database, "_open", away)
        patched.setattr(_postgres.time, "sleep", tries.append)
        for _ in range(3):
            with pytest.raises(ToolUnavailable):
                stores.rows("SELECT 1")
            tries.append(0)
    assert tries.count(0) == 3
    assert tries[-2:] == [0, 0]
    assert len(tries) > 3
    assert stores.rows("SELECT 1") == [(1,)]
    assert stores._gives_up_at is None


@pytest.fixture
def dying_commits(stores: Database) -> Iterator[None]:
    """The first commit that touches a thing ends its server's session before it is done."""
    made = """
    CREATE SEQUENCE deaths;
    CREATE FUNCTION die_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('deaths') = 1 THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER dying AFTER INSERT ON shopkart_things DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION die_once()
    """
    stores.run(lambda connection: connection.execute(made.encode()))
    yield
    gone = "DROP TRIGGER dying ON shopkart_things; DROP FUNCTION die_once; DROP SEQUENCE deaths"
    stores.run(lambda connection: connection.execute(gone.encode()))


@pytest.mark.usefixtures("dying_commits")
def test_a_write_whose_commit_failed_with_its_connection_is_made_on_another_one(stores: Database) -> None:
    outbox = PostgresOutbox(stores)
    outbox.put([CommentNotice("shopkart/storefront", 7, "| stage |")], NOON)
    [outgoing] = outbox.pending(NOON)

    outbox.sent(outgoing.sequence, "4711", NOON)

    assert stores.rows("SELECT remote_id FROM shopkart_things") == [("4711",)]
    assert outbox.pending(NOON) == ()


def test_a_server_that_hangs_holds_nobody_up(stores: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    store = evidence_in(stores)
    store.note(a_note())
    monkeypatch.setattr(_postgres, "_ANSWER_SECONDS", 0.5)
    [(session,)] = stores.rows("SELECT pg_backend_pid()")
    os.kill(session, signal.SIGSTOP)
    try:
        assert len(store.notes("backend", "key")) == 1
    finally:
        os.kill(session, signal.SIGCONT)


def test_a_server_that_is_away_is_named_with_what_to_do_and_without_its_password() -> None:
    with pytest.raises(ToolUnavailable, match=r"127\.0\.0\.1/shop can't be used.*See whether it runs") as caught:
        evidence_in(stores_database("postgresql://me:geheim@127.0.0.1:1/shop")).release_names()
    assert "geheim" not in f"{caught.value!r} {caught.value}"


def test_an_address_that_can_not_be_read_is_named_by_its_setting() -> None:
    with pytest.raises(PipelineError, match="SHOPKART_STORES can't be read") as caught:
        stores_database("postgresql://me:top secret@h/d")
    assert "secret" not in str(caught.value)


def test_what_was_acknowledged_survives_a_writer_that_is_killed_in_the_middle(stores: Database) -> None:
    store = evidence_in(stores)
    heard, told = os.pipe()
    writer = os.fork()
    if writer == 0:
        with suppress(BaseException):
            for number in itertools.count():
                store.note(a_note(f"{number}"))
                os.write(told, b"%d\n" % number)
        os._exit(1)
    os.close(told)
    with os.fdopen(heard) as acknowledged:
        seen = [acknowledged.readline() for _ in range(5)]
        os.kill(writer, signal.SIGKILL)
        seen += acknowledged.readlines()
    os.waitpid(writer, 0)

    kept = [f"{note.message}\n" for note in store.notes("backend", "key")]
    assert kept[: len(seen)] == seen
    assert len(kept) - len(seen) <= 1


def test_a_process_that_is_forked_uses_connections_of_its_own(stores: Database) -> None:
    store = evidence_in(stores)
    store.note(a_note("parent"))
    [(session,)] = stores.rows("SELECT pg_backend_pid()")

    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            store.note(a_note(f"{stores.rows('SELECT pg_backend_pid()')[0][0] != session}"))
        os._exit(0)
    os.waitpid(child, 0)

    assert [note.message for note in store.notes("backend", "key")] == ["parent", "True"]
    assert stores.rows("SELECT pg_backend_pid()") == [(session,)]


# What is in the tables.


def test_tables_of_a_newer_pipeline_are_left_alone(postgres: Postgres) -> None:
    address = postgres.address()
    evidence_in(stores_database(address)).note(a_note())
    with psycopg.connect(address) as connection:
        connection.execute("UPDATE shopkart_stores SET version = version + 1")

    with pytest.raises(PipelineError, match=f"tables are version {VERSION + 1}, and this one knows version {VERSION}"):
        evidence_in(stores_database(address)).note(a_note())


def test_every_table_of_the_stores_is_emptied_for_a_test(stores: Database) -> None:
    tables = stores.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
    assert {table for (table,) in tables} == {*EMPTIED.replace("DELETE FROM ", "").split("; "), "shopkart_stores"}


def test_no_known_secret_gets_into_any_table(stores: Database) -> None:
    secret = "planted-in-stores-7d1f"
    know(secret)
    try:
        evidence, incidents = evidence_in(stores), PostgresIncidentStore(stores)
        evidence.add_release(a_release("key", title=secret))
        evidence.finish(replace(a_record("lint"), result=Evidence(Tool("ruff", "1"), f"says {secret}", {})))
        evidence.note_once(a_note(secret))
        evidence.put_report(RawReport("r", "text/plain", secret.encode()))
        incidents.keep(lambda known: replace(an_incident("one"), reason=secret))
        incidents.attach("one", "graph.txt", secret.encode())
        PostgresOutbox(stores).put([CommentNotice("shopkart/storefront", 7, secret)], NOON)
        PostgresNotificationQueue(stores).put(Notification("k", "one", secret, secret, ""), ("a",), NOON)
        release = DescribedRelease("backend", "key", "sha256:1", "sha256:bill")
        PostgresComponentIndex(stores).add(release, [PackageVersion("PyPI", secret, secret)])
    finally:
        KNOWN.forget()

    tables = [table for (table,) in stores.rows("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")]
    rows = [str(row) for table in tables for row in stores.rows(f"SELECT * FROM {table}")]
    assert len(rows) >= 12
    assert [row for row in rows if secret in row or secret.encode().hex() in row] == []


def test_names_that_no_text_can_hold_are_not_found_and_can_be_kept(stores: Database) -> None:
    store = evidence_in(stores)
    with pytest.raises(NotFound):
        store.release("backend", "a\0b")

    store.note(a_note("line\0feed \ud800", key="a\0b"))

    assert store.notes("backend", "a\0b")[0].message.startswith("line\0feed")


def test_a_package_may_have_a_name_of_any_length(stores: Database) -> None:
    index, long = PostgresComponentIndex(stores), PackageVersion("PyPI", "x" * 100_000, "1")
    index.add(DescribedRelease("backend", "key", "sha256:1", "sha256:bill"), [long])

    assert index.versions("X" * 100_000) == (long,)


def test_a_report_that_is_too_large_for_a_row_needs_a_bucket(stores: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_reports, "_LIMIT_BYTES", 10)

    with pytest.raises(PipelineError, match=r"has 11 bytes.*Declare `evidence_bucket`"):
        evidence_in(stores).put_report(RawReport("r", "text/plain", b"x" * 11))


def test_a_report_that_was_changed_is_an_error_until_it_is_put_again(stores: Database) -> None:
    store, raw = evidence_in(stores), RawReport("r", "text/plain", b"hello")
    digest = store.put_report(raw).digest
    stores.run(lambda connection: connection.execute("UPDATE shopkart_reports SET content = 'hullo'"))

    with pytest.raises(PipelineError, match="was changed in the database"):
        store.get_report(digest)
    store.put_report(raw)

    assert store.get_report(digest) == b"hello"


def test_an_incident_that_can_not_be_read_keeps_no_other_from_being_listed(stores: Database) -> None:
    store = PostgresIncidentStore(stores)
    for name in ("one", "two"):
        store.keep(lambda known, name=name: an_incident(name))
    stores.run(lambda connection: connection.execute("UPDATE shopkart_incidents SET document = '{' WHERE id = 'one'"))
    other = PostgresIncidentStore(stores)

    assert [incident.id for incident in other.list()] == ["two"]
    with pytest.raises(PipelineError, match="one can't be read"):
        other.get("one")


def test_what_others_change_is_seen_though_it_was_read_before(machines: list[Database]) -> None:
    one, two = (PostgresIncidentStore(machine) for machine in machines[:2])
    one.keep(lambda known: an_incident("one"))
    assert two.list() == one.list()

    one.change("one", lambda it: it.lacking("a graph"))

    assert two.list()[0].missing == ("a graph",)
