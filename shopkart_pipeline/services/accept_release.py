"""An event becomes releases and requests for runs.

A push to a declared branch becomes one release of each service whose own or shared paths it changed; for every other
service of the repository it is noted that it is not affected. Pull requests and groups of a merge queue are
`accept_pull_request`'s, comments `accept_command`'s, reviews `accept_review`'s, alerts `accept_alerts`'. Events of the
pipeline itself (`shopkart.*`) ask for the next phase, or for stages to be run again (`rerun_stages`). Deciding changes
nothing but what is remembered: releases, notes, and for commands the ledger and the inbox. Deciding twice gives the
same answer; the caller launches, and only then marks the delivery as done.
"""

from shopkart_pipeline.domain.declaration import Phase, Source
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.release import Release, release_key
from shopkart_pipeline.ports.alert_reader import ALERTS
from shopkart_pipeline.ports.forge import (
    CommentEvent,
    DeploymentReviewEvent,
    Ignored,
    Ping,
    PullRequestEvent,
    Push,
    ReviewEvent,
)
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.accept_alerts import accept_alerts
from shopkart_pipeline.services.accept_command import accept_command
from shopkart_pipeline.services.accept_pull_request import accept_pull_request
from shopkart_pipeline.services.accept_review import accept_deployment_review, accept_review
from shopkart_pipeline.services.add_release import add_release, read_change
from shopkart_pipeline.services.affected_services import in_words, note_not_affected, split
from shopkart_pipeline.services.approve_release import weigh_approvals
from shopkart_pipeline.services.follow_up import STAGE_PASSED, accept_stage_passed
from shopkart_pipeline.services.own_events import APPROVED, PHASE_PASSED, read_own_event
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.record_skips import record_not_affected
from shopkart_pipeline.services.request_production import request_production
from shopkart_pipeline.services.requests import Accepted, RunRequest
from shopkart_pipeline.services.rerun_stages import RERUN, accept_rerun


def accept(platform: Platform, delivery: Delivery) -> Accepted:
    """Decide what a delivery asks for.

    Raises:
        UntrustedInput: the body is not what its event name promises; it can never be acted upon.
        ToolUnavailable: the repository does not answer; try again later.
    """
    if delivery.event in (PHASE_PASSED, APPROVED):
        return _accept_progress(platform, delivery)
    if delivery.event == STAGE_PASSED:
        return accept_stage_passed(platform, delivery)
    if delivery.event == ALERTS:
        return accept_alerts(platform, delivery)
    if delivery.event == RERUN:
        return accept_rerun(platform, delivery)
    match platform.forge.read(delivery):
        case Ignored(reason):
            return Accepted((), f"ignored: {reason}")
        case PullRequestEvent() as event:
            return accept_pull_request(platform, delivery, event)
        case Push() as push:
            return _accept_push(platform, delivery, push)
        case CommentEvent() as comment:
            return accept_command(platform, delivery, comment)
        case ReviewEvent() as review:
            return accept_review(platform, delivery, review)
        case DeploymentReviewEvent() as review:
            return accept_deployment_review(platform, delivery, review)
        case Ping(missing):
            told = f"does not send {', '.join(missing)}: subscribe it to them" if missing else "sends all that is read"
            return Accepted((), f"the webhook {told}")


def _accept_push(platform: Platform, delivery: Delivery, push: Push) -> Accepted:
    candidates = platform.pipeline.released_from(push.repository, push.branch)
    if not candidates:
        return Accepted((), f"ignored: no service is released from {push.repository} branch {push.branch}")
    source = candidates[0].source
    platform.scm.fetch(source, push.sha)
    change = read_change(platform, source, _known(platform, source, push.previous_sha), push.sha)
    key = release_key(push.sha, change.commit.committed_at)
    affected, untouched = split(candidates, change.paths)
    releases = [add_release(platform, service, key, delivery, push, change) for service in affected]
    notes = note_not_affected(platform, untouched, key, delivery, change)
    record_not_affected(platform, untouched, key, delivery, push.sha)
    outcome = in_words(releases, untouched)
    return Accepted(tuple(_ci(release) for release in releases), outcome, notes)


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


def _accept_progress(platform: Platform, delivery: Delivery) -> Accepted:
    service_name, key, phase = read_own_event(delivery, "service", "release_key", "phase")
    service = platform.service(service_name)
    release = platform.evidence.release(service_name, key)
    if release.pull_request is not None:
        return Accepted((), "a pull request ends with continuous integration")
    if delivery.event == PHASE_PASSED and phase is Phase.CI:
        return Accepted((_request(delivery, release, Phase.STAGING, "continuous integration passed"),), "staging")
    deployment = platform.deployment_of(service, Phase.PRODUCTION)
    records = platform.evidence.latest(service_name, key)
    count = weigh_approvals(platform, release, deployment, records)
    words = f"{len(count.approvers)} of {count.required} approvals"
    if not count.is_enough:
        return Accepted((), f"awaits approval: {words}")
    return request_production(platform, release, words)


def _request(delivery: Delivery, release: Release, phase: Phase, reason: str) -> RunRequest:
    return RunRequest(f"{delivery.id}:{release.service}:{phase.value}", release.service, release.key, phase, reason)
