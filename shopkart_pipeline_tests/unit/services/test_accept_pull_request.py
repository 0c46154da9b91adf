"""Events of a pull request become proposed releases, in whatever order and however often they are told."""

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import NotFound, Refused, ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.domain.release import PullRequest, Release
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.affected_services import NOT_AFFECTED
from shopkart_pipeline.services.own_events import PHASE_PASSED, progress
from shopkart_pipeline.services.pull_requests import reason_to_end, standing
from shopkart_pipeline.services.requests import PullRequestName, RunRequest
from shopkart_pipeline_tests.fakes.world import REPOSITORY, World

NAME = PullRequestName(REPOSITORY, 7)
CI_WITHOUT_PUSH = ("source", "dependencies", "lint", "unit_tests", "application", "image", "image_scan")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.commit({"backend/app.py": "x = 1\n", "frontend/app.py": "x = 1\n", "docs/a.md": "a"})
    return world


def asked(world: World, delivery: Delivery) -> RunRequest:
    [request] = accept(world.platform, delivery).requests
    return request


def why(world: World, release: Release) -> str | None:
    return reason_to_end(world.platform, NAME, release.service, release.key)


def test_an_opened_pull_request_asks_for_integration_without_push(world: World) -> None:
    sha = world.propose()

    accepted = accept(world.platform, world.pull_request(sha))

    [request] = accepted.requests
    assert (request.service, request.release_key, request.phase) == ("backend", f"pr-000007-{sha[:12]}", Phase.CI)
    assert request.stages == CI_WITHOUT_PUSH
    assert request.queue == "backend:pr-7"
    assert accepted.pull_request == NAME
    assert accepted.outcome == f"{NAME}: released backend@{request.release_key}, frontend not affected"


def test_a_proposed_release_is_measured_against_the_commit_that_it_started_from(world: World) -> None:
    base = world.tip
    sha = world.propose()
    world.commit({"frontend/app.py": "others = 'merged meanwhile'\n"})

    request = asked(world, world.pull_request(sha))

    release = world.evidence.release("backend", request.release_key)
    assert release.pull_request == PullRequest(7, str(base), from_fork=False)
    assert (release.previous_sha, release.branch, release.sha) == (base, "main", sha)
    assert world.evidence.notes("frontend", release.key, NOT_AFFECTED)


def test_a_head_from_a_fork_is_fetched_by_its_reference_and_says_where_it_is_from(world: World) -> None:
    world.scm.local = False
    sha = world.propose()

    request = asked(world, world.pull_request(sha, head={"sha": sha, "repo": {"full_name": "stranger/storefront"}}))

    release = world.evidence.release("backend", request.release_key)
    assert release.pull_request is not None
    assert release.pull_request.from_fork
    assert request.reason == f"pull request {NAME} from a fork, without secrets"


def test_a_head_that_is_gone_can_never_be_tried_out(world: World) -> None:
    delivery = world.pull_request("dead" * 10)

    with pytest.raises(NotFound):
        accept(world.platform, delivery)


def test_a_repository_that_does_not_answer_is_asked_again_later(world: World) -> None:
    world.scm.local = False
    delivery = world.pull_request(world.propose())
    world.scm.unreachable = "down"

    with pytest.raises(ToolUnavailable):
        accept(world.platform, delivery)

    world.scm.unreachable = None
    assert asked(world, delivery).service == "backend"


@pytest.mark.parametrize(
    ("details", "repository"),
    [({"base": {"ref": "elsewhere", "sha": "a" * 40}}, REPOSITORY), ({}, "somebody/else")],
)
def test_a_pull_request_for_what_nobody_declared_is_ignored(
    world: World, details: dict[str, object], repository: str
) -> None:
    delivery = world.pull_request(world.propose(), **details)
    body = delivery.body.replace(f'"full_name": "{REPOSITORY}"'.encode(), f'"full_name": "{repository}"'.encode())

    accepted = accept(world.platform, replace(delivery, body=body))

    assert accepted.requests == ()
    assert accepted.outcome.startswith("ignored: no service is released from")


def test_a_pull_request_that_concerns_nobody_leaves_a_note_for_everybody(world: World) -> None:
    sha = world.propose(files={"docs/b.md": "b"})

    accepted = accept(world.platform, world.pull_request(sha))

    assert accepted.requests == ()
    assert [note.service for note in accepted.not_affected] == ["backend", "frontend"]
    assert world.evidence.releases() == ()


# One after another.


def test_telling_it_again_asks_for_the_same_run(world: World) -> None:
    delivery = world.pull_request(world.propose())
    first = accept(world.platform, delivery)
    world.clock.advance(60)

    assert accept(world.platform, delivery) == first
    assert len(world.evidence.releases()) == 1


def test_a_draft_that_becomes_ready_asks_for_the_run_that_it_had(world: World) -> None:
    sha = world.propose()
    opened = asked(world, world.pull_request(sha))

    ready = asked(world, world.pull_request(sha, "ready_for_review"))

    assert ready.key == opened.key


