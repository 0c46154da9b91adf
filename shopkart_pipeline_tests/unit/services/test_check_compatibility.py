"""The new version beside the one in production on the same data: what the tests are given, and what is left behind."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from shopkart_pipeline.domain.declaration import Phase, Service, Stage, StageKind
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.domain.policy import Comparison, Gate, MeasureRule
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline.services.run_companion import remove_companions
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.fakes.world import STAGING, World

COMPANION = "backend-running"
FINE = Evidence(Tool("pytest", "9"), "4 of 4 tests passed", {"tests": 4, "failed": 0})
STAGE = Stage("compatibility", StageKind.COMPATIBILITY, Phase.STAGING, ("staging",), timeout_seconds=60.0)
GATES = tuple(
    Gate(measure, "compatibility", measure, MeasureRule(measure, comparison, limit, "other_versions", 1))
    for measure, comparison, limit in (("failed", Comparison.AT_MOST, 0), ("tests", Comparison.AT_LEAST, 1))
)


class _Tests(FakeScanner):
    """Looks at what it was given while it is there, and does something to it."""

    def __init__(self, world: World, result: Evidence | EvidenceMissing = FINE) -> None:
        super().__init__(result=result)
        self.do: Callable[[], object] = lambda: None
        self._world = world
        self.beside: list[str] = []
        """Digests of the companion while tests ran."""

    def scan(self, request: ScanRequest) -> ToolRun:
        there = self._world.observe(STAGING, COMPANION).stable
        assert there is not None
        assert there.complete
        self.beside.append(there.spec.digest)
        self.do()
        return super().scan(request)


@pytest.fixture
def tests(world: World) -> _Tests:
    """The stage is declared for the backend, and these are its tests."""

    world.declare(
        "backend",
        lambda service: replace(
            service, stages=(*service.stages[:-1], STAGE, service.stages[-1]), gates=(*service.gates, *GATES)
        ),
    )
    given = _Tests(world)
    world.scanners[StageKind.COMPATIBILITY] = given
    return given


def in_staging(world: World) -> Release:
    """A release that stands in staging, and whose compatibility was not tested yet."""
    release = world.merge()
    world.run(release, Phase.CI)
    for name in ("staging", "integration_tests", "acceptance_tests"):
        assert world.stage(release, name).passed
    return release


def _with_variables(service: Service, variables: Mapping[str, str]) -> Service:
    return replace(service, workload=replace(service.workload, variables=variables))


def left(world: World) -> int:
    """Replicas of the companion that are wanted or there."""
    there = world.observe(STAGING, COMPANION).stable
    return 0 if there is None else max(there.total, there.spec.replicas)


def missing(world: World, release: Release) -> str:
    result = world.record(release, "compatibility").result
    assert isinstance(result, EvidenceMissing)
    return result.reason


def test_the_tests_get_both_versions_and_the_running_one_is_removed_afterwards(world: World, tests: _Tests) -> None:
    running = world.released()
    release = in_staging(world)

    outcome = world.stage(release, "compatibility")

    assert outcome.passed
    [request] = tests.requests[-1:]
    assert tests.beside == [world.digest(running)]
    told = {name: text for name, text in request.variables.items() if name.endswith(("_NEW", "_RUNNING"))}
    assert told == {
        "SHOPKART_URL_NEW": "http://backend.staging.example",
        "SHOPKART_VERSION_NEW": release.key,
        "SHOPKART_URL_RUNNING": "http://backend-running.staging.example",
        "SHOPKART_VERSION_RUNNING": running.key,
    }
    assert left(world) == 0


def test_the_companion_is_one_replica_of_the_services_own_image_with_what_staging_gives(
    world: World, tests: _Tests
) -> None:
    running = world.released()
    release = in_staging(world)

    def look() -> None:
        stable = world.observe(STAGING, COMPANION).stable
        assert stable is not None
        spec = stable.spec
        assert (spec.repository, spec.replicas, spec.autoscale) == ("backend", 1, None)
        assert (spec.release_key, spec.variables) == (running.key, {"PORT": "8080"})

    tests.do = look

    assert world.stage(release, "compatibility").passed


def test_the_evidence_says_beside_which_version_it_was_tested(world: World, tests: _Tests) -> None:
    running = world.released()
    release = in_staging(world)

    world.stage(release, "compatibility")

    result = world.record(release, "compatibility").result
    assert isinstance(result, Evidence)
    assert result.measures == {"tests": 4, "failed": 0, "other_versions": 1}
    assert result.facts["running_digest"] == world.digest(running)
    assert result.notes == (f"Beside it ran {running.key}, which is in production ({world.digest(running)}).",)


def test_before_the_first_release_there_is_nothing_to_get_along_with_and_the_evidence_says_so(
    world: World, tests: _Tests
) -> None:
    release = in_staging(world)

    outcome = world.stage(release, "compatibility")

    assert outcome.passed
    assert all(line.exempted for line in outcome.gates)
    result = world.record(release, "compatibility").result
    assert isinstance(result, Evidence)
    assert result.summary == "nothing is in production yet: there is no data of another version"
    assert (tests.requests, result.measures) == ([], {"other_versions": 0})


def test_an_image_that_is_in_production_already_has_nothing_to_get_along_with(world: World, tests: _Tests) -> None:
    release = world.released()

    outcome = world.stage(release, "compatibility")

    assert outcome.passed
    assert tests.requests == []


def test_the_same_image_with_another_configuration_is_another_version(world: World, tests: _Tests) -> None:
    running = world.released()
    world.declare("backend", lambda service: _with_variables(service, {"PORT": "8080", "CARTS": "compact"}))
    assert world.stage(running, "staging").passed
    variables: list[Mapping[str, str]] = []

    def look() -> None:
        stable = world.observe(STAGING, COMPANION).stable
        assert stable is not None
        variables.append(stable.spec.variables)

    tests.do = look

    assert world.stage(running, "compatibility").passed
    assert variables == [{"PORT": "8080"}], "as it is in production"


def test_a_version_that_loses_what_the_other_wrote_does_not_go_to_production(world: World, tests: _Tests) -> None:
    world.released()
    release = in_staging(world)
    tests.result = replace(FINE, measures={"tests": 4, "failed": 1})

    assert not world.stage(release, "compatibility").passed

    with pytest.raises(Refused, match=r"compatibility\.failed: fail: failed 1 > 0"):
        world.stage(release, "production")
    assert left(world) == 0


@pytest.mark.parametrize("behaviour", [Behaviour.CRASHES, Behaviour.STALLS])
def test_a_running_version_that_does_not_start_proves_nothing(
    world: World, tests: _Tests, behaviour: Behaviour
) -> None:
    running = world.released()
    release = in_staging(world)
    world.cluster.behaviours[world.digest(running)] = behaviour

    assert not world.stage(release, "compatibility").passed

    assert f"{running.key}, which is in production, does not start in staging" in missing(world, release)
    assert (tests.requests, left(world)) == ([], 0)


def test_a_running_version_that_the_registry_lost_proves_nothing(world: World, tests: _Tests) -> None:
    running = world.released()
    release = in_staging(world)
    world.cluster.images = {world.digest(release)}

    assert not world.stage(release, "compatibility").passed

    assert f"does not hold {world.digest(running)}" in missing(world, release)
    assert tests.requests == []


def test_a_running_version_that_left_in_the_middle_proves_nothing(world: World, tests: _Tests) -> None:
    world.released()
    release = in_staging(world)
    tests.do = lambda: world.cluster.remove(STAGING, COMPANION, Track.STABLE)

    assert not world.stage(release, "compatibility").passed

    assert "was not there all the time" in missing(world, release)


def test_a_new_version_that_was_replaced_in_the_middle_proves_nothing(world: World, tests: _Tests) -> None:
    world.released()
    release = in_staging(world)

    tests.do = lambda: in_staging(world)

    assert not world.stage(release, "compatibility").passed
    assert "the tests would prove nothing" in missing(world, release)
    assert left(world) == 0


def test_tests_that_crash_leave_nothing_running(world: World, tests: _Tests) -> None:
    world.released()
    release = in_staging(world)

    def crash() -> None:
        raise OSError(28, "No space left on device")

    tests.do = crash

    assert not world.stage(release, "compatibility").passed
    assert "No space left" in missing(world, release)
    assert left(world) == 0


def abandoned(world: World, tests: _Tests) -> Release:
    """A release whose worker could not clean up: the cluster went away while tests ran."""
    world.released()
    release = in_staging(world)
    tests.do = lambda: setattr(world.cluster, "unreachable", True)
    assert not world.stage(release, "compatibility").passed
    world.cluster.unreachable = False
    tests.do = lambda: None
    assert left(world) == 1
    return release


def test_the_next_run_replaces_what_a_killed_one_left(world: World, tests: _Tests) -> None:
    release = abandoned(world, tests)

    assert world.stage(release, "compatibility", "run-next").passed

    assert len(tests.beside) == 2
    assert left(world) == 0


def test_the_sweep_removes_what_a_killed_run_left_once_nobody_holds_it(world: World, tests: _Tests) -> None:
    abandoned(world, tests)

    assert remove_companions(world.platform) == (
        "backend-running was left in staging by a run that ended too early, and is removed",
    )
    assert left(world) == 0
    assert remove_companions(world.platform) == ()


def test_the_sweep_leaves_alone_what_is_in_use(world: World, tests: _Tests) -> None:
    world.released()
    release = in_staging(world)
    swept: list[tuple[str, ...]] = []
    tests.do = lambda: swept.append(remove_companions(world.platform))

    assert world.stage(release, "compatibility").passed

    assert swept == [()]


def test_a_cluster_that_does_not_answer_stops_no_other_sweeping(world: World, tests: _Tests) -> None:
    world.cluster.unreachable = True

    assert remove_companions(world.platform) == ()


# What was tested counts beside the version that it was tested with.


def test_another_version_that_took_production_meanwhile_has_to_be_tested_with_first(
    world: World, tests: _Tests
) -> None:
    world.released()
    first = world.approved()
    second = world.approved()
    assert world.stage(first, "production").passed

    with pytest.raises(Refused, match=r"compatibility: missing: it was tested beside sha256:\w+, but production runs"):
        world.stage(second, "production")

    assert world.stage(second, "compatibility").passed
    world.approve(second)
    assert world.stage(second, "production").passed


def test_a_release_that_is_in_production_may_be_run_once_more(world: World, tests: _Tests) -> None:
    world.released()
    release = world.released()

    assert world.stage(release, "production").passed
