"""The memory of releases: what came in, what every stage found, what was rolled out, what went wrong.

Records are only ever added. An attempt that was begun and not finished is visible as running."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.evidence import RawReport, Report, StageRecord
from shopkart_pipeline.domain.release import Release


@dataclass(frozen=True)
class StageStart:
    """An attempt of a stage that has begun."""

    service: str
    release_key: str
    stage: str
    run_id: str
    started_at: datetime


@dataclass(frozen=True)
class Note:
    """One thing that happened to a release outside of a stage: a rollout step, a judgement, an incident's step.

    What happens to a pull request as a whole is kept under its repository's name and `pull_request_key`; what does not
    concern a service, under the key of the release that it would have been.
    """

    service: str
    release_key: str
    at: datetime
    kind: str
    """Such as `rollout` or `judgement`."""
    message: str
    data: Mapping[str, str | float | int | bool | None]


class EvidenceStore(ABC):
    """Durable, append-only. Raises `NotFound` for what is not there."""

    @abstractmethod
    def add_release(self, release: Release) -> bool:
        """Keep a release; False if it is known already (then nothing changes)."""

    @abstractmethod
    def release(self, service: str, key: str) -> Release:
        """One release."""

    @abstractmethod
    def releases(self, service: str | None = None, limit: int = 100) -> tuple[Release, ...]:
        """The newest releases, newest first."""

    @abstractmethod
    def release_names(self) -> tuple[tuple[str, str], ...]:
        """Service and key of every release, newest first."""

    @abstractmethod
    def added_after(self, position: int, limit: int) -> tuple[tuple[int, Release], ...]:
        """Releases in the order in which they were added, each with its position there; positions begin at 1, grow,
        and may have gaps."""

    @abstractmethod
    def finished_after(self, position: int, limit: int) -> tuple[tuple[int, StageRecord], ...]:
        """Results of attempts, in the order in which they were kept; positions as in `added_after`."""

    @abstractmethod
    def begin(self, start: StageStart) -> None:
        """Say that an attempt of a stage has begun."""

    @abstractmethod
    def finish(self, record: StageRecord) -> None:
        """Keep the result of an attempt, whole or not at all."""

    @abstractmethod
    def latest(self, service: str, key: str) -> Mapping[str, StageRecord]:
        """The newest finished record of each stage of a release."""

    @abstractmethod
    def reusable(self, service: str, stage: str, input_key: str) -> StageRecord | None:
        """The newest record with evidence that a tool made of inputs with this key, which is any of the record's
        `input_keys`; never one that was itself reused."""

    @abstractmethod
    def running(self, service: str, key: str) -> tuple[StageStart, ...]:
        """Attempts that have begun and not finished, and that no later attempt has replaced."""

    @abstractmethod
    def note(self, note: Note) -> None:
        """Keep a note."""

    @abstractmethod
    def note_once(self, *notes: Note) -> tuple[Note, ...]:
        """Keep those notes of which there is none of that service, key, kind and message yet: all of them or, if this
        fails, none. Returns those that were new; of several who come at once, one is told so."""

    @abstractmethod
    def notes(self, service: str, key: str, kind: str | None = None) -> tuple[Note, ...]:
        """Notes of a release, oldest first."""

    @abstractmethod
    def newest_notes(self, kind: str, service: str | None = None, limit: int = 100) -> tuple[Note, ...]:
        """The newest notes of one kind, newest first."""

    @abstractmethod
    def put_report(self, raw: RawReport) -> Report:
        """Keep a raw report under its digest."""

    def put_reports(self, raws: Sequence[RawReport]) -> tuple[Report, ...]:
        """Keep several, in any order; all of them are kept when this returns. Gives them in the order of `raws`."""
        return tuple(self.put_report(raw) for raw in raws)

    @abstractmethod
    def get_report(self, digest: str) -> bytes:
        """A raw report, verified against its digest."""
