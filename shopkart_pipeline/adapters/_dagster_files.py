"""Dagster's SQLite files in an instance home, of which each run has one for its events.

An event is written to its run's file, then to the index of all runs, then to the run's row: in this order they are
locked (`_sqlite_moment`). Which runs there are, and which are under way, is read from the moment itself.

Source: Dagster 1.13, `SqliteEventLogStorage` and `SqliteRunStorage`.
"""

import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from shopkart_pipeline.adapters._sqlite_moment import at_one_moment

_INDEX = "index.db"
_UNFINISHED = (
    "SELECT run_id FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED', 'NOT_STARTED')"
    " ORDER BY id DESC LIMIT 100"
)
"""More would be more open files than a process may have; of those that wait behind so many, nothing is written."""
_ATTEMPTS = 5


class RunsOnDisk:
    """The runs of one instance.

    Args:
        instance_home: of Dagster.
    """

    def __init__(self, instance_home: Path) -> None:
        # `storage` of an entry in dagster.yaml; ours keeps them in the home itself.
        self._histories = [instance_home / "history", instance_home / "storage" / "history"]

    def is_of_a_run(self, path: Path) -> bool:
        """Whether a database holds the events of one run alone."""
        return path.parent.name == "runs" and path.parent.parent in self._histories and path.name != _INDEX

    @contextmanager
    def at_one_moment(
        self, databases: Sequence[Path], wait_seconds: float
    ) -> Generator[Mapping[Path, sqlite3.Connection]]:
        """The databases, and those of the runs that are under way, as they are at one moment; see `_sqlite_moment`."""
        for attempt in range(1, _ATTEMPTS + 1):
            under_way = self._under_way()
            with ExitStack() as held:
                ordered = [*under_way, *sorted(databases, key=lambda path: path.name != _INDEX)]
                moment = held.enter_context(at_one_moment(ordered, wait_seconds))
                # A run may have begun since we looked.
                if attempt == _ATTEMPTS or self._begun(moment) <= set(under_way):
                    yield moment
                    return

    def others(self, moment: Mapping[Path, sqlite3.Connection]) -> list[Path]:
        """The databases of the other runs that there were at that moment."""
        found = list[Path]()
        for history in self._histories:
            runs = moment.get(history / "runs.db")
            if runs is not None:
                known = (str(run_id) for (run_id,) in runs.execute("SELECT run_id FROM runs"))
                found += [history / "runs" / f"{run_id}.db" for run_id in known]
        return sorted(path for path in found if path not in moment and path.exists())

    def _under_way(self) -> list[Path]:
        found = set[Path]()
        for history in self._histories:
            path = history / "runs.db"
            if path.exists():
                with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)) as connection:
                    found |= _unfinished(history, connection)
        return sorted(found)

    def _begun(self, moment: Mapping[Path, sqlite3.Connection]) -> set[Path]:
        histories = ((history, moment.get(history / "runs.db")) for history in self._histories)
        return {path for history, runs in histories if runs is not None for path in _unfinished(history, runs)}


def _unfinished(history: Path, runs: sqlite3.Connection) -> set[Path]:
    try:
        rows = runs.execute(_UNFINISHED).fetchall()
    except sqlite3.OperationalError:  # It is being made.
        return set()
    paths = (history / "runs" / f"{run_id}.db" for (run_id,) in rows)
    return {path for path in paths if path.exists()}
