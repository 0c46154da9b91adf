"""`shopkart rerun`: what is asked for, and how its run is followed to the end."""

import argparse
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from shopkart_pipeline.cli import follow as following
from shopkart_pipeline.cli import rerun
from shopkart_pipeline.cli.follow import follow
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.engine.process_identity import ProcessIdentity, identify
from shopkart_pipeline.engine.run_ids import run_id_of
from shopkart_pipeline.engine.run_records import Ended, Queued, Running, RunRecords
from shopkart_pipeline.engine.warm_paths import WarmPaths
from shopkart_pipeline_tests.fakes.world import World

RUN = "00000000-0000-4000-8000-000000000001"
STAGES = ("lint", "image")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Life:
    """What happens to a run while somebody follows it: one thing between two looks."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, *happenings: Callable[[], object]) -> None:
        self.paths = WarmPaths(world.folder / "dagster")
        self.paths.make()
        self.records = RunRecords(self.paths.runs)
        self._left = list(happenings)
        self._output = io.StringIO()
        monkeypatch.setattr(following.time, "sleep", lambda _: self._left.pop(0)())
        self._world = world

    def follow(self) -> bool:
        console = Console(file=self._output, width=200)
        release = self._world.evidence.releases("backend")[0]
        return follow(console, self._world.platform, self.paths.home, release, STAGES, RUN)

    @property
    def told(self) -> list[str]:
        return [line.strip() for line in self._output.getvalue().splitlines()]


def run_command(world: World, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(rerun, "open_platform", lambda: world.platform)
    monkeypatch.setattr(rerun, "_wake", lambda settings: None)
    parser = argparse.ArgumentParser()
    rerun.add_arguments(parser)
    return rerun.run(parser.parse_args(list(arguments)))


def test_the_command_says_what_runs_again_and_how_to_follow_it(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release = world.ready()

    assert run_command(world, monkeypatch, "backend", "image_scan", "--no-reuse") == 0

    request = world.drain()[-1]
    told = capsys.readouterr().out
    assert request.no_reuse
    assert f"{release.name} runs again: image_scan" in told
    assert f"run {run_id_of(request.key)}" in told
    assert f"shopkart show {release.name}" in told


def test_a_refused_rerun_asks_for_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.commit()
    world.proposed()
    world.drain()

    with pytest.raises(Refused):
        run_command(world, monkeypatch, "backend#7", "published_image")

    assert world.inbox.pending() == ()
    assert [entry.act.verb for entry in world.ledger.entries()] == ["ask_rerun"]


def test_a_run_is_followed_from_its_queue_to_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    release = world.ready()
    mine = identify(os.getpid())
    assert mine is not None
    life = Life(
        world,
        monkeypatch,
        lambda: life.records.write(Queued(RUN, "backend_ci", 1)),
        lambda: life.records.write(Running(RUN, "backend_ci", mine)),
        lambda: world.stage(release, "lint", RUN),
        lambda: (world.stage(release, "image", RUN), life.records.write(Ended(RUN, "backend_ci", "it ended", True))),
    )

    assert life.follow()

    told = life.told
    assert told[:3] == ["is being launched", "waits for its turn", "runs"]
    assert [line.split()[:2] for line in told[3:]] == [["✔", "lint"], ["✔", "image"], ["has", "ended"]]


def test_a_stage_that_does_not_pass_and_one_that_never_came_out_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = world.ready()
    world.scanners[StageKind.LINT].result = EvidenceMissing("ruff crashed")
    life = Life(world, monkeypatch)
    world.stage(release, "lint", RUN)
    life.records.write(Ended(RUN, "backend_ci", "its worker was killed", succeeded=False))

    assert not life.follow()

    assert any("ruff crashed" in line for line in life.told)
    assert life.told[-1].split() == ["?", "image", "did", "not", "come", "out"]


def test_a_run_whose_worker_is_gone_is_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ready()
    life = Life(world, monkeypatch)
    life.records.write(Running(RUN, "backend_ci", ProcessIdentity(os.getpid(), "another start")))

    assert not life.follow()


def test_a_run_that_nobody_launches_is_not_awaited_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.ready()
    monkeypatch.setattr(following, "_LAUNCH_SECONDS", -1.0)

    with pytest.raises(ToolUnavailable, match="was not launched"):
        Life(world, monkeypatch).follow()
