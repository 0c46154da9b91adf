"""`shopkart health`: what people and scripts learn about what runs."""

import argparse
from pathlib import Path

import pytest

from shopkart_pipeline.cli import health
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import Vital
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    monkeypatch.setattr(health, "open_platform", lambda: world.platform)
    world.vitals.counts = {"r1": Counts(1000, 2)}
    world.vitals.readings = {Vital.REQUEST_RATE: {"r1": 5.0}}
    return world


def show(
    capsys: pytest.CaptureFixture[str], service: str | None = None, environment: str | None = None
) -> tuple[int, str]:
    code = health.run(argparse.Namespace(service=service, environment=environment))
    return code, capsys.readouterr().out


def test_met_objectives_are_exit_code_zero(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = show(capsys)

    assert code == 0
    assert "backend in production  healthy" in said
    assert "frontend in production  healthy" in said
    assert "error_ratio 0.002 <= 0.01 over 60 s, 1000 requests" in said
    assert "missing: nobody measured cpu_usage_cores" in said


def test_a_broken_objective_is_exit_code_one_and_opens_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.vitals.counts = {"r1": Counts(1000, 200)}

    code, said = show(capsys, "backend")

    assert code == 1
    assert "backend in production  not healthy" in said
    assert "frontend" not in said
    assert world.incidents.list() == ()


def test_what_is_not_measured_is_exit_code_one(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.vitals.silence = "Prometheus does not answer"

    code, said = show(capsys)

    assert code == 1
    assert "was not measured: Prometheus does not answer" in said


def test_metrics_are_shown_where_nothing_is_promised(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = show(capsys, "backend", "staging")

    assert code == 0
    assert "backend in staging  nothing is promised" in said
    assert "Request rate" in said


def test_an_unknown_place_is_told(world: World) -> None:
    with pytest.raises(NotFound, match="No environment 'moon'"):
        health.run(argparse.Namespace(service=None, environment="moon"))
