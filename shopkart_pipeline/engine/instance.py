"""The Dagster instance of one home: what it is made of where `dagster.yaml` says nothing, and how a home begins.

`dagster.yaml` names `WarmInstance` as its instance class. That, and not a `storage:` entry, because only the class is
told the home: an entry would have to name a folder, and the same file is used with `DAGSTER_HOME` and, without it, by
`dagster dev`, which makes a temporary home and takes its configuration from the current folder. A `storage:` or
`compute_logs:` entry still wins.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from dagster import DagsterInstance
from dagster._core.instance.ref import InstanceRef, compute_logs_directory
from dagster._serdes import ConfigurableClassData

from shopkart_pipeline.engine.instance_home import SHIPPED_CONFIG, prepare_home

_EVENT_BATCH_SIZE = 200


class WarmInstance(DagsterInstance):
    """A Dagster instance that is quick with SQLite on one machine."""

    @staticmethod
    def config_schema() -> Mapping[str, Any]:
        """Keys of `dagster.yaml` beyond Dagster's own: none."""
        return {}

    @staticmethod
    def config_defaults(base_dir: str) -> Mapping[str, ConfigurableClassData | None]:
        """Dagster's defaults, but for storages and compute logs."""
        return {
            **InstanceRef.config_defaults(base_dir),
            "storage": _class_data("storage", "WarmSqliteStorage", base_dir),
            "compute_logs": _class_data("compute_logs", "FileComputeLogManager", compute_logs_directory(base_dir)),
        }

    def _get_event_batch_size(self) -> int:
        # Private: otherwise an environment variable of every process that creates a run. The events that announce a
        # run's assets and checks are the only ones that Dagster sends in batches.
        return _EVENT_BATCH_SIZE


def _class_data(module: str, name: str, base_dir: str) -> ConfigurableClassData:
    config = yaml.safe_dump({"base_dir": base_dir}, default_flow_style=False)
    return ConfigurableClassData(f"shopkart_pipeline.engine.{module}", name, config)


def open_instance(home: Path, shipped_config: Path = SHIPPED_CONFIG) -> DagsterInstance:
    """Prepare an instance home and open it; the caller closes it, best with `with`.

    Args:
        home: the folder that `DAGSTER_HOME` names; made when it does not exist.
        shipped_config: the `dagster.yaml` to copy into it. A copy that somebody edited is left as it is.

    Raises:
        ToolUnavailable: there is no `dagster.yaml` to copy.
    """
    prepare_home(home, shipped_config)
    return DagsterInstance.from_config(str(home.resolve()))
