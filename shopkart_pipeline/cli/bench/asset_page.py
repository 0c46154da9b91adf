"""Asks the web interface what its page of an asset asks: partitions and their states, latest events, checks."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx

from shopkart_pipeline.cli.bench.surroundings import RunningPipeline
from shopkart_pipeline.cli.stack import Stack, start_web, wait_for_port
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.engine.web_options import WebOptions

_ANSWER_SECONDS = 120.0
_QUERY = """
query AssetPage($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      partitionKeysByDimension { name partitionKeys }
      assetPartitionStatuses {
        ... on DefaultPartitionStatuses { materializedPartitions failedPartitions materializingPartitions }
      }
      assetMaterializations(limit: 100) { runId partition timestamp }
      assetChecksOrError {
        ... on AssetChecks { checks { name executionForLatestMaterialization { runId status } } }
      }
    }
  }
}
"""


@contextmanager
def running_web(pipeline: RunningPipeline) -> Generator[str]:
    """The web interface of a pipeline that runs; gives its address."""
    stack = Stack(pipeline.settings)
    try:
        workspace = pipeline.settings.home / "workspace.yaml"
        start_web(stack, WebOptions("127.0.0.1", pipeline.settings.web_port, workspace=workspace))
        wait_for_port(stack, pipeline.settings.web_port)
        yield f"http://127.0.0.1:{pipeline.settings.web_port}/graphql"
    finally:
        stack.stop_processes()


def ask_asset_page(url: str, service: str, stage: str) -> float:
    """Ask once; returns how many seconds the answer took. Raises `ToolUnavailable` for one without the asset."""
    variables = {"key": {"path": [service, stage]}}
    began = time.monotonic()
    answer = httpx.post(url, json={"query": _QUERY, "variables": variables}, timeout=_ANSWER_SECONDS)
    taken = time.monotonic() - began
    body: dict[str, Any] = answer.raise_for_status().json()
    if body.get("errors") or "partitionKeysByDimension" not in body["data"]["assetNodeOrError"]:
        raise ToolUnavailable(f"The web interface does not know {service}/{stage}: {str(body)[:300]}", "See its log.")
    return taken
