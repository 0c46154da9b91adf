"""`python -m shopkart_pipeline.bench_processes.multiply_releases SERVICE COUNT LIVE`: gives this environment's home a
history, by copying the newest release of a service, which went through the real pipeline, until there are COUNT.

A copy has everything in the stores that the original has: the release, its attempts and notes, entries of the ledger,
the run and the events that Dagster keeps over all runs; only the event log of each single run is left out, because
nothing reads it until somebody opens that run. LIVE of all releases stay partitions
in the interface, as the declared retention would leave it. Rows are copied by SQLite itself, because writing ten
thousand releases one by one would measure the disk.
"""

import hashlib
import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.cli.bench.copied_rows import Copy, copies_of, copy_rows
from shopkart_pipeline.defs.keys import partitions_name
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.engine.first_open import HomeDatabases
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.production_history import PROMOTE
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.wiring import build_platform


def multiply(service: str, count: int, live: int) -> int:
    """Make copies until there are `count` releases; returns how many were made."""
    settings = from_environment()
    platform = build_platform(settings)
    releases = platform.evidence.releases(service, count)
    original = releases[0]
    run_id = platform.evidence.latest(service, original.key)["published_image"].run_id
    copies = list(copies_of(original, run_id, len(releases), count))
    own = f"service = '{service}' AND key = '{original.key}'"
    copy_rows(settings.home / "evidence" / "evidence.db", dict.fromkeys(("releases", "attempts", "notes"), own), copies)
    databases = HomeDatabases(settings.dagster_home)
    of_run = f"run_id = '{run_id}'"
    tags = f"event_id IN (SELECT id FROM event_logs WHERE {of_run})"  # noqa: S608 # This module's own.
    events = {"asset_event_tags": tags, "event_logs": of_run, "asset_check_executions": of_run}
    copy_rows(databases.index, events, copies)
    copy_rows(databases.runs, {"runs": of_run, "run_tags": of_run}, copies)
    _keep_live(databases.index, partitions_name(service), [copy.key for copy in copies[: max(0, live - len(releases))]])
    _promote(settings.home / "ledger.db", original, copies, platform.environment_of(Phase.PRODUCTION).name)
    return len(copies)


def _keep_live(index: Path, name: str, keys: Sequence[str]) -> None:
    with closing(sqlite3.connect(index, timeout=60)) as connection, connection:
        connection.executemany(
            "INSERT OR IGNORE INTO dynamic_partitions (partitions_def_name, partition) VALUES (?, ?)",
            [(name, key) for key in keys],
        )


def _promote(path: Path, original: Release, copies: Sequence[Copy], environment: str) -> None:
    """Every copy was in production once; the newest is there now."""
    acts = [
        Act(
            original.received_at - timedelta(minutes=copy.number),
            "pipeline",
            PROMOTE,
            original.service,
            copy.key,
            f"sha256:{hashlib.sha256(copy.key.encode()).hexdigest()}",
            {"environment": environment, "commit": original.sha, "reason": "the bench"},
        )
        for copy in reversed(copies)
    ]
    SqliteLedger(path).append_all(acts)


if __name__ == "__main__":
    service_name, wanted, kept = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps({"made": multiply(service_name, wanted, kept)}))
