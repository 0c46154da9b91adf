"""The pipeline's own stores in PostgreSQL, Dagster's among them, come back into a new database and an empty home."""

import logging
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.runs.schema import RunTagsTable
from dagster._daemon.monitoring.run_monitoring import monitor_started_run
from psycopg.conninfo import make_conninfo

from shopkart_pipeline.adapters._scratch_postgres import scratch_postgres
from shopkart_pipeline.adapters.pipeline_stores import PipelineStores
from shopkart_pipeline.adapters.postgres_dump import PostgresDump, database_identity
from shopkart_pipeline.adapters.postgres_ledger import PostgresLedger
from shopkart_pipeline.adapters.sqlite_files import SqliteFiles
from shopkart_pipeline.domain.backup import differences
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline_tests.contract.postgres_storage import packages
from shopkart_pipeline_tests.dagster_history import STARTED, assert_the_next_release_goes_on, told, write_history

NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)


class Databases:
    """Databases of one server, each made anew when it is asked for."""

    def __init__(self, server: str) -> None:
        self._server = server

    def fresh(self, name: str) -> str:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return make_conninfo(self._server, dbname=name)

    @contextmanager
    def lend(self, folder: Path, major: int) -> Generator[str]:
        del folder, major
        yield self.fresh("lent")


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with pytest.MonkeyPatch.context() as patched, scratch_postgres(tmp_path_factory.mktemp("server"), 16) as server:
        patched.syspath_prepend(packages())
        yield Databases(server)


def put_a_file(home: Path) -> None:
    """Something that is still in the home."""
    home.mkdir()
    with closing(sqlite3.connect(home / "outbox.db")) as connection:
        connection.execute("CREATE TABLE items (x)")


def stores(home: Path, address: str, databases: Databases) -> PipelineStores:
    def postgres(name: str) -> PostgresDump:
        return PostgresDump(name, lambda: address, home / "recovery" / f"own-{name}", 60.0, databases.lend)

    files = SqliteFiles(home, home / "recovery" / "own")
    return PipelineStores(files, ["inbox-ledger-dagster"], [], postgres, home / "recovery" / "own-databases")


def instance_on(address: str, folder: Path) -> DagsterInstance:
    folder.mkdir(parents=True, exist_ok=True)
    parts: Any = psycopg.conninfo.conninfo_to_dict(address)
    url = f"postgresql+psycopg2://{parts['user']}:{parts['password']}@{parts['host']}:{parts['port']}/{parts['dbname']}"
    storage = {"module": "shopkart_pipeline.engine.postgres_storage", "class": "PatientPostgresStorage"}
    overrides = {
        "storage": {"custom": {**storage, "config": {"postgres_url": url}}},
        "run_launcher": {"module": "shopkart_pipeline.engine.launcher", "class": "WarmRunLauncher"},
        "run_monitoring": {"enabled": True, "max_resume_run_attempts": 0},
    }
    return DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides))


def assert_a_run_that_is_added_again_is_found_by_its_tags(instance: DagsterInstance) -> None:
    """The connection was lost between the run's own row and those of its tags."""
    storage: Any = instance.run_storage
    run, wanted = DagsterRun("backend_ci", tags={"release": "r9"}), RunsFilter(tags={"release": "r9"})
    storage.add_run(run)
    with storage.connect() as connection:
        connection.execute(RunTagsTable.delete().where(RunTagsTable.c.run_id == run.run_id))
    assert storage.get_runs(wanted) == []

    storage._add(run, is_again=True)
    storage._tag(run.run_id, {"release": "r9"}, is_again=True)

    assert [found.run_id for found in storage.get_runs(wanted)] == [run.run_id]
    assert storage.get_run_tags(["release"]) == [("release", {"r9"})]


def test_a_fresh_instance_tells_the_same_history_and_the_next_release_goes_on(
    databases: Databases, tmp_path: Path
) -> None:
    address, home, fresh = databases.fresh("source"), tmp_path / "home", tmp_path / "fresh"
    PostgresLedger(address).append(Act(NOON, "maya", "promote", "backend", "r1", "sha256:1", {}))
    put_a_file(home)
    with instance_on(address, tmp_path / "one") as instance:
        write_history(instance)
        before, pieces = told(instance), list[bytes]()
        written = stores(home, address, databases).dump(pieces.append).contents

    with stores(home, address, databases).restored(pieces, written.version) as drilled:
        assert list(differences(written, drilled.contents)) == []
        assert drilled.contents.schema_digest == written.schema_digest
    target = databases.fresh("target")
    stores(fresh, target, databases).bring_back(pieces, written.version)

    assert (fresh / "outbox.db").exists()
    assert not (fresh / "postgresql").exists()
    assert [entry.act.release_key for entry in PostgresLedger(target).entries()] == ["r1"]
    with instance_on(target, tmp_path / "two") as restored:
        assert told(restored) == before
        [record] = restored.get_run_records(limit=1)
        assert record.dagster_run.run_id == STARTED
        monitor_started_run(restored, Any, record, logging.getLogger("test"))  # type: ignore[arg-type]
        run = restored.get_run_by_id(STARTED)
        assert run is not None
        assert run.status is DagsterRunStatus.FAILURE, "nobody works for it any more"
        assert_the_next_release_goes_on(restored)
        assert_a_run_that_is_added_again_is_found_by_its_tags(restored)
    with pytest.raises(Refused, match="not empty"):
        stores(tmp_path / "another", target, databases).bring_back(pieces, written.version)


@pytest.mark.thorough
def test_a_damaged_backup_changes_no_database(databases: Databases, tmp_path: Path) -> None:
    source, target = databases.fresh("source"), databases.fresh("target")
    PostgresLedger(source).append(Act(NOON, "maya", "promote", "backend", "r1", "sha256:1", {}))
    pieces = list[bytes]()
    put_a_file(tmp_path / "home")
    stores(tmp_path / "home", source, databases).dump(pieces.append)

    def damaged() -> Iterator[bytes]:
        yield from pieces
        raise ToolUnavailable("Its end is damaged.", "")

    with pytest.raises(ToolUnavailable, match="end is damaged"):
        stores(tmp_path / "fresh", target, databases).bring_back(damaged(), "")

    stores(tmp_path / "fresh", target, databases).bring_back(pieces, "")
    assert len(list(PostgresLedger(target).entries())) == 1


def test_a_backup_of_other_databases_is_refused(databases: Databases, tmp_path: Path) -> None:
    pieces = list[bytes]()
    put_a_file(tmp_path / "home")
    SqliteFiles(tmp_path / "home", tmp_path / "scratch").dump(pieces.append)

    with pytest.raises(Refused, match="holds the databases none, and what is set up here are inbox-ledger-dagster"):
        stores(tmp_path / "fresh", databases.fresh("target"), databases).bring_back(pieces, "")


def test_one_database_is_known_by_whoever_goes_there() -> None:
    one = database_identity("postgresql://dagster:a@db.example:5432/pipeline")
    assert one == database_identity("postgresql://inbox:b@db.example:5432/pipeline?connect_timeout=2")
    assert one != database_identity("postgresql://dagster:a@db.example:5432/other")
