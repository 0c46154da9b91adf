"""The named scenarios of the end-to-end suites of Argo Rollouts and Flagger, over the cluster in memory.

Each test bears its scenario's name. Where the others pause until a person comes, a rollout here holds, and its deadline
ends in a rollback.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from shopkart_pipeline.domain.declaration import Deployment, Phase, Service
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.rollout import RolloutPhase, RolloutStep
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.services.drive_rollout import LEASE_SECONDS
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline.services.run_stage import StageOutcome, run_stage
from shopkart_pipeline_tests.fakes.eventful_cluster import EventfulCluster
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World


class _World(World):
    cluster: EventfulCluster  # pyright: ignore[reportIncompatibleVariableOverride]


@pytest.fixture
def world(tmp_path: Path) -> _World:
    return _World(tmp_path, cluster=EventfulCluster())


def deploy(world: _World, release: Release, run_id: str = "run-x") -> StageOutcome:
    return world.stage(release, "production", run_id)


def why(outcome: StageOutcome) -> str:
    assert isinstance(outcome.record.result, Evidence), outcome.record.result
    return outcome.record.result.facts["reason"]


def runs(world: _World, release: Release) -> bool:
    """Whether production comes to run this release alone and completely."""
    for _ in range(4):
        world.observe()
    status = world.observe()
    alone = status.canary is None and status.canary_weight_percent == 0
    return alone and status.stable is not None and status.stable.complete and _digest(world) == world.digest(release)


def _digest(world: _World) -> str | None:
    stable = world.observe().stable
    return stable.spec.digest if stable else None


def weights(world: _World) -> list[int]:
    """What was asked of the route since the last question."""
    asked = [int(effect.split()[-1]) for effect in world.cluster.effects if "set_weight production" in effect]
    world.cluster.effects.clear()
    return asked


def declare(world: _World, change: Callable[[Deployment], Deployment]) -> None:
    """Production is declared anew."""

    def changed(service: Service) -> Service:
        return replace(
            service, deployments={**service.deployments, PRODUCTION: change(service.deployments[PRODUCTION])}
        )

    world.declare("backend", changed)


def bad(world: _World) -> Release:
    release = world.approved()
    world.metrics.error_ratios[world.digest(release)] = 0.5
    return release


def later(world: _World, seconds: float, do: Callable[[], object]) -> None:
    """Something happens when so much time has passed."""
    due = world.clock.now().timestamp() + seconds

    def look() -> None:
        if world.clock.now().timestamp() >= due:
            do()
        else:
            world.clock.meanwhile = look

    world.clock.meanwhile = look


# Argo Rollouts.


def test_abort_retry_promote(world: _World) -> None:
    world.released()
    release = world.approved()
    world.cluster.behaviours[world.digest(release)] = Behaviour.STALLS
    assert not deploy(world, release).passed
    world.cluster.behaviours.clear()
    with pytest.raises(Refused):
        deploy(world, release)

    world.approve(release)

    assert deploy(world, release).passed
    assert runs(world, release)


def test_good_to_bad(world: _World) -> None:
    good = world.released()

    assert not deploy(world, bad(world)).passed

    assert runs(world, good)


def test_bad_to_good(world: _World) -> None:
    good = world.released()
    deploy(world, bad(world))

    better = world.approved()

    assert deploy(world, better).passed
    assert runs(world, better)
    assert world.rollout().state.plan.previous_digest == world.digest(good)


def test_bad_to_bad(world: _World) -> None:
    good = world.released()
    bad_ones = [bad(world), bad(world)]

    assert not any(deploy(world, each).passed for each in bad_ones)

    assert runs(world, good)
    assert world.verbs()[-2:] == [("turn_back", each.key) for each in bad_ones]


def test_pause_longer_than_the_progress_deadline(world: _World) -> None:
    def slowly(deployment: Deployment) -> Deployment:
        return replace(deployment, steps=(RolloutStep(10, 5 * deployment.deadline_seconds),))

    declare(world, slowly)
    world.released()
    release = world.approved()

    assert deploy(world, release).passed
    assert runs(world, release)


def test_pdb_blocks(world: _World) -> None:
    """Old replicas may not leave: the rolling update is stuck, told as such, and goes back at its deadline."""
    good = world.released()
    release = world.approved()
    world.cluster.staying.add(world.digest(good))

    outcome = deploy(world, release)

    assert why(outcome).startswith("rolling update is stuck: 1 of 2 replicas ready after")
    assert runs(world, good)


def test_spec_and_replicas_change_at_once(world: _World) -> None:
    world.released()
    declare(world, lambda deployment: replace(deployment, replicas=6))
    release = world.approved()
    canaries: list[int] = []
    world.cluster.once("set_weight production/backend 40", lambda: canaries.append(_replicas(world, Track.CANARY)))

    assert deploy(world, release).passed

    assert canaries == [3]
    assert runs(world, release)
    assert _replicas(world, Track.STABLE) == 6


def test_spec_and_replicas_change_at_once_with_the_same_image(world: _World) -> None:
    """Another configuration is a rollout as any other: by a canary, with the number of replicas that goes with it."""
    release = world.released()
    reconfigure(world, {"MODE": "new"}, replicas=6)
    world.run(release, Phase.STAGING)
    world.approve(release)
    weights(world)

    assert deploy(world, release).passed

    assert weights(world) == [10, 40, 0]
    stable = world.observe().stable
    assert stable is not None
    assert (stable.spec.variables, stable.spec.replicas, stable.complete) == ({"MODE": "new"}, 6, True)


def test_a_bad_configuration_of_a_good_image_is_turned_back(world: _World) -> None:
    release = world.released()
    before = world.observe().stable
    assert before is not None
    reconfigure(world, {"MODE": "bad"})
    world.run(release, Phase.STAGING)
    world.approve(release)
    bad_one = replace(before.spec, variables={"MODE": "bad"}).configuration
    world.metrics.error_ratios[bad_one] = 0.5

    outcome = deploy(world, release)

    stable = world.observe().stable
    assert "error ratio" in why(outcome)
    assert stable is not None
    assert stable.spec == before.spec
    assert isinstance(outcome.record.result, Evidence)
    facts = outcome.record.result.facts
    assert (facts["configuration"], facts["previous_configuration"]) == (bad_one, before.spec.configuration)
    assert facts["configuration_changes"] == "variables.MODE, variables.PORT"


def test_replicas_alone_need_no_canary_and_restart_nothing(world: _World) -> None:
    release = world.released()
    before = world.observe().stable
    declare(world, lambda deployment: replace(deployment, replicas=3))

    assert deploy(world, release).passed

    for _ in range(4):
        world.observe()
    stable = world.observe().stable
    assert before is not None
    assert stable is not None
    assert stable.spec == replace(before.spec, replicas=3)
    assert stable.complete


def reconfigure(world: _World, variables: dict[str, str], replicas: int = 2) -> None:
    """The service is declared with other variables."""
    declare(world, lambda deployment: replace(deployment, replicas=replicas))
    world.declare("backend", lambda it: replace(it, workload=replace(it.workload, variables=variables)))


def _replicas(world: _World, track: Track) -> int:
    status = world.observe()
    workload = status.stable if track is Track.STABLE else status.canary
    assert workload is not None
    return workload.spec.replicas


def test_rollback_inside_the_window(world: _World) -> None:
    """To the release before: no steps, no approval, no judge."""
    good, _ = world.released(), world.released()
    weights(world)

    roll_back(world.platform, "backend", "ana", "customers complain", "run-back")

    assert weights(world) == [0]
    assert runs(world, good)


def test_rollback_outside_the_window(world: _World) -> None:
    """To an older one: it is rolled out as any other, by steps, and somebody has to agree again."""
    oldest, *_ = world.released(), world.released(), world.released()
    world.clock.advance(7200)
    with pytest.raises(Refused):
        deploy(world, oldest)
    world.approve(oldest)
    weights(world)

    assert deploy(world, oldest).passed

    assert weights(world) == [10, 40, 0]
    assert runs(world, oldest)


def test_inconclusive_analysis_pauses(world: _World) -> None:
    world.released()
    release = world.approved()
    world.metrics.missing = "the metrics server does not answer"
    weights(world)
    asked: list[list[int]] = []

    def answer() -> None:
        asked.append(weights(world))
        world.metrics.missing = None

    later(world, 10, answer)

    assert deploy(world, release).passed
    assert (asked, weights(world)) == ([[10]], [40, 0])


def test_failed_inline_analysis(world: _World) -> None:
    good = world.released()
    release = world.approved()
    weights(world)

    def fail() -> None:
        world.metrics.error_ratios[world.digest(release)] = 0.5

    world.cluster.once("set_weight production/backend 40", fail)

    assert not deploy(world, release).passed
    assert weights(world) == [10, 40, 0]
    assert runs(world, good)


def test_post_promotion_failure(world: _World) -> None:
    """It turns bad when stable has begun to take it."""
    good = world.released()
    release = world.approved()

    def fail() -> None:
        world.metrics.error_ratios[world.digest(release)] = 0.9

    world.cluster.once(f"apply production/backend stable {world.digest(release)}", fail)

    assert not deploy(world, release).passed
    assert runs(world, good)
    assert len(world.incidents.list()) == 1


def test_scaling_while_paused(world: _World) -> None:
    world.released()
    release = world.approved()
    world.cluster.once(
        "set_weight production/backend 10", lambda: world.cluster.scale(PRODUCTION, "backend", Track.STABLE, 5)
    )

    outcome = deploy(world, release)

    line = "drift: stable was scaled to 5 by hand (wanted 2): the number is kept"
    assert outcome.passed
    assert runs(world, release)
    assert _replicas(world, Track.STABLE) == 5
    assert isinstance(outcome.record.result, Evidence)
    assert outcome.record.result.facts["drift"] == line
    assert [note.message for note in world.evidence.notes("backend", release.key, "rollout")].count(line) == 1


def test_superseding_a_paused_revision(world: _World) -> None:
    good = world.released()
    paused, newer = world.approved(), world.approved()
    fuse = Fuse(when=lambda: world.rollout().state.phase is RolloutPhase.BAKING)
    with pytest.raises(Killed):
        run_stage(fuse.fused(world.platform), paused, "production", "lost")
    world.clock.advance(LEASE_SECONDS + 1)

    assert deploy(world, newer).passed

    assert world.verbs()[-2:] == [("turn_back", paused.key), ("promote", newer.key)]
    assert world.rollout().state.plan.previous_digest == world.digest(good)
    assert runs(world, newer)


def test_stable_scaled_before_traffic_returns(world: _World) -> None:
    """The canary is bad, and stable has just lost its replicas: a bad answer is better than none."""
    good = world.released()
    release = world.approved()
    ready: list[int] = []

    def turn_bad_alone() -> None:
        world.metrics.error_ratios[world.digest(release)] = 0.9
        world.cluster.behaviours[world.digest(good)] = Behaviour.STALLS
        world.cluster.lose_replicas(PRODUCTION, "backend", Track.STABLE)
        world.cluster.once("set_weight production/backend 0", look)
        later(world, 5, world.cluster.behaviours.clear)

    def look() -> None:
        stable = world.observe().stable
        ready.append(stable.ready if stable else 0)

    world.cluster.once("set_weight production/backend 40", turn_bad_alone)
    began = world.clock.now()

    assert not deploy(world, release).passed

    assert ready[0] > 0
    assert (world.clock.now() - began).total_seconds() > 5
    assert runs(world, good)


def test_retry_until_deadline(world: _World) -> None:
    good = world.released()
    late, in_time = world.approved(), world.approved()
    deadline_seconds = world.pipeline.services["backend"].deployments[PRODUCTION].deadline_seconds
    world.cluster.behaviours |= {world.digest(each): Behaviour.STALLS for each in (late, in_time)}

    assert "canary did not get ready" in why(deploy(world, late))
    assert runs(world, good)
    later(world, deadline_seconds - 5, world.cluster.behaviours.clear)

    assert deploy(world, in_time).passed
    assert runs(world, in_time)


# Flagger.


def test_primary_not_ready_keeps_traffic_on_the_healthy_copy(world: _World) -> None:
    good = world.released()
    release = world.approved()
    world.cluster.staying.add(world.digest(good))
    seen: list[tuple[int, bool]] = []

    def let_go() -> None:
        status = world.observe()
        seen.append((status.canary_weight_percent, status.stable is not None and status.stable.complete))
        world.cluster.staying.clear()

    world.cluster.once(f"apply production/backend stable {world.digest(release)}", lambda: later(world, 10, let_go))

    assert deploy(world, release).passed

    assert seen == [(40, False)]
    assert runs(world, release)


def test_500s_fail_the_canary_and_a_retry_succeeds(world: _World) -> None:
    good = world.released()
    release = bad(world)
    assert "error ratio" in why(deploy(world, release))
    assert runs(world, good)

    world.metrics.error_ratios.clear()
    world.approve(release)

    assert deploy(world, release).passed
    assert runs(world, release)


def test_health_gating_between_environments(world: _World) -> None:
    good = world.released()
    release = world.merge()
    world.run(release, Phase.CI)
    world.cluster.behaviours[world.digest(release)] = Behaviour.CRASHES
    world.run(release, Phase.STAGING)

    with pytest.raises(Refused, match=r"staging\.released"):
        deploy(world, release)

    assert runs(world, good)


def test_a_worker_killed_in_every_pause_promotes_in_the_end(world: _World) -> None:
    world.released()
    release = world.approved()
    for index in range(2):
        fuse = Fuse(when=partial(_baking, world, index))
        with pytest.raises(Killed):
            run_stage(fuse.fused(world.platform), release, "production", f"lost-{index}")
        world.clock.advance(LEASE_SECONDS + 1)

    assert deploy(world, release).passed
    assert weights(world)[-3:] == [10, 40, 0]
    assert runs(world, release)


def _baking(world: _World, index: int) -> bool:
    state = world.rollout().state
    return state.phase is RolloutPhase.BAKING and state.step_index == index
