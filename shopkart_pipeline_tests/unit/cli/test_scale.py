"""`shopkart scale`: what holds now, what comes next, and whether the cluster is set to it."""

import argparse
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.cli import scale
from shopkart_pipeline.domain.scale_window import ScaleWindow
from shopkart_pipeline.services.tend_scale import tend_scale
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    monkeypatch.setattr(scale, "open_platform", lambda: world.platform)
    return world


def _show(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = scale.run(argparse.Namespace(service=None))
    return code, capsys.readouterr().out


def test_what_is_set_is_told_beside_what_has_to_be(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert _show(capsys) == (0, "No window is declared: see `scale_ahead` in docs/sale-days.md.\n")
    world.released()
    now = world.clock.now()
    window = ScaleWindow("sale", minimum=10, begins_at=now, ends_at=now + timedelta(hours=1))
    production = replace(world.pipeline.services["backend"].deployments[PRODUCTION], scale_ahead=(window,))
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, PRODUCTION: production}))

    code, said = _show(capsys)
    assert (code, "set now     2 replicas" in said, "on now      sale: raised at" in said) == (1, True, True)
    tend_scale(world.platform)
    code, said = _show(capsys)
    assert (code, "set now     10 replicas" in said, "by pipeline: 10 replicas for sale" in said) == (0, True, True)
    world.clock.advance(7200)
    tend_scale(world.platform)
    code, said = _show(capsys)
    assert (code, "set now     2 replicas" in said, "over" in said) == (0, True, True)
    world.cluster.unreachable = True
    code, said = _show(capsys)
    assert (code, "can't be seen: The cluster does not answer." in said) == (1, True)
