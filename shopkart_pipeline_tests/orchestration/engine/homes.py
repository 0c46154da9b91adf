"""Instance homes for the engine's tests, and waiting for what happens in them."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import dagster as dg

from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.engine.instance import SHIPPED_CONFIG, open_instance
from shopkart_pipeline.engine.launch import launch_once
from shopkart_pipeline.engine.launcher import WarmRunLauncher
from shopkart_pipeline.engine.run_records import NoRecord, Running, RunRecord, RunRecords
from shopkart_pipeline.engine.warm_client import WarmClient
from shopkart_pipeline.engine.warm_paths import WarmPaths

SAMPLE_DEFINITIONS = f"{__package__}.sample_definitions"
Seen = TypeVar("Seen")


def sample_config(folder: Path, **changes: str) -> Path:
    """The shipped configuration for the sample definitions, with `changes` to single values."""
    text = SHIPPED_CONFIG.read_text().replace("shopkart_pipeline.definitions", SAMPLE_DEFINITIONS)
    lines = [_changed(line, changes) for line in text.splitlines()]
    path = folder / "shipped.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def _changed(line: str, changes: dict[str, str]) -> str:
    key = line.strip().partition(":")[0]
    return f"{line.partition(':')[0]}: {changes[key]}" if key in changes else line


def wait_for(look: Callable[[], Seen], timeout_seconds: float = 180.0) -> Seen:
    """What `look` returns when that is true for the first time."""
    deadline = time.monotonic() + timeout_seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"waited for {timeout_seconds} seconds in vain"
        time.sleep(0.02)
    return seen


@dataclass(frozen=True)
class Home:
    """An instance home that may have a server."""

    paths: WarmPaths
    instance: dg.DagsterInstance

    @staticmethod
    @contextmanager
    def opened(folder: Path, **changes: str) -> Iterator["Home"]:
        """The home `folder/dagster`; its server and all its workers are gone afterwards."""
        with open_instance(folder / "dagster", sample_config(folder, **changes)) as instance:
            home = Home(WarmPaths(folder / "dagster"), instance)
            try:
                yield home
            finally:
                home.stop()

    @property
    def launcher(self) -> WarmRunLauncher:
        launcher = self.instance.run_launcher
        assert isinstance(launcher, WarmRunLauncher)
        return launcher

    @property
    def client(self) -> WarmClient:
        return WarmClient(self.paths.home)

    @property
    def scratch(self) -> Path:
        return self.paths.home / "scratch"

    def launch(
        self,
        job_name: str,
        key: str,
        partition_key: str | None = None,
        selected: dg.AssetKey | None = None,
        **tags: str,
    ) -> str:
        """Launch a run of a job, or of one selected asset of it; its id."""
        launched = launch_once(
            self.instance,
            key=key,
            job_name=job_name,
            asset_selection=[selected] if selected else None,
            partition_key=partition_key,
            tags={"who": "a test", **{f"shopkart/{name}": value for name, value in tags.items()}},
        )
        return launched.run_id

    def run(self, run_id: str) -> dg.DagsterRun:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run

    def record(self, run_id: str) -> RunRecord | NoRecord:
        return RunRecords(self.paths.runs).read(run_id)

    def ended(self, run_id: str) -> dg.DagsterRun:
        """The run when it has ended and nobody writes to its log any more."""
        wait_for(lambda: self.run(run_id).is_finished and not self._is_worked_on(run_id))
        return self.run(run_id)

    def _is_worked_on(self, run_id: str) -> bool:
        record = self.record(run_id)
        return isinstance(record, Running) and record.worker.is_alive()

    def began(self, run_id: str) -> int:
        """The pid of the worker that executes the run's waiting step, when it does."""
        wait_for(lambda: (self.scratch / f"{run_id}.began").exists())
        record = self.record(run_id)
        assert isinstance(record, Running)
        return record.worker.pid

    def server_pid(self) -> int:
        return int(self.client.status()["pid"])

    def stop(self) -> None:
        with contextlib.suppress(ToolUnavailable):
            pid = self.server_pid()
            self.client.shutdown(stop_runs=True)
            wait_for(lambda: not is_alive(pid))
        for record in RunRecords(self.paths.runs).all():
            if isinstance(record, Running) and record.worker.is_alive():
                os.killpg(record.worker.pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
