"""One command brings production back to the release before, whatever is under way."""

from dataclasses import replace

import pytest

from shopkart_pipeline.domain.declaration import Phase, Service
from shopkart_pipeline.domain.errors import NotFound, Refused, ToolUnavailable
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.rollout import RolloutPhase
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline.services.drive_rollout import LEASE_SECONDS
from shopkart_pipeline.services.production_history import Placed
from shopkart_pipeline.services.roll_back import roll_back, roll_back_abandoned
from shopkart_pipeline.services.rollout_document import dump, load
from shopkart_pipeline.services.run_stage import run_stage
from shopkart_pipeline.services.tend_rollouts import GRACE_SECONDS, abandoned_rollouts, overdue
from shopkart_pipeline_tests.fakes.fake_clock import FakeClock
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World


def back(world: World, run_id: str = "rollback-1") -> Placed:
    return roll_back(world.platform, "backend", "ana", "customers complain", run_id)


def runs(world: World, release: Release) -> bool:
    """Whether production comes to run this release alone and completely."""
    for _ in range(6):
        world.observe()
    status = world.observe()
    alone = status.canary is None and status.canary_weight_percent == 0
    stable = status.stable
    return alone and stable is not None and stable.complete and stable.spec.digest == world.digest(release)


def kill(world: World, release: Release, phase: RolloutPhase) -> None:
    """A worker is killed in a phase of its rollout; its lease has ended."""

    def is_there() -> bool:
        saved = load(world.cluster.load_rollout(PRODUCTION, "backend"))
        return saved is not None and saved.state.plan.release_key == release.key and saved.state.phase is phase

    with pytest.raises(Killed):
        run_stage(Fuse(when=is_there).fused(world.platform), release, "production", "lost")
    world.clock.advance(LEASE_SECONDS + 1)


# When nothing is under way.


def test_production_goes_back_to_the_release_before(world: World) -> None:
    earlier, _ = world.released(), world.released()

    placed = back(world)

    assert (placed.release_key, placed.digest, placed.how) == (earlier.key, world.digest(earlier), "roll_back")
    assert runs(world, earlier)


def test_the_ledger_tells_who_why_and_what(world: World) -> None:
    earlier, later = world.released(), world.released()

    back(world)

    *_, turned, restored = (entry.act for entry in world.ledger.entries("backend"))
    assert (turned.verb, turned.release_key, turned.actor) == ("turn_back", later.key, "ana")
    assert (restored.verb, restored.release_key, restored.digest) == (
        "roll_back",
        earlier.key,
        world.digest(earlier),
    )
    assert restored.body["reason"] == "customers complain"


def test_traffic_goes_first(world: World) -> None:
    earlier, _ = world.released(), world.released()
    world.cluster.effects.clear()

    back(world)

    assert world.cluster.effects == [
        "set_weight production/backend 0",
        f"apply production/backend stable {world.digest(earlier)}",
    ]


def test_configuration_and_image_go_back_together(world: World) -> None:
    earlier, _ = world.released(), world.released()

    back(world)

    stable = world.observe().stable
    assert stable is not None
    assert (stable.spec.release_key, stable.spec.commit) == (earlier.key, earlier.sha)


def test_configuration_goes_back_as_it_ran_and_not_as_it_is_declared_now(world: World) -> None:
    world.released()
    ran = stable_spec(world)
    redeclare(world, {"MODE": "new"}, replicas=3)
    world.released()
    redeclare(world, {"MODE": "newest"}, replicas=4)

    placed = back(world)

    assert stable_spec(world) == replace(ran, replicas=4)
    assert placed.configuration == ran.configuration


def test_the_same_image_goes_back_to_its_earlier_configuration(world: World) -> None:
    release = world.released()
    ran = stable_spec(world)
    redeclare(world, {"MODE": "new"})
    world.run(release, Phase.STAGING)
    world.approve(release)
    assert world.stage(release, "production").passed
    assert stable_spec(world).variables == {"MODE": "new"}

    back(world)

    assert stable_spec(world) == ran
    with pytest.raises(Refused, match="no earlier release"):
        back(world)


def test_what_the_store_has_lost_is_found_beside_the_workload(world: World) -> None:
    world.released()
    ran = stable_spec(world)
    world.released()
    redeclare(world, {"MODE": "new"})
    world.evidence.reports.clear()

    back(world)

    assert stable_spec(world) == ran


def test_what_nobody_kept_goes_back_as_it_is_declared_today_and_says_so(world: World) -> None:
    earlier, _ = world.released(), world.released()
    redeclare(world, {"MODE": "new"})
    world.evidence.reports.clear()
    world.cluster.save_rollout(PRODUCTION, "backend", dump(replace(world.rollout(), previous=None)))

    back(world)

    assert stable_spec(world).variables == {"MODE": "new"}
    notes = [note.message for note in world.evidence.notes("backend", earlier.key, "rollout")]
    assert "what it ran with was not recorded: it goes back with the configuration that is declared today" in notes


