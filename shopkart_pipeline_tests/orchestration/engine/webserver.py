"""A real `dagster-webserver` for the engine's tests, talked to as its own user interface does."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from shopkart_pipeline_tests.orchestration.engine.homes import SAMPLE_DEFINITIONS, wait_for

ROOT = Path(__file__).parents[3]
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
TERMINATE = """
mutation($runId: String!) {
  terminateRun(runId: $runId) { __typename ... on PythonError { message } }
}
"""
DRY_RUN = """
mutation($sensor: SensorSelector!) {
  sensorDryRun(selectorData: $sensor, cursor: "") {
    __typename
    ... on DryRunInstigationTick { evaluationResult { skipReason error { message } } }
    ... on PythonError { message }
  }
}
"""
LOCATION = {"repositoryName": "__repository__", "repositoryLocationName": "shopkart_pipeline"}
RUN = """
query($runId: ID!) {
  runOrError(runId: $runId) {
    ... on Run {
      status
      repositoryOrigin { repositoryLocationName repositoryName }
      assetSelection { path }
      pipelineSnapshotId
      tags { key value }
    }
  }
}
"""


@dataclass(frozen=True)
class Webserver:
    """A webserver that answers."""

    address: str

    def ask(self, query: str, **variables: object) -> dict[str, Any]:
        """The data that a GraphQL query returns."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.address}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def launch(self, job_name: str, selected: dg.AssetKey | None = None, **tags: str) -> str:
        """Launch a run as the launchpad does, or as the asset page does for one selected asset; its id."""
        selector: dict[str, Any] = {**LOCATION, "jobName": job_name}
        if selected:
            selector["assetSelection"] = [{"path": list(selected.path)}]
        metadata = {"tags": [{"key": key.replace("__", "/"), "value": value} for key, value in tags.items()]}
        params = {"selector": selector, "mode": "default", "runConfigData": {}, "executionMetadata": metadata}
        launched = self.ask(LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def run(self, run_id: str) -> dict[str, Any]:
        return self.ask(RUN, runId=run_id)["runOrError"]


@contextmanager
def webserver(home: Path, folder: Path) -> Iterator[Webserver]:
    """A webserver on an instance home, serving the sample definitions."""
    workspace = folder / "workspace.yaml"
    workspace.write_text(
        (ROOT / "workspace.yaml").read_text().replace("shopkart_pipeline.definitions", SAMPLE_DEFINITIONS)
    )
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with (folder / "webserver.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), "-w", str(workspace)],
            env={**os.environ, "DAGSTER_HOME": str(home)},
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        try:
            server = Webserver(f"http://127.0.0.1:{port}")
            wait_for(lambda: _answers(server.address) or process.poll() is not None, 300)
            assert process.poll() is None, (folder / "webserver.log").read_text()
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/server_info", timeout=5):
            return True
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
