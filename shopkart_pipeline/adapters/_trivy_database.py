"""Trivy's vulnerability database: when it is fetched anew, how old it is, and who may read it meanwhile.

It is built several times a day and says itself when the next one is due; only then, or where there is none, is it
fetched. If that fails, the database at hand is judged by its age, and the failure is told and remembered for ten
minutes, so that not every release waits for a registry that is away. Scans share the database; a fetch waits for them
and they for it, because trivy writes over the old one.

Options of the stage: `maximum_age_days` (default 7); `database`, an OCI repository to fetch from in place of trivy's.

Source: Trivy, `metadata.json` beside the database; the same dates as `trivy version --format json` tells.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, Field

from shopkart_pipeline.adapters._advisory_age import age_days, lenience_note, maximum_age_days, outdated
from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.scanner import ScanRequest

MAXIMUM_AGE_DAYS = 7.0
_REMEMBERED = timedelta(minutes=10)
_FETCHED_LATELY = timedelta(hours=1)
"""Trivy fetches nothing anew within this time, whatever is due."""
_WAITING_SECONDS = 0.1


class _Metadata(BaseModel):
    updated_at: AwareDatetime = Field(alias="UpdatedAt")
    next_update: AwareDatetime = Field(alias="NextUpdate")
    downloaded_at: AwareDatetime = Field(alias="DownloadedAt")


class _Failure(BaseModel):
    at: AwareDatetime
    reason: str


@dataclass(frozen=True)
class DatabaseState:
    """A database that may be used."""

    updated_at: datetime
    age_days: float
    notes: tuple[str, ...] = ()


class TrivyDatabase:
    """The database in one cache folder."""

    def __init__(self, cache: Path, clock: Clock) -> None:
        """
        Args:
            cache: trivy's cache folder; made when first needed.
            clock: tells how old the database is.
        """
        self.cache = cache
        self._clock = clock
        self._failure = cache / "fetch-failed.json"

    @contextlib.contextmanager
    def ready(self, executable: str, request: ScanRequest) -> Generator[DatabaseState | EvidenceMissing]:
        """The database, fetched anew if it is due, for as long as it is used; or why there is none of use.

        Args:
            executable: path of trivy.
            request: gives the options, the log and the time limit.

        Raises:
            OSError: the cache folder can't be used.
        """
        deadline = time.monotonic() + request.stage.timeout_seconds
        failure = self._refresh(executable, request, deadline)
        with self._held(fcntl.LOCK_SH, deadline) as held:
            yield self._judged(request, failure) if held else EvidenceMissing(_busy(request))

    def trouble(self, request: ScanRequest) -> str | None:
        """Why the database is of no use, as far as that is known without fetching it; None where it may be of use."""
        failure = self._remembered()
        state = self._judged(request, failure) if failure or not self._is_due() else None
        return state.reason if isinstance(state, EvidenceMissing) else None

    def taken_at(self) -> datetime | None:
        """The date of the database; None where it is due to be fetched, so that nobody knows what will be used."""
        metadata = self._metadata()
        return None if metadata is None or self._is_due() else metadata.updated_at

    def now(self) -> datetime:
        """The time by which it is judged."""
        return self._clock.now()

    def _metadata(self) -> _Metadata | None:
        try:
            return _Metadata.model_validate_json((self.cache / "db" / "metadata.json").read_bytes())
        except (OSError, ValueError):
            return None

    def _is_due(self) -> bool:
        metadata, now = self._metadata(), self._clock.now()
        return metadata is None or (now >= metadata.next_update and now - metadata.downloaded_at >= _FETCHED_LATELY)

    def _judged(self, request: ScanRequest, failure: str | None) -> DatabaseState | EvidenceMissing:
        metadata, now = self._metadata(), self._clock.now()
        because = f" ({failure})" if failure else ""
        if metadata is None:
            return EvidenceMissing(f"trivy has no vulnerability database{because}")
        try:
            maximum_days = maximum_age_days(request.stage.options, MAXIMUM_AGE_DAYS)
        except ValueError as error:
            return EvidenceMissing(str(error))
        if reason := outdated(metadata.updated_at, now, maximum_days):
            return EvidenceMissing(f"{reason}{because}")
        notes = lenience_note(maximum_days, MAXIMUM_AGE_DAYS)
        if failure:
            notes += (f"A newer database could not be fetched: {failure}.",)
        return DatabaseState(metadata.updated_at, age_days(metadata.updated_at, now), notes)

    def _refresh(self, executable: str, request: ScanRequest, deadline: float) -> str | None:
        """Fetch the database if it is due: why that failed, or None."""
        if not self._is_due():
            return None
        if failure := self._remembered():
            return failure
        with self._held(fcntl.LOCK_EX, deadline) as held:
            if not held:
                return _busy(request)
            if not self._is_due():
                return None
            return self._remembered() or self._fetch(executable, request, deadline)

    def _fetch(self, executable: str, request: ScanRequest, deadline: float) -> str | None:
        repository = request.stage.options.get("database")
        done = run(
            Command(
                [
                    *(executable, "image", "--download-db-only", "--quiet", "--cache-dir", str(self.cache)),
                    *(("--db-repository", repository) if repository else ()),
                ],
                request.scratch,
                max(1.0, deadline - time.monotonic()),
                variables={"HOME": str(request.scratch)},
                network=True,
                log=request.log,
            )
        )
        failure = done.failure("fetching trivy's database")
        if failure is None:
            self._failure.unlink(missing_ok=True)
        elif not done.cancelled:
            write_atomically(self._failure, _Failure(at=self._clock.now(), reason=failure).model_dump_json().encode())
        return failure

    def _remembered(self) -> str | None:
        try:
            last = _Failure.model_validate_json(self._failure.read_bytes())
        except (OSError, ValueError):
            return None
        return last.reason if timedelta(0) <= self._clock.now() - last.at < _REMEMBERED else None

    @contextlib.contextmanager
    def _held(self, kind: int, deadline: float) -> Generator[bool]:
        """Hold the database, alone or together; False where others held it for too long."""
        self.cache.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.cache / "in-use.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            yield _lock(descriptor, kind, deadline)
        finally:
            os.close(descriptor)


def _lock(descriptor: int, kind: int, deadline: float) -> bool:
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_WAITING_SECONDS)
        else:
            return True


def _busy(request: ScanRequest) -> str:
    return f"trivy's database was in use for {request.stage.timeout_seconds:g} seconds"
