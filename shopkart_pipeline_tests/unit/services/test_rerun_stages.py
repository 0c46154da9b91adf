"""Stages are run again: alone, with what is downstream of them, and with a trace of who asked."""

import json
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.errors import NotFound, Refused, UntrustedInput
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.follow_up import STAGE_PASSED, announce_follow_up, following, with_downstream
from shopkart_pipeline.services.rerun_stages import RERUN, VERB, ask_for_rerun, record_by_hand
from shopkart_pipeline_tests.fakes.world import STAGES, World

CI = tuple(stage.name for stage in STAGES if stage.phase is Phase.CI)
DOWNSTREAM_OF_LINT = ("lint", "image", "image_scan", "published_image")


def ran_alone(world: World, release: Release, *stages: str, run_id: str = "run-alone") -> bool:
    """Stages run in a run of their own; whether the last of them asked for what follows."""
    asked = False
    for name in stages:
        outcome = world.stage(release, name, run_id)
        stage = world.pipeline.services["backend"].stage(name)
        asked = outcome.passed and announce_follow_up(world.platform, release, stage, stages, run_id, no_reuse=False)
    return asked


# On request.


def test_a_stage_runs_again_with_everything_downstream_of_it_in_its_phase(world: World) -> None:
    release = world.ready()

    request = ask_for_rerun(world.platform, release, "lint", actor="maya", no_reuse=False)

    assert (request.phase, request.stages) == (Phase.CI, DOWNSTREAM_OF_LINT)
    assert world.drain()[-1] == request


def test_without_a_stage_all_of_integration_runs_again(world: World) -> None:
    release = world.ready()

    request = ask_for_rerun(world.platform, release, None, actor="maya", no_reuse=False)

    assert (request.phase, request.stages) == (Phase.CI, CI)


def test_every_request_is_an_attempt_of_its_own(world: World) -> None:
    release = world.ready()

    keys = {ask_for_rerun(world.platform, release, "lint", actor="maya", no_reuse=False).key for _ in range(3)}

    assert len(keys) == 3


def test_a_request_is_dispatched_once_however_often_it_is_looked_at(world: World) -> None:
    release = world.merge()
    ask_for_rerun(world.platform, release, "lint", actor="maya", no_reuse=True)
    [delivery] = world.inbox.pending()

    assert accept(world.platform, delivery) == accept(world.platform, delivery)
    assert accept(world.platform, delivery).requests[0].no_reuse


def test_the_ledger_tells_who_ran_what_again(world: World) -> None:
    release = world.ready()

    ask_for_rerun(world.platform, release, "lint", actor="maya", no_reuse=True)

    act = world.ledger.entries("backend", release.key)[-1].act
    assert (act.verb, act.actor, act.digest) == (VERB, "maya", world.digest(release))
    assert act.body == {"phase": "ci", "stages": ", ".join(DOWNSTREAM_OF_LINT), "no_reuse": "true"}


def test_a_rerun_in_staging_stays_in_staging(world: World) -> None:
    release = world.ready()

    request = ask_for_rerun(world.platform, release, "staging", actor="maya", no_reuse=False)

    assert (request.phase, request.stages) == (Phase.STAGING, ("staging", "integration_tests", "acceptance_tests"))


def test_a_pull_request_runs_again_without_push(world: World) -> None:
    world.commit()
    release = world.proposed()

    request = ask_for_rerun(world.platform, release, "lint", actor="maya", no_reuse=False)

    assert request.stages == ("lint", "image", "image_scan")
    assert request.queue == "backend:pr-7"
    with pytest.raises(Refused):
        ask_for_rerun(world.platform, release, "published_image", actor="maya", no_reuse=False)


def test_a_stage_that_nobody_declared_is_named_with_those_there_are(world: World) -> None:
    release = world.merge()

    with pytest.raises(NotFound, match="no stage 'lnit'") as caught:
        ask_for_rerun(world.platform, release, "lnit", actor="maya", no_reuse=False)

    assert "lint" in caught.value.fix
    assert world.ledger.entries(verbs=[VERB]) == ()


def test_a_request_that_the_ledger_does_not_have_is_refused(world: World) -> None:
    release = world.released()
    promotion = world.ledger.entries("backend", release.key)[-1].sequence
    for sequence in (promotion, 99, "1; --"):
        body = json.dumps({"service": "backend", "release_key": release.key, "entry": sequence}).encode()

        with pytest.raises(NotFound):
            accept(world.platform, Delivery("d", RERUN, world.clock.now(), body))


def test_what_somebody_runs_in_the_interface_is_recorded_once(world: World) -> None:
    release = world.merge()

    for _ in range(2):
        record_by_hand(world.platform, release, Phase.CI, ["lint"], actor="web interface", run_id="run-x")

    [entry] = world.ledger.entries("backend", release.key)
    assert (entry.act.actor, entry.act.verb) == ("web interface", VERB)
    assert entry.act.body == {"phase": "ci", "stages": "lint", "run_id": "run-x"}


