"""What every cluster promises: the one in memory, the local one, and whichever comes next."""

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.errors import NotFound, Refused
from shopkart_pipeline.domain.job import JobPhase, JobSpec, JobStatus
from shopkart_pipeline.domain.scale_ahead import Scale
from shopkart_pipeline.domain.workload import ServiceStatus, Track, WorkloadSpec
from shopkart_pipeline.services.platform import Site
from shopkart_pipeline.services.production_history import Placed
from shopkart_pipeline.services.recall_workload import keep_workload
from shopkart_pipeline.services.run_companion import companion
from shopkart_pipeline_tests.cluster.real_bed import a_real_bed
from shopkart_pipeline_tests.cluster.real_world import a_real_world
from shopkart_pipeline_tests.contract.cluster_worlds import (
    FakeWorld,
    World,
    a_local_world,
    a_service,
    a_spec,
    is_complete,
)
from shopkart_pipeline_tests.contract.kubernetes_worlds import an_emulated_world
from shopkart_pipeline_tests.docker_base import ON_AN_ENGINE, engine_for_tests
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour, FakeCluster, FakeLogs, FakeMetrics
from shopkart_pipeline_tests.fakes.world import World as Surroundings
from shopkart_pipeline_tests.fakes.world import a_service as a_declared_service

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


