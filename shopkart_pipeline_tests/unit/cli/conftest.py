"""Every test of a command may have a world."""

from pathlib import Path

import pytest

from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)
