"""Whoever looks at a release learns whom it waits for, how to agree, and why somebody's approval does not count."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.services.approval_status import approval_status
from shopkart_pipeline_tests.fakes.fake_scm import ANA
from shopkart_pipeline_tests.fakes.world import JONAS, MAYA, PRODUCTION, STAGING, World


def need(world: World, approvals: int) -> None:
    production = world.pipeline.services["backend"].deployments[PRODUCTION]
    assert production.approvals is not None
    changed = replace(production, approvals=replace(production.approvals, required=approvals))
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, PRODUCTION: changed}))


def test_everybody_who_may_agree_is_named_with_the_command_and_the_writer_with_the_reason(world: World) -> None:
    release = world.ready()

    status = approval_status(world.platform, release)

    assert status.awaited_people == (MAYA, JONAS)
    assert status.not_counted == (f"{ANA.email} has a part in it, so would not count (four eyes)",)
    assert status.how == (f"shopkart approve {release.name}",)
    assert status.words == f"0 of 1 approvals, awaited from {MAYA} or {JONAS}"


def test_where_comments_count_they_are_told_too(world: World) -> None:
    world.know_people(approve=(MAYA,))

    assert approval_status(world.platform, world.ready()).how[-1] == "/approve, as a comment at its pull request"


def test_who_agreed_is_told_with_the_time_until_which_it_counts(world: World) -> None:
    need(world, 2)
    release = world.approved()

    status = approval_status(world.platform, release)

    assert status.missing == 1
    assert status.agreed == {MAYA: world.clock.now() + timedelta(hours=1)}
    assert status.words == f"1 of 2 approvals, awaited from {JONAS}"


def test_an_approval_that_does_not_count_any_more_is_told_with_the_reason(world: World) -> None:
    release = world.approved()
    world.clock.advance(3601)

    status = approval_status(world.platform, release)

    assert status.not_counted[0].startswith(f"The approval of {release.name} ended at")
    assert status.awaited_people == (MAYA, JONAS)


def test_where_nobody_is_left_who_may_agree_that_is_said(world: World) -> None:
    need(world, 3)
    release = world.approved()
    world.approve(release, JONAS)

    words = approval_status(world.platform, release).words

    assert words == "2 of 3 approvals, awaited from nobody who may: name another approver"


def test_what_else_is_awaited_is_told_beside_the_people(world: World) -> None:
    staging = replace(world.pipeline.services["backend"].deployments[STAGING], soak_seconds=600.0)
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, STAGING: staging}))
    release = world.ready()

    assert "; also awaited: soak: missing: " in approval_status(world.platform, release).words
    world.approve(release)
    assert approval_status(world.platform, release).words.startswith("production waits: soak: missing: ")
    world.clock.advance(600)
    assert approval_status(world.platform, release).words == "nothing is awaited"


def test_where_nobody_is_asked_nobody_is_awaited(world: World) -> None:
    production = replace(world.pipeline.services["backend"].deployments[PRODUCTION], approvals=None)
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, PRODUCTION: production}))

    assert approval_status(world.platform, world.ready()).words == "nothing is awaited"


def test_a_repository_that_does_not_answer_is_told_instead_of_who_has_a_part_in_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.released()
    release = world.ready()

    def silent(*_: object) -> None:
        raise ToolUnavailable("The remote does not answer.", "Wait.")

    monkeypatch.setattr(world.scm, "commits", silent)

    status = approval_status(world.platform, release)

    assert status.not_counted == (
        "who has a part in it, and does not count, can't be seen: The remote does not answer.",
    )
