"""A home of the bench's own with the pipeline running in it, as it runs every day: engine, receiver and daemon.

Nothing of the user's home is touched but `cache/bench`, where peers are installed.
"""

import json
import shutil
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from shopkart_pipeline.adapters._process import Command, run
from shopkart_pipeline.cli.bench.repository import BenchRepository, Pushed
from shopkart_pipeline.cli.demo.repository import post_webhook
from shopkart_pipeline.cli.stack import (
    ROOT,
    Stack,
    free_port,
    start_daemon,
    start_engine,
    start_receiver,
    start_signer,
    wait_for_engine,
    wait_for_port,
)
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.evidence import EvidenceMissing, StageRecord
from shopkart_pipeline.engine.run_records import Ended, RunRecords
from shopkart_pipeline.engine.warm_client import ServerOptions
from shopkart_pipeline.engine.warm_paths import WarmPaths
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.settings import Settings, from_environment, variables_for, webhook_secrets_of
from shopkart_pipeline.wiring import build_platform

PEERS = ("make", "buildbot", "dagster")
DEFAULT_PEERS = ("make", "buildbot")
_LAST_STAGE = "published_image"
_LOOK_SECONDS = 0.05
_PROCESS_SECONDS = 900.0


@dataclass(frozen=True)
class Surroundings:
    """What every measurement is given."""

    settings: Settings
    """Of the person who asked; its home holds the cache and the folder for the bench's own homes."""
    repeats: int
    peers: tuple[str, ...] = DEFAULT_PEERS
    service_counts: tuple[int, ...] = (10, 100, 1000)
    release_counts: tuple[int, ...] = (10, 100, 1000, 10_000)
    receiver_seconds: float = 10.0

    @property
    def cache(self) -> Path:
        return self.settings.home / "cache" / "bench"

    @contextmanager
    def folder(self) -> Generator[Path]:
        """An empty folder, gone afterwards unless something failed: then the logs in it are wanted."""
        root = self.settings.home / "bench"
        root.mkdir(parents=True, exist_ok=True)
        folder = Path(mkdtemp(dir=root))
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


def own_settings(home: Path, declaration: Path) -> Settings:
    """Settings for a home of the bench's own."""
    return replace(
        from_environment({"SHOPKART_HOME": str(home), "SHOPKART_DECLARATION": str(declaration)}),
        runtime="process",
        receiver_port=free_port(),
        web_port=free_port(),
    )


def ask_process(settings: Settings, module: str, *arguments: str) -> Any:
    """What a module of `bench_processes` answers, run as a process of its own."""
    command: Sequence[str] = [sys.executable, "-m", f"shopkart_pipeline.bench_processes.{module}", *arguments]
    log = settings.home / "logs" / f"{module}.log"
    done = run(Command(command, ROOT, _PROCESS_SECONDS, variables_for(settings), log=log, capture=True, confined=False))
    if problem := done.failure(module):
        raise ToolUnavailable(f"{problem}.", f"See {log}.")
    return json.loads(done.stdout)


@dataclass(frozen=True)
class Told:
    """One release from the webhook to the end of continuous integration; times are seconds since the epoch."""

    posted_at: float
    run_id: str
    records: dict[str, StageRecord]

    @property
    def first_stage_at(self) -> float:
        return min(record.started_at.timestamp() for record in self.records.values())


class RunningPipeline:
    """The pipeline at work in a home of its own, with a repository that it watches."""

    def __init__(self, settings: Settings, repository: BenchRepository) -> None:
        self.settings, self.repository, self.changes = settings, repository, 0
        self._secret = webhook_secrets_of(settings)[0]
        self._records = RunRecords(WarmPaths(settings.dagster_home).runs)

    @cached_property
    def platform(self) -> Platform:
        return build_platform(self.settings)

    def post(self, pushed: Pushed) -> float:
        """Tell the receiver of a push; returns when it was told."""
        at = self.platform.clock.now().timestamp()
        address = f"http://127.0.0.1:{self.settings.receiver_port}/webhooks/github"
        status = post_webhook(address, pushed.delivery_id, pushed.body, self._secret)
        if status != 202:
            raise ToolUnavailable(f"The receiver answered {status}.", "See its log in the bench's home.")
        return at

    def release(self, service: str, pushed: Pushed, timeout_seconds: float = 300.0) -> Told:
        """Post a push and wait until continuous integration of the service is over and its worker gone."""
        posted_at, deadline = self.post(pushed), time.monotonic() + timeout_seconds
        records: dict[str, StageRecord] = {}
        while time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            releases = self.platform.evidence.releases(service, 1)
            if not releases or releases[0].sha != pushed.sha:
                continue
            records = dict(self.platform.evidence.latest(service, releases[0].key))
            for record in records.values():
                if isinstance(record.result, EvidenceMissing):
                    raise ToolUnavailable(f"{record.stage}: {record.result.reason}", f"See {self.settings.home}.")
            run_ids = {record.run_id for record in records.values()}
            if any(isinstance(self._records.read(run_id), Ended) for run_id in run_ids):
                records = dict(self.platform.evidence.latest(service, releases[0].key))
                if _LAST_STAGE in records:
                    return Told(posted_at, records[_LAST_STAGE].run_id, records)
                break
        raise ToolUnavailable(f"{service} did not get through, only {sorted(records)}.", f"See {self.settings.home}.")

    def run_ends(self, run_ids: Sequence[str]) -> list[float]:
        """When each run was over for Dagster."""
        times = ask_process(self.settings, "run_times", str(self.settings.dagster_home), *run_ids)
        return [times[run_id]["ended"] for run_id in run_ids]


@contextmanager
def running_pipeline(
    home: Path, declaration: Path, repository: str, definitions_module: str | None = None
) -> Generator[RunningPipeline]:
    """Start engine, receiver and daemon, and stop them afterwards.

    Args:
        home: where everything is kept.
        declaration: what is released and how.
        repository: full name of the repository that is pushed to.
        definitions_module: the code location; the pipeline's own by default.
    """
    settings = own_settings(home, declaration)
    options = ServerOptions()
    options = replace(options, definitions_module=definitions_module or options.definitions_module)
    _configure(settings, options.definitions_module)
    clone = BenchRepository(home / "git" / f"{repository}.git", home / "clone", repository)
    running, stack = RunningPipeline(settings, clone), Stack(settings)
    try:
        start_signer(stack)
        start_engine(stack, options)
        wait_for_engine(stack)
        start_receiver(stack)
        start_daemon(stack, settings.home / "workspace.yaml")
        wait_for_port(stack, settings.receiver_port)
        yield running
    finally:
        stack.stop()


def _configure(settings: Settings, module: str) -> None:
    """The shipped configuration, for another code location."""
    settings.dagster_home.mkdir(parents=True)
    for name, folder in (("dagster.yaml", settings.dagster_home), ("workspace.yaml", settings.home)):
        shipped = (ROOT / name).read_text()
        (folder / name).write_text(shipped.replace("shopkart_pipeline.definitions", module))
