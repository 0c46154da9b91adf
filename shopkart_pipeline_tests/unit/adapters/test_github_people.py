"""What GitHub tells of people, merge queues and webhooks: published payloads are read, others never do harm."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters.github import EVENTS, GitHubForge
from shopkart_pipeline.domain.code_review import Review, ReviewState
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.ports.forge import (
    CommentEvent,
    DeploymentReviewEvent,
    Event,
    Ignored,
    Ping,
    PullRequestEvent,
    ReviewEvent,
)
from shopkart_pipeline.ports.inbox import Delivery

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
SAMPLES = Path(__file__).parents[2] / "samples" / "github"
REPOSITORY = "Codertocat/Hello-World"


def sample(name: str) -> dict[str, Any]:
    """A published payload."""
    return json.loads((SAMPLES / f"{name}.json").read_text())


def read(event: str, payload: object) -> Event:
    return GitHubForge().read(Delivery("d", event, NOON, json.dumps(payload).encode()))


# Reviews.


def test_a_published_review_is_read() -> None:
    review = Review(
        login="Codertocat",
        state=ReviewState.COMMENTED,
        sha="ec26c3e57ca3a959ca5aad62de7213c562f8c821",
        submitted_at=datetime(2019, 5, 15, 15, 20, 38, tzinfo=UTC),
    )

    told = read("pull_request_review", sample("pull_request_review.submitted"))

    assert told == ReviewEvent(REPOSITORY, 2, "submitted", 237895671, review)


def test_a_dismissed_review_says_so() -> None:
    told = read("pull_request_review", sample("pull_request_review.dismissed"))

    assert isinstance(told, ReviewEvent)
    assert (told.action, told.review.state) == ("dismissed", ReviewState.DISMISSED)


def test_states_are_read_as_the_rest_interface_writes_them_too() -> None:
    payload = sample("pull_request_review.submitted")
    payload["review"] |= {"state": "CHANGES_REQUESTED", "commit_id": None}

    told = read("pull_request_review", payload)

    assert isinstance(told, ReviewEvent)
    assert (told.review.state, told.review.sha) == (ReviewState.CHANGES_REQUESTED, None)


def test_a_reviewer_who_is_gone_says_nothing() -> None:
    payload = sample("pull_request_review.submitted")
    payload["review"]["user"] = None

    assert read("pull_request_review", payload) == Ignored("the reviewer's account is gone")


# Comments.


def comment(text: str = "/approve", **details: Any) -> dict[str, Any]:
    """The published comment, at a pull request."""
    payload = sample("issue_comment.created")
    payload["issue"]["pull_request"] = {"url": "https://api.github.com/repos/Codertocat/Hello-World/pulls/1"}
    payload["comment"] |= {"body": text, **details}
    return payload


def test_a_comment_at_a_pull_request_is_read() -> None:
    told = read("issue_comment", comment())

    assert told == CommentEvent(
        repository=REPOSITORY,
        number=1,
        login="Codertocat",
        text="/approve",
        url="https://github.com/Codertocat/Hello-World/issues/1#issuecomment-492700400",
        created_at=datetime(2019, 5, 15, 15, 20, 21, tzinfo=UTC),
    )


def test_the_published_comments_are_at_an_issue_or_not_new() -> None:
    reasons = {
        name: read("issue_comment", sample(f"issue_comment.{name}")) for name in ("created", "edited", "deleted")
    }

    assert reasons == {
        "created": Ignored("the comment is not at a pull request"),
        "edited": Ignored("a comment that was 'edited' asks for nothing"),
        "deleted": Ignored("a comment that was 'deleted' asks for nothing"),
    }


@pytest.mark.parametrize("action", ["edited", "deleted"])
def test_a_comment_that_was_changed_at_a_pull_request_is_no_command(action: str) -> None:
    assert isinstance(read("issue_comment", comment() | {"action": action}), Ignored)


_BOT = {"login": "shopkart-pipeline[bot]", "type": "Bot"}
_PERSON = {"login": "Codertocat", "type": "User"}


@pytest.mark.parametrize(
    ("user", "sender", "app"),
    [
        (_BOT, _BOT, None),
        (_PERSON, _BOT, None),
        (_BOT, _PERSON, None),
        (_PERSON, {"login": "mallory", "type": "User"}, None),
        (_PERSON, {"login": "Codertocat"}, None),
        ({"login": "Codertocat"}, _PERSON, None),
        (_PERSON, _PERSON, {"id": 7, "slug": "some-app"}),
    ],
)
def test_what_a_persons_own_hands_did_not_write_is_no_command(user: object, sender: object, app: object) -> None:
    payload = comment(user=user, performed_via_github_app=app) | {"sender": sender}

    assert read("issue_comment", payload) == Ignored("the comment was not written by a person")


@pytest.mark.parametrize("details", [{"user": None}, {"body": None}, {"body": ""}])
def test_an_empty_comment_says_nothing(details: dict[str, Any]) -> None:
    assert read("issue_comment", comment(**details)) == Ignored("the comment says nothing")


@pytest.mark.parametrize("details", [{"created_at": "2019-05-15T15:20:21"}, {"created_at": None}, {"html_url": 7}])
def test_a_comment_that_nobody_dates_is_untrusted(details: dict[str, Any]) -> None:
    with pytest.raises(UntrustedInput):
        read("issue_comment", comment(**details))


def test_of_a_long_comment_only_the_beginning_is_looked_at() -> None:
    told = read("issue_comment", comment("/approve" + " " * 65_000))

    assert isinstance(told, CommentEvent)
    assert len(told.text) == 1000


# Groups of a merge queue.


def test_a_published_merge_group_is_tried_out_like_a_pull_request() -> None:
    told = read("merge_group", sample("merge_group.checks_requested"))

    assert told == PullRequestEvent(
        repository=sample("merge_group.checks_requested")["repository"]["full_name"],
        number=104,
        branch="main",
        base_sha="380387fbc80638b734a49e1be1c4dfec1c01b33c",
        sha="2ffea6db159f6b6c47a24e778fb9ef40cf6b1c7d",
        from_fork=False,
        is_open=True,
        is_merged=False,
        updated_at=datetime(2019, 5, 15, 15, 20, 30, tzinfo=UTC),
        actor="Codertocat",
        merge_group="refs/heads/gh-readonly-queue/main/pr-104-929f8209d40f77f4abc622a499c93a83babdbe64",
    )


@pytest.mark.parametrize(("reason", "is_merged"), [("merged", True), ("dequeued", False), (None, False)])
def test_a_destroyed_merge_group_is_over_from_when_that_was_told(reason: str | None, is_merged: bool) -> None:
    told = read("merge_group", sample("merge_group.checks_requested") | {"action": "destroyed", "reason": reason})

    assert isinstance(told, PullRequestEvent)
    assert (told.is_open, told.is_merged, told.updated_at) == (False, is_merged, NOON)


@pytest.mark.parametrize(
    ("key", "value"),
    [("head_ref", "refs/heads/main"), ("head_ref", "refs/heads/gh-readonly-queue/main/x"), ("base_ref", "refs/tags/x")],
)
def test_a_merge_group_of_another_form_is_untrusted(key: str, value: str) -> None:
    payload = sample("merge_group.checks_requested")
    payload["merge_group"][key] = value

    with pytest.raises(UntrustedInput):
        read("merge_group", payload)


# Deployments that are let go on.


def reviewed(action: str = "approved", **details: Any) -> dict[str, Any]:
    """A deployment review in the form of the documentation, made from the published one that was requested."""
    payload = sample("deployment_review.requested")
    person = payload.pop("requestor")
    return payload | {"action": action, "approver": person, "comment": "fine", **details}


def test_a_deployment_that_waits_for_a_review_says_nothing() -> None:
    told = read("deployment_review", sample("deployment_review.requested"))

    assert told == Ignored("a deployment review that was 'requested' says nothing")


@pytest.mark.parametrize(("action", "is_approved"), [("approved", True), ("rejected", False)])
def test_a_deployment_review_is_read(action: str, is_approved: bool) -> None:
    told = read("deployment_review", reviewed(action))

    assert told == DeploymentReviewEvent(
        repository="terraform-test-github/sample-app",
        sha="5275a45b7e99c7fd7265b790392c10a74101a67a",
        environment="TST",
        login="ilmax",
        is_approved=is_approved,
        url="https://github.com/terraform-test-github/sample-app/actions/runs/5453085689",
        known_at=datetime(2023, 7, 4, 9, 28, 15, tzinfo=UTC),
    )


def test_the_newest_time_that_it_tells_is_when_it_is_known() -> None:
    jobs = [{"environment": "TST", "updated_at": "2023-07-05T00:00:00Z"}, {"updated_at": "soon"}]

    told = read("deployment_review", reviewed(workflow_job_runs=jobs))

    assert isinstance(told, DeploymentReviewEvent)
    assert told.known_at == datetime(2023, 7, 5, tzinfo=UTC)


@pytest.mark.parametrize("jobs", [[{"environment": "other"}], [{"environment": "TST"}, {"environment": "production"}]])
def test_a_review_of_several_environments_is_of_none_for_certain(jobs: object) -> None:
    told = read("deployment_review", reviewed(workflow_job_runs=jobs))

    assert isinstance(told, DeploymentReviewEvent)
    assert told.environment == ""


def test_a_deployment_of_no_workflow_says_nothing_of_a_commit() -> None:
    assert isinstance(read("deployment_review", reviewed(workflow_run=None)), Ignored)


def test_a_program_reviews_no_deployment() -> None:
    assert isinstance(read("deployment_review", reviewed(approver=_BOT)), Ignored)


# Webhooks.


def test_a_webhook_that_sends_everything_lacks_nothing() -> None:
    assert read("ping", sample("ping.repository")) == Ping(())


def test_a_webhook_that_sends_something_else_lacks_all_that_is_read() -> None:
    assert read("ping", sample("ping.organization")) == Ping(EVENTS)


# Whatever comes.

_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
_GOOD = {
    "pull_request_review": sample("pull_request_review.submitted"),
    "issue_comment": comment(),
    "merge_group": sample("merge_group.checks_requested"),
    "deployment_review": reviewed(),
    "ping": sample("ping.organization"),
}


@st.composite
def _spoilt(draw: st.DrawFn) -> tuple[str, object]:
    """A published payload with something else in one place of it, however deep."""
    event = draw(st.sampled_from(sorted(_GOOD)))
    payload = json.loads(json.dumps(_GOOD[event]))
    holder = payload
    while True:
        key = draw(st.sampled_from(sorted(holder)))
        if not isinstance(holder[key], dict) or not holder[key] or draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = draw(_JSON)
    return event, payload


@given(_spoilt())
def test_any_json_anywhere_is_read_ignored_or_untrusted(spoilt: tuple[str, object]) -> None:
    event, payload = spoilt
    try:
        told = read(event, payload)
    except UntrustedInput:
        return

    assert isinstance(told, Event)
