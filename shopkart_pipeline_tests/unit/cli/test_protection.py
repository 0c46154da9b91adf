"""`shopkart protection`: what people and scripts learn about how branches are protected."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.cli import protection
from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline_tests.fakes.fake_code_reader import FakeCodeReader
from shopkart_pipeline_tests.fakes.world import REPOSITORY, World
from shopkart_pipeline_tests.unit.domain.test_branch_policy import PROTECTED


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(tmp_path)
    world.pipeline = replace(world.pipeline, code_host=CodeHostPolicy())
    world.code_reader = reader = FakeCodeReader(world.clock)
    reader.rules[REPOSITORY, "main"] = PROTECTED
    monkeypatch.setattr(protection, "open_platform", lambda: world.platform)
    return world


def show(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = protection.run(argparse.Namespace())
    return code, capsys.readouterr().out


def test_protected_branches_are_exit_code_zero(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = show(capsys)

    assert code == 0
    assert "shopkart/storefront main  protected as declared" in said


def test_drift_is_exit_code_one_and_says_what_to_change(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert isinstance(world.code_reader, FakeCodeReader)
    world.code_reader.rules[REPOSITORY, "main"] = replace(PROTECTED, force_push_allowed=True)

    code, said = show(capsys)

    assert code == 1
    assert "no_force_push: In the branch protection rule: “Allow force pushes” off." in said


def test_what_can_not_be_read_is_exit_code_one(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.code_reader = None

    code, said = show(capsys)

    assert code == 1
    assert "could not be read: there are no credentials for https://api.github.com" in said


def test_without_a_code_host_there_is_nothing_to_show(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.pipeline = replace(world.pipeline, code_host=None)

    code, said = show(capsys)

    assert code == 1
    assert "add `github` to the declaration" in said
