"""What GitHub's events about people mean: reviews, comments, deployments that somebody let go on.

A comment is a person's word only where a person's own hands wrote it: not by a program (`type: Bot`), not by an App in
somebody's name, and not by somebody other than the account that it stands under. A comment that was edited says
something that nobody dates, so it says nothing here.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from typing import cast

from shopkart_pipeline.adapters._github_fields import (
    LOGIN,
    SHA,
    Payload,
    login_of,
    matching,
    number_in,
    object_in,
    repository_of,
    text_in,
    time_in,
    unreadable,
)
from shopkart_pipeline.domain.code_review import Review, ReviewState
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.ports.forge import CommentEvent, DeploymentReviewEvent, Ignored, ReviewEvent

_REVIEWING = frozenset({"submitted", "edited", "dismissed"})
_DECIDED = frozenset({"approved", "rejected"})
_PERSON = "User"
_LONGEST_COMMENT = 1000
"""Characters that are looked at: a command is in the first line."""


def read_review(payload: Payload) -> ReviewEvent | Ignored:
    action = text_in(payload, "action")
    if action not in _REVIEWING:
        return Ignored(f"a review that was {action[:40]!r} says nothing")
    review = object_in(payload, "review")
    if review.get("user") is None:
        return Ignored("the reviewer's account is gone")
    try:
        state = ReviewState(text_in(review, "state").casefold())
    except ValueError as error:
        raise unreadable("`state` is not that of a review") from error
    return ReviewEvent(
        repository=repository_of(payload),
        number=number_in(object_in(payload, "pull_request"), "number"),
        action=action,
        review_id=number_in(review, "id", below=2**63),
        review=Review(
            login=login_of(review, "user"),
            state=state,
            sha=matching(review, "commit_id", SHA) if review.get("commit_id") else None,
            submitted_at=time_in(review, "submitted_at"),
        ),
    )


def read_comment(payload: Payload) -> CommentEvent | Ignored:
    action = text_in(payload, "action")
    if action != "created":
        return Ignored(f"a comment that was {action[:40]!r} asks for nothing")
    issue, comment = object_in(payload, "issue"), object_in(payload, "comment")
    if not isinstance(issue.get("pull_request"), dict):
        return Ignored("the comment is not at a pull request")
    if comment.get("user") is None or not comment.get("body"):
        return Ignored("the comment says nothing")
    user, sender = object_in(comment, "user"), object_in(payload, "sender")
    is_by_hand = user.get("type") == sender.get("type") == _PERSON and not comment.get("performed_via_github_app")
    login = matching(user, "login", LOGIN)
    if not is_by_hand or sender.get("login") != login:
        return Ignored("the comment was not written by a person")
    return CommentEvent(
        repository=repository_of(payload),
        number=number_in(issue, "number"),
        login=login,
        text=text_in(comment, "body")[:_LONGEST_COMMENT],
        url=text_in(comment, "html_url"),
        created_at=time_in(comment, "created_at"),
    )


def read_deployment_review(payload: Payload) -> DeploymentReviewEvent | Ignored:
    action = text_in(payload, "action")
    if action not in _DECIDED:
        return Ignored(f"a deployment review that was {action[:40]!r} says nothing")
    if payload.get("workflow_run") is None:
        return Ignored("the deployment is of no workflow, so of no commit that is known")
    run, approver = object_in(payload, "workflow_run"), object_in(payload, "approver")
    if approver.get("type", _PERSON) != _PERSON:
        return Ignored("the deployment was not reviewed by a person")
    return DeploymentReviewEvent(
        repository=repository_of(payload),
        sha=matching(run, "head_sha", SHA),
        environment=_environment(payload),
        login=matching(approver, "login", LOGIN),
        is_approved=action == "approved",
        url=text_in(run, "html_url"),
        known_at=_newest_time(payload, run),
    )


def _environment(payload: Payload) -> str:
    """The environment that was reviewed; empty where it can't be told, or there are several."""
    named = {str(each["environment"]) for each in (payload, *_jobs(payload)) if each.get("environment")}
    return named.pop() if len(named) == 1 else ""


def _newest_time(payload: Payload, run: Payload) -> datetime:
    times: list[datetime] = []
    for holder, key in ((payload, "since"), (run, "updated_at"), *((job, "updated_at") for job in _jobs(payload))):
        with suppress(UntrustedInput):
            times.append(time_in(holder, key))
    if not times:
        raise unreadable("it says no time")
    return max(times)


def _jobs(payload: Payload) -> Iterable[Payload]:
    several = payload.get("workflow_job_runs")
    jobs = [payload.get("workflow_job_run"), *(cast("list[object]", several) if isinstance(several, list) else [])]
    return [cast("Payload", job) for job in jobs if isinstance(job, dict)]
