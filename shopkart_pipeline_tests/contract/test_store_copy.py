"""What is copied from a home into PostgreSQL is what was there, and what can't be copied whole is not copied."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._postgres import Database
from shopkart_pipeline.adapters._store_copy import copy_stores
from shopkart_pipeline.adapters.disk_incidents import DiskIncidentStore
from shopkart_pipeline.adapters.postgres_evidence import PostgresEvidenceStore
from shopkart_pipeline.adapters.postgres_incidents import PostgresIncidentStore
from shopkart_pipeline.adapters.postgres_ledger import PostgresLedger, take_over
from shopkart_pipeline.adapters.postgres_notifications import PostgresNotificationQueue
from shopkart_pipeline.adapters.postgres_outbox import PostgresOutbox
from shopkart_pipeline.adapters.postgres_reports import PostgresReports
from shopkart_pipeline.adapters.sqlite_evidence import SqliteEvidenceStore
from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.adapters.sqlite_notifications import SqliteNotificationQueue
from shopkart_pipeline.adapters.sqlite_outbox import SqliteOutbox
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.domain.hash_chain import SignedHead
from shopkart_pipeline.domain.notice import CommentNotice
from shopkart_pipeline.domain.notification import Notification
from shopkart_pipeline.ports.evidence_store import StageStart
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline_tests.contract.postgres import Postgres
from shopkart_pipeline_tests.contract.test_postgres_stores import a_note, a_record, a_release, an_incident

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COMMENT = CommentNotice("shopkart/storefront", 7, "| stage |")
TOLD = Notification("one/opened", "one", "Errors ✓", "a\nb", None)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Of a pipeline in the middle of its work."""
    evidence = SqliteEvidenceStore(tmp_path / "evidence")
    for key in ("1", "2", "3"):
        evidence.add_release(a_release(key, title=f"Carts 🛒 {key}\0"))
    for stage in ("slow", "quick", "dead"):
        evidence.begin(StageStart("backend", "key", stage, "run", NOON))
    evidence.finish(a_record("quick"))
    evidence.finish(a_record("slow"))
    evidence.note(a_note("line\0feed"))
    evidence.note(a_note("line\0feed"))
    evidence.put_report(RawReport("r", "text/plain", b"hello"))
    outbox = SqliteOutbox(tmp_path / "outbox.db")
    for number in (1, 2, 3, 4):
        outbox.put([replace(COMMENT, number=number)], NOON)
    sent, refused, later, _ = (each.sequence for each in outbox.pending(NOON))
    outbox.sent(sent, "4711", NOON)
    outbox.give_up(refused, "404", NOON)
    outbox.trying(later)
    outbox.postpone(later, NOON + MINUTE, "502")
    queue = SqliteNotificationQueue(tmp_path / "notifications.db")
    queue.put(TOLD, ("oncall", "mail", "tickets"), NOON)
    for channel in ("oncall", "mail"):
        queued = queue.due(channel, NOON)
        assert queued is not None
        queue.sent(queued.sequence, "17", NOON) if channel == "mail" else queue.give_up(queued.sequence, "no", NOON)
    incidents = DiskIncidentStore(tmp_path / "incidents")
    incidents.keep(lambda known: an_incident("one"))
    incidents.attach("one", "postmortem.md", "# ✓".encode())
    return tmp_path