_WORLDS = ["fake", "local", "kubernetes"]
_ENGINES = [pytest.param("docker", marks=ON_AN_ENGINE)] if engine_for_tests() else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "world" in metafunc.fixturenames:
        worlds = ["real"] if metafunc.config.getoption("--cluster") else [*_WORLDS, *_ENGINES]
        metafunc.parametrize("world", worlds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    if request.param == "fake":
        yield FakeWorld()
    elif request.param == "kubernetes":
        with an_emulated_world(tmp_path_factory.mktemp("kubernetes")) as emulated:
            yield emulated
    elif request.param == "real":
        with a_real_bed(tmp_path_factory.mktemp("real"), request.config) as bed, a_real_world(bed) as real:
            yield real
    else:
        docker_host = request.getfixturevalue("docker_host") if request.param == "docker" else None
        with a_local_world(tmp_path_factory.mktemp("cluster"), docker_host) as local:
            yield local


@pytest.fixture
def service() -> str:
    return a_service()


def test_a_service_that_was_never_deployed_has_neither_stable_nor_canary(world: World, service: str) -> None:
    status = world.cluster.observe("production", service)
    assert (status.stable, status.canary, status.canary_weight_percent) == (None, None, 0)


def test_a_deployed_service_becomes_complete(world: World, service: str) -> None:
    digest = world.publish(service, "v1")
    world.cluster.apply("production", service, Track.STABLE, a_spec(digest))
    last = world.until("production", service, lambda status: is_complete(status.stable))[-1]
    assert last.stable is not None
    assert (last.stable.ready, last.stable.total, last.stable.failure) == (2, 2, None)
    assert last.stable.spec == a_spec(digest)
    assert last.url.startswith("http")


def test_applying_the_same_again_changes_nothing(world: World, service: str) -> None:
    digest = world.deployed(service)
    world.cluster.apply("production", service, Track.STABLE, a_spec(digest))
    for _ in range(5):
        assert is_complete(world.cluster.observe("production", service).stable)
        world.pause()


def test_what_was_just_applied_is_not_complete_yet(world: World, service: str) -> None:
    world.deployed(service)
    world.cluster.apply("production", service, Track.STABLE, a_spec(world.publish(service, "v2")))
    assert not is_complete(world.cluster.observe("production", service).stable)


def test_stable_is_rescaled_as_often_as_that_is_asked_for_and_nothing_else_of_it_changes(
    world: World, service: str
) -> None:
    spec = a_spec(world.publish(service, "v1"), replicas=1)
    with pytest.raises(NotFound):
        world.cluster.rescale("production", service, Scale(2))
    world.cluster.apply("production", service, Track.STABLE, spec)
    for _ in range(2):
        world.cluster.rescale("production", service, Scale(2))
    last = world.until("production", service, lambda status: is_complete(status.stable))[-1]
    assert last.stable is not None
    assert last.stable.spec == replace(spec, replicas=2)
    assert world.cluster.bounds("production", service) is None


def test_an_image_that_the_registry_does_not_hold_is_not_deployed(world: World, service: str) -> None:
    with pytest.raises(NotFound):
        world.cluster.apply("production", service, Track.STABLE, a_spec(f"sha256:{'0' * 64}"))
    assert world.cluster.observe("production", service).stable is None


def test_a_workload_may_run_the_image_of_another_service(world: World, service: str) -> None:
    digest, name = world.publish(service, "v1"), f"{service}-running"

    world.cluster.apply("staging", name, Track.STABLE, replace(a_spec(digest, replicas=1), repository=service))

    stable = world.until("staging", name, lambda status: is_complete(status.stable))[-1].stable
    assert stable is not None
    assert (stable.spec.digest, stable.spec.repository) == (digest, service)
    world.cluster.remove("staging", name, Track.STABLE)
    world.until("staging", name, lambda status: status.stable is None)


def test_the_version_in_production_stands_beside_the_new_one_and_leaves(
    world: World, service: str, tmp_path: Path
) -> None:
    declared = a_declared_service(service, tmp_path)
    patient = {
        name: replace(deployment, deadline_seconds=world.patience_seconds)
        for name, deployment in declared.deployments.items()
    }
    site = Site(world.cluster, FakeMetrics(FakeCluster()), FakeLogs())
    around = Surroundings(tmp_path).platform
    platform = replace(around, clock=SystemClock(), sites={"staging": site, "production": site})
    spec = a_spec(world.publish(service, "v1"))
    placed = keep_workload(platform, Placed(world.now(), "release-1", spec.digest, "c0ffee", "promote"), spec)

    with companion(platform, replace(declared, deployments=patient), placed, "run-1") as beside:
        there = world.cluster.observe("staging", beside.name)
        assert is_complete(there.stable)
        assert there.stable is not None
        assert (there.url, there.stable.spec.digest) == (beside.url, spec.digest)
        assert not world.cluster.acquire_lease("staging", beside.name, "run-2", 1.0, platform.clock.now())

    world.until("staging", f"{service}-running", lambda status: status.stable is None)
    assert world.cluster.acquire_lease("staging", f"{service}-running", "run-2", 1.0, platform.clock.now())


def test_a_rolling_update_never_has_fewer_ready_replicas_than_wanted(world: World, service: str) -> None:
    world.deployed(service)
    digest = world.publish(service, "v2")
    world.cluster.apply("production", service, Track.STABLE, a_spec(digest))
    seen = world.until("production", service, lambda status: is_complete(status.stable))
    assert len(seen) > 1
    assert min(status.stable.ready for status in seen if status.stable is not None) >= 2
    assert {status.stable.spec.digest for status in seen if status.stable is not None} == {digest}


def test_other_variables_are_another_version(world: World, service: str) -> None:
    digest = world.deployed(service)
    world.cluster.apply("production", service, Track.STABLE, a_spec(digest, GREETING="hello"))
    assert not is_complete(world.cluster.observe("production", service).stable)
    world.until("production", service, lambda status: is_complete(status.stable))


def test_a_release_unit_goes_forward_and_back(world: World, service: str) -> None:
    """The same image: what tells the two apart is the configuration, on every track and in every look."""
    digest = world.deployed(service, replicas=1)
    before, after = a_spec(digest, replicas=1), a_spec(digest, replicas=1, GREETING="hello")
    world.cluster.apply("production", service, Track.CANARY, after)
    both = world.until("production", service, lambda status: is_complete(status.canary))[-1]
    assert both.stable is not None
    assert both.canary is not None
    assert (both.stable.spec.unit, both.canary.spec.unit) == (before.unit, after.unit)
    world.cluster.apply("production", service, Track.STABLE, after)
    world.until("production", service, lambda status: is_complete(status.stable) and _is_of(status, after))
    world.cluster.remove("production", service, Track.CANARY)
    world.until("production", service, lambda status: status.canary is None)

    world.cluster.apply("production", service, Track.STABLE, before)

    last = world.until("production", service, lambda status: is_complete(status.stable))[-1]
    assert last.stable is not None
    assert (last.stable.spec, last.stable.by_hand) == (before, None)


def _is_of(status: ServiceStatus, spec: WorkloadSpec) -> bool:
    return status.stable is not None and status.stable.is_of(spec.unit)


@pytest.mark.parametrize("replicas", [1, 3])
def test_scaling_changes_the_number_alone(world: World, service: str, replicas: int) -> None:
    digest = world.deployed(service)
    world.cluster.scale("production", service, Track.STABLE, replicas)
    last = world.until("production", service, lambda status: is_complete(status.stable))[-1]
    assert last.stable is not None
    assert (last.stable.total, last.stable.spec) == (replicas, a_spec(digest, replicas=replicas))


def test_what_is_not_there_cannot_be_scaled(world: World, service: str) -> None:
    with pytest.raises(NotFound):
        world.cluster.scale("production", service, Track.CANARY, 2)


def test_a_canary_stands_beside_stable_and_gets_no_traffic_unasked(world: World, service: str) -> None:
    world.deployed(service)
    world.cluster.apply("production", service, Track.CANARY, a_spec(world.publish(service, "v2"), replicas=1))
    last = world.until("production", service, lambda status: is_complete(status.canary))[-1]
    assert is_complete(last.stable)
    assert last.canary_weight_percent == 0


def test_the_route_has_the_weight_when_set_weight_returns(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    world.cluster.apply("production", service, Track.CANARY, a_spec(world.publish(service, "v2"), replicas=1))
    world.until("production", service, lambda status: is_complete(status.canary))
    for weight in (10, 50, 50, 0):
        world.cluster.set_weight("production", service, weight)
        status = world.cluster.observe("production", service)
        assert status.canary_weight_percent == world.near(weight)
        assert status.has_weight(weight)


def test_no_weight_goes_to_a_canary_that_is_not_there(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    with pytest.raises(Refused):
        world.cluster.set_weight("production", service, 5)
    world.cluster.set_weight("production", service, 0)


def test_no_weight_goes_to_a_canary_that_is_not_ready(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    digest = world.publish(service, "v2", Behaviour.STALLS)
    world.cluster.apply("production", service, Track.CANARY, a_spec(digest, replicas=1))
    world.until("production", service, lambda status: status.canary is not None and status.canary.total == 1)
    with pytest.raises(Refused):
        world.cluster.set_weight("production", service, 5)


@pytest.mark.parametrize("weight", [-1, 101])
def test_a_weight_that_is_no_share_is_refused(world: World, service: str, weight: int) -> None:
    with pytest.raises(Refused):
        world.cluster.set_weight("production", service, weight)


def test_a_removed_canary_takes_its_weight_with_it(world: World, service: str) -> None:
    world.deployed(service, replicas=1)
    canary = a_spec(world.publish(service, "v2"), replicas=1)
    world.cluster.apply("production", service, Track.CANARY, canary)
    world.until("production", service, lambda status: is_complete(status.canary))
    world.cluster.set_weight("production", service, 30)
    world.cluster.remove("production", service, Track.CANARY)
    world.cluster.remove("production", service, Track.CANARY)
    last = world.until("production", service, lambda status: status.canary is None)[-1]
    assert is_complete(last.stable)
    assert last.canary_weight_percent == 0
    world.cluster.apply("production", service, Track.CANARY, canary)
    assert world.until("production", service, lambda s: is_complete(s.canary))[-1].canary_weight_percent == 0


def test_a_crash_loop_is_named_and_the_old_version_stays_ready(world: World, service: str) -> None:
    old = world.deployed(service)
    broken = a_spec(world.publish(service, "v2", Behaviour.CRASHES))
    world.cluster.apply("production", service, Track.STABLE, broken)
    seen = world.until("production", service, lambda status: status.stable is not None and bool(status.stable.failure))
    stable = seen[-1].stable
    assert stable is not None
    assert stable.failure is not None
    assert "crash loop" in stable.failure
    assert stable.restarts >= 3
    assert min(status.stable.ready for status in seen if status.stable is not None) == 2

    world.cluster.apply("production", service, Track.STABLE, a_spec(old))
    last = world.until("production", service, lambda status: is_complete(status.stable))[-1]
    assert last.stable is not None
    assert last.stable.failure is None


def test_a_version_that_never_gets_ready_is_named_after_its_deadline(world: World, service: str) -> None:
    digest = world.publish(service, "v1", Behaviour.FAILS_TO_START)
    spec = a_spec(digest, replicas=1, startup_deadline_seconds=world.soon_seconds)
    world.cluster.apply("production", service, Track.STABLE, spec)
    last = world.until("production", service, lambda s: s.stable is not None and bool(s.stable.failure))[-1]
    assert last.stable is not None
    assert last.stable.failure is not None
    assert f"never ready within {world.soon_seconds:g} s" in last.stable.failure
    assert "503" in last.stable.failure


def test_environments_do_not_see_each_other(world: World, service: str) -> None:
    world.deployed(service, environment="staging", replicas=1)
    assert world.cluster.observe("production", service).stable is None


def a_job(
    world: World, service: str, script: str, exit_code: int | None, *lines: str, seconds: float = 60.0
) -> JobSpec:
    """A run of a Python script with an image of its own; the lines are what it writes."""
    command = ("python", "-c", script)
    spec = a_spec(world.publish(service, "v1"), GREETING="good day")
    world.foresee(command, exit_code, *lines)
    return JobSpec(f"expand-{uuid4().hex[:10]}", spec, command, seconds)


def test_a_job_runs_to_its_end_with_the_variables_of_the_replicas(world: World, service: str) -> None:
    script = "import os; print(os.environ['GREETING'], os.environ['SHOPKART_ENVIRONMENT'], sep=chr(10))"
    job = a_job(world, service, script, 0, "good day", "production")
    *before, last = world.finished("production", service, job)
    assert last == JobStatus(JobPhase.SUCCEEDED, "", ("good day", "production"))
    assert {status.phase for status in before} <= {JobPhase.RUNNING}
    assert world.cluster.run_job("production", service, job) == last


def test_a_job_leaves_the_replicas_alone_and_gets_no_requests(world: World, service: str) -> None:
    digest = world.deployed(service)
    world.finished("production", service, a_job(world, service, "pass", 0))
    stable = world.cluster.observe("production", service).stable
    assert stable is not None
    assert (stable.complete, stable.total, stable.spec) == (True, 2, a_spec(digest))


def test_a_job_that_failed_says_with_which_code_and_stays_failed(world: World, service: str) -> None:
    job = a_job(world, service, "print('no such table'); raise SystemExit(3)", 3, "no such table")
    last = world.finished("production", service, job)[-1]
    assert last == JobStatus(JobPhase.FAILED, "exit code 3", ("no such table",))
    assert world.cluster.run_job("production", service, job) == last
    again = replace(job, name=f"expand-{uuid4().hex[:10]}")
    assert world.finished("production", service, again)[-1] == last


def test_a_job_whose_time_is_over_is_ended(world: World, service: str) -> None:
    job = a_job(world, service, "import time; time.sleep(600)", None, seconds=2.0)
    last = world.finished("production", service, job)[-1]
    assert (last.phase, last.reason) == (JobPhase.FAILED, "it did not end within 2 s")


def test_what_a_job_writes_is_shown_without_secrets(world: World, service: str) -> None:
    script = "print('connecting to postgresql://shop:hunter22@db/shop'); print('PASSWORD=hunter22')"
    written = ("connecting to postgresql://db/shop", "PASSWORD=[redacted]")
    last = world.finished("production", service, a_job(world, service, script, 0, *written))[-1]
    assert last.log_tail == written


def test_a_job_needs_an_image_that_the_registry_holds(world: World, service: str) -> None:
    job = replace(a_job(world, service, "pass", 0), workload=a_spec(f"sha256:{'0' * 64}"))
    with pytest.raises(NotFound):
        world.cluster.run_job("production", service, job)


def test_rollout_state_is_kept_beside_the_workload(world: World, service: str) -> None:
    assert world.cluster.load_rollout("production", service) is None
    world.cluster.save_rollout("production", service, '{"phase": "baking"}')
    world.cluster.save_rollout("production", service, '{"phase": "promoting"}')
    assert world.cluster.load_rollout("production", service) == '{"phase": "promoting"}'
    assert world.cluster.load_rollout("staging", service) is None


def test_a_lease_has_one_holder_at_a_time(world: World, service: str) -> None:
    take = world.cluster.acquire_lease
    assert take("production", service, "one", 10.0, NOW)
    assert not take("production", service, "two", 10.0, NOW + timedelta(seconds=9))
    assert take("production", service, "one", 10.0, NOW + timedelta(seconds=9))
    assert not take("production", service, "two", 10.0, NOW + timedelta(seconds=18))
    assert take("production", service, "two", 10.0, NOW + timedelta(seconds=19))


def test_a_lease_may_stand_for_what_is_never_deployed(world: World, service: str) -> None:
    name, now = f"{service}--migration", world.now()
    digest = world.deployed(service)
    assert world.cluster.acquire_lease("production", name, "one", 10.0, now)
    assert not world.cluster.acquire_lease("production", name, "other", 10.0, now)
    for _ in range(5):
        world.pause()
    assert world.cluster.observe("production", name).stable is None
    stable = world.cluster.observe("production", service).stable
    assert stable is not None
    assert (stable.complete, stable.spec.digest) == (True, digest)
    world.cluster.release_lease("production", name, "one")


def test_a_lease_is_given_back_by_its_holder_alone(world: World, service: str) -> None:
    assert world.cluster.acquire_lease("production", service, "one", 10.0, NOW)
    world.cluster.release_lease("production", service, "two")
    assert not world.cluster.acquire_lease("production", service, "two", 10.0, NOW)
    world.cluster.release_lease("production", service, "one")
    assert world.cluster.acquire_lease("production", service, "two", 10.0, NOW)
