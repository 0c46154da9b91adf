"""What the webhooks did not tell: merges and branch heads that never became a release, and pull requests.

GitHub does not deliver again by itself, so a delivery that was lost is made up for by looking. What is found goes into
the inbox as the event that was missed (`missed_events`). Of the commits that a branch went through, each merge of a
pull request becomes a release of its own, as its webhook would have made it, in the order of the merges, and then the
head. A branch that nothing was ever released from is taken up by its first push, not by looking, and nothing older than
its first release is.

Where the code host can't be asked, git tells the heads, and that alone is made up for.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from shopkart_pipeline.domain.code_review import ProposedChange
from shopkart_pipeline.domain.declaration import Service, Source
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.release import Release, is_proposed, release_key
from shopkart_pipeline.ports.code_host import CodeHostReader, TryLater
from shopkart_pipeline.services.affected_services import NOT_AFFECTED
from shopkart_pipeline.services.missed_events import missed_push
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.reconcile_changes import read_changes, remember_changes, tell_missed_changes

_LOOKED_AT = 50
"""Newest releases of each service among which commits are looked for first."""


@dataclass(frozen=True)
class _Branch:
    """A branch, what is released from it, and what is known to have been looked at."""

    services: Sequence[Service]
    released: Sequence[Release]
    """Newest releases, in the order in which they came in."""
    seen: frozenset[str]
    """Commits that are releases, or that concerned no service."""

    @property
    def source(self) -> Source:
        return self.services[0].source

    def __str__(self) -> str:
        return f"{self.source.repository} {self.source.branch}"


@dataclass(frozen=True)
class _Asked:
    """What the code host says; nothing where it was not asked."""

    head: str | None = None
    changes: tuple[ProposedChange, ...] = ()


@dataclass(frozen=True)
class _Step:
    """A commit that the branch came to, and where it stood before."""

    before: str
    sha: str


def reconcile_sources(platform: Platform) -> tuple[str, ...]:
    """Put missed events into the inbox; returns what was found, in words. Who does not answer is named."""
    lines: list[str] = []
    reader = platform.code_reader
    for branch in _branches(platform):
        asked = _Asked()
        if reader is not None:
            try:
                asked = _ask(platform, reader, branch)
            except PipelineError as error:
                lines.append(f"{branch}: the code host could not be asked, so git is: {error.what}")
                if isinstance(error, TryLater) and error.everything:
                    reader = None
        try:
            lines += _reconcile(platform, branch, asked)
        except PipelineError as error:
            lines.append(f"{branch} could not be asked: {error.what}")
    return tuple(lines)


def _branches(platform: Platform) -> Iterator[_Branch]:
    notes = platform.evidence.newest_notes(NOT_AFFECTED, limit=1000)
    looked_at = {str(note.data["commit"]) for note in notes if not is_proposed(note.release_key)}
    for place, released_from in platform.pipeline.branches.items():
        newest = [each for service in released_from for each in platform.evidence.releases(service.name, _LOOKED_AT)]
        released = [each for each in newest if (each.repository, each.branch) == place and each.pull_request is None]
        released.sort(key=lambda release: release.received_at)
        yield _Branch(released_from, released, frozenset(looked_at | {release.sha for release in released}))


def _ask(platform: Platform, reader: CodeHostReader, branch: _Branch) -> _Asked:
    """The changes first: what is merged between the two questions is then older than the head."""
    changes = read_changes(platform, reader, branch.source)
    return _Asked(reader.branch_head(branch.source.repository, branch.source.branch), changes)


def _reconcile(platform: Platform, branch: _Branch, asked: _Asked) -> list[str]:
    head = asked.head or platform.scm.head(branch.source)
    lines = [
        f"{branch} stands at {push.sha[:12]}, which no webhook told"
        if push.sha == head
        else f"{branch} went through {push.sha[:12]}, which no webhook told"
        for push in _missed_pushes(platform, branch, head, asked.changes)
        if platform.inbox.put(missed_push(branch.source, push.before, push.sha, platform.clock.now()))
    ]
    lines += tell_missed_changes(platform, asked.changes)
    remember_changes(platform, branch.source, asked.changes)
    return lines


def _missed_pushes(
    platform: Platform, branch: _Branch, head: str, changes: Sequence[ProposedChange]
) -> Iterator[_Step]:
    """The steps of the branch that no webhook told of, in order, each with the one before that was told or found."""
    if not branch.released:
        return
    merged = [change.merge_sha for change in changes if change.merge_sha is not None and change.merged_at is not None]
    missed = {sha for sha in (*merged, head) if not _is_known(platform, branch, sha)}
    if not missed:
        return
    before = branch.released[0].sha
    platform.scm.fetch(branch.source, head)
    for commit in platform.scm.first_parents(branch.source, before, head):
        if commit.sha in missed:
            yield _Step(before, commit.sha)
        if commit.sha in missed or commit.sha in branch.seen:
            before = commit.sha


def _is_known(platform: Platform, branch: _Branch, sha: str) -> bool:
    """Whether a commit was looked at, however long ago. One that is gone is not missed."""
    if sha in branch.seen:
        return True
    try:
        platform.scm.fetch(branch.source, sha)
        key = release_key(sha, platform.scm.commit(branch.source, sha).committed_at)
    except NotFound:
        return True
    return any(_has(platform, service.name, key) for service in branch.services)


def _has(platform: Platform, service: str, key: str) -> bool:
    with suppress(NotFound):
        return bool(platform.evidence.release(service, key))
    return bool(platform.evidence.notes(service, key, NOT_AFFECTED))
