"""Dagster's own state in a home comes back into an empty one, with its history intact."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from dagster import DagsterRun, DagsterRunStatus

from shopkart_pipeline.adapters.sqlite_files import SqliteFiles
from shopkart_pipeline.adapters.sqlite_inbox import SqliteInbox
from shopkart_pipeline.engine.instance import open_instance
from shopkart_pipeline.engine.reconcile import report_orphans
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline_tests.dagster_history import STARTED, assert_the_next_release_goes_on, told, write_history

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


def backed_up(home: Path) -> bytes:
    pieces = list[bytes]()
    SqliteFiles(home, home / "recovery").dump(pieces.append)
    return b"".join(pieces)


def brought_back(content: bytes, home: Path) -> None:
    SqliteFiles(home, home / "recovery").bring_back([content], "")


def test_a_fresh_instance_tells_the_same_history_and_the_next_release_goes_on(tmp_path: Path) -> None:
    with open_instance(tmp_path / "home" / "dagster") as instance:
        write_history(instance)
        before = told(instance)
        content = backed_up(tmp_path / "home")

    brought_back(content, tmp_path / "fresh")

    with open_instance(tmp_path / "fresh" / "dagster") as fresh:
        assert told(fresh) == before
        report_orphans(fresh)
        run = fresh.get_run_by_id(STARTED)
        assert run is not None
        assert run.status is DagsterRunStatus.FAILURE, "nobody works for it any more"
        assert_the_next_release_goes_on(fresh)


def test_whatever_is_done_in_the_inbox_has_its_run_however_much_is_written_meanwhile(tmp_path: Path) -> None:
    home = tmp_path / "home"
    inbox, launched = SqliteInbox(home / "inbox.db"), 0
    with open_instance(home / "dagster") as instance, ThreadPoolExecutor(1) as pool:
        copying = None
        while copying is None or not copying.done():
            if launched == 10:
                copying = pool.submit(backed_up, home)
            launched += 1
            run = DagsterRun("backend_ci", str(uuid4()), status=DagsterRunStatus.STARTED)
            inbox.put(Delivery(run.run_id, "push", NOON, b"{}"))
            instance.run_storage.add_run(run)
            instance.report_engine_event("launched", run)
            inbox.done(run.run_id, "launched", NOON)
        content = copying.result()

    brought_back(content, tmp_path / "fresh")
    with closing(sqlite3.connect(tmp_path / "fresh" / "inbox.db")) as connection:
        done = {name for (name,) in connection.execute("SELECT id FROM deliveries WHERE outcome IS NOT NULL")}
    with open_instance(tmp_path / "fresh" / "dagster") as restored:
        events = {run.run_id: len(restored.all_logs(run.run_id)) for run in restored.get_runs()}
    assert done
    assert {run_id: events.get(run_id) for run_id in done} == dict.fromkeys(done, 1)
