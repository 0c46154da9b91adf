"""An instance home is prepared by whoever comes first, from the shipped configuration."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.run_coordinator import DefaultRunCoordinator
from dagster._core.workspace.load import location_origins_from_yaml_paths

from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.engine.compute_logs import FileComputeLogManager
from shopkart_pipeline.engine.definitions_source import DefinitionsSource
from shopkart_pipeline.engine.instance import SHIPPED_CONFIG, WarmInstance, open_instance
from shopkart_pipeline.engine.launcher import WarmRunLauncher
from shopkart_pipeline.engine.storage import WarmEventLog, WarmRuns
from shopkart_pipeline_tests.orchestration.engine.homes import sample_config

ROOT = SHIPPED_CONFIG.parent


def test_the_shipped_configuration_makes_an_instance_of_quick_parts(tmp_path: Path) -> None:
    with open_instance(tmp_path / "home") as instance:
        assert isinstance(instance, WarmInstance)
        assert isinstance(instance.event_log_storage, WarmEventLog)
        assert isinstance(instance.run_storage, WarmRuns)
        assert isinstance(instance.compute_log_manager, FileComputeLogManager)
        assert isinstance(instance.run_launcher, WarmRunLauncher)
        assert isinstance(instance.run_coordinator, DefaultRunCoordinator)
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled
        assert {path.name for path in tmp_path.iterdir()} == {"home"}


def test_without_a_home_the_configuration_of_the_current_folder_serves_a_temporary_one(tmp_path: Path) -> None:
    reference = InstanceRef.from_dir(str(tmp_path), config_dir=str(ROOT))

    with dg.DagsterInstance.from_ref(reference) as instance:
        assert isinstance(instance.event_log_storage, WarmEventLog)
        assert Path(instance.root_directory) == tmp_path
        assert (tmp_path / "history").exists()


def test_a_changed_shipped_configuration_replaces_the_copy(tmp_path: Path) -> None:
    shipped = sample_config(tmp_path)
    open_instance(tmp_path / "home", shipped).dispose()
    shipped.write_text(shipped.read_text() + "\n# a later version\n")

    open_instance(tmp_path / "home", shipped).dispose()

    assert "a later version" in (tmp_path / "home" / "dagster.yaml").read_text()


def test_a_configuration_that_somebody_edited_is_left_alone(tmp_path: Path) -> None:
    shipped = sample_config(tmp_path)
    open_instance(tmp_path / "home", shipped).dispose()
    edited = tmp_path / "home" / "dagster.yaml"
    edited.write_text(edited.read_text() + "\n# edited here\n")
    shipped.write_text(shipped.read_text() + "\n# a later version\n")

    open_instance(tmp_path / "home", shipped).dispose()

    assert "edited here" in edited.read_text()
    assert "a later version" not in edited.read_text()


def test_a_missing_shipped_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolUnavailable, match="nowhere"):
        open_instance(tmp_path / "home", tmp_path / "nowhere.yaml")


def test_a_home_of_another_storage_keeps_it(tmp_path: Path) -> None:
    shipped = sample_config(tmp_path)
    elsewhere = {"storage": {"sqlite": {"base_dir": str(tmp_path / "elsewhere")}}}
    shipped.write_text(shipped.read_text() + yaml.safe_dump(elsewhere))

    with open_instance(tmp_path / "home", shipped) as instance:
        assert not isinstance(instance.event_log_storage, WarmEventLog)


def test_the_shipped_workspace_names_the_location_that_runs_carry() -> None:
    [origin] = location_origins_from_yaml_paths([str(ROOT / "workspace.yaml")])

    source = DefinitionsSource()

    assert origin.location_name == source.location_name
    assert origin.loadable_target_origin.module_name == source.module


def test_the_client_is_imported_without_dagster() -> None:
    code = "import sys, shopkart_pipeline.engine.warm_client; sys.exit('dagster' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], env={**os.environ}, check=False).returncode == 0
