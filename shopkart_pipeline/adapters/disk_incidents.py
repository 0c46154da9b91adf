"""Incidents as folders: `incident.json` for machines, `postmortem.md` for people, and what was gathered beside them.

Whoever changes something holds the lock of the whole store, which the kernel gives back when the holder dies. Files are
replaced whole, so a killed writer leaves what was there before. What was read once is remembered as long as its file is
the same one, because sensors ask for all incidents every few seconds, and old ones never change.
"""

import fcntl
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.adapters._incident_documents import (
    DOCUMENT,
    INCIDENT,
    is_attachment_name,
    is_incident_id,
    newest_first,
    no_attachment,
    no_incident,
)
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.domain.incident import Incident
from shopkart_pipeline.known_secrets import KNOWN
from shopkart_pipeline.ports.incident_store import IncidentStore

_LOCK = ".lock"
_SETTLED_NANOSECONDS = 2_000_000_000
"""Clocks of file systems are coarse, so a file that was written just now is read again."""
_Version = tuple[int, int, int]
"""Each writing makes another file, so two of these are equal only where nothing was written in between."""


class DiskIncidentStore(IncidentStore):
    """One folder per incident below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._read: dict[str, tuple[_Version, Incident]] = {}

    def keep(self, choose: Callable[[tuple[Incident, ...]], Incident]) -> Incident:
        with self._held():
            return self._write(choose(self.list()))

    def change(self, incident_id: str, change: Callable[[Incident], Incident]) -> Incident:
        self.get(incident_id)
        with self._held():
            return self._write(change(self.get(incident_id)))

    def get(self, incident_id: str) -> Incident:
        incident = self._kept(incident_id)
        if incident is None:
            raise no_incident(incident_id)
        return incident

    def _kept(self, incident_id: str) -> Incident | None:
        """None where there is none of that name."""
        if not is_incident_id(incident_id):
            return None
        path = f"{self._root}/{incident_id}/{DOCUMENT}"
        try:
            status = os.stat(path)
            version = status.st_ino, status.st_mtime_ns, status.st_size
            known = self._read.get(incident_id)
            if known is not None and known[0] == version:
                return known[1]
            incident = INCIDENT.validate_json(Path(path).read_bytes())
            if time.time_ns() - status.st_mtime_ns > _SETTLED_NANOSECONDS:
                self._read[incident_id] = version, incident
            return incident
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValidationError, OSError) as error:
            raise PipelineError(f"{path} can't be read.", "Restore it from a backup, or take it away.") from error

    def list(self) -> tuple[Incident, ...]:
        names = os.listdir(self._root) if self._root.exists() else []
        for gone in set(self._read).difference(names):
            self._read.pop(gone, None)
        return newest_first(names, self._kept)

    def attach(self, incident_id: str, name: str, content: bytes) -> None:
        if not is_attachment_name(name):
            raise ValueError(f"{name!r} is no name for what is kept beside an incident")
        with _written():
            write_atomically(self._root / self.get(incident_id).id / name, KNOWN.masked_bytes(content))

    def attached(self, incident_id: str) -> tuple[str, ...]:
        names = (path.name for path in (self._root / self.get(incident_id).id).iterdir())
        return tuple(sorted(name for name in names if is_attachment_name(name)))

    def attachment(self, incident_id: str, name: str) -> bytes:
        path = self._root / self.get(incident_id).id / name
        if not is_attachment_name(name) or not path.is_file():
            raise no_attachment(incident_id, name)
        return path.read_bytes()

    def _write(self, incident: Incident) -> Incident:
        if not is_incident_id(incident.id):
            raise ValueError(f"{incident.id!r} is no id for an incident")
        write_atomically(
            self._root / incident.id / DOCUMENT, KNOWN.masked_bytes(INCIDENT.dump_json(incident, indent=2))
        )
        return incident

    @contextmanager
    def _held(self) -> Generator[None]:
        with _written():
            self._root.mkdir(parents=True, exist_ok=True)
            lock = os.open(self._root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)


@contextmanager
def _written() -> Generator[None]:
    try:
        yield
    except OSError as error:
        raise ToolUnavailable(
            f"The incident could not be kept: {error.strerror}.", "Make room on its disk, or give access to it."
        ) from error
