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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from shopkart_pipeline.adapters.sqlite_ledger import SqliteLedger
from shopkart_pipeline.defs.keys import partitions_name
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.release import Release, release_key
from shopkart_pipeline.engine.first_open import HomeDatabases
from shopkart_pipeline.engine.launch import run_id_of
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.production_history import PROMOTE
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.wiring import build_platform


@dataclass(frozen=True)
class Copy:
    """A release that is made, and the words by which it differs from the original."""

    number: int
    key: str
    words: Mapping[str, str]


def copies_of(release: Release, run_id: str, first: int, count: int) -> Iterator[Copy]:
    """Copies `first` to `count`, their commits a minute apart."""
    for number in range(first, count):
        sha = hashlib.sha256(f"{release.sha} {number}".encode()).hexdigest()[:40]
        key = release_key(sha, release.received_at - timedelta(minutes=number))
        copied_run = run_id_of(f"copy {number} of {release.name}")
        yield Copy(number, key, {release.key: key, release.sha: sha, run_id: copied_run})


def copy_rows(path: Path, tables: Mapping[str, str], copies: Sequence[Copy]) -> None:
    """Copy the rows of each table that a condition selects, once for each copy, with other words in every text.

    Numbers that count events are moved along, so that what refers to an event refers to the copied one.
    """
    with closing(sqlite3.connect(path, timeout=60)) as connection, connection:
        for table, condition in tables.items():
            found = connection.execute(f"SELECT * FROM {table} WHERE {condition}")  # noqa: S608 # This module's own.
            names = [column[0] for column in found.description]
            rows = found.fetchall()
            places = ", ".join("?" * len(names))
            connection.executemany(
                f"INSERT OR IGNORE INTO {table} VALUES ({places})",  # noqa: S608 # This module's own.
                (_copied(names, row, copy) for copy in copies for row in rows),
            )


def _copied(names: Sequence[str], row: Sequence[object], copy: Copy) -> list[object]:
    copied: list[object] = []
    for name, value in zip(names, row, strict=True):
        if name in ("sequence", "id"):
            value = _moved(value, copy) if "event" in names else None
        elif name.endswith(("storage_id", "event_id")):
            value = _moved(value, copy)
        elif isinstance(value, str):
            for word, other in copy.words.items():
                value = value.replace(word, other)
        copied.append(value)
    return copied


_STRIDE = 100_000


def _moved(value: object, copy: Copy) -> object:
    return value + (copy.number + 1) * _STRIDE if isinstance(value, int) else value


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
