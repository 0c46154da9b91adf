"""From an admitted digest to production, and back where it has to be."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.domain.declaration import Phase, Service
from shopkart_pipeline.domain.errors import Conflict
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.rollout import RolloutPhase, RolloutStep
from shopkart_pipeline.domain.workload import ServiceStatus, Track
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.drive_rollout import ABORT, LEASE_SECONDS
from shopkart_pipeline.services.run_stage import StageOutcome, run_stage
from shopkart_pipeline_tests.fakes.eventful_cluster import EventfulCluster
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.world import PRODUCTION, STAGING, World


class _World(World):
    """The world whose cluster is made by the fixture below."""

    cluster: EventfulCluster  # pyright: ignore[reportIncompatibleVariableOverride]


@pytest.fixture
def world(tmp_path: Path) -> _World:
    return _World(tmp_path, cluster=EventfulCluster())


def deploy(world: _World, release: Release, run_id: str = "run-x") -> StageOutcome:
    return world.stage(release, "production", run_id)


def evidence(outcome: StageOutcome) -> Evidence:
    assert isinstance(outcome.record.result, Evidence), outcome.record.result
    return outcome.record.result


def reason(outcome: StageOutcome) -> str:
    assert isinstance(outcome.record.result, EvidenceMissing), outcome.record.result
    return outcome.record.result.reason


def runs(world: _World, release: Release, environment: str = PRODUCTION) -> bool:
    """Whether production runs this release alone and completely."""
    world.observe(environment)
    status = world.observe(environment)
    only = status.canary is None and status.canary_weight_percent == 0
    return only and status.stable is not None and status.stable.complete and _is(status, world.digest(release))


def _is(status: ServiceStatus, digest: str) -> bool:
    return status.stable is not None and status.stable.spec.digest == digest


def weights(world: _World) -> list[int]:
    return [int(effect.split()[-1]) for effect in world.cluster.effects if "set_weight production" in effect]


def happening(world: _World, moment: str, do: Callable[[], object]) -> None:
    """Something happens once the cluster was asked for an effect whose words hold `moment`."""
    world.cluster.once(moment, do)


# The good way.


def test_a_good_release_goes_through_every_step_to_production(world: _World) -> None:
    world.released()
    release = world.approved()

    outcome = deploy(world, release)

    assert outcome.passed
    assert weights(world) == [10, 40, 0]
    assert runs(world, release)
    assert evidence(outcome).measures["released"] == 1
    assert evidence(outcome).measures["canary_requests"] > 0
    assert world.verbs()[-1] == ("promote", release.key)
    assert world.incidents.list() == ()
    assert world.rollout().state.phase is RolloutPhase.RELEASED


def test_each_step_of_a_rollout_is_noted_once(world: _World) -> None:
    world.released()
    release = world.approved()

    deploy(world, release)

    notes = world.evidence.notes("backend", release.key, "rollout")[2:]
    assert [note.data["action"] for note in notes] == [
        "deploy_canary",
        "set_weight",
        "set_weight",
        "update_stable",
        "set_weight",
        "remove_canary",
        "finish",
    ]
    assert [note.data["weight_percent"] for note in notes if note.data["action"] == "set_weight"] == [10, 40, 0]


def test_the_first_deployment_has_no_canary(world: _World) -> None:
    release = world.approved()

    outcome = deploy(world, release)

    assert outcome.passed
    assert weights(world) == []
    assert runs(world, release)
    assert evidence(outcome).notes == ("First deployment: there was nothing to compare with.",)
    assert "canary_requests" not in evidence(outcome).measures


def test_what_was_seen_is_kept_as_a_report(world: _World) -> None:
    world.released()

    outcome = deploy(world, world.approved())

    [report] = outcome.record.result.reports
    assert b'"canary"' in world.evidence.get_report(report.digest)


def test_releasing_what_runs_already_changes_nothing(world: _World) -> None:
    release = world.released()
    before = list(world.cluster.effects)

    assert deploy(world, release).passed
    assert world.cluster.effects == before


def test_a_canary_has_as_many_replicas_as_its_share_needs(world: _World) -> None:
    def large(service: Service) -> Service:
        deployment = replace(
            service.deployments[PRODUCTION], replicas=10, steps=(RolloutStep(5, 0.5), RolloutStep(25, 0.5))
        )
        return replace(service, deployments={**service.deployments, PRODUCTION: deployment})

    world.declare("backend", large)
    world.released()
    seen: list[int] = []
    happening(world, "set_weight production/backend 5", lambda: seen.append(_replicas(world, Track.CANARY)))

    deploy(world, world.approved())

    assert seen == [3]


def _replicas(world: _World, track: Track) -> int:
    status = world.observe()
    workload = status.canary if track is Track.CANARY else status.stable
    assert workload is not None
    return workload.spec.replicas


# The way back.


def test_a_bad_canary_is_rolled_back_and_an_incident_is_open(world: _World) -> None:
    good = world.released()
    release = world.approved()
    world.metrics.error_ratios[world.digest(release)] = 0.3

    outcome = deploy(world, release)

    assert not outcome.passed
    assert runs(world, good)
    assert weights(world) == [10, 0]
    assert evidence(outcome).measures["released"] == 0
    assert "error ratio 0.300 > floor 0.200" in evidence(outcome).facts["reason"]
    assert [incident.suspected_release for incident in world.incidents.list()] == [release.key]
    assert world.verbs()[-1] == ("turn_back", release.key)


def test_a_release_that_turns_bad_during_the_rolling_update_is_rolled_back(world: _World) -> None:
    good = world.released()
    release = world.approved()

    def turn_bad() -> None:
        world.metrics.error_ratios[world.digest(release)] = 0.9

    happening(world, f"apply production/backend stable {world.digest(release)}", turn_bad)
    world.cluster.behaviours[world.digest(release)] = Behaviour.GETS_READY
    slow = world.cluster

    assert not deploy(world, release).passed

    assert runs(world, good)
    assert slow.effects[-1] == "remove production/backend canary"
    [incident] = world.incidents.list()
    [rolled_back] = [entry for entry in incident.timeline if entry.step == "rolled_back"]
    assert rolled_back.at > next(entry.at for entry in incident.timeline if entry.step == "detected")


@pytest.mark.parametrize("behaviour", [Behaviour.CRASHES, Behaviour.STALLS, Behaviour.FAILS_TO_START])
def test_a_canary_that_does_not_get_ready_gets_no_traffic(world: _World, behaviour: Behaviour) -> None:
    good = world.released()
    release = world.approved()
    world.cluster.behaviours[world.digest(release)] = behaviour

    outcome = deploy(world, release)

    assert "canary did not get ready" in evidence(outcome).facts["reason"]
    assert set(weights(world)) == {0}
    assert runs(world, good)


def test_metrics_that_are_silent_end_in_a_rollback(world: _World) -> None:
    good = world.released()
    release = world.approved()
    world.metrics.missing = "the metrics server does not answer"

    outcome = deploy(world, release)

    assert "no verdict on the canary in time" in evidence(outcome).facts["reason"]
    assert runs(world, good)
    assert "canary_requests" not in evidence(outcome).measures


def test_a_canary_without_traffic_ends_in_a_rollback(world: _World) -> None:
    world.released()
    world.metrics.requests = 0

    outcome = deploy(world, world.approved())

    assert "answered 0 requests in this step" in evidence(outcome).facts["reason"]


def test_a_first_deployment_that_fails_leaves_nothing_and_the_next_one_is_a_first_one_again(world: _World) -> None:
    bad = world.approved()
    world.cluster.behaviours[world.digest(bad)] = Behaviour.CRASHES

    outcome = deploy(world, bad)

    assert not outcome.passed
    assert world.observe().stable is None
    release = world.approved()
    assert deploy(world, release).passed
    assert weights(world) == [0], "a canary beside a version that never worked would prove nothing"
    assert runs(world, release)


def test_a_release_that_fails_in_staging_is_no_incident(world: _World) -> None:
    release = world.merge()
    world.run(release, Phase.CI)
    world.cluster.behaviours[world.digest(release)] = Behaviour.CRASHES

    [outcome] = world.run(release, Phase.STAGING)[:1]

    assert evidence(outcome).measures["released"] == 0
    assert world.incidents.list() == ()
    assert world.verbs(STAGING) == [("turn_back", release.key)]


def test_an_image_that_the_cluster_can_not_find_is_turned_back(world: _World) -> None:
    good = world.released()
    release = world.approved()
    world.cluster.images = {world.digest(good)}

    outcome = deploy(world, release)

    assert "The registry does not hold" in evidence(outcome).facts["reason"]
    assert runs(world, good)


# Requests by hand.


def _ask(world: _World, service: str, release: Release, environment: str = PRODUCTION) -> None:
    body = {"environment": environment, "reason": "customers complain"}
    world.ledger.append(Act(world.clock.now(), "ana", ABORT, service, release.key, "sha256:x", body))


def test_a_rollout_is_turned_back_by_whoever_drives_it_when_somebody_asks(world: _World) -> None:
    good = world.released()
    release = world.approved()
    happening(world, "set_weight production/backend 40", lambda: _ask(world, "backend", release))

    outcome = deploy(world, release)

    assert evidence(outcome).facts["reason"] == "turned back on request: customers complain"
    assert runs(world, good)


def test_a_request_about_another_service_of_the_same_commit_turns_nothing_back(world: _World) -> None:
    world.released()
    release = world.approved()
    happening(world, "set_weight production/backend 40", lambda: _ask(world, "frontend", release))

    assert deploy(world, release).passed


def test_a_request_about_another_environment_turns_nothing_back(world: _World) -> None:
    world.released()
    release = world.approved()
    happening(world, "set_weight production/backend 40", lambda: _ask(world, "backend", release, STAGING))

    assert deploy(world, release).passed


def test_a_request_about_an_earlier_rollout_of_the_release_does_not_count(world: _World) -> None:
    world.released()
    release = world.approved()
    _ask(world, "backend", release)

    assert deploy(world, release).passed


# A cluster that does not answer.


def test_a_cluster_that_is_silent_for_a_moment_is_asked_again(world: _World) -> None:
    world.released()
    release = world.approved()
    world.cluster.silent_every = 7

    assert deploy(world, release).passed


def test_a_cluster_that_stays_silent_is_missing_evidence_and_the_next_run_goes_on(world: _World) -> None:
    world.released()
    release = world.approved()

    def fall_silent() -> None:
        world.cluster.unreachable = True

    happening(world, "set_weight production/backend 10", fall_silent)

    outcome = deploy(world, release)

    assert "The cluster does not answer." in reason(outcome)
    world.cluster.unreachable = False
    assert deploy(world, release, "run-y").passed
    assert runs(world, release)


def test_a_canary_that_is_not_ready_at_the_last_moment_is_waited_for(world: _World) -> None:
    world.released()
    release = world.approved()

    world.cluster.refusals = 2

    assert deploy(world, release).passed


def test_a_stable_whose_image_is_gone_is_tried_until_the_deadline(world: _World) -> None:
    world.released()
    release = world.approved()

    def lose_the_image() -> None:
        world.cluster.images = {world.digest(release)}
        _ask(world, "backend", release)

    happening(world, f"apply production/backend stable {world.digest(release)}", lose_the_image)

    outcome = deploy(world, release)

    assert "The registry does not hold" in reason(outcome)
    assert world.rollout().state.phase is RolloutPhase.ROLLING_BACK
    assert world.observe().canary_weight_percent == 0


# Several workers.


def test_a_leftover_of_another_release_is_turned_back_and_told_first(world: _World) -> None:
    good = world.released()
    abandoned, release = world.approved(), world.approved()
    _leave_in_the_middle(world, abandoned)

    assert deploy(world, release).passed

    assert world.verbs()[-2:] == [("turn_back", abandoned.key), ("promote", release.key)]
    assert runs(world, release)
    document = world.rollout()
    assert document.state.plan.previous_digest == world.digest(good)
    [incident] = world.incidents.list()
    assert incident.reason == f"superseded by {release.name}"


def _leave_in_the_middle(world: _World, release: Release) -> None:
    """A worker is lost while its canary has traffic; its lease has ended."""
    fuse = Fuse(when=lambda: world.rollout().state.phase is RolloutPhase.BAKING)
    with pytest.raises(Killed):
        run_stage(fuse.fused(world.platform), release, "production", "lost")
    world.cluster.effects.clear()
    world.clock.advance(LEASE_SECONDS + 1)


def test_a_run_goes_on_where_a_lost_one_stopped(world: _World) -> None:
    world.released()
    release = world.approved()
    _leave_in_the_middle(world, release)

    assert deploy(world, release).passed

    assert weights(world) == [40, 0]
    assert "resumed in baking" in [note.message for note in world.evidence.notes("backend", release.key, "rollout")]


def test_a_run_that_goes_on_much_later_bakes_anew_instead_of_giving_up(world: _World) -> None:
    world.released()
    release = world.approved()
    _leave_in_the_middle(world, release)
    world.clock.advance(600)

    assert deploy(world, release).passed


def test_a_second_worker_waits_for_the_first(world: _World) -> None:
    world.released()
    release = world.approved()
    assert world.cluster.acquire_lease(PRODUCTION, "backend", "first", 5, world.clock.now())
    began = world.clock.now()

    assert deploy(world, release).passed

    assert (world.rollout().started_at - began).total_seconds() >= 5


def test_a_second_worker_does_not_wait_for_ever(world: _World) -> None:
    world.released()
    release = world.approved()
    assert world.cluster.acquire_lease(PRODUCTION, "backend", "first", 1e6, world.clock.now())

    outcome = deploy(world, release)

    assert reason(outcome).startswith("Somebody else is changing backend in production.")


def test_a_worker_that_lost_its_lease_stops_at_once(world: _World) -> None:
    world.released()
    release = world.approved()

    def steal() -> None:
        world.clock.advance(LEASE_SECONDS + 1)
        assert world.cluster.acquire_lease(PRODUCTION, "backend", "thief", 60, world.clock.now())

    happening(world, "set_weight production/backend 10", steal)

    outcome = deploy(world, release)

    assert "lost to somebody else" in reason(outcome)
    assert weights(world) == [10]
    with pytest.raises(Conflict):
        _hold_as_the_worker(world)


def _hold_as_the_worker(world: _World) -> None:
    if not world.cluster.acquire_lease(PRODUCTION, "backend", "run-x", 1, world.clock.now()):
        raise Conflict("held", "")


def test_a_run_whose_release_was_turned_back_while_it_waited_is_refused(world: _World) -> None:
    """Two runs of one release are asked for; the first one finds that it is bad."""
    good = world.released()
    release = world.approved()
    world.metrics.error_ratios[world.digest(release)] = 0.9
    assert world.cluster.acquire_lease(PRODUCTION, "backend", "first", 60, world.clock.now())
    first: list[StageOutcome] = []
    world.clock.meanwhile = lambda: first.append(deploy(world, release, "first"))

    second = deploy(world, release, "second")

    assert not first[0].passed
    assert "was turned back after" in reason(second)
    assert weights(world) == [10, 0]
    assert runs(world, good)
