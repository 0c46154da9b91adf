"""Counts of the past in a SQLite file. It can be removed: everything is then counted again, from the beginning."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from shopkart_pipeline.adapters._sqlite import Database
from shopkart_pipeline.domain.metric import Labels, Sample
from shopkart_pipeline.ports.metric_store import MetricStore, Step

_SCHEMA = """
CREATE TABLE IF NOT EXISTS positions (source TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS totals (
    name TEXT NOT NULL,
    labels TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (name, labels)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS releases (
    service TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (service, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS releases_by_state ON releases (service, state);
"""


class SqliteMetricStore(MetricStore):
    """One file; `path` is made when it is missing."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, _SCHEMA)

    def positions(self) -> Mapping[str, int]:
        with self._database.reading() as connection:
            return {row["source"]: row["position"] for row in connection.execute("SELECT * FROM positions")}

    def apply(self, step: Step) -> bool:
        growth = dict[tuple[str, str], float]()
        for sample in step.growth:
            key = sample.name, json.dumps(sample.labels)
            growth[key] = growth.get(key, 0.0) + sample.value
        with self._database.transaction(durable=False) as connection:
            found = {row["source"]: row["position"] for row in connection.execute("SELECT * FROM positions")}
            if any(found.get(source, 0) != position for source, position in step.positions.items()):
                return False
            connection.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", step.reached.items())
            connection.executemany(
                "INSERT INTO totals VALUES (?, ?, ?) ON CONFLICT (name, labels) DO UPDATE SET value = value + ?3",
                [(*key, value) for key, value in growth.items()],
            )
            connection.executemany(
                "INSERT OR REPLACE INTO releases VALUES (?, ?, ?)",
                [(service, key, state) for (service, key), state in step.states.items()],
            )
        return True

    def totals(self) -> tuple[Sample, ...]:
        with self._database.reading() as connection:
            rows = connection.execute("SELECT * FROM totals").fetchall()
        found = (Sample(row["name"], _labels(row["labels"]), row["value"]) for row in rows)
        return tuple(sorted(found, key=lambda sample: (sample.name, sample.labels)))

    def states(self, service: str, keys: Sequence[str]) -> Mapping[str, str]:
        sql = "SELECT key, state FROM releases WHERE service = ? AND key IN (SELECT value FROM json_each(?))"
        with self._database.reading() as connection:
            return {row["key"]: row["state"] for row in connection.execute(sql, (service, json.dumps([*keys])))}

    def standing(self, service: str, state: str) -> tuple[str, ...]:
        sql = "SELECT key FROM releases WHERE service = ? AND state = ? ORDER BY key"
        with self._database.reading() as connection:
            return tuple(row["key"] for row in connection.execute(sql, (service, state)))

    def count(self) -> Mapping[tuple[str, str], int]:
        sql = "SELECT service, state, count(*) AS number FROM releases GROUP BY service, state"
        with self._database.reading() as connection:
            return {(row["service"], row["state"]): row["number"] for row in connection.execute(sql)}


def _labels(text: str) -> Labels:
    return tuple((name, value) for name, value in json.loads(text))
