"""Releases that production was asked for, and how that stands: it waits for something, was asked for, or is given up.

A candidate has all that production needs but what passes by itself. Each change is a note of the release, so what waits
is known after a restart, and to whoever looks. The newest candidate is the newest release among them, not the one that
came last: who approves an older one again does not make it newer.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.platform import Platform

CANDIDATE = "candidate"
"""Kind of the notes."""
_LOOKED_AT = 50
"""Newest notes of a service among which its candidates are looked for."""


class Standing(StrEnum):
    """How far a candidate is."""

    WAITS = "waits"
    ASKED = "asked"
    """Production was asked for; what came of it, its evidence tells."""
    GIVEN_UP = "given_up"


@dataclass(frozen=True)
class Candidate:
    """A release that production was asked for, as it stands."""

    release_key: str
    standing: Standing
    words: str
    since: datetime
    turned_back: int
    """The number of the ledger's entry by which it had last left production; 0 if it had not."""
    about: str
    """Who waits: the run that was refused, empty where none was launched. What was asked for: the run's key."""


def candidates(platform: Platform, service: str) -> tuple[Candidate, ...]:
    """The candidates of a service, newest release first."""
    found: dict[str, Candidate] = {}
    for note in platform.evidence.newest_notes(CANDIDATE, service, _LOOKED_AT):
        found.setdefault(note.release_key, _candidate(note))
    return tuple(sorted(found.values(), key=lambda candidate: candidate.release_key, reverse=True))


def history_of(platform: Platform, release: Release) -> tuple[Candidate, ...]:
    """How a release came to stand as it does, oldest first."""
    return tuple(_candidate(note) for note in platform.evidence.notes(release.service, release.key, CANDIDATE))


def remember(
    platform: Platform, release: Release, standing: Standing, words: str, *, turned_back: int, about: str = ""
) -> None:
    """Note how a release stands now; saying it again changes nothing."""
    data = {"standing": standing.value, "turned_back": turned_back, "about": about}
    last = platform.evidence.notes(release.service, release.key, CANDIDATE)[-1:]
    if not last or dict(last[0].data) != data:
        now = platform.clock.now()
        platform.evidence.note(Note(release.service, release.key, now, CANDIDATE, words, data))


def _candidate(note: Note) -> Candidate:
    standing, turned_back = Standing(str(note.data["standing"])), int(note.data["turned_back"] or 0)
    return Candidate(note.release_key, standing, note.message, note.at, turned_back, str(note.data["about"]))
