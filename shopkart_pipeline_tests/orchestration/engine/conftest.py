"""Instances for the engine's tests, made from the shipped `dagster.yaml`."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from shopkart_pipeline.engine.instance import open_instance
from shopkart_pipeline_tests.orchestration.engine.homes import Home, sample_config


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose databases have been made; copied, because making them takes most of a second."""
    folder = tmp_path_factory.mktemp("empty")
    open_instance(folder / "dagster", sample_config(folder)).dispose()
    return folder / "dagster"


@pytest.fixture
def instance(tmp_path: Path, empty_home: Path) -> Iterator[dg.DagsterInstance]:
    """An instance of its own, without a server."""
    shutil.copytree(empty_home, tmp_path / "dagster")
    with open_instance(tmp_path / "dagster", sample_config(tmp_path)) as opened:
        yield opened


@pytest.fixture(scope="session")
def warm_home(tmp_path_factory: pytest.TempPathFactory, empty_home: Path) -> Iterator[Home]:
    """A home with a server, shared by the tests that leave it as it was."""
    folder = tmp_path_factory.mktemp("warm")
    shutil.copytree(empty_home, folder / "dagster")
    with Home.opened(folder) as home:
        home.instance.add_dynamic_partitions("sample_releases", [f"r{number}" for number in range(20)])
        home.client.ensure_server(home.launcher.options)
        yield home


@pytest.fixture
def cold_home(tmp_path: Path, empty_home: Path) -> Iterator[Home]:
    """A home of its own, whose server the test starts."""
    shutil.copytree(empty_home, tmp_path / "dagster")
    with Home.opened(tmp_path) as home:
        home.instance.add_dynamic_partitions("sample_releases", ["r1"])
        yield home
