"""A step of Dagster that is under way, for what needs its context; and the Kubernetes client as it was before."""

import queue
import threading
from collections.abc import Generator
from contextlib import contextmanager

import kubernetes
from dagster import AssetExecutionContext, DagsterInstance, MaterializeResult, asset, materialize


@contextmanager
def step_context() -> Generator[AssetExecutionContext]:
    """Of a step that is under way."""
    given, over = queue.SimpleQueue[AssetExecutionContext](), threading.Event()

    @asset(name="stage")
    def stage(context: AssetExecutionContext) -> MaterializeResult[object]:
        given.put(context)
        over.wait(900.0)
        return MaterializeResult()

    def execute() -> None:
        with DagsterInstance.ephemeral() as instance:
            materialize([stage], instance=instance)

    thread = threading.Thread(target=execute)
    thread.start()
    try:
        yield given.get(timeout=60.0)
    finally:
        over.set()
        thread.join(60.0)


@contextmanager
def kubernetes_default_kept() -> Generator[None]:
    """Dagster's launcher changes the client's defaults for the whole process."""
    kept = kubernetes.client.Configuration.get_default_copy()
    try:
        yield
    finally:
        kubernetes.client.Configuration.set_default(kept)
