"""The sensor that tells the code host: what waits, and runs that ended without saying so."""

from dataclasses import replace
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus, SensorDefinition, SkipReason, build_sensor_context
from dagster._core.test_utils import create_run_for_test

from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.keys import RELEASE_TAG
from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.notice import CheckNotice, Conclusion, Notice
from shopkart_pipeline.ports.code_host import CodeHost
from shopkart_pipeline.ports.evidence_store import StageStart
from shopkart_pipeline_tests.fakes.world import World


class _Host(CodeHost):
    def __init__(self) -> None:
        self.got: list[Notice] = []

    def send(self, notice: Notice, remote_id: str | None, *, maybe_sent: bool, sarif: bytes = b"") -> str:
        self.got.append(notice)
        return "1"


@pytest.fixture
def host() -> _Host:
    return _Host()


@pytest.fixture
def world(tmp_path: Path, host: _Host) -> World:
    world = World(tmp_path)
    world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy())
    world.code_host = host
    return world


def tick(world: World, instance: DagsterInstance, cursor: str | None = None) -> tuple[str, str | None]:
    """What one tick says, and its cursor."""
    sensor = _sensors(world)["code_host"]
    context = build_sensor_context(instance=instance, cursor=cursor, resources={"platform": world.platform})
    skip = sensor(context)
    assert isinstance(skip, SkipReason)
    return skip.skip_message or "", context.cursor


def _sensors(world: World) -> dict[str, SensorDefinition]:
    repository = build_definitions(world.platform).get_repository_def()
    return {each.name: each for each in repository.sensor_defs}


def test_it_is_there_only_where_a_code_host_is_declared(world: World) -> None:
    assert "code_host" in _sensors(world)
    world.pipeline = replace(world.pipeline, code_host=None)
    assert "code_host" not in _sensors(world)


def test_a_tick_sends_what_waits(world: World, instance: DagsterInstance, host: _Host) -> None:
    release = world.merge()
    world.stage(release, "source")

    said, _ = tick(world, instance)

    assert "shopkart / backend / source: sent as 1" in said
    assert len(host.got) == 2
    assert tick(world, instance)[0] == "Nothing is to be told."


@pytest.mark.parametrize(
    ("status", "conclusion"),
    [(DagsterRunStatus.CANCELED, Conclusion.CANCELLED), (DagsterRunStatus.FAILURE, Conclusion.FAILURE)],
)
def test_a_run_that_ended_in_the_middle_of_a_stage_ends_its_check(
    world: World, instance: DagsterInstance, host: _Host, status: DagsterRunStatus, conclusion: Conclusion
) -> None:
    release = world.merge()
    run = create_run_for_test(instance, status=status, tags={RELEASE_TAG: release.name})
    world.evidence.begin(StageStart("backend", release.key, "lint", run.run_id, world.clock.now()))

    _, cursor = tick(world, instance, "2001-01-01T00:00:00+00:00")

    [ended] = [each for each in host.got if isinstance(each, CheckNotice) and each.name.endswith("lint")]
    assert ended.conclusion is conclusion
    host.got.clear()
    tick(world, instance, cursor)
    assert host.got == []


def test_runs_that_belong_to_no_release_are_passed_over(world: World, instance: DagsterInstance) -> None:
    create_run_for_test(instance, status=DagsterRunStatus.FAILURE, tags={})
    create_run_for_test(instance, status=DagsterRunStatus.FAILURE, tags={RELEASE_TAG: "gone@20250101-000000-abc"})

    _, cursor = tick(world, instance, "2001-01-01T00:00:00+00:00")

    assert cursor is not None
    assert cursor > "2001-01-01T00:00:00+00:00"
