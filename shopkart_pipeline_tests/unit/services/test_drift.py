"""What somebody changes by hand is seen and told, kept where it is a number of replicas, and fought over nowhere."""

from dataclasses import replace

import pytest

from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.domain.pod import Autoscale
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.workload import ServiceStatus, Track
from shopkart_pipeline.services.find_drift import GONE, note_drift
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

_HOTFIX = "sha256:hotfix"
_SCALED = "drift: stable was scaled to 5 by hand (wanted 2): the number is kept"


def _settled(world: World) -> ServiceStatus:
    for _ in range(12):
        world.observe()
    return world.observe()


def _scale(world: World, replicas: int) -> None:
    world.cluster.scale(PRODUCTION, "backend", Track.STABLE, replicas)
    _settled(world)


def _set_image(world: World, digest: str) -> None:
    stable = world.observe().stable
    assert stable is not None
    world.cluster.apply(PRODUCTION, "backend", Track.STABLE, replace(stable.spec, digest=digest))
    _settled(world)


def _told(world: World, release: Release) -> list[str]:
    notes = world.evidence.notes("backend", release.key, "rollout")
    return [note.message for note in notes if note.data.get("action") == "drift"]


def _stable(world: World) -> tuple[str, int]:
    stable = _settled(world).stable
    assert stable is not None
    return stable.spec.digest, stable.spec.replicas


def test_nothing_is_told_where_nobody_changed_anything(world: World) -> None:
    first, second = world.released(), world.released()

    assert note_drift(world.platform) == ()
    assert _told(world, first) == _told(world, second) == []


def test_a_scale_between_rollouts_is_told_once_and_told_when_it_is_gone(world: World) -> None:
    release = world.released()
    _scale(world, 5)

    found = [note_drift(world.platform), note_drift(world.platform)]
    _scale(world, 2)
    found += [note_drift(world.platform), note_drift(world.platform)]

    assert found == [(_SCALED,), (), (GONE,), ()]
    assert _told(world, release) == [_SCALED, GONE]


def test_a_scale_between_rollouts_is_kept_by_the_next_ones(world: World) -> None:
    world.released()
    _scale(world, 5)

    releases = [world.released(), world.released()]

    assert _stable(world) == (world.digest(releases[1]), 5)
    assert [_told(world, each) for each in releases] == [[_SCALED], [_SCALED]]


def test_a_number_that_is_declared_anew_holds(world: World) -> None:
    world.released()
    _scale(world, 5)
    service = world.pipeline.services["backend"]
    deployment = replace(service.deployments[PRODUCTION], replicas=3)
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, PRODUCTION: deployment}))

    release = world.released()

    assert _stable(world) == (world.digest(release), 3)


def test_a_scale_is_kept_by_a_rollback_too(world: World) -> None:
    earlier, _ = world.released(), world.released()
    _scale(world, 5)

    roll_back(world.platform, "backend", "ana", "customers complain", "run-back")

    assert _stable(world) == (world.digest(earlier), 5)
    assert _told(world, earlier) == [_SCALED]


def test_where_the_platform_scales_the_number_is_nobodys_drift(world: World) -> None:
    service = world.pipeline.services["backend"]
    deployment = replace(service.deployments[PRODUCTION], autoscale=Autoscale(2, 10, 60))
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, PRODUCTION: deployment}))
    release = world.released()
    _scale(world, 7)

    assert note_drift(world.platform) == ()
    assert _told(world, release) == []


def test_an_image_that_was_set_between_rollouts_is_told_before_it_is_replaced(world: World) -> None:
    old = world.released()
    _set_image(world, _HOTFIX)
    line = f"drift: stable runs {_HOTFIX}, and what the pipeline put there last is {world.digest(old)}"
    assert note_drift(world.platform) == (line,)

    release = world.released()

    result = world.record(release, "production").result
    assert isinstance(result, Evidence)
    assert result.facts["drift"] == line
    assert line in result.notes
    assert world.rollout().state.plan.previous_digest == _HOTFIX


def test_an_image_that_was_set_during_a_rollout_ends_it_and_stays(world: World) -> None:
    world.released()
    release = world.approved()
    world.clock.meanwhile = lambda: _set_image(world, _HOTFIX)

    outcome = world.stage(release, "production")

    assert isinstance(outcome.record.result, Evidence)
    reason = outcome.record.result.facts["reason"]
    assert reason.startswith(f"somebody else set stable to {_HOTFIX}")
    assert reason.endswith(f"stable runs {_HOTFIX}, as somebody else wants, and is left alone")
    assert _stable(world)[0] == _HOTFIX


def test_a_canary_that_no_rollout_started_is_told(world: World) -> None:
    world.released()
    stable = world.observe().stable
    assert stable is not None
    world.cluster.apply(PRODUCTION, "backend", Track.CANARY, replace(stable.spec, digest=_HOTFIX))

    assert note_drift(world.platform) == (f"drift: a canary with {_HOTFIX} is there, which no rollout started",)


def test_nothing_is_told_while_somebody_of_ours_is_changing_it(world: World) -> None:
    world.released()
    _scale(world, 5)
    assert world.cluster.acquire_lease(PRODUCTION, "backend", "run-back", 15, world.clock.now())

    assert note_drift(world.platform) == ()


def test_a_cluster_that_does_not_answer_tells_nothing(world: World) -> None:
    world.released()
    world.cluster.unreachable = True

    assert note_drift(world.platform) == ()


def test_where_nothing_is_new_the_lease_is_left_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.released()
    _scale(world, 5)
    note_drift(world.platform)
    asked: list[object] = []

    def refuse(*arguments: object) -> bool:
        asked.append(arguments)
        return False

    monkeypatch.setattr(world.cluster, "acquire_lease", refuse)

    note_drift(world.platform)
    assert asked == []
    _scale(world, 2)
    note_drift(world.platform)
    assert len(asked) == 1