# What follows a stage that was run alone.


def test_a_stage_that_was_run_alone_is_followed_by_what_is_downstream(world: World) -> None:
    release = world.ready()

    assert ran_alone(world, release, "lint")

    request = world.drain()[-1]
    assert (request.phase, request.stages) == (Phase.CI, DOWNSTREAM_OF_LINT[1:])
    assert request.queue == "backend:ci"


def test_what_follows_completes_the_phase_and_the_next_one_comes(world: World) -> None:
    release = world.ready()
    world.play()

    ran_alone(world, release, "lint")
    made = world.play()

    assert [(request.phase, request.stages) for request in made] == [
        (Phase.CI, DOWNSTREAM_OF_LINT[1:]),
        (Phase.STAGING, ()),
    ]


def test_several_stages_are_followed_once_when_the_last_of_them_has_passed(world: World) -> None:
    release = world.ready()
    world.drain()

    assert ran_alone(world, release, "lint", "unit_tests")

    [delivery] = [each for each in world.inbox.pending() if each.event == STAGE_PASSED]
    [request] = accept(world.platform, delivery).requests
    assert request.stages == DOWNSTREAM_OF_LINT[1:]


def test_nothing_follows_a_stage_that_did_not_pass(world: World) -> None:
    release = world.ready()
    world.scanners[StageKind.LINT].result = EvidenceMissing("ruff crashed")

    assert not ran_alone(world, release, "lint", "unit_tests")

    assert [delivery.event for delivery in world.inbox.pending() if delivery.event == STAGE_PASSED] == []


def test_nothing_follows_the_last_stage_of_a_phase(world: World) -> None:
    release = world.ready()

    assert not ran_alone(world, release, "published_image")


def test_telling_it_twice_is_one_event(world: World) -> None:
    release = world.ready()
    ran_alone(world, release, "lint")
    stage = world.pipeline.services["backend"].stage("lint")

    assert not announce_follow_up(world.platform, release, stage, ["lint"], "run-alone", no_reuse=False)
    assert len([each for each in world.inbox.pending() if each.event == STAGE_PASSED]) == 1


def test_another_run_of_the_same_stage_is_followed_again(world: World) -> None:
    release = world.ready()

    ran_alone(world, release, "lint", run_id="first")
    ran_alone(world, release, "lint", run_id="second")

    assert len({request.key for request in world.drain() if request.stages}) == 2


def test_what_a_later_run_has_done_meanwhile_is_not_followed_for_the_earlier(world: World) -> None:
    release = world.ready()
    world.stage(release, "lint", "earlier")
    world.stage(release, "lint", "later")
    stage = world.pipeline.services["backend"].stage("lint")

    assert not announce_follow_up(world.platform, release, stage, ["lint"], "earlier", no_reuse=False)


def test_no_reuse_is_passed_on(world: World) -> None:
    release = world.ready()
    world.stage(release, "lint", "alone")
    stage = world.pipeline.services["backend"].stage("lint")

    announce_follow_up(world.platform, release, stage, ["lint"], "alone", no_reuse=True)

    assert world.drain()[-1].no_reuse


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"service": "backend"}'])
@pytest.mark.parametrize("event", [STAGE_PASSED, RERUN])
def test_an_event_that_can_not_be_read_is_refused(world: World, event: str, body: bytes) -> None:
    with pytest.raises(UntrustedInput):
        accept(world.platform, Delivery("d", event, world.clock.now(), body))


# Laws.


def needs_of(stages: Collection[Stage]) -> dict[str, set[str]]:
    return {stage.name: set(stage.needs) for stage in stages}


@given(selected=st.sets(st.sampled_from(CI)))
def test_what_ran_and_what_follows_leave_nothing_stale(
    world_of_stages: tuple[World, Release], selected: set[str]
) -> None:
    """Everything downstream of what ran was run after it, and nothing that is not downstream of it was run."""
    world, release = world_of_stages
    service, needs = world.pipeline.services["backend"], needs_of(STAGES)

    after = following(service, release, selected, Phase.CI)

    order = [*[name for name in CI if name in selected], *after]
    last = {name: place for place, name in enumerate(order)}
    for name in CI:
        for need in needs[name] & set(last):
            assert name in last
            assert last[name] > last[need]
    assert set(after) <= set(with_downstream(service, release, selected, Phase.CI))


@given(selected=st.sets(st.sampled_from(CI)))
def test_nothing_follows_what_is_complete(world_of_stages: tuple[World, Release], selected: set[str]) -> None:
    world, release = world_of_stages
    service = world.pipeline.services["backend"]
    complete = with_downstream(service, release, selected, Phase.CI)

    assert following(service, release, complete, Phase.CI) == ()
    assert following(service, release, following(service, release, selected, Phase.CI), Phase.CI) == ()


@pytest.fixture(scope="module")
def world_of_stages(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Release]:
    world = World(tmp_path_factory.mktemp("stages"))
    return world, world.merge()