def test_a_newer_head_ends_the_older_one(world: World) -> None:
    first = world.proposed()
    assert why(world, first) is None

    second = world.proposed(action="synchronize")

    assert why(world, first) == f"superseded by {second.sha[:12]}"
    assert why(world, second) is None


def test_another_pull_request_ends_nothing(world: World) -> None:
    first = world.proposed()

    world.proposed(8)

    assert why(world, first) is None


@pytest.mark.parametrize(
    ("merged", "reason"), [(False, "the pull request was closed"), (True, "the pull request was merged")]
)
def test_a_closed_pull_request_ends_what_runs_for_it(world: World, merged: bool, reason: str) -> None:
    release = world.proposed()

    accepted = accept(world.platform, world.pull_request(release.sha, "closed", merged=merged))

    assert accepted.requests == ()
    assert accepted.pull_request == NAME
    assert why(world, release) == reason


def test_a_pull_request_that_is_reopened_gets_another_attempt(world: World) -> None:
    release = world.proposed()
    first = asked(world, world.inbox.pending()[-1])
    accept(world.platform, world.pull_request(release.sha, "closed"))

    again = asked(world, world.pull_request(release.sha, "reopened"))

    assert again.release_key == first.release_key
    assert again.key != first.key
    assert why(world, release) is None


def test_a_head_that_is_pushed_away_and_back_gets_another_attempt(world: World) -> None:
    first, second = world.propose(), world.propose()
    keys = [
        asked(world, world.pull_request(sha, action)).key
        for sha, action in [(first, "opened"), (second, "synchronize"), (first, "synchronize")]
    ]

    assert len(set(keys)) == 3


def test_another_base_ends_what_ran_for_the_old_one(world: World) -> None:
    release = world.proposed()

    moved = world.pull_request(release.sha, "edited", base={"ref": "elsewhere", "sha": world.tip})
    body = moved.body.replace(b'"action": "edited"', b'"action": "edited", "changes": {"base": {}}')
    accepted = accept(world.platform, replace(moved, body=body))

    assert accepted.requests == ()
    assert why(world, release) == "the pull request is for elsewhere now"


def test_a_head_that_was_meant_for_another_branch_meanwhile_gets_another_attempt(world: World) -> None:
    sha = world.propose()
    first = asked(world, world.pull_request(sha))
    for branch in ("elsewhere", "main"):
        moved = world.pull_request(sha, "edited", base={"ref": branch, "sha": world.tip})
        body = moved.body.replace(b'"action": "edited"', b'"action": "edited", "changes": {"base": {}}')
        accepted = accept(world.platform, replace(moved, body=body))

    assert [request.release_key for request in accepted.requests] == [first.release_key]
    assert accepted.requests[0].key != first.key


def test_in_whatever_order_events_arrive_the_last_head_stands_alone(world: World) -> None:
    first, second, third = (world.propose() for _ in range(3))
    told = [
        world.pull_request(first),
        world.pull_request(second, "synchronize"),
        world.pull_request(third, "synchronize"),
    ]
    for order in permutations(told):
        other = World(world.folder)
        other.scm, other.tip, other.clock = world.scm, world.tip, world.clock
        for delivery in order:
            accept(other.platform, delivery)

        releases = other.evidence.releases("backend")
        assert [release.sha for release in releases if why(other, release) is None] == [third]


def test_an_event_that_was_overtaken_asks_for_nothing_and_still_has_its_pull_request_looked_at(world: World) -> None:
    first, second = world.propose(), world.propose()
    late = world.pull_request(first)
    accept(world.platform, world.pull_request(second, "synchronize"))

    accepted = accept(world.platform, late)

    assert accepted.requests == ()
    assert accepted.pull_request == NAME
    assert "overtaken" in accepted.outcome


def test_of_two_events_of_one_second_the_later_arrival_stands(world: World) -> None:
    first, second = world.propose(), world.propose()
    moment = world.clock.now().isoformat()

    accept(world.platform, world.pull_request(first, updated_at=moment))
    request = asked(world, world.pull_request(second, "synchronize", updated_at=moment))

    assert request.release_key.endswith(second[:12])


# The end of the way.


def test_nothing_follows_the_integration_of_a_pull_request(world: World) -> None:
    release = world.proposed()

    accepted = accept(world.platform, progress(PHASE_PASSED, release, Phase.CI, "run-1", world.platform))

    assert (accepted.requests, accepted.outcome) == ((), "a pull request ends with continuous integration")


def test_a_pull_request_goes_its_way_and_its_merge_another(world: World) -> None:
    sha = world.propose()
    world.pull_request(sha)
    world.play()
    world.pull_request(sha, "closed", merged=True)
    world.push(sha, world.tip)

    made = world.play()

    assert [(request.pull_request, request.phase) for request in made] == [(None, Phase.CI), (None, Phase.STAGING)]


# Groups of a merge queue.


