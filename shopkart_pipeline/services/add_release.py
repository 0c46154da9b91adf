"""A commit of a service becomes a release: who made it, what it is about, where it came from."""

from dataclasses import dataclass

from shopkart_pipeline.domain.declaration import Service, Source
from shopkart_pipeline.domain.release import Commit, Person, PullRequest, Release
from shopkart_pipeline.ports.forge import PullRequestEvent, Push
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.platform import Platform


@dataclass(frozen=True)
class Change:
    """What a push or a pull request brings, whichever services it concerns."""

    commit: Commit
    """The last one."""
    base: str | None
    """The commit that it is compared with; None where everything counts as changed."""
    paths: tuple[str, ...]
    """Paths that it changes, sorted."""
    title: str
    author: Person
    people: tuple[str, ...]
    """Everybody who authored or committed something in it."""


def read_change(platform: Platform, source: Source, base: str | None, sha: str) -> Change:
    """The change from `base` to `sha`; both are in the mirror."""
    commit = platform.scm.commit(source, sha)
    commits = platform.scm.commits(source, base, sha) if base else (commit,)
    told = _told_by(commits) or commit
    return Change(
        commit=commit,
        base=base,
        paths=tuple(sorted(platform.scm.changed_paths(source, base, sha))),
        title=told.title,
        author=told.author,
        people=tuple(sorted({person.email for each in commits for person in (each.author, each.committer)})),
    )


def add_release(
    platform: Platform,
    service: Service,
    key: str,
    delivery: Delivery,
    event: Push | PullRequestEvent,
    change: Change,
    pull_request: PullRequest | None = None,
) -> Release:
    """Keep the release that a change is for a service; one that is known already stays as it is."""
    release = Release(
        service=service.name,
        key=key,
        repository=event.repository,
        branch=event.branch,
        sha=event.sha,
        previous_sha=change.base,
        title=change.title,
        author=change.author,
        people=change.people,
        actor=event.actor,
        delivery_id=delivery.id,
        received_at=delivery.received_at,
        pull_request=pull_request,
    )
    platform.evidence.add_release(release)
    return release


def _told_by(commits: tuple[Commit, ...]) -> Commit | None:
    """The commit that says what a push is about: its last one, or the one before where the last is a forge's merge."""
    if len(commits) > 1 and commits[-1].title.startswith("Merge "):
        return commits[-2]
    return commits[-1] if commits else None
