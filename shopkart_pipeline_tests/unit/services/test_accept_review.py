"""Reviews are remembered; reviews of deployments count as approvals, or are noted."""

import json
from typing import Any

import pytest

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.accept_review import DEPLOYMENT_REVIEW, REVIEW
from shopkart_pipeline.services.approve_release import APPROVE, valid_approvals
from shopkart_pipeline_tests.fakes.world import JONAS, MAYA, PRODUCTION, REPOSITORY, World

SHA = "a" * 40


@pytest.fixture(autouse=True)
def people(world: World) -> None:
    world.know_people(approve=(MAYA, JONAS))


def review(world: World, state: str, action: str = "submitted", repository: str = REPOSITORY) -> Delivery:
    world.clock.advance(1)
    body = {
        "action": action,
        "review": {
            "id": 4,
            "user": {"login": "jonas"},
            "state": state,
            "commit_id": SHA,
            "submitted_at": world.clock.now().isoformat(),
        },
        "pull_request": {"number": 7},
        "repository": {"full_name": repository},
        "sender": {"login": "jonas"},
    }
    identity = f"review-{state}-{world.clock.now().timestamp():.0f}"
    return Delivery(identity, "pull_request_review", world.clock.now(), json.dumps(body).encode())


def reviewed(world: World, release: Release, action: str = "approved", login: str = "maya", **details: Any) -> Delivery:
    """Somebody has let a deployment of the release's commit go on at GitHub."""
    world.clock.advance(2)
    body = {
        "action": action,
        "approver": {"login": login, "type": "User"},
        "environment": "Production",
        "since": world.clock.now().isoformat(),
        "workflow_run": {"head_sha": release.sha, "html_url": "https://github.example/runs/1"},
        "repository": {"full_name": REPOSITORY},
        **details,
    }
    identity = f"{action}-{login}-{world.clock.now().timestamp():.0f}"
    return Delivery(identity, "deployment_review", world.clock.now(), json.dumps(body).encode())


def approvers(world: World, release: Release) -> tuple[str, ...]:
    return valid_approvals(world.platform, release, world.pipeline.services["backend"].deployments[PRODUCTION])


def noted(world: World, release: Release) -> list[str]:
    notes = world.evidence.notes(release.service, release.key, DEPLOYMENT_REVIEW)
    return [str(note.data["outcome"]) for note in notes]


# Reviews of pull requests.


def test_reviews_are_remembered_for_the_auditor_and_ask_for_no_run(world: World) -> None:
    first, second = review(world, "approved"), review(world, "dismissed", "dismissed")

    for delivery in (first, second, first):
        assert accept(world.platform, delivery).requests == ()

    notes = world.evidence.notes(REPOSITORY, "pr-000007", REVIEW)
    assert [(note.data["login"], note.data["action"], note.data["state"]) for note in notes] == [
        ("jonas", "submitted", "approved"),
        ("jonas", "dismissed", "dismissed"),
    ]
    assert notes[0].data["commit"] == SHA
    assert notes[0].data["submitted_at"] == first.received_at.isoformat()


def test_a_review_elsewhere_is_not_remembered(world: World) -> None:
    accepted = accept(world.platform, review(world, "approved", repository="shopkart/elsewhere"))

    assert accepted.outcome == "ignored: no service is released from shopkart/elsewhere"


# Reviews of deployments.


def test_a_deployment_that_is_let_go_on_is_approved(world: World) -> None:
    release = world.ready()

    outcome = accept(world.platform, reviewed(world, release)).outcome

    assert outcome.startswith(f"{release.name}: approved for production by {MAYA}")
    assert approvers(world, release) == (MAYA,)
    assert world.drain()[-1].phase is Phase.PRODUCTION


@pytest.mark.parametrize(("environment", "is_meant"), [("production/backend", True), ("production/frontend", False)])
def test_an_environment_of_one_service_is_that_services(world: World, environment: str, is_meant: bool) -> None:
    release = world.ready()

    accept(world.platform, reviewed(world, release, environment=environment))

    assert approvers(world, release) == ((MAYA,) if is_meant else ())


def test_a_rejection_is_noted_and_nothing_else(world: World) -> None:
    release = world.ready()

    accept(world.platform, reviewed(world, release, "rejected"))

    assert noted(world, release) == ["rejected"]
    assert approvers(world, release) == ()


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"environment": "staging"}, "does not approve"),
        ({"login": "mallory"}, "nobody whom the declaration knows"),
        ({"since": "2025-03-04T12:00:00Z"}, "written before"),
    ],
)
def test_what_is_no_approval_is_noted_with_the_reason(world: World, details: dict[str, Any], reason: str) -> None:
    release = world.ready()

    accept(world.platform, reviewed(world, release, **details))

    [outcome] = noted(world, release)
    assert reason in outcome
    assert approvers(world, release) == ()


def test_a_delivery_that_comes_again_changes_nothing(world: World) -> None:
    release = world.ready()
    delivery = reviewed(world, release)
    first = accept(world.platform, delivery)
    world.stage(release, "lint")

    assert accept(world.platform, delivery) == first
    assert [each.act.verb for each in world.ledger.entries("backend", release.key)].count(APPROVE) == 1


def test_a_commit_that_is_no_release_has_nothing_to_approve(world: World) -> None:
    world.commit()
    release = world.proposed()

    assert accept(world.platform, reviewed(world, release)).outcome == f"ignored: {release.sha[:12]} is no release"


# Webhooks.


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        (["*"], "the webhook sends all that is read"),
        (
            ["push", "pull_request", "pull_request_review", "issue_comment"],
            "the webhook does not send merge_group, deployment_review: subscribe it to them",
        ),
    ],
)
def test_a_ping_says_what_is_missing(world: World, events: list[str], outcome: str) -> None:
    body = json.dumps({"zen": "Speak like a human.", "hook": {"events": events}}).encode()

    assert accept(world.platform, Delivery("p", "ping", world.clock.now(), body)).outcome == outcome