def grouped(world: World, sha: str, action: str = "checks_requested", number: int = 7, **details: Any) -> Delivery:
    """What GitHub tells of a group of its merge queue."""
    reference = f"refs/heads/gh-readonly-queue/main/pr-{number}-{'b' * 40}"
    world.scm.offer(reference, sha)
    group = {
        "head_sha": sha,
        "head_ref": reference,
        "base_sha": world.tip,
        "base_ref": "refs/heads/main",
        "head_commit": {"timestamp": world.clock.now().isoformat()},
    }
    world.clock.advance(1)
    body = {
        "action": action,
        "merge_group": group,
        "repository": {"full_name": REPOSITORY},
        "sender": {"login": "github-merge-queue[bot]"},
        **details,
    }
    identity = f"group-{action}-{sha[:12]}"
    return Delivery(identity, "merge_group", world.clock.now(), json.dumps(body).encode())


def test_a_merge_group_is_tried_out_without_publishing(world: World) -> None:
    sha = world.propose(files={"backend/app.py": "grouped = 1\n"})

    accepted = accept(world.platform, grouped(world, sha))

    [request] = accepted.requests
    assert request.release_key == f"mg-{sha[:12]}"
    assert "published_image" not in request.stages
    assert request.queue == f"backend:mg-{sha[:12]}"
    assert request.pull_request == PullRequestName(REPOSITORY, 7, sha)
    release = world.evidence.release("backend", request.release_key)
    assert release.pull_request is not None
    assert release.pull_request.base_sha == world.tip
    assert release.previous_sha == world.tip
    outcomes = world.run(release, Phase.CI)
    assert outcomes[-1].record.stage == "image_scan"
    assert not any(outcome.phase_passed for outcome in outcomes)
    with pytest.raises(Refused, match="never published"):
        world.stage(release, "published_image")


def test_the_head_of_a_merge_group_is_fetched_by_its_own_reference(world: World) -> None:
    world.scm.local = False
    sha = world.propose()

    accept(world.platform, grouped(world, sha))

    assert sha in world.scm.fetched


def test_a_merge_group_and_its_pull_request_do_not_end_each_other(world: World) -> None:
    proposed = world.proposed()
    sha = world.propose()
    [of_group] = accept(world.platform, grouped(world, sha)).requests
    group = world.evidence.release("backend", of_group.release_key)
    assert why(world, proposed) is None

    accept(world.platform, world.pull_request(proposed.sha, "closed", merged=True))

    assert why(world, proposed) == "the pull request was merged"
    name = PullRequestName(REPOSITORY, 7, sha)
    assert reason_to_end(world.platform, name, "backend", group.key) is None


@pytest.mark.parametrize("order", [1, -1])
def test_a_destroyed_merge_group_ends_its_runs_in_whatever_order_that_is_told(world: World, order: int) -> None:
    sha = world.propose()
    told = [grouped(world, sha), grouped(world, sha, "destroyed", reason="dequeued")]

    for delivery in told[::order]:
        accepted = accept(world.platform, delivery)

    name = PullRequestName(REPOSITORY, 7, sha)
    assert accepted.pull_request == name
    assert reason_to_end(world.platform, name, "backend", f"mg-{sha[:12]}") == "the merge group was closed"


def test_a_merge_takes_over_what_was_found_about_its_group(world: World) -> None:
    world.let_inputs_be_known()
    sha = world.propose(files={"backend/app.py": "grouped = 2\n"})
    [request] = accept(world.platform, grouped(world, sha)).requests
    group = world.evidence.release("backend", request.release_key)
    world.run(group, Phase.CI)

    [merged] = accept(world.platform, world.delivery(sha, world.tip)).requests
    release = world.evidence.release("backend", merged.release_key)
    world.run(release, Phase.CI)

    reused = world.record(release, "lint").reused
    assert reused is not None
    assert reused.release_key == group.key


# What is remembered for commands.


def test_the_commit_that_it_became_is_remembered(world: World) -> None:
    proposed = world.proposed()
    merge = world.commit()
    delivery = world.pull_request(proposed.sha, "closed", merged=True, merge_commit_sha=merge)

    accept(world.platform, delivery)

    stands = standing(world.platform, PullRequestName(REPOSITORY, 7))
    assert stands is not None
    assert (stands.is_open, stands.is_merged, stands.merge_sha) == (False, True, merge)


def test_a_trial_merge_of_an_open_pull_request_is_not_what_it_became(world: World) -> None:
    accept(world.platform, world.pull_request(world.propose(), merge_commit_sha="c" * 40))

    stands = standing(world.platform, PullRequestName(REPOSITORY, 7))
    assert stands is not None
    assert stands.merge_sha is None


def test_a_checkout_says_that_it_is_from_a_fork(world: World) -> None:
    fork = {"repo": {"full_name": "stranger/storefront"}}
    sha = world.propose()
    [request] = accept(world.platform, world.pull_request(sha, head={"sha": sha, **fork})).requests
    release = world.evidence.release("backend", request.release_key)

    world.stage(release, "source")

    result = world.record(release, "source").result
    assert isinstance(result, Evidence)
    assert result.facts["from_fork"] == "true"
    assert result.notes[0].startswith("from a fork: runs without secrets, and nothing is pushed")


def test_a_checkout_of_our_own_says_nothing_of_forks(world: World) -> None:
    release = world.proposed()

    world.stage(release, "source")

    result = world.record(release, "source").result
    assert isinstance(result, Evidence)
    assert "from_fork" not in result.facts
    assert result.notes == ()
