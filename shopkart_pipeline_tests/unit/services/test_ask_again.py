"""What waited before production goes on by itself: once, and only the newest, and only where all else is in place."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shopkart_pipeline.domain.declaration import Phase, StageKind
from shopkart_pipeline.domain.errors import NotYet, Refused
from shopkart_pipeline.domain.evidence import Evidence, Tool
from shopkart_pipeline.domain.freeze import FreezeWindow
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.ask_again import ask_again
from shopkart_pipeline.services.production_candidates import CANDIDATE, Standing, candidates
from shopkart_pipeline.services.production_history import current
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline_tests.fakes.world import JONAS, PRODUCTION, STAGING, World

HOUR = timedelta(hours=1)


def soak(world: World, seconds: float = 600.0) -> None:
    staging = replace(world.pipeline.services["backend"].deployments[STAGING], soak_seconds=seconds)
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, STAGING: staging}))


def freeze(world: World, length: timedelta = HOUR) -> None:
    now = world.clock.now()
    window = FreezeWindow("sale day", "UTC", now, now + length)
    production = replace(world.pipeline.services["backend"].deployments[PRODUCTION], freeze=(window,))
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, PRODUCTION: production}))


def waiting(world: World) -> Release:
    """A release that is approved, and asked for production while something is awaited."""
    release = world.approved()
    assert [request for request in world.drain() if request.phase is Phase.PRODUCTION] == []
    return release


def said(world: World) -> str:
    seen = ask_again(world.platform, lambda request: pytest.fail(f"launched {request}"))
    return "; ".join(map(str, seen))


def in_production(world: World) -> str | None:
    placed = current(world.platform, "backend", PRODUCTION)
    return placed.release_key if placed else None


def standings(world: World) -> list[Standing]:
    """Of the releases that production was asked for, newest first."""
    return [candidate.standing for candidate in candidates(world.platform, "backend")]


def carry_out(world: World, expected: Release) -> None:
    [request] = world.ask_again()
    assert (request.release_key, request.phase) == (expected.key, Phase.PRODUCTION)
    assert all(outcome.passed for outcome in world.run(expected, request.phase, request.stages))
    assert in_production(world) == expected.key


def test_a_release_that_has_soaked_goes_to_production_by_itself(world: World) -> None:
    soak(world)
    release = waiting(world)

    assert "soak: missing:" in said(world)
    world.clock.advance(600)

    carry_out(world, release)


def test_a_release_that_was_frozen_goes_when_the_freeze_is_over(world: World) -> None:
    freeze(world, timedelta(minutes=30))
    release = waiting(world)

    assert "freeze: sale day until" in said(world)
    world.clock.advance(1801)

    carry_out(world, release)


def test_a_release_goes_once_the_service_that_it_needs_is_in_production(world: World) -> None:
    world.declare("backend", lambda it: replace(it, depends_on=("frontend",)))
    world.clock.advance(1)
    sha = world.commit({"backend/app.py": "one", "frontend/app.py": "two"})
    world.push(sha)
    needed = next(
        world.evidence.release(request.service, request.release_key)
        for request in world.drain()
        if request.service == "frontend"
    )
    release = waiting(world)
    assert "frontend is not in production" in said(world)

    for phase in (Phase.CI, Phase.STAGING):
        world.run(needed, phase)
    world.approve(needed)
    assert world.stage(needed, "production").passed

    carry_out(world, release)


def test_production_is_asked_for_exactly_once(world: World) -> None:
    soak(world)
    waiting(world)
    world.clock.advance(600)

    assert [len(world.ask_again()) for _ in range(3)] == [1, 0, 0]


def test_who_dies_between_launching_and_noting_it_asks_for_the_same_run_again(world: World) -> None:
    soak(world)
    waiting(world)
    world.clock.advance(600)
    keys: list[str] = []

    def launch_and_die(request: object) -> None:
        keys.append(getattr(request, "key", ""))
        if len(keys) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask_again(world.platform, launch_and_die)
    ask_again(world.platform, launch_and_die)

    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_an_approval_that_comes_after_the_wait_and_the_end_of_the_wait_ask_for_one_run(world: World) -> None:
    soak(world)
    release = waiting(world)
    world.clock.advance(600)
    world.approve(release, JONAS)

    requests = [*world.drain(), *world.ask_again()]

    assert [request.phase for request in requests] == [Phase.PRODUCTION]


def test_a_run_that_was_refused_only_because_something_is_awaited_is_followed_by_one(world: World) -> None:
    release = world.approved()
    [*_, asked] = world.drain()
    freeze(world)
    with pytest.raises(NotYet, match="freeze: sale day"):
        world.stage(release, "production", "refused-run")

    assert world.ask_again() == []
    world.clock.advance(3599)
    world.approve(release)
    world.clock.advance(2)

    [request] = [*world.drain(), *world.ask_again()]
    assert request.key == asked.key + ":after:refused-run"


def test_overriding_the_freeze_ends_the_wait_at_once(world: World) -> None:
    freeze(world)
    release = world.ready()
    world.approve(release)
    assert [request for request in world.drain() if request.phase is Phase.PRODUCTION] == []

    world.approve(release, JONAS)

    requests = [*world.drain(), *world.ask_again()]
    assert [request.phase for request in requests] == [Phase.PRODUCTION]


def test_a_newer_release_that_waits_supersedes_the_older_and_that_is_said(world: World) -> None:
    freeze(world, timedelta(minutes=30))
    older, newer = waiting(world), waiting(world)

    assert f"{older.name}: production is not asked for any more: superseded by {newer.key}" in said(world)
    world.clock.advance(1801)

    carry_out(world, newer)
    assert world.ask_again() == []
    assert in_production(world) == newer.key


def test_a_newer_release_that_went_by_itself_supersedes_what_waits(world: World) -> None:
    soak(world)
    older = waiting(world)
    soak(world, 0)
    newer = world.approved()
    assert world.play()[-1].release_key == newer.key
    soak(world)

    world.clock.advance(600)

    assert f"{older.name}: production is not asked for any more: superseded by {newer.key}" in said(world)


def test_an_older_release_that_is_approved_again_does_not_overtake_the_newer_one_that_waits(world: World) -> None:
    freeze(world, timedelta(minutes=30))
    older, newer = waiting(world), waiting(world)
    world.approve(older)
    assert world.drain() == []

    world.clock.advance(1801)

    carry_out(world, newer)


def test_a_newer_release_that_nobody_approved_does_not_supersede(world: World) -> None:
    freeze(world, timedelta(minutes=30))
    release = waiting(world)
    world.ready()
    world.drain()
    world.clock.advance(1801)

    carry_out(world, release)


def test_a_release_that_lost_staging_while_it_soaked_is_given_up_and_waits_anew_when_it_is_back(world: World) -> None:
    soak(world)
    release, other = waiting(world), world.ready()

    assert f"then {other.key} took it; run staging again" in said(world)
    world.clock.advance(600)
    assert world.ask_again() == []

    world.run(release, Phase.STAGING)
    world.approve(release)
    world.drain()
    world.clock.advance(600)
    carry_out(world, release)


def test_a_release_that_is_refused_for_another_reason_is_given_up_and_that_is_said(world: World) -> None:
    soak(world)
    release = waiting(world)
    world.scanners[StageKind.LINT].result = Evidence(Tool("ruff", "1"), "bad", {"new_violations": 1})
    world.stage(release, "lint")
    world.clock.advance(600)

    assert "lint.new_violations" in said(world)
    assert standings(world) == [Standing.GIVEN_UP]


def test_an_approval_that_ends_while_a_release_waits_is_not_stretched_and_a_new_one_goes_on(world: World) -> None:
    soak(world, 7200)
    release = waiting(world)
    world.clock.advance(7200)

    assert "0 of 1 valid approvals; The approval of" in said(world)
    world.approve(release)

    [request] = world.drain()
    assert (request.release_key, request.phase) == (release.key, Phase.PRODUCTION)
    assert world.ask_again() == []


def test_a_release_that_somebody_brought_to_production_meanwhile_is_not_asked_for(world: World) -> None:
    freeze(world)
    release = world.ready()
    world.approve(release)
    world.drain()
    world.approve(release, JONAS)
    assert world.stage(release, "production").passed
    world.clock.advance(3601)

    assert f"it is in {PRODUCTION} already" in said(world)
    assert world.ask_again() == []


def test_pressing_the_button_for_what_is_in_production_asks_for_nothing_later(world: World) -> None:
    release = world.released()
    freeze(world)
    with pytest.raises(NotYet):
        world.stage(release, "production")
    world.clock.advance(3601)

    assert world.ask_again() == []


def test_another_configuration_of_what_is_in_production_waits_and_goes_as_a_new_release_does(world: World) -> None:
    release = world.released()
    world.drain()
    workload = world.pipeline.services["backend"].workload
    world.declare("backend", lambda it: replace(it, workload=replace(workload, variables={"LIMIT": "2"})))
    freeze(world, timedelta(minutes=30))
    world.run(release, Phase.STAGING)
    world.approve(release)
    assert world.drain() == []
    world.clock.advance(1801)

    carry_out(world, release)
    assert world.ask_again() == []
    assert world.rollout().wanted.variables == {"LIMIT": "2"}


def test_something_newer_that_was_there_and_left_again_is_no_reason_to_bring_the_older(world: World) -> None:
    world.released()
    world.drain()
    freeze(world)
    older, newer = waiting(world), world.ready()
    world.approve(newer)
    world.approve(newer, JONAS)
    assert world.stage(newer, "production").passed  # By hand: the pipeline did not ask for it.
    roll_back(world.platform, "backend", "ana", "customers complain", "run-back")
    world.clock.advance(3601)

    assert f"{newer.key} is newer, and was in production already" in said(world)
    assert world.ask_again() == []
    assert in_production(world) not in (older.key, newer.key)


def test_a_release_that_was_turned_back_while_it_waited_is_not_asked_for(world: World) -> None:
    world.released()
    world.drain()
    freeze(world)
    release = world.ready()
    world.approve(release)
    world.drain()
    world.approve(release, JONAS)
    world.metrics.error_ratios[world.digest(release)] = 0.5
    world.stage(release, "production")
    world.clock.advance(3601)

    assert "was turned back in production meanwhile" in said(world)


def test_a_registry_that_does_not_answer_is_awaited_too(world: World) -> None:
    soak(world)
    release = waiting(world)
    world.clock.advance(600)
    world.registry.unavailable = "The registry does not answer."
    assert "The registry does not answer." in said(world)

    world.registry.unavailable = None

    carry_out(world, release)


def test_one_service_that_can_not_be_looked_at_hides_no_other(world: World) -> None:
    soak(world)
    release = waiting(world)
    world.clock.advance(600)
    unknown = {"standing": "waits", "turned_back": 0, "about": ""}
    world.evidence.note(Note("frontend", "no-release", world.clock.now(), CANDIDATE, "waits", unknown))
    services = world.pipeline.services
    world.pipeline = replace(world.pipeline, services={name: services[name] for name in ("frontend", "backend")})

    assert [request.release_key for request in world.ask_again()] == [release.key]
    assert said(world) == "frontend: could not be looked at: NotFound"


def test_a_person_who_is_refused_learns_that_nothing_is_to_be_done(world: World) -> None:
    release = world.approved()
    freeze(world)

    with pytest.raises(Refused) as refused:
        world.stage(release, "production")

    assert refused.value.fix == "Production is asked for again once that is over."
