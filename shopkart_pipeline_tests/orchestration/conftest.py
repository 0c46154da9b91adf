"""What tests of the pipeline in Dagster begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance

from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as instance:
        yield instance
