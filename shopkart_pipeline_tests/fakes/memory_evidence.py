"""An evidence store in memory."""

import hashlib
from collections.abc import Mapping

from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import Evidence, RawReport, Report, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.evidence_store import EvidenceStore, Note, StageStart


class MemoryEvidenceStore(EvidenceStore):
    """Attempts are kept in the order in which they began, with their record once they have one."""

    def __init__(self) -> None:
        self.attempts: list[tuple[StageStart, StageRecord | None]] = []
        self._releases: dict[tuple[str, str], Release] = {}
        self._finished: list[StageRecord] = []
        self._notes: list[Note] = []
        self.reports: dict[str, bytes] = {}

    def add_release(self, release: Release) -> bool:
        if (release.service, release.key) in self._releases:
            return False
        self._releases[release.service, release.key] = release
        return True

    def release(self, service: str, key: str) -> Release:
        try:
            return self._releases[service, key]
        except KeyError:
            raise NotFound(f"There is no release {key} of {service}.", "") from None

    def releases(self, service: str | None = None, limit: int = 100) -> tuple[Release, ...]:
        found = [release for release in self._releases.values() if service in (None, release.service)]
        return tuple(reversed(found))[:limit]

    def release_names(self) -> tuple[tuple[str, str], ...]:
        return tuple(reversed(self._releases))

    def added_after(self, position: int, limit: int) -> tuple[tuple[int, Release], ...]:
        return tuple(enumerate(self._releases.values(), 1))[position : position + limit]

    def finished_after(self, position: int, limit: int) -> tuple[tuple[int, StageRecord], ...]:
        return tuple(enumerate(self._finished, 1))[position : position + limit]

    def begin(self, start: StageStart) -> None:
        self.attempts.append((start, None))

    def finish(self, record: StageRecord) -> None:
        self._finished.append(record)
        start = StageStart(record.service, record.release_key, record.stage, record.run_id, record.started_at)
        for place, (begun, finished) in reversed(list(enumerate(self.attempts))):
            if finished is None and _attempt(begun) == _attempt(start):
                self.attempts[place] = begun, record
                return
        self.attempts.append((start, record))

    def latest(self, service: str, key: str) -> Mapping[str, StageRecord]:
        return {
            start.stage: record
            for start, record in self.attempts
            if record is not None and (start.service, start.release_key) == (service, key)
        }

    def reusable(self, service: str, stage: str, input_key: str) -> StageRecord | None:
        for _, record in reversed(self.attempts):
            if record is None or record.reused is not None or not isinstance(record.result, Evidence):
                continue
            if (record.service, record.stage) == (service, stage) and input_key in record.input_keys:
                return record
        return None

    def running(self, service: str, key: str) -> tuple[StageStart, ...]:
        newest = {
            start.stage: (start, record)
            for start, record in self.attempts
            if (start.service, start.release_key) == (service, key)
        }
        return tuple(start for start, record in newest.values() if record is None)

    def note(self, note: Note) -> None:
        self._notes.append(note)

    def note_once(self, *notes: Note) -> tuple[Note, ...]:
        fresh: list[Note] = []
        for note in notes:
            if _identity(note) not in {_identity(kept) for kept in self._notes}:
                self._notes.append(note)
                fresh.append(note)
        return tuple(fresh)

    def notes(self, service: str, key: str, kind: str | None = None) -> tuple[Note, ...]:
        return tuple(
            note
            for note in self._notes
            if (note.service, note.release_key) == (service, key) and kind in (None, note.kind)
        )

    def newest_notes(self, kind: str, service: str | None = None, limit: int = 100) -> tuple[Note, ...]:
        found = [note for note in reversed(self._notes) if note.kind == kind and service in (None, note.service)]
        return tuple(found[:limit])

    def put_report(self, raw: RawReport) -> Report:
        digest = f"sha256:{hashlib.sha256(raw.content).hexdigest()}"
        self.reports[digest] = raw.content
        return Report(raw.name, raw.media_type, digest, len(raw.content))

    def get_report(self, digest: str) -> bytes:
        try:
            return self.reports[f"sha256:{digest.removeprefix('sha256:')}"]
        except KeyError:
            raise NotFound(f"There is no report {digest!r}.", "") from None


def _attempt(start: StageStart) -> tuple[str, str, str, str]:
    return start.service, start.release_key, start.stage, start.run_id


def _identity(note: Note) -> tuple[str, str, str, str]:
    return note.service, note.release_key, note.kind, note.message
