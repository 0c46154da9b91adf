"""An event becomes releases and requests, however often it is told."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.release import Person, release_key
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.affected_services import NOT_AFFECTED, is_affected
from shopkart_pipeline.services.own_events import APPROVED, PHASE_PASSED, progress
from shopkart_pipeline_tests.fakes.world import World, a_service

BAD_PHASE = b'{"service": "backend", "release_key": "k", "phase": "tomorrow"}'
BEN = Person("Ben", "ben@shopkart.example")


def test_a_merge_becomes_a_release_of_the_service_that_it_changed(world: World) -> None:
    before, sha = world.tip, world.commit(author=BEN, message="Search\n\nby name")

    accepted = accept(world.platform, world.delivery(sha, before))

    key = release_key(sha, world.clock.now())
    [request] = accepted.requests
    assert (request.service, request.release_key, request.phase) == ("backend", key, Phase.CI)
    assert accepted.outcome == f"released backend@{key}, frontend not affected"
    release = world.evidence.release("backend", key)
    assert (release.sha, release.title, release.actor) == (sha, "Search", "ana")
    assert release.people == (BEN.email,)


def test_everybody_who_wrote_part_of_a_push_is_remembered(world: World) -> None:
    before = world.commit()
    world.commit(author=BEN)
    release_sha = world.commit()

    accept(world.platform, world.delivery(release_sha, before))

    [release] = world.evidence.releases()
    assert release.people == ("ana@shopkart.example", BEN.email)
    assert release.previous_sha == before


def test_a_shared_path_concerns_every_service(world: World) -> None:
    before = world.commit()
    sha = world.commit({"servicekit/shell.py": "x = 1\n"})

    accepted = accept(world.platform, world.delivery(sha, before))

    assert [request.service for request in accepted.requests] == ["backend", "frontend"]


def test_a_change_that_concerns_nobody_is_no_release(world: World) -> None:
    before = world.commit()
    sha = world.commit({"README.md": "hello"})

    accepted = accept(world.platform, world.delivery(sha, before))

    assert accepted.requests == ()
    assert accepted.outcome == "backend not affected, frontend not affected"
    assert world.evidence.releases() == ()


def test_a_service_that_is_not_affected_is_told_so_once_and_why(world: World) -> None:
    before = world.commit()
    sha = world.commit({"backend/app.py": "x = 2\n"})
    delivery = world.delivery(sha, before)

    accepted = [accept(world.platform, delivery) for _ in range(2)]

    [note] = world.evidence.newest_notes(NOT_AFFECTED)
    assert accepted[0].not_affected == accepted[1].not_affected == (note,)
    assert (note.service, note.release_key) == ("frontend", accepted[0].requests[0].release_key)
    assert note.message == "none of 1 changed paths (backend/app.py) lies in frontend or servicekit"
    assert (note.data["commit"], note.data["base"]) == (sha, before)
    assert note.data["looked_at"] == "frontend, servicekit"


def test_of_many_services_that_are_not_affected_the_outcome_names_some(world: World) -> None:
    before, sha = world.commit(), world.commit({"README.md": "hello"})
    several = {f"s{number}": a_service(f"s{number}", world.signers) for number in range(40)}
    world.pipeline = replace(world.pipeline, services=several)

    accepted = accept(world.platform, world.delivery(sha, before))

    assert accepted.outcome.endswith("s4 not affected, 35 more not affected")
    assert len(accepted.not_affected) == len(world.evidence.newest_notes(NOT_AFFECTED)) == 40


def test_the_first_push_of_a_branch_concerns_every_service_that_it_holds(world: World) -> None:
    sha = world.commit({"frontend/app.py": "x = 1\n"})

    accepted = accept(world.platform, world.delivery(sha))

    assert [request.service for request in accepted.requests] == ["frontend"]


def test_after_a_forced_push_everything_counts_as_changed(world: World) -> None:
    sha = world.commit({"backend/app.py": "x = 1\n", "frontend/app.py": "x = 1\n"})

    accepted = accept(world.platform, world.delivery(sha, "dead" * 10))

    assert [request.service for request in accepted.requests] == ["backend", "frontend"]
    assert {release.previous_sha for release in world.evidence.releases()} == {None}


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        ({"repository": {"full_name": "somebody/else"}}, "no service is released from somebody/else branch main"),
        ({"ref": "refs/heads/feature"}, "no service is released from shopkart/storefront branch feature"),
        ({"ref": "refs/tags/v1"}, "'refs/tags/v1' is not a branch"),
    ],
)
def test_what_nobody_declared_is_ignored(world: World, details: dict[str, Any], reason: str) -> None:
    delivery = world.delivery(world.commit(), **details)

    accepted = accept(world.platform, delivery)

    assert (accepted.requests, accepted.outcome) == ((), f"ignored: {reason}")


def test_telling_it_again_changes_nothing(world: World) -> None:
    delivery = world.delivery(world.commit())
    first = accept(world.platform, delivery)

    again = accept(world.platform, delivery)

    assert again == first
    assert len(world.evidence.releases()) == 1


def test_another_delivery_of_the_same_merge_names_the_same_release(world: World) -> None:
    sha = world.commit()
    [first] = accept(world.platform, world.delivery(sha)).requests
    world.clock.advance(60)

    [other] = accept(world.platform, world.delivery(sha)).requests

    assert other.release_key == first.release_key
    assert len(world.evidence.releases()) == 1


def test_a_repository_that_does_not_answer_is_asked_again_later(world: World) -> None:
    world.scm.local = False
    world.scm.unreachable = "down"
    delivery = world.delivery(world.commit())

    with pytest.raises(ToolUnavailable):
        accept(world.platform, delivery)

    world.scm.unreachable = None
    assert len(accept(world.platform, delivery).requests) == 1


def test_a_passed_integration_asks_for_staging(world: World) -> None:
    release = world.merge()

    accepted = accept(world.platform, progress(PHASE_PASSED, release, Phase.CI, "run-1", world.platform))

    assert [(request.release_key, request.phase) for request in accepted.requests] == [(release.key, Phase.STAGING)]


def test_a_passed_staging_awaits_approval(world: World) -> None:
    release = world.ready()

    accepted = accept(world.platform, progress(PHASE_PASSED, release, Phase.STAGING, "run-2", world.platform))

    assert (accepted.requests, accepted.outcome) == ((), "awaits approval: 0 of 1 approvals")


def test_approval_and_passed_staging_ask_for_the_same_run(world: World) -> None:
    """Both may find everything in place; rolling out twice would meet people with a bad release twice."""
    release = world.approved()
    events = [
        progress(PHASE_PASSED, release, Phase.STAGING, "run-2", world.platform),
        progress(APPROVED, release, Phase.PRODUCTION, "entry", world.platform),
    ]

    requests = [request for event in events for request in accept(world.platform, event).requests]

    assert [request.phase for request in requests] == [Phase.PRODUCTION] * 2
    assert requests[0].key == requests[1].key


def test_one_approval_more_than_needed_asks_for_no_further_run(world: World) -> None:
    release = world.approved()
    [first] = accept(world.platform, progress(APPROVED, release, Phase.PRODUCTION, "1", world.platform)).requests
    world.approve(release, by="jonas@shopkart.example")

    [second] = accept(world.platform, progress(APPROVED, release, Phase.PRODUCTION, "2", world.platform)).requests

    assert second.key == first.key


def test_new_evidence_and_its_approval_ask_for_another_run(world: World) -> None:
    release = world.approved()
    [first] = accept(world.platform, progress(APPROVED, release, Phase.PRODUCTION, "1", world.platform)).requests
    world.stage(release, "acceptance_tests")
    world.approve(release)

    [second] = accept(world.platform, progress(APPROVED, release, Phase.PRODUCTION, "2", world.platform)).requests

    assert second.key != first.key


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"service": 1}', BAD_PHASE, b"[" * 100_000])
def test_an_event_of_the_pipeline_that_can_not_be_read_is_refused(world: World, body: bytes) -> None:
    with pytest.raises(UntrustedInput):
        accept(world.platform, Delivery("d", PHASE_PASSED, world.clock.now(), body))


def test_an_event_about_an_unknown_release_is_refused(world: World) -> None:
    body = json.dumps({"service": "backend", "release_key": "none", "phase": "ci"}).encode()

    with pytest.raises(NotFound):
        accept(world.platform, Delivery("d", PHASE_PASSED, world.clock.now(), body))


@given(
    st.lists(
        st.sampled_from(["backend", "backend2", "backend/a.py", "back/end.py", "servicekit/x", "other"]), max_size=4
    )
)
def test_a_service_is_affected_by_its_own_folders_alone(paths: list[str]) -> None:
    service = a_service("backend", Path("allowed_signers"))

    assert is_affected(service, tuple(paths)) == bool({"backend", "backend/a.py", "servicekit/x"} & set(paths))
