"""What a build costs, counted: the inputs of `shopkart capacity` are what a real pipeline on a real PostgreSQL does."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
import pytest
import yaml

from shopkart_pipeline.cli.bench.processor import processor_seconds
from shopkart_pipeline.cli.bench.repository import BenchRepository
from shopkart_pipeline.cli.bench.surroundings import RunningPipeline
from shopkart_pipeline.cli.bench.webhook import NO_OP, NO_OP_DEFINITIONS, REPOSITORY
from shopkart_pipeline.cli.capacity import INPUTS, read
from shopkart_pipeline.cli.stack import (
    ROOT,
    Stack,
    free_port,
    start_daemon,
    start_engine,
    start_receiver,
    start_signer,
    wait_for_engine,
    wait_for_port,
)
from shopkart_pipeline.engine.warm_client import ServerOptions
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline_tests.contract.postgres import Postgres, running_postgres
from shopkart_pipeline_tests.contract.postgres_storage import packages
from shopkart_pipeline_tests.pipeline_installation import files

pytestmark = pytest.mark.thorough

BUILDS, WARM_UP, IDLE_SECONDS = 6, 2, 12.0
_NEAR, _ROUGHLY = 0.3, 0.6
_DATABASE = b"""
SELECT xact_commit, tup_inserted, tup_updated, pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint,
  pg_database_size(current_database())
FROM pg_stat_database WHERE datname = current_database()
"""
_TABLES = b"SELECT relname, sum(n_tup_ins)::bigint FROM pg_stat_user_tables GROUP BY 1"


@dataclass(frozen=True)
class Count:
    """What has been used since everything began."""

    at: float
    numbers: dict[str, float]


class Counted:
    """The pipeline at work, and what it uses."""

    def __init__(self, pipeline: RunningPipeline, stack: Stack, postgres: Postgres) -> None:
        self.pipeline, self._stack, self._postgres = pipeline, stack, postgres

    def count(self) -> Count:
        time.sleep(2.5)  # Sessions report what they did a second later.
        with psycopg.connect(self._postgres.address(self._postgres.password)) as connection:
            row: Any = connection.execute(_DATABASE).fetchone()
            tables = connection.execute(_TABLES).fetchall()
        found = dict(zip(("commits", "inserted", "updated", "wal_bytes", "stored_bytes"), map(float, row), strict=True))
        found |= {f"rows {name}": float(rows) for name, rows in tables}
        found |= {f"cpu {each.name}": processor_seconds(each.pid) for each in self._stack.processes}
        found["cpu postgres"] = processor_seconds(self._postgres._process.pid)  # type: ignore[union-attr]
        return Count(time.monotonic(), found)


@contextmanager
def counted(home: Path, postgres: Postgres) -> Iterator[Counted]:
    """The bench's pipeline whose tools do nothing, with all that it keeps in PostgreSQL."""
    address = urlsplit(postgres.address())
    home.mkdir()
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(packages())
        for name, value in {
            "SHOPKART_HOME": str(home),
            "SHOPKART_DECLARATION": str(NO_OP),
            **{f"SHOPKART_{each}": postgres.address() for each in ("STORES", "INBOX", "LEDGER")},
            "SHOPKART_DAGSTER_DB_HOST": str(address.hostname),
            "SHOPKART_DAGSTER_DB_NAME": address.path[1:],
            "SHOPKART_DAGSTER_DB_USER": str(address.username),
            "SHOPKART_DAGSTER_DB_PASSWORD": postgres.password,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(packages())]),
        }.items():
            patched.setenv(name, value)
        settings = replace(from_environment(), runtime="process", receiver_port=free_port(), web_port=free_port())
        storage = yaml.safe_load(files()["dagster.yaml"])["storage"]
        params = {"options": parse_qs(address.query)["options"][0]}
        storage["custom"]["config"]["postgres_db"] |= {"port": address.port, "params": params}
        settings.dagster_home.mkdir(parents=True)
        for name, folder in (("dagster.yaml", settings.dagster_home), ("workspace.yaml", home)):
            shipped = (ROOT / name).read_text().replace("shopkart_pipeline.definitions", NO_OP_DEFINITIONS)
            extra = yaml.safe_dump({"storage": storage}) if name == "dagster.yaml" else ""
            (folder / name).write_text(f"{shipped}\n{extra}")
        clone = BenchRepository(home / "git" / f"{REPOSITORY}.git", home / "clone", REPOSITORY)
        stack = Stack(settings)
        try:
            start_signer(stack)
            start_engine(stack, ServerOptions(NO_OP_DEFINITIONS))
            wait_for_engine(stack)
            start_receiver(stack)
            start_daemon(stack, home / "workspace.yaml")
            wait_for_port(stack, settings.receiver_port)
            yield Counted(RunningPipeline(settings, clone), stack, postgres)
        finally:
            stack.stop()


def build(pipeline: RunningPipeline, number: int) -> None:
    pipeline.release("graph", pipeline.repository.push(f"Change {number}", {"graph/app.txt": f"{number}\n"}), 90.0)


def test_what_a_build_costs(tmp_path: Path) -> None:
    """Rows and bytes are counted, so they are the recorded ones; processor time is printed, to be recorded."""
    with running_postgres(tmp_path / "postgres") as postgres, counted(tmp_path / "home", postgres) as one:
        for number in range(WARM_UP):
            build(one.pipeline, number)
        quiet = one.count()
        time.sleep(IDLE_SECONDS)
        before = one.count()
        for number in range(BUILDS):
            build(one.pipeline, WARM_UP + number)
        after = one.count()
    idle = _rates(quiet, before)
    seconds = after.at - before.at
    found = {
        name: (now - before.numbers.get(name, 0.0) - idle.get(name, 0.0) * seconds) / BUILDS
        for name, now in after.numbers.items()
    }
    print(
        json.dumps({"load": psutil.getloadavg(), "seconds": seconds, "idle_per_second": idle, "build": found}, indent=1)
    )

    recorded = read(INPUTS)
    assert found["inserted"] + found["updated"] == pytest.approx(recorded["written_rows"], rel=_NEAR)
    assert found["wal_bytes"] == pytest.approx(recorded["written_bytes"], rel=_ROUGHLY)


def _rates(first: Count, last: Count) -> dict[str, float]:
    """By name, each second between the two."""
    return {name: (value - first.numbers.get(name, 0.0)) / (last.at - first.at) for name, value in last.numbers.items()}
