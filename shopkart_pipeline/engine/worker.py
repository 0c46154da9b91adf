"""What a forked child of the warm server does: execute one run, or call one function, with an instance of its own.

Nothing of Dagster's storages is inherited; the instance is opened here and closed here. A run is executed by the same
function as `dagster api execute_run`, so its events are those of any other launcher.
"""

import importlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import cast

from dagster import DagsterInstance

# Private: the body of the command that all other launchers start; there is no public equivalent.
from dagster._cli.api import _execute_run_command_body  # pyright: ignore[reportPrivateUsage]
from dagster._core.instance.ref import InstanceRef
from dagster._serdes import deserialize_value
from dagster._utils.interrupts import capture_interrupts, setup_interrupt_handlers

from shopkart_pipeline.engine.warm_paths import WarmPaths


def execute_run(paths: WarmPaths, run_id: str) -> int:
    """Execute a run. Returns 0 when its outcome is in the event log, whatever it is."""
    setup_interrupt_handlers()
    with capture_interrupts(), open_from(paths) as instance:
        execute_in(instance, run_id)
        run = instance.get_run_by_id(run_id)
        return 0 if run is None or run.is_finished else 1


def execute_in(instance: DagsterInstance, run_id: str) -> None:
    """Execute a run of an instance in this process; errors are in its event log."""
    _execute_run_command_body(run_id, instance, lambda _: None, set_exit_code_on_failure=False)


def call_function(paths: WarmPaths, target: str) -> int:
    """Call `module:function` with the instance. Returns 0 when it returned."""
    module, _, name = target.partition(":")
    function = cast("Callable[[DagsterInstance], object]", getattr(importlib.import_module(module), name))
    with open_from(paths) as instance:
        function(instance)
    return 0


def open_from(paths: WarmPaths) -> DagsterInstance:
    """Open the instance of a home."""
    return DagsterInstance.from_ref(describe(paths))


def describe(paths: WarmPaths) -> InstanceRef:
    """The instance of a home as its launcher described it, or else as its `dagster.yaml` does.

    The server calls this before each fork, so that children have it without reading anything.
    """
    described = paths.instance_ref if paths.instance_ref.exists() else paths.home / "dagster.yaml"
    return _describe(described, described.stat().st_mtime_ns if described.exists() else 0)


@lru_cache(maxsize=1)
def _describe(path: Path, modified_ns: int) -> InstanceRef:
    del modified_ns  # Part of the key only.
    if path.suffix == ".json":
        return deserialize_value(path.read_text(), InstanceRef)
    return InstanceRef.from_dir(str(path.parent))
