"""Two processes drain one real inbox at once, and a third is killed in the middle: one run for each thing that asks.

Everything is real but the execution of runs: git, the stores, Dagster's instance and the shipped definitions.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dagster import AssetKey, AssetRecordsFilter, DagsterEventType, DagsterInstance

from shopkart_pipeline.adapters.sqlite_inbox import SqliteInbox
from shopkart_pipeline.domain.release import pull_request_key
from shopkart_pipeline.engine.instance import open_instance
from shopkart_pipeline.ports.inbox import Delivery

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
REPOSITORY = "shopkart/pair"
DECLARATION = f"""
version: 1
defaults:
  owners: [team:shop]
  source: {{repository: {REPOSITORY}, remote: "{{home}}/remote", path: "{{service}}"}}
  environments:
    production: {{approvals: {{approvers: [maya@shopkart.example]}}}}
services:
  one: {{workload: {{command: [python, -m, one]}}}}
  two: {{workload: {{command: [python, -m, two]}}}}
"""
LAUNCHER = """
instance_class: {module: shopkart_pipeline.engine.instance, class: WarmInstance}
run_launcher: {module: shopkart_pipeline_tests.fakes.standing_runs, class: StandingRuns}
run_coordinator:
  module: dagster._core.run_coordinator.sync_in_memory_run_coordinator
  class: SyncInMemoryRunCoordinator
telemetry: {enabled: false}
"""


@dataclass(frozen=True)
class Pair:
    """A home with a repository of two services."""

    home: Path

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=Ana", "-c", "user.email=ana@shopkart.example", "-c", "init.defaultBranch=main"]
        remote = self.home / "remote"
        done = subprocess.run(["git", *identity, *arguments], cwd=remote, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, path: str) -> str:
        file = self.home / "remote" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{file.read_text() if file.exists() else ''}x\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=change")
        return self.git("rev-parse", "HEAD")

    def put(self, name: str, event: str, body: dict[str, object]) -> None:
        told = {"repository": {"full_name": REPOSITORY}, "sender": {"login": "ana"}, **body}
        SqliteInbox(self.home / "inbox.db").put(Delivery(name, event, NOON, json.dumps(told).encode()))

    def pending(self) -> tuple[Delivery, ...]:
        return SqliteInbox(self.home / "inbox.db").pending()

    @contextmanager
    def drainers(self, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
        """Processes that have loaded everything and drain when they are told to."""
        environment = os.environ | {
            "SHOPKART_HOME": str(self.home),
            "SHOPKART_DECLARATION": str(self.home / "shopkart.yaml"),
        }
        command = [sys.executable, "-m", "shopkart_pipeline_tests.orchestration.drain_home", str(self.home)]
        processes = [
            subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for _ in range(count)
        ]
        try:
            for process in processes:
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
            yield processes
        finally:
            for process in processes:
                process.kill()
                process.communicate()


def go(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    (tmp_path / "remote").mkdir()
    (tmp_path / "shopkart.yaml").write_text(DECLARATION)
    (tmp_path / "dagster.yaml").write_text(LAUNCHER)
    open_instance(tmp_path / "dagster", tmp_path / "dagster.yaml").dispose()
    pair = Pair(tmp_path)
    pair.git("init", "--quiet")
    return pair


def tell(pair: Pair) -> dict[str, str]:
    """Merges of one service, a pull request of the other whose head moved, and every event told twice; the runs that
    there have to be, each with how it has to stand."""
    before = pair.commit("README.md")
    merges = [pair.commit("one/app.py") for _ in range(3)]
    for sha, previous in zip(merges, [before, *merges], strict=False):
        for time_told in range(2):
            push = {"ref": "refs/heads/main", "before": previous, "after": sha}
            pair.put(f"push-{sha[:12]}-{time_told}", "push", push)
    pair.git("checkout", "--quiet", "-b", "proposed")
    heads = [pair.commit("two/app.py") for _ in range(2)]
    pair.git("update-ref", "refs/pull/7/head", heads[-1])
    pair.git("checkout", "--quiet", "main")
    pair.git("branch", "--quiet", "-D", "proposed")
    for second, (sha, action) in enumerate(zip(heads, ["opened", "synchronize"], strict=True)):
        for time_told in range(2):
            pull_request = {
                "base": {"ref": "main", "sha": merges[-1]},
                "head": {"sha": sha, "repo": None},
                "updated_at": f"2025-03-04T12:00:0{second}Z",
            }
            body = {"action": action, "number": 7, "pull_request": pull_request}
            pair.put(f"{action}-{time_told}", "pull_request", body)
    expected = {f"one@{sha[:12]}": "STARTED" for sha in merges}
    return expected | {f"two@{heads[0][:12]}": "CANCELED", f"two@{heads[1][:12]}": "STARTED"}


def runs(instance: DagsterInstance) -> list[tuple[str, str]]:
    """Service and commit of every run, and how it stands."""
    found: list[tuple[str, str]] = []
    for run in instance.get_runs():
        service, _, key = run.tags["shopkart/release"].partition("@")
        found.append((f"{service}@{key.rpartition('-')[2]}", run.status.value))
    return found


@pytest.mark.load
def test_whoever_drains_and_dies_there_is_one_run_for_each_commit_and_service(pair: Pair) -> None:
    expected = tell(pair)

    with pair.drainers(3) as (doomed, first, second):
        go(doomed)
        time.sleep(0.4)
        doomed.send_signal(signal.SIGKILL)
        for process in (first, second):
            go(process)
        assert [process.wait(300) for process in (first, second)] == [0, 0]

    assert pair.pending() == ()
    with DagsterInstance.from_config(str(pair.home / "dagster")) as instance:
        assert dict(runs(instance)) == expected
        assert len(runs(instance)) == len(expected)
        starts = [instance.all_logs(run.run_id, of_type=DagsterEventType.RUN_START) for run in instance.get_runs()]
        assert [len(found) for found in starts] == [1] * len(expected)
        observations = instance.fetch_observations(AssetRecordsFilter(AssetKey(["two", "source"])), limit=100).records
        shown = [str(record.partition_key) for record in observations]
        assert len(shown) == len(set(shown)) == 3
        assert not any(key.startswith(pull_request_key(7)) for key in shown)
