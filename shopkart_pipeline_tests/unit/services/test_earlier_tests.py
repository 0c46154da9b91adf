"""Which earlier list of tests a release is compared with."""

from dataclasses import replace

from shopkart_pipeline.domain.declaration import Service, StageKind
from shopkart_pipeline.domain.evidence import Evidence, RawReport, Tool, ToolRun
from shopkart_pipeline.domain.release import PullRequest, Release
from shopkart_pipeline.ports.scanner import EARLIER_TESTS, TEST_LIST, ScanRequest
from shopkart_pipeline.services.earlier_tests import earlier_tests
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.fakes.world import World


class _Tests(FakeScanner):
    """Keeps what it was given as earlier list: the request's files are gone afterwards."""

    given: bytes | None = None

    def scan(self, request: ScanRequest) -> ToolRun:
        file = request.reports.get(EARLIER_TESTS)
        self.given = file.read_bytes() if file else None
        return super().scan(request)


def reporting(world: World, content: bytes, failed: int = 0) -> _Tests:
    """From now on the unit tests leave this list."""
    evidence = Evidence(Tool("pytest", "9"), "fine", {"tests": 40, "failed": failed})
    scanner = _Tests(result=evidence, raw=(RawReport(TEST_LIST, "application/json", content),))
    world.scanners[StageKind.UNIT_TESTS] = scanner
    return scanner


def a_tested(world: World, content: bytes, failed: int = 0, pull_request: PullRequest | None = None) -> Release:
    """A release whose unit tests left this list."""
    reporting(world, content, failed)
    release = world.merge()
    if pull_request:
        release = replace(release, key=f"{release.key}-7", pull_request=pull_request)
        world.evidence.add_release(release)
    for stage in ("source", "dependencies", "unit_tests"):
        world.stage(release, stage)
    return release


def baseline(world: World, release: Release) -> bytes | None:
    return earlier_tests(world.platform, release, world.platform.service("backend").stage("unit_tests"))


def test_the_first_release_has_nothing_to_be_compared_with(world: World) -> None:
    assert baseline(world, a_tested(world, b"first")) is None


def test_a_release_is_compared_with_what_is_in_production(world: World) -> None:
    reporting(world, b"production")
    world.released()
    a_tested(world, b"never released")

    assert baseline(world, world.merge()) == b"production"


def test_before_there_is_a_production_the_newest_earlier_release_counts(world: World) -> None:
    a_tested(world, b"first")
    a_tested(world, b"second")

    assert baseline(world, world.merge()) == b"second"


def test_a_release_that_was_stopped_is_no_measure(world: World) -> None:
    a_tested(world, b"passed")
    a_tested(world, b"failed", failed=1)

    assert baseline(world, world.merge()) == b"passed"


def test_a_proposed_change_is_no_measure(world: World) -> None:
    a_tested(world, b"merged")
    a_tested(world, b"proposed", pull_request=PullRequest(7, str(world.tip), from_fork=False))

    assert baseline(world, world.merge()) == b"merged"


def test_the_release_in_production_is_compared_with_one_before_it(world: World) -> None:
    a_tested(world, b"before")
    reporting(world, b"production")
    release = world.released()

    assert baseline(world, release) == b"before"


def test_a_later_release_is_no_measure(world: World) -> None:
    release = a_tested(world, b"this")
    a_tested(world, b"later")

    assert baseline(world, release) is None


def test_the_tool_is_given_the_list_where_the_stage_has_tests(world: World) -> None:
    def with_junit(service: Service) -> Service:
        stages = (
            replace(stage, junit="junit.xml") if stage.name == "unit_tests" else stage for stage in service.stages
        )
        return replace(service, stages=tuple(stages))

    a_tested(world, b"first")
    scanner = reporting(world, b"second")
    release = world.merge()
    for stage in ("source", "dependencies", "unit_tests"):
        world.stage(release, stage)
    assert scanner.given is None

    world.declare("backend", with_junit)
    world.stage(release, "unit_tests")
    assert scanner.given == b"first"
