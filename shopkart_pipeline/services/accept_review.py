"""Reviews. Of a pull request: a note for the auditor, who asks for no run by it. Of a deployment of the code host's own
workflows, where an environment is protected there: somebody who may approve has approved the releases of that commit.
"""

from shopkart_pipeline.domain.code_host import Command
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.ports.forge import DeploymentReviewEvent, ReviewEvent
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.approval_proof import person_allowed
from shopkart_pipeline.services.carry_out_command import REFUSALS, approve, in_words
from shopkart_pipeline.services.merged_releases import merged_releases
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.requests import Accepted, PullRequestName

REVIEW, DEPLOYMENT_REVIEW = "review", "deployment_review"
"""Kinds of the notes: of a pull request, and of a release."""


def accept_review(platform: Platform, delivery: Delivery, event: ReviewEvent) -> Accepted:
    """Note a review in the history of its pull request."""
    if not platform.pipeline.services_in(event.repository):
        return Accepted((), f"ignored: no service is released from {event.repository}")
    name, review = PullRequestName(event.repository, event.number), event.review
    said = f"{review.login} {event.action} a review: {review.state.value}"
    note = Note(
        event.repository,
        name.key,
        delivery.received_at,
        REVIEW,
        f"{said} of {(review.sha or 'an unknown commit')[:12]} (delivery {delivery.id})",
        {
            "login": review.login,
            "action": event.action,
            "state": review.state.value,
            "commit": review.sha,
            "submitted_at": review.submitted_at.isoformat(),
            "review": event.review_id,
            "delivery": delivery.id,
        },
    )
    platform.evidence.note_once(note)
    return Accepted((), f"{name}: {said}")


def accept_deployment_review(platform: Platform, delivery: Delivery, event: DeploymentReviewEvent) -> Accepted:
    """Record an approval for each release of the commit, or note why it is none. Raises as `accept` does."""
    releases = merged_releases(platform, event.repository, event.sha)
    outcomes = [f"{each.name}: {_review(platform, delivery, event, each)}" for each in releases]
    return Accepted((), "; ".join(outcomes) or f"ignored: {event.sha[:12]} is no release")


def _review(platform: Platform, delivery: Delivery, event: DeploymentReviewEvent, release: Release) -> str:
    """What became of it, which is noted once per delivery."""
    message = f"{event.login} reviewed the deployment to {event.environment} (delivery {delivery.id})"
    kept = _kept(platform, release, message)
    if kept is None:
        data = {"login": event.login, "outcome": _decide(platform, delivery, event, release), "url": event.url}
        note = Note(release.service, release.key, delivery.received_at, DEPLOYMENT_REVIEW, message, data)
        platform.evidence.note_once(note)
        kept = _kept(platform, release, message)
    return str(kept)


def _kept(platform: Platform, release: Release, message: str) -> str | None:
    notes = platform.evidence.notes(release.service, release.key, DEPLOYMENT_REVIEW)
    return next((str(note.data["outcome"]) for note in notes if note.message == message), None)


def _decide(platform: Platform, delivery: Delivery, event: DeploymentReviewEvent, release: Release) -> str:
    if not event.is_approved:
        return "rejected"
    try:
        person_allowed(platform.pipeline.code_host, event.login, Command.APPROVE)
        return approve(platform, release, delivery).words
    except REFUSALS as refusal:
        return in_words(refusal)