def stable_spec(world: World) -> WorkloadSpec:
    stable = world.observe().stable
    assert stable is not None
    return stable.spec


def redeclare(world: World, variables: dict[str, str], replicas: int = 2) -> None:
    """The service is declared with other variables, and another number of replicas in production."""

    def changed(service: Service) -> Service:
        production = replace(service.deployments[PRODUCTION], replicas=replicas)
        workload = replace(service.workload, variables=variables)
        return replace(service, workload=workload, deployments={**service.deployments, PRODUCTION: production})

    world.declare("backend", changed)


def test_asking_twice_goes_two_releases_back_and_not_forth(world: World) -> None:
    first, _, _ = world.released(), world.released(), world.released()

    back(world)
    placed = back(world)

    assert placed.release_key == first.key
    assert runs(world, first)


def test_there_is_no_way_back_before_the_first_release(world: World) -> None:
    first, _ = world.released(), world.released()
    back(world)

    with pytest.raises(Refused, match="no earlier release"):
        back(world)

    assert runs(world, first)


def test_a_service_that_was_never_released_is_refused(world: World) -> None:
    with pytest.raises(Refused, match="no earlier release"):
        back(world)


def test_a_release_that_was_rolled_back_needs_a_new_approval(world: World) -> None:
    _, later = world.released(), world.released()
    back(world)

    with pytest.raises(Refused, match="was turned back after"):
        world.stage(later, "production")


def test_a_new_release_after_a_rollback_replaces_what_runs(world: World) -> None:
    earlier, _ = world.released(), world.released()
    back(world)

    newest = world.released()

    assert world.rollout().state.plan.previous_digest == world.digest(earlier)
    assert back(world).release_key == earlier.key
    assert newest.key != earlier.key


def test_an_image_that_is_gone_leaves_production_as_it_is(world: World) -> None:
    _, later = world.released(), world.released()
    world.cluster.images = {world.digest(later)}

    with pytest.raises(NotFound):
        back(world)

    assert runs(world, later)
    assert [verb for verb, _ in world.verbs()][-1] != "roll_back"


# When a rollout is under way.


def test_whoever_drives_the_rollout_turns_it_back(world: World) -> None:
    good = world.released()
    release = world.approved()
    world.clock.meanwhile = lambda: _ask_and_leave(world)

    driven = world.stage(release, "production")

    assert not driven.passed
    assert world.rollout().state.reason == "turned back on request: customers complain"
    assert runs(world, good)
    assert [verb for verb, key in world.verbs() if key == release.key] == ["abort", "turn_back"]


class _Leaves(BaseException):
    """Nobody waits for the command to return."""


class _NoPatience(FakeClock):
    def sleep(self, seconds: float) -> None:
        raise _Leaves


def _ask_and_leave(world: World) -> None:
    platform = replace(world.platform, clock=_NoPatience(world.clock.now()))
    with pytest.raises(_Leaves):
        roll_back(platform, "backend", "ana", "customers complain", "rollback-1")


@pytest.mark.parametrize(
    "phase", [RolloutPhase.CANARY_STARTING, RolloutPhase.BAKING, RolloutPhase.PROMOTING, RolloutPhase.FINISHING]
)
def test_a_rollout_that_nobody_drives_is_turned_back_by_the_command(world: World, phase: RolloutPhase) -> None:
    good = world.released()
    release = world.approved()
    kill(world, release, phase)

    placed = back(world)

    assert placed.release_key == good.key
    assert runs(world, good)
    assert [verb for verb, key in world.verbs() if key == release.key] == ["abort", "turn_back"]
    [incident] = world.incidents.list()
    assert incident.reason == "turned back on request: customers complain"


def test_a_release_that_got_through_a_moment_before_is_rolled_back_all_the_same(world: World) -> None:
    good = world.released()
    release = world.approved()
    kill(world, release, RolloutPhase.BAKING)
    assert world.cluster.acquire_lease(PRODUCTION, "backend", "resumed", 60, world.clock.now())
    world.clock.meanwhile = lambda: _finish_all_the_same(world, release)

    placed = back(world)

    assert placed.release_key == good.key
    assert runs(world, good)
    assert [verb for verb, key in world.verbs() if key == release.key] == ["abort", "promote", "turn_back"]


def _finish_all_the_same(world: World, release: Release) -> None:
    """The driver was past its last look at the ledger when somebody asked."""
    asked = world.ledger.kept.pop()
    assert world.stage(release, "production", "resumed").passed
    promoted = world.ledger.kept.pop()
    world.ledger.append(asked.act)
    world.ledger.append(promoted.act)


