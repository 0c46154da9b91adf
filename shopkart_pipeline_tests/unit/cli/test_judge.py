"""`shopkart judge`: promises from whatever is known of the traffic, and replays of past rollouts."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.cli import judge
from shopkart_pipeline.cli.main import main
from shopkart_pipeline.cli.plan import plan_of
from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.detection import ExpectedTraffic
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def asked(**options: object) -> argparse.Namespace:
    nothing = {"service": "backend", "requests_per_second": None, "error_ratio": None, "policy": None, "json": False}
    return argparse.Namespace(**{**nothing, **options})


def judged_by(world: World, analysis: Analysis) -> None:
    def changed(service: Service) -> Service:
        deployment = replace(service.deployments[PRODUCTION], analysis=analysis)
        return replace(service, deployments={**service.deployments, PRODUCTION: deployment})

    world.declare("backend", changed)


def bad_release(world: World) -> Release:
    """One that was turned back by the floor."""
    world.released()
    release = world.approved()
    world.metrics.error_ratios[world.digest(release)] = 0.3
    world.stage(release, "production", "run-x")
    return release


def test_a_promise_is_a_sentence_for_each_step(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    judge.show_promise(world.platform, asked(requests_per_second=12.0, error_ratio=0.05))

    first, second, source = capsys.readouterr().out.splitlines()
    assert first.startswith("At 12 requests a second, 5 % errors and 10 % canary: a tripled rate is seen within ")
    assert "false aborts at most 0.5 %" in first
    assert "40 % canary" in second
    assert "the arguments" in source


def test_without_arguments_the_declared_traffic_counts_and_then_the_measured_one(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    bad_release(world)
    judge.show_promise(world.platform, asked(json=True))
    measured = json.loads(capsys.readouterr().out)
    judged_by(world, Analysis(traffic=ExpectedTraffic(7.0, 0.01)))
    judge.show_promise(world.platform, asked(json=True))
    declared = json.loads(capsys.readouterr().out)

    assert measured["from"] == "the newest rollout that was measured"
    assert (declared["from"], declared["traffic"]["requests_per_second"]) == ("the declaration", 7.0)


def test_traffic_that_nobody_knows_has_no_promise(world: World) -> None:
    with pytest.raises(NotFound, match="Nobody knows how much traffic backend gets"):
        judge.show_promise(world.platform, asked())


@pytest.mark.parametrize(("requests", "ratio"), [(0.0, 0.1), (-1.0, 0.1), (5.0, 0.0), (5.0, 1.0), (float("nan"), 0.1)])
def test_traffic_that_can_not_be_has_no_promise(world: World, requests: float, ratio: float) -> None:
    with pytest.raises(NotFound, match="no such traffic"):
        judge.show_promise(world.platform, asked(requests_per_second=requests, error_ratio=ratio))


def test_a_plan_promises_where_the_traffic_is_declared(world: World) -> None:
    def shown() -> list[str]:
        service = next(each for each in plan_of(world.pipeline)["services"] if each["service"] == "backend")
        return next(each["promises"] for each in service["environments"] if each["environment"] == PRODUCTION)

    assert shown() == []
    judged_by(world, Analysis(traffic=ExpectedTraffic(50.0, 0.005)))
    assert [sentence[:27] for sentence in shown()] == ["At 50 requests a second, 0.", "At 50 requests a second, 0."]


def test_a_replay_says_what_happened_and_what_would_have(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = bad_release(world)
    lenient = tmp_path / "lenient.yaml"
    lenient.write_text("version: 1\nanalysis: {floor_error_ratio: 0.9, minimum_canary_requests: 100000}\n")

    judge.show_replay(world.platform, asked(release=release.name))
    same = capsys.readouterr().out
    judge.show_replay(world.platform, asked(release=release.name, policy=lenient))
    other = capsys.readouterr().out

    assert "then  it was turned back after " in same
    assert "now   it would be turned back after " in same
    assert same.count("> floor 0.200") >= 2
    assert "floor 0.200" not in other.partition("now")[2]


def test_a_replay_as_json_has_the_policy_and_every_change_of_mind(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    release = bad_release(world)

    judge.show_replay(world.platform, asked(release=release.name, json=True))

    shown = json.loads(capsys.readouterr().out)
    assert shown["actual"]["phase"] == "rolled_back"
    assert shown["policy"]["floor_error_ratio"] == 0.2
    assert [change["judgement"]["opinion"] for change in shown["replay"]["changes"]][-1] == "bad"


def test_the_command_wants_to_know_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["judge"])

    assert ended.value.code == 2
    assert "ACT" in capsys.readouterr().err
