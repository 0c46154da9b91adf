"""Stock Dagster: its webserver, default run launcher and multiprocess executor, with eleven assets that do nothing.

It has no webhook, so a GraphQL launch takes its place. Every run starts an interpreter, and every step another one.
"""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from shopkart_pipeline.adapters._process import Background
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.cli.bench.peers import NEEDS, Peer, Timing, await_port
from shopkart_pipeline.cli.stack import free_port
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.settings import from_environment, variables_for

_START_SECONDS, _RUN_SECONDS, _LOOK_SECONDS = 120.0, 300.0, 0.5
_HEAD = """\
import dagster as dg


def stage(name, needs):
    gate = dg.AssetCheckSpec("gate", asset=name)

    @dg.asset(name=name, deps=needs, check_specs=[gate])
    def made():
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="gate", passed=True)])

    return made


"""
_LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""
_STATE = """
query State($id: ID!) {
  runOrError(runId: $id) { ... on Run { status endTime stepStats { startTime } } }
}
"""


class DagsterPeer(Peer):
    """A webserver that launches runs."""

    name = "stock Dagster"

    def __init__(self, port: int, version: str) -> None:
        self._url = f"http://127.0.0.1:{port}/graphql"
        self.version = version

    def sample(self) -> Timing:
        selector = {
            "repositoryLocationName": "stock.py",
            "repositoryName": "__repository__",
            "pipelineName": "ci",
        }
        posted_at = SystemClock().now().timestamp()
        launched = self._ask(_LAUNCH, {"params": {"selector": selector, "mode": "default"}})["launchRun"]
        if "run" not in launched:
            raise ToolUnavailable(f"Dagster did not launch: {launched['__typename']}.", "See the peer's log.")
        deadline = time.monotonic() + _RUN_SECONDS
        while time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            run = self._ask(_STATE, {"id": launched["run"]["runId"]})["runOrError"]
            if run["status"] == "SUCCESS":
                first = min(step["startTime"] for step in run["stepStats"])
                return Timing(first - posted_at, run["endTime"] - posted_at)
            if run["status"] in ("FAILURE", "CANCELED"):
                break
        raise ToolUnavailable("Dagster's run did not succeed.", "See the peer's log.")

    def _ask(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.post(self._url, json={"query": query, "variables": variables}, timeout=60).raise_for_status()
        return answer.json()["data"]


@contextmanager
def running_dagster(folder: Path) -> Generator[DagsterPeer]:
    """Start a webserver with a home of its own, and stop it afterwards."""
    home = folder / "home"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (folder / "stock.py").write_text(definitions())
    port, binaries = free_port(), Path(sys.executable).parent
    variables = variables_for(from_environment()) | {"DAGSTER_HOME": str(home)}
    where = ["-f", str(folder / "stock.py"), "-d", str(folder), "-h", "127.0.0.1", "-p", str(port)]
    program = [str(binaries / "dagster-webserver"), *where]
    server = Background("dagster-webserver", program, variables, folder / "webserver.log")
    try:
        await_port(port, server, _START_SECONDS)
        yield DagsterPeer(port, "Dagster with its default launcher and executor, launched through GraphQL")
    finally:
        server.stop(20.0)


def definitions() -> str:
    """A module with the eleven stages and a job of them."""
    assets = "".join(f"    stage({name!r}, {list(needs)!r}),\n" for name, needs in NEEDS.items())
    return f'{_HEAD}assets = [\n{assets}]\ndefs = dg.Definitions(assets=assets, jobs=[dg.define_asset_job("ci")])\n'
