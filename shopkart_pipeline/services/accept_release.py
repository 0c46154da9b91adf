"""An event becomes releases and requests for runs.

A push to a declared branch becomes one release of each service whose own or shared paths it changed; every other
service of the repository is named as not affected. Events of the pipeline itself (`shopkart.*`) ask for the next
phase. Deciding changes nothing but the list of releases, and deciding twice gives the same answer; the caller
launches, and only then marks the delivery as done.

A run for production is named after the evidence that was approved, not after the event: "staging is through" and
"approved" may both find everything in place, and a release must not be rolled out twice for it. Once it was turned
back, it takes a new approval, and the name is another one.
"""

import json
from dataclasses import dataclass, replace
from uuid import NAMESPACE_URL, uuid5

from shopkart_pipeline.domain.declaration import Phase, Service, Source
from shopkart_pipeline.domain.errors import NotFound, UntrustedInput
from shopkart_pipeline.domain.release import Commit, Release, release_key
from shopkart_pipeline.ports.forge import Ignored, Push
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.approve_release import weigh_approvals
from shopkart_pipeline.services.judge_release import evidence_digest, phases_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import last_turn_back
from shopkart_pipeline.services.requests import RunRequest

PHASE_PASSED = "shopkart.phase_passed"
APPROVED = "shopkart.approved"


@dataclass(frozen=True)
class Accepted:
    """What a delivery asks for, and what is to be remembered about it."""

    requests: tuple[RunRequest, ...]
    outcome: str


def accept(platform: Platform, delivery: Delivery) -> Accepted:
    """Decide what a delivery asks for.

    Raises:
        UntrustedInput: the body is not what its event name promises; it can never be acted upon.
        ToolUnavailable: the repository does not answer; try again later.
    """
    if delivery.event in (PHASE_PASSED, APPROVED):
        return _accept_progress(platform, delivery)
    event = platform.forge.read(delivery)
    if isinstance(event, Ignored):
        return Accepted((), f"ignored: {event.reason}")
    return _accept_push(platform, delivery, event)


def progress(event: str, release: Release, phase: Phase, run_id: str, platform: Platform) -> Delivery:
    """The delivery by which the pipeline tells itself that a release came further."""
    body = {"service": release.service, "release_key": release.key, "phase": phase.value}
    identity = uuid5(NAMESPACE_URL, f"{event}:{release.name}:{phase.value}:{run_id}")
    return Delivery(str(identity), event, platform.clock.now(), json.dumps(body).encode())


def _accept_push(platform: Platform, delivery: Delivery, push: Push) -> Accepted:
    candidates = [
        service
        for service in platform.pipeline.services.values()
        if service.source.repository == push.repository and service.source.branch == push.branch
    ]
    if not candidates:
        return Accepted((), f"ignored: no service is released from {push.repository} branch {push.branch}")
    source = candidates[0].source
    platform.scm.fetch(source, push.sha)
    push = replace(push, previous_sha=_known(platform, source, push.previous_sha))
    changed = platform.scm.changed_paths(source, push.previous_sha, push.sha)
    affected = [service for service in candidates if is_affected(service, changed)]
    releases = [_release(platform, delivery, push, service) for service in affected]
    untouched = [service.name for service in candidates if service not in affected]
    outcome = ", ".join(
        [*(f"released {release.name}" for release in releases), *(f"{n} not affected" for n in untouched)]
    )
    return Accepted(tuple(_ci(release) for release in releases), outcome)


def _ci(release: Release) -> RunRequest:
    """A release names one commit of one service, so whoever tells of that commit asks for the same run."""
    key = f"{release.name}:{Phase.CI.value}"
    return RunRequest(key, release.service, release.key, Phase.CI, "merge")


def _known(platform: Platform, source: Source, sha: str | None) -> str | None:
    """The commit, or None if it is gone (the branch was forced elsewhere): then everything counts as changed."""
    if sha is None:
        return None
    try:
        platform.scm.fetch(source, sha)
    except NotFound:
        return None
    return sha


def is_affected(service: Service, changed_paths: tuple[str, ...]) -> bool:
    """Whether a change of these paths (relative to the repository's root) concerns the service."""
    folders = (service.source.path, *service.source.shared_paths)
    return any(
        folder in (".", "") or path == folder or path.startswith(f"{folder.rstrip('/')}/")
        for path in changed_paths
        for folder in folders
    )


def _release(platform: Platform, delivery: Delivery, push: Push, service: Service) -> Release:
    commit = platform.scm.commit(service.source, push.sha)
    commits = platform.scm.commits(service.source, push.previous_sha, push.sha) if push.previous_sha else (commit,)
    people = sorted({person.email for each in commits for person in (each.author, each.committer)})
    change = _change(commits) or commit
    release = Release(
        service=service.name,
        key=release_key(push.sha, commit.committed_at),
        repository=push.repository,
        branch=push.branch,
        sha=push.sha,
        previous_sha=push.previous_sha,
        title=change.title,
        author=change.author,
        people=tuple(people),
        actor=push.actor,
        delivery_id=delivery.id,
        received_at=delivery.received_at,
    )
    platform.evidence.add_release(release)
    return release


def _change(commits: tuple[Commit, ...]) -> Commit | None:
    """The commit that says what a push is about: its last one, or the one before where the last is a forge's merge."""
    if len(commits) > 1 and commits[-1].title.startswith("Merge "):
        return commits[-2]
    return commits[-1] if commits else None


def _accept_progress(platform: Platform, delivery: Delivery) -> Accepted:
    service_name, key, phase = _read_progress(delivery)
    service = platform.service(service_name)
    release = platform.evidence.release(service_name, key)
    if delivery.event == PHASE_PASSED and phase is Phase.CI:
        return Accepted((_request(delivery, release, Phase.STAGING, "continuous integration passed"),), "staging")
    deployment = platform.deployment_of(service, Phase.PRODUCTION)
    records = platform.evidence.latest(service_name, key)
    count = weigh_approvals(platform, release, deployment, records)
    words = f"{len(count.approvers)} of {count.required} approvals"
    if not count.is_enough:
        return Accepted((), f"awaits approval: {words}")
    turned_back = last_turn_back(platform, service_name, key, deployment.environment)
    evidence = evidence_digest(records, phases_before(service, Phase.PRODUCTION))
    identity = f"{release.name}:{Phase.PRODUCTION.value}:{evidence}:{turned_back}"
    return Accepted((RunRequest(identity, service_name, key, Phase.PRODUCTION, words),), "production")


def _read_progress(delivery: Delivery) -> tuple[str, str, Phase]:
    try:
        body = json.loads(delivery.body)
        return body["service"], body["release_key"], Phase(body["phase"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UntrustedInput(
            f"The event {delivery.event} can't be read.", "Only the pipeline itself sends it."
        ) from error


def _request(delivery: Delivery, release: Release, phase: Phase, reason: str) -> RunRequest:
    return RunRequest(f"{delivery.id}:{release.service}:{phase.value}", release.service, release.key, phase, reason)
