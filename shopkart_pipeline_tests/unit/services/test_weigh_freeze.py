"""Nothing new goes to production while it is frozen, unless two people agree meanwhile; a rollback always may."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.freeze import FreezeWindow
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline.services.weigh_freeze import OVERRIDE
from shopkart_pipeline_tests.fakes.world import JONAS, MAYA, PRODUCTION, World

LINE = f"freeze sale day overridden by {JONAS}, {MAYA}"


def freeze(world: World) -> None:
    """From now on, and for an hour."""
    now = world.clock.now()
    window = FreezeWindow("sale day", "UTC", now, now + timedelta(hours=1))
    production = replace(world.pipeline.services["backend"].deployments[PRODUCTION], freeze=(window,))
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, PRODUCTION: production}))


def refusal(world: World, release: Release) -> str:
    before = list(world.cluster.effects)
    with pytest.raises(Refused) as refused:
        world.stage(release, "production")
    assert world.cluster.effects == before
    return refused.value.what


def overrides(world: World, release: Release) -> list[str]:
    return [
        entry.act.body["reason"] for entry in world.ledger.entries("backend", release.key) if entry.act.verb == OVERRIDE
    ]


def test_an_approval_from_before_the_freeze_does_not_override_it(world: World) -> None:
    release = world.approved()
    world.approve(release, JONAS)
    world.clock.advance(1)
    freeze(world)

    line = refusal(world, release)

    assert "freeze: sale day until 2025-03-04T13:00+00:00; to override it: 0 of 2 approvals since" in line


def test_one_approver_is_not_enough(world: World) -> None:
    release = world.ready()
    freeze(world)
    world.approve(release)
    world.clock.advance(1)
    world.approve(release)

    assert "1 of 2 approvals since" in refusal(world, release)


def test_two_approvers_override_it_and_that_is_evidence(world: World) -> None:
    release = world.ready()
    freeze(world)
    world.approve(release)
    world.approve(release, JONAS)

    assert world.stage(release, "production").passed

    assert overrides(world, release) == [LINE]
    assert LINE in [note.message for note in world.evidence.notes("backend", release.key, "rollout")]


def test_afterwards_it_goes_as_usual(world: World) -> None:
    release = world.approved()
    freeze(world)
    world.clock.advance(3601)
    world.approve(release)

    assert world.stage(release, "production").passed
    assert overrides(world, release) == []


def test_a_rollback_is_never_frozen(world: World) -> None:
    earlier, _ = world.released(), world.released()
    freeze(world)

    assert roll_back(world.platform, "backend", "ana", "customers complain", "run-back").release_key == earlier.key