def test_everything_is_there_and_goes_on_where_it_stopped(home: Path, stores: Database) -> None:
    copied = copy_stores(home, stores, PostgresReports(stores))

    before, after = SqliteEvidenceStore(home / "evidence"), PostgresEvidenceStore(stores, PostgresReports(stores))
    assert after.added_after(0, 9) == before.added_after(0, 9)
    assert after.finished_after(0, 9) == before.finished_after(0, 9)
    assert after.latest("backend", "key") == before.latest("backend", "key")
    assert after.running("backend", "key") == before.running("backend", "key")
    assert after.notes("backend", "key") == before.notes("backend", "key")
    assert after.note_once(a_note("line\0feed")) == ()
    assert after.get_report("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824") == b"hello"
    old, new = SqliteOutbox(home / "outbox.db"), PostgresOutbox(stores)
    for now in (NOON, NOON + MINUTE):
        assert new.pending(now) == old.pending(now)
    assert new.abandoned() == old.abandoned()
    told, tells = SqliteNotificationQueue(home / "notifications.db"), PostgresNotificationQueue(stores)
    assert tells.untold() == told.untold()
    assert tells.due("tickets", NOON) == told.due("tickets", NOON)
    assert tells.put(replace(TOLD, subject="again"), ("mail",), NOON) == ()
    assert PostgresIncidentStore(stores).list() == DiskIncidentStore(home / "incidents").list()
    assert PostgresIncidentStore(stores).postmortem("one") == "# ✓"
    assert {name: copied[name] for name in ("releases", "attempts", "finished", "notices", "incidents", "reports")} == {
        "releases": 3,
        "attempts": 3,
        "finished": 2,
        "notices": 4,
        "incidents": 1,
        "reports": 1,
    }


def test_what_is_added_afterwards_comes_after_it(home: Path, stores: Database) -> None:
    copy_stores(home, stores, PostgresReports(stores))
    store = PostgresEvidenceStore(stores, PostgresReports(stores))

    store.add_release(a_release("4"))

    assert [release.key for release in store.releases()] == ["4", "3", "2", "1"]


def test_two_histories_are_not_made_one(home: Path, stores: Database) -> None:
    PostgresEvidenceStore(stores, PostgresReports(stores)).add_release(a_release("of another home"))

    with pytest.raises(Refused, match=r"has releases already"):
        copy_stores(home, stores, PostgresReports(stores))

    assert stores.rows("SELECT count(*) FROM shopkart_notes") == [(0,)]


@pytest.mark.parametrize("damaged", ["incidents/one/incident.json", "evidence/blobs/sha256/*/*", "notifications.db"])
def test_what_is_damaged_is_told_and_the_database_stays_empty(home: Path, stores: Database, damaged: str) -> None:
    [path] = home.glob(damaged)
    path.write_bytes(b"no longer what it was" * 50)

    with pytest.raises(PipelineError, match=r"can't be read|was changed"):
        copy_stores(home, stores, PostgresReports(stores))

    assert stores.rows("SELECT count(*) FROM shopkart_releases") == [(0,)]


def test_a_ledger_goes_on_in_the_database_with_the_same_chain_and_only_once(tmp_path: Path, postgres: Postgres) -> None:
    before, address = SqliteLedger(tmp_path / "ledger.db"), postgres.address()
    told = [before.append(Act(NOON, "maya", "approve", "backend", f"{n}", "sha256:x", {})) for n in range(3)]
    before.add_head(SignedHead(3, told[-1].entry_hash, b"{}"), 0)

    # Once more, as after a copy whose other half failed.
    assert take_over(before, address) == take_over(before, address) == 3

    after = PostgresLedger(address)
    told.append(after.append(Act(NOON, "maya", "reject", "backend", "4", "sha256:x", {})))
    assert (after.entries(), after.heads(), after.verify()) == (tuple(told), before.heads(), None)
    with pytest.raises(Refused, match="has a ledger already"):
        take_over(before, address)


def test_a_ledger_that_is_not_whole_is_not_copied(tmp_path: Path, postgres: Postgres) -> None:
    before, address = SqliteLedger(tmp_path / "ledger.db"), postgres.address()
    for number in range(3):
        before.append(Act(NOON, "maya", "approve", "backend", f"{number}", "sha256:x", {}))
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as connection, connection:
        connection.execute("DELETE FROM entries WHERE sequence = 2")

    with pytest.raises(PipelineError, match="not whole: entry 2 is missing"):
        take_over(before, address)