def test_a_first_deployment_that_is_turned_back_leaves_nothing_to_go_to(world: World) -> None:
    release = world.approved()
    kill(world, release, RolloutPhase.PROMOTING)

    with pytest.raises(Refused, match="no release ran in production before"):
        back(world)

    assert world.observe().stable is None


# Rollouts that nobody drives.


def test_a_rollout_without_a_driver_is_found(world: World) -> None:
    world.released()
    release = world.approved()
    kill(world, release, RolloutPhase.BAKING)

    [found] = abandoned_rollouts(world.platform)

    assert found.name == release.name


def test_an_end_that_was_not_told_is_found_too(world: World) -> None:
    world.released()
    release = world.approved()
    kill(world, release, RolloutPhase.RELEASED)

    assert [found.name for found in abandoned_rollouts(world.platform)] == [release.name]


def test_a_rollout_that_is_driven_is_not_abandoned(world: World) -> None:
    world.released()
    release = world.approved()
    kill(world, release, RolloutPhase.BAKING)
    assert world.cluster.acquire_lease(PRODUCTION, "backend", "driver", 15, world.clock.now())

    assert abandoned_rollouts(world.platform) == ()


@pytest.mark.parametrize("releases", [0, 1, 2])
def test_where_nothing_is_under_way_nothing_is_abandoned(world: World, releases: int) -> None:
    for _ in range(releases):
        world.released()

    assert abandoned_rollouts(world.platform) == ()


def test_looking_takes_no_lease_away(world: World) -> None:
    world.released()
    release = world.approved()
    kill(world, release, RolloutPhase.BAKING)

    abandoned_rollouts(world.platform)

    assert world.cluster.acquire_lease(PRODUCTION, "backend", "next", 15, world.clock.now())


def test_a_service_whose_state_can_not_be_read_hides_no_other(world: World) -> None:
    world.released()
    release = world.approved()
    kill(world, release, RolloutPhase.BAKING)
    world.cluster.save_rollout(PRODUCTION, "aaa", "{}")
    world.pipeline = replace(
        world.pipeline,
        services={"aaa": replace(world.pipeline.services["frontend"], name="aaa"), **world.pipeline.services},
    )

    assert [found.service for found in abandoned_rollouts(world.platform)] == ["backend"]


def test_a_cluster_that_does_not_answer_has_none_to_tell(world: World) -> None:
    world.cluster.unreachable = True

    assert abandoned_rollouts(world.platform) == ()


def test_only_what_is_abandoned_for_longer_than_the_grace_is_overdue(world: World) -> None:
    world.released()
    kill(world, world.approved(), RolloutPhase.BAKING)
    found = abandoned_rollouts(world.platform)
    late, seen = overdue(found, {}, world.clock.now())
    assert late == ()

    world.clock.advance(GRACE_SECONDS)
    late, seen = overdue(found, seen, world.clock.now())
    assert late == ()

    world.clock.advance(1)
    late, seen = overdue(found, seen, world.clock.now())
    assert late == found


def test_whose_driver_came_back_begins_anew(world: World) -> None:
    world.released()
    kill(world, world.approved(), RolloutPhase.BAKING)
    found = abandoned_rollouts(world.platform)
    _, seen = overdue(found, {}, world.clock.now())
    world.clock.advance(GRACE_SECONDS + 1)

    _, seen = overdue((), seen, world.clock.now())

    assert overdue(found, seen, world.clock.now())[0] == ()


def test_an_abandoned_rollout_is_turned_back(world: World) -> None:
    good = world.released()
    release = world.approved()
    kill(world, release, RolloutPhase.BAKING)

    assert roll_back_abandoned(world.platform, "backend", release.key, "tend-1")

    assert runs(world, good)
    [incident] = world.incidents.list()
    assert incident.reason == "its worker was lost"


@pytest.mark.parametrize("told", [True, False])
def test_a_rollout_that_ended_meanwhile_is_left_as_it_ended(world: World, told: bool) -> None:
    world.released()
    release = world.approved()
    kill(world, release, RolloutPhase.BAKING if told else RolloutPhase.RELEASED)
    if told:
        assert world.stage(release, "production").passed

    roll_back_abandoned(world.platform, "backend", release.key, "tend-1")

    assert runs(world, release)
    assert world.verbs()[-1] == ("promote", release.key)
    assert world.rollout().concluded


def test_a_cluster_that_does_not_answer_can_not_be_rolled_back(world: World) -> None:
    world.released()
    world.cluster.unreachable = True

    with pytest.raises(ToolUnavailable):
        back(world)
