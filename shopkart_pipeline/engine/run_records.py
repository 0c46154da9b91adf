"""What is known about the worker of each run, in one small file per run.

The files outlive the server: from them a new server learns which runs wait and which workers live, and anybody can
check the health of a run without asking it.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shopkart_pipeline.engine.process_identity import ProcessIdentity
from shopkart_pipeline.engine.warm_paths import replace_text


@dataclass(frozen=True)
class Queued:
    """The run waits for a free place."""

    run_id: str
    job_name: str
    sequence: int
    """Runs start in this order."""
    queue: str = ""
    group: str = ""
    """See `places`."""


@dataclass(frozen=True)
class Running:
    """The run has a worker, which may have died since."""

    run_id: str
    job_name: str
    worker: ProcessIdentity
    terminating: bool = False
    """Somebody asked for its end."""
    queue: str = ""
    group: str = ""


@dataclass(frozen=True)
class Ended:
    """The worker is gone and was seen going."""

    run_id: str
    job_name: str
    how: str
    succeeded: bool
    """The worker reported the run's outcome before it ended; the outcome itself is Dagster's to tell."""


@dataclass(frozen=True)
class NoRecord:
    """Nothing is known about a worker of this run."""

    reason: str


RunRecord = Queued | Running | Ended
_KINDS: dict[str, type[Any]] = {"queued": Queued, "running": Running, "ended": Ended}


class RunRecords:
    """The records in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, record: RunRecord) -> None:
        """Replace what is known about a run."""
        content = {"kind": type(record).__name__.lower(), **asdict(record)}
        replace_text(self._path(record.run_id), json.dumps(content))

    def read(self, run_id: str) -> RunRecord | NoRecord:
        """What is known about a run."""
        try:
            return _parse(self._path(run_id).read_text())
        except FileNotFoundError:
            return NoRecord("no worker was ever started for this run")
        except (ValueError, KeyError, TypeError) as error:
            return NoRecord(f"the record of its worker can't be read: {error}")

    def all(self) -> Iterator[RunRecord]:
        """All records that can be read, in no order."""
        for path in self._folder.glob("*.json"):
            record = self.read(path.stem)
            if not isinstance(record, NoRecord):
                yield record

    def remove(self, run_id: str) -> None:
        """Forget a run and the log of its worker."""
        self._path(run_id).unlink(missing_ok=True)
        self._path(run_id).with_suffix(".log").unlink(missing_ok=True)

    def forget_oldest(self, keep: int) -> None:
        """Forget ended runs except for the `keep` latest."""
        ended = [record.run_id for record in self.all() if isinstance(record, Ended)]
        ended.sort(key=lambda run_id: self._path(run_id).stat().st_mtime_ns, reverse=True)
        for run_id in ended[keep:]:
            self.remove(run_id)

    def _path(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.json"


def _parse(text: str) -> RunRecord:
    content = json.loads(text)
    kind = _KINDS[content.pop("kind")]
    if kind is Running:
        content["worker"] = ProcessIdentity(**content["worker"])
    return kind(**content)
