"""By which pull request a commit came to a branch, and what was said about it: asked of the code host once.

A pull request brought a commit if it was merged into that branch and either became this very commit, or the branch had
not got the commit when the pull request was compared with it last (of a rebase, only the last commit is the one that it
became). What a merged pull request was is never asked again; a commit without one is, because the code host may learn
of it a moment later than we do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter

from shopkart_pipeline.domain.code_review import ProposedChange, Review
from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.release import Commit, release_key
from shopkart_pipeline.ports.code_host import CodeHostReader
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.platform import Platform

_TRACED = "code_review"
"""Kind of the notes, which are kept under the repository's name and the key of the commit's releases."""
_CHANGE = TypeAdapter(ProposedChange)
_REVIEWS = TypeAdapter(tuple[Review, ...])


@dataclass(frozen=True)
class Trace:
    """How a commit came to its branch."""

    commit: Commit
    change: ProposedChange | None
    """The pull request that brought it; None where none did."""
    reviews: tuple[Review, ...] = ()
    reason: str = ""
    """Why there is no pull request."""


def trace_commit(platform: Platform, reader: CodeHostReader, source: Source, commit: Commit) -> Trace:
    """Find out how a commit came to the branch of a source. Raises what `CodeHostReader` does."""
    key = release_key(commit.sha, commit.committed_at)
    for note in platform.evidence.notes(source.repository, key, _TRACED):
        if note.data["branch"] == source.branch:
            return _read(commit, note)
    changes = reader.changes_of_commit(source.repository, commit.sha)
    change = _that_brought(platform, source, commit.sha, changes)
    if change is None:
        return Trace(commit, None, reason=_why_none(source, changes))
    trace = Trace(commit, change, reader.reviews(source.repository, change.number))
    platform.evidence.note_once(_write(platform, source, key, trace, change))
    return trace


def _that_brought(
    platform: Platform, source: Source, sha: str, changes: Sequence[ProposedChange]
) -> ProposedChange | None:
    merged = sorted(
        (change for change in changes if change.merged_at is not None and change.branch == source.branch),
        key=lambda change: (change.merge_sha != sha, change.merged_at),
    )
    return next((each for each in merged if each.merge_sha == sha or not _was_there(platform, source, sha, each)), None)


def _was_there(platform: Platform, source: Source, sha: str, change: ProposedChange) -> bool:
    """Whether the branch had the commit before the pull request; where that can't be told, it counts as so."""
    try:
        platform.scm.fetch(source, change.base_sha)
        return platform.scm.merge_base(source, change.base_sha, sha) == sha
    except NotFound:
        return True


def _why_none(source: Source, changes: Sequence[ProposedChange]) -> str:
    if not changes:
        return "there is no pull request"
    numbers = ", ".join(f"#{change.number}" for change in changes[:5])
    return f"it was not merged into {source.branch} by a pull request (it is in {numbers})"


def _write(platform: Platform, source: Source, key: str, trace: Trace, change: ProposedChange) -> Note:
    data = {
        "branch": source.branch,
        "change": _CHANGE.dump_json(change).decode(),
        "reviews": _REVIEWS.dump_json(trace.reviews).decode(),
    }
    message = f"{trace.commit.sha[:12]} came to {source.branch} by #{change.number}"
    return Note(source.repository, key, platform.clock.now(), _TRACED, message, data)


def _read(commit: Commit, note: Note) -> Trace:
    change = _CHANGE.validate_json(str(note.data["change"]))
    return Trace(commit, change, _REVIEWS.validate_json(str(note.data["reviews"])))
