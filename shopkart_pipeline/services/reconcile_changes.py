"""Pull requests as the code host has them, beside what its webhooks told of them.

Asked is for what was updated since the newest update that is known; the first time, for seven days. That moment is
remembered once everything that was missed is in the inbox, so that a crash in between loses nothing.
"""

from datetime import datetime, timedelta

from shopkart_pipeline.domain.code_review import ProposedChange
from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.ports.code_host import CodeHostReader
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.missed_events import missed_pull_request
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.pull_requests import Standing, standing
from shopkart_pipeline.services.requests import PullRequestName

_UPDATES = "updates"
"""Kind of the notes that say up to which update the pull requests of a branch are known; they are kept under the
repository's name and `branch:` with the branch."""
_AT_FIRST = timedelta(days=7)


def read_changes(platform: Platform, reader: CodeHostReader, source: Source) -> tuple[ProposedChange, ...]:
    """What was updated and may not be known, oldest first. Raises what `CodeHostReader` does."""
    return reader.changes_since(source.repository, source.branch, _known_until(platform, source))


def tell_missed_changes(platform: Platform, changes: tuple[ProposedChange, ...]) -> tuple[str, ...]:
    """Put what no webhook told of pull requests into the inbox; returns it in words.

    One that was closed before anybody heard of it is nothing to speak of, but its end has to be known: should the event
    of its beginning still come, nobody must try it out.
    """
    told: list[str] = []
    for change in changes:
        stands = standing(platform, PullRequestName(change.repository, change.number))
        if not _is_missed(change, stands) or not platform.inbox.put(missed_pull_request(change, platform.clock.now())):
            continue
        if stands is not None or change.is_open:
            state = "proposes" if change.is_open else "was closed at"
            told.append(f"{change.repository}#{change.number} {state} {change.sha[:12]}, which no webhook told")
    return tuple(told)


def remember_changes(platform: Platform, source: Source, changes: tuple[ProposedChange, ...]) -> None:
    """Remember up to which update everything is known."""
    newest = max((change.updated_at for change in changes), default=None)
    if newest is not None and newest > _known_until(platform, source):
        now = platform.clock.now()
        data = {"until": newest.isoformat()}
        message = f"known until {newest.isoformat()}"
        platform.evidence.note_once(Note(source.repository, _place(source), now, _UPDATES, message, data))


def _is_missed(change: ProposedChange, stands: Standing | None) -> bool:
    if stands is None:
        return True
    if stands.updated_at > change.updated_at:
        return False
    now = (change.sha, change.branch, change.is_open, change.merged_at is not None)
    return now != (stands.sha, stands.branch, stands.is_open, stands.is_merged)


def _known_until(platform: Platform, source: Source) -> datetime:
    notes = platform.evidence.notes(source.repository, _place(source), _UPDATES)
    known = [datetime.fromisoformat(str(note.data["until"])) for note in notes[-1:]]
    return known[0] if known else platform.clock.now() - _AT_FIRST


def _place(source: Source) -> str:
    return f"branch:{source.branch}"
