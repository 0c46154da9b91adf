"""An event of a pull request becomes releases that are only proposed, and requests for continuous integration.

The head is compared with the commit that it started from (the merge base), so what others merged meanwhile is not
taken for a change of its own. An event that another one has overtaken asks for nothing.
"""

from collections.abc import Sequence

from shopkart_pipeline.domain.declaration import Phase, Service, Source
from shopkart_pipeline.domain.release import PullRequest, merge_group_key, pull_request_key
from shopkart_pipeline.ports.forge import PullRequestEvent
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.add_release import add_release, read_change
from shopkart_pipeline.services.affected_services import in_words, note_not_affected, split
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.pull_requests import Standing, applicable_stages, name_in, remember, standing
from shopkart_pipeline.services.requests import Accepted, PullRequestName, RunRequest


def accept_pull_request(platform: Platform, delivery: Delivery, event: PullRequestEvent) -> Accepted:
    """Decide what an event of a pull request asks for. Raises as `accept` does."""
    candidates = platform.pipeline.released_from(event.repository, event.branch)
    name = name_in(event)
    if not candidates and standing(platform, name) is None:
        return Accepted((), f"ignored: no service is released from {event.repository} branch {event.branch}")
    made = remember(platform, delivery, event)
    if standing(platform, name) != made:
        return Accepted((), f"{name}: overtaken by a later event", pull_request=name)
    if not event.is_open or not candidates:
        return Accepted((), f"{name}: nothing to try out any more", pull_request=name)
    return _propose(platform, delivery, event, candidates, name, made)


def _propose(
    platform: Platform,
    delivery: Delivery,
    event: PullRequestEvent,
    candidates: Sequence[Service],
    name: PullRequestName,
    made: Standing,
) -> Accepted:
    base = _fetch(platform, candidates[0].source, event)
    change = read_change(platform, candidates[0].source, base, event.sha)
    key = merge_group_key(event.sha) if event.merge_group else pull_request_key(event.number, event.sha)
    proposed = PullRequest(event.number, base, event.from_fork, event.merge_group)
    affected, untouched = split(candidates, change.paths)
    releases = [add_release(platform, service, key, delivery, event, change, proposed) for service in affected]
    notes = note_not_affected(platform, untouched, key, delivery, change)
    requests = tuple(
        RunRequest(
            key=f"{release.name}:{Phase.CI.value}:{made.attempt}",
            service=release.service,
            release_key=release.key,
            phase=Phase.CI,
            reason=_reason(event, name),
            stages=tuple(stage.name for stage in applicable_stages(service, release, Phase.CI)),
            pull_request=name,
        )
        for service, release in zip(affected, releases, strict=True)
    )
    return Accepted(requests, f"{name}: {in_words(releases, untouched)}", notes, name)


def _reason(event: PullRequestEvent, name: PullRequestName) -> str:
    if event.merge_group:
        return f"merge group {name}"
    return f"pull request {name}" + (" from a fork, without secrets" if event.from_fork else "")


def _fetch(platform: Platform, source: Source, event: PullRequestEvent) -> str:
    """Have the head here; returns the commit that it started from, or where nothing is common, the branch's tip."""
    reference = event.merge_group or platform.forge.head_reference(event.number)
    platform.scm.fetch(source, event.sha, reference)
    # A merge group may begin where another one ends, so its base comes with its head.
    platform.scm.fetch(source, event.base_sha)
    return platform.scm.merge_base(source, event.base_sha, event.sha) or event.base_sha
