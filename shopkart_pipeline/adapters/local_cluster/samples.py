"""What the sampler noted about each version of each service, in one SQLite file that stays small.

Counts are cumulative since sampling began, whatever the load balancer's own counters do, so the difference of two
samples is what was answered between them. Gauges are of their moment. Every sample is kept for an hour, one a minute
for four days, which covers the longest window of a burn rate; what is older is gone.
"""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import Vital

_T = TypeVar("_T")
SAMPLE_SECONDS = 5.0
_FINE_SECONDS, _COARSE_SECONDS = 3_600.0, 4 * 86_400.0
_PRUNE_SECONDS = 300.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS ticks (at REAL PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS samples (
    environment TEXT, service TEXT, at REAL, version TEXT, counted INTEGER, document TEXT,
    PRIMARY KEY (environment, service, at, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, document TEXT) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Sample:
    """One version at one moment."""

    counts: Counts
    gauges: Mapping[Vital, float] = field(default_factory=dict[Vital, float])
    """What was measured; what is not there was not."""
    missing: Mapping[Vital, str] = field(default_factory=dict[Vital, str])
    """Why the others were not; for all that follows from counts, under the request rate."""

    @property
    def is_counted(self) -> bool:
        """Whether its counts are of this moment, and not of an earlier one."""
        return Vital.REQUEST_RATE not in self.missing


@dataclass(frozen=True)
class Noted:
    """A sample with its moment and version."""

    at: datetime
    version: str
    sample: Sample


Place = tuple[str, str, str]
"""Environment, service, version."""
_SAMPLES, _COUNTS = TypeAdapter(Sample), TypeAdapter(Counts)


class Samples:
    """The file of one home. One controller writes, anybody reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = Database(path, _SCHEMA)
        self._next_pruning = 0.0

    def note(self, at: datetime, samples: Mapping[Place, Sample], counters: Mapping[str, Counts]) -> None:
        """Keep the samples of one tick, and what the load balancer's counters said then."""
        moment = at.timestamp()
        rows = [
            (
                environment,
                service,
                moment,
                version,
                sample.is_counted,
                _SAMPLES.dump_json(sample, exclude_defaults=True),
            )
            for (environment, service, version), sample in samples.items()
        ]
        with self._database.transaction(durable=False) as connection:
            connection.execute("INSERT OR REPLACE INTO ticks VALUES (?)", (moment,))
            connection.executemany("INSERT OR REPLACE INTO samples VALUES (?, ?, ?, ?, ?, ?)", rows)
            connection.executemany(
                "INSERT OR REPLACE INTO counters VALUES (?, ?)",
                [(name, _COUNTS.dump_json(counts).decode()) for name, counts in counters.items()],
            )
            if time.monotonic() >= self._next_pruning:
                self._next_pruning = time.monotonic() + _PRUNE_SECONDS
                for table in ("ticks", "samples"):
                    for older, coarse in ((_FINE_SECONDS, "AND at % 60 >= ?"), (_COARSE_SECONDS, "AND ? > 0")):
                        statement = f"DELETE FROM {table} WHERE at < ? {coarse}"  # noqa: S608
                        connection.execute(statement, (moment - older, SAMPLE_SECONDS))

    def counters(self) -> Mapping[str, Counts]:
        """What the load balancer's counters said at the latest tick, by name."""
        if not self._path.exists():
            return {}
        with self._database.reading() as connection:
            rows = connection.execute("SELECT name, document FROM counters").fetchall()
        return {row["name"]: _read(_COUNTS, row["document"]) for row in rows}

    def latest(self) -> Mapping[Place, Sample]:
        """The newest sample of every version that there ever was."""
        if not self._path.exists():
            return {}
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT environment, service, version, document, MAX(at) FROM samples "
                "GROUP BY environment, service, version"
            ).fetchall()
        return {(row["environment"], row["service"], row["version"]): _read(_SAMPLES, row["document"]) for row in rows}

    def ticks(self, since: datetime, until: datetime) -> Sequence[datetime]:
        """When the sampler was at work in a time, oldest first."""
        if not self._path.exists():
            return ()
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT at FROM ticks WHERE at BETWEEN ? AND ? ORDER BY at", (since.timestamp(), until.timestamp())
            ).fetchall()
        return [_moment(row["at"]) for row in rows]

    def of(self, environment: str, service: str, since: datetime, until: datetime) -> Sequence[Noted]:
        """The samples of a service in a time, oldest first."""
        if not self._path.exists():
            return ()
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT at, version, document FROM samples "
                "WHERE environment = ? AND service = ? AND at BETWEEN ? AND ? ORDER BY at, version",
                (environment, service, since.timestamp(), until.timestamp()),
            ).fetchall()
        return [_noted(row) for row in rows]

    def counted(self, environment: str, service: str, since: datetime, until: datetime) -> Sequence[Noted]:
        """The newest sample with counts of each version in a time, without its beginning."""
        if not self._path.exists():
            return ()
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT MAX(at) AS at, version, document FROM samples "
                "WHERE environment = ? AND service = ? AND at > ? AND at <= ? AND counted GROUP BY version ORDER BY at",
                (environment, service, since.timestamp(), until.timestamp()),
            ).fetchall()
        return [_noted(row) for row in rows]

    def counted_before(self, environment: str, service: str, version: str, at: datetime) -> Counts:
        """What a version had answered by a moment; nothing where it had not run before."""
        if not self._path.exists():
            return Counts(0, 0)
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT document FROM samples WHERE environment = ? AND service = ? AND version = ? AND at <= ? "
                "AND counted ORDER BY at DESC LIMIT 1",
                (environment, service, version, at.timestamp()),
            ).fetchone()
        return Counts(0, 0) if row is None else _read(_SAMPLES, row["document"]).counts


def _noted(row: sqlite3.Row) -> Noted:
    return Noted(_moment(row["at"]), row["version"], _read(_SAMPLES, row["document"]))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _read(adapter: TypeAdapter[_T], document: str | bytes) -> _T:
    try:
        return adapter.validate_json(document)
    except ValidationError as error:
        raise ToolUnavailable(
            f"A sample can't be understood ({error.error_count()} faults).", "Remove cluster/vitals.db of the home."
        ) from None
