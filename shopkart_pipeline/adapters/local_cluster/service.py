"""Runs the controller, stops it, and waits for it."""

import asyncio
import contextlib
import logging
import logging.handlers
import signal
import time
from collections.abc import Generator, Sequence
from pathlib import Path

from shopkart_pipeline.adapters.local_cluster.controller import Controller
from shopkart_pipeline.adapters.local_cluster.documents import locked
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.presence import controller_state
from shopkart_pipeline.adapters.local_cluster.process_runtime import ProcessRuntime
from shopkart_pipeline.adapters.local_cluster.processes import Processes
from shopkart_pipeline.adapters.local_cluster.runtime import DEFAULT_HOST, Runtime
from shopkart_pipeline.adapters.local_cluster.state import CONTROLLER, SHUTDOWN, Phase, ShutdownRequest
from shopkart_pipeline.domain.errors import NotFound, Refused, ToolUnavailable
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.registry import ImageRegistry

ENVIRONMENTS = ("staging", "production")
_LOG_BYTES = 2_000_000
_LOCK_SECONDS = 1.0
_POLL_SECONDS = 0.02


def serve(
    home: Path,
    registry: ImageRegistry,
    clock: Clock,
    *,
    environments: Sequence[str] = ENVIRONMENTS,
    runtime: str = ProcessRuntime.name,
    docker_host: str = DEFAULT_HOST,
    stop_workloads: bool = True,
) -> None:
    """Be the controller of a home until a signal or `shutdown` ends it. Must run in a process's main thread.

    Args:
        home: the product's home; everything is kept in `<home>/cluster`.
        registry: where images come from, from a repository that is called as the service unless a workload says
            another.
        environments: each gets datastores of its own.
        runtime: `process` or `docker`.
        docker_host: address of the engine, for `docker`.
        stop_workloads: what SIGINT and SIGTERM mean: stop everything in order, or leave everything running for the
            next controller. A second signal ends everything at once.

    Raises:
        Refused: another controller looks after this home.
    """
    folders = Folders(home)
    with _in_charge(folders), _logging(folders):
        processes = Processes(str(folders.root))
        chosen = _runtime(runtime, folders, processes, registry, docker_host)
        asyncio.run(_serve(folders, registry, clock, processes, chosen, tuple(environments), stop_workloads))


def _runtime(name: str, folders: Folders, processes: Processes, registry: ImageRegistry, docker_host: str) -> Runtime:
    match name:
        case ProcessRuntime.name:
            return ProcessRuntime(processes)
        case "docker":
            # The engine's client is loaded where containers run, and nowhere else.
            from shopkart_pipeline.adapters.local_cluster.container_runtime import ContainerRuntime

            return ContainerRuntime(str(folders.root), registry, docker_host)
        case _:
            raise NotFound(f"There is no runtime {name}.", "Use `process` or `docker`.")


async def _serve(
    folders: Folders,
    registry: ImageRegistry,
    clock: Clock,
    processes: Processes,
    runtime: Runtime,
    environments: tuple[str, ...],
    stop_workloads: bool,
) -> None:
    controller = Controller(folders, registry, clock, processes, runtime, environments)
    told = False

    def on_signal() -> None:
        nonlocal told
        if told:
            processes.sweep(())
        told = True
        controller.stop(workloads=stop_workloads)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    await controller.run()


@contextlib.contextmanager
def _in_charge(folders: Folders, timeout_seconds: float = _LOCK_SECONDS) -> Generator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(folders.controller_lock, timeout_seconds))
        except ToolUnavailable as error:
            raise Refused(
                f"Another controller looks after {folders.home}.", "Use that one, or stop it before starting another."
            ) from error
        yield


@contextlib.contextmanager
def _logging(folders: Folders) -> Generator[None]:
    path = folders.server_log("controller")
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger(__package__)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()


def wait_ready(home: Path, timeout_seconds: float, clock: Clock) -> None:
    """Wait until the controller of a home, its load balancer and all datastores serve.

    Raises:
        ToolUnavailable: they don't in time; says what is missing.
    """
    folders, deadline_seconds = Folders(home), time.monotonic() + timeout_seconds
    while True:
        try:
            state = controller_state(folders, clock.now())
            if state.phase is Phase.READY:
                return
            missing = ToolUnavailable(
                f"The local cluster is not ready: {', '.join(state.waits_for) or state.phase.value}.",
                f"See the logs in {folders.logs / 'servers'}.",
            )
        except ToolUnavailable as error:
            missing = error
        if time.monotonic() >= deadline_seconds:
            raise missing
        clock.sleep(_POLL_SECONDS)


def shutdown(
    home: Path,
    registry: ImageRegistry,
    clock: Clock,
    timeout_seconds: float,
    *,
    environments: Sequence[str] = ENVIRONMENTS,
    docker_host: str = DEFAULT_HOST,
    stop_workloads: bool = True,
) -> None:
    """Stop the controller of a home. What is wanted stays on disk: the next start brings all of it back.

    Args:
        timeout_seconds: how long to wait; draining takes as long as the services declare.
        stop_workloads: replicas, load balancer and datastores too. Works without a controller as well: then what
            a dead one has left is stopped.

    Raises:
        ToolUnavailable: it did not end in time.
    """
    folders, deadline_seconds = Folders(home), time.monotonic() + timeout_seconds
    if not folders.root.is_dir():
        return
    while _someone_in_charge(folders, clock):
        if not folders.shutdown_request.exists():
            SHUTDOWN.write(folders.shutdown_request, ShutdownRequest(stop_workloads), durable=False)
        if time.monotonic() >= deadline_seconds:
            raise ToolUnavailable(
                f"The local cluster did not stop within {timeout_seconds:g} s.", f"See {folders.logs / 'servers'}."
            )
        clock.sleep(_POLL_SECONDS)
    if stop_workloads:
        with _in_charge(folders, max(_LOCK_SECONDS, deadline_seconds - time.monotonic())):
            asyncio.run(_clear(folders, registry, clock, tuple(environments), docker_host))


def _someone_in_charge(folders: Folders, clock: Clock) -> bool:
    try:
        controller_state(folders, clock.now())
    except ToolUnavailable:
        return False
    return True


async def _clear(
    folders: Folders, registry: ImageRegistry, clock: Clock, environments: tuple[str, ...], docker_host: str
) -> None:
    """Stop what a dead controller has left; after an orderly end that is nothing."""
    dead = CONTROLLER.read(folders.controller)
    processes = Processes(str(folders.root))
    if dead is None:
        processes.sweep(())
        return
    runtime = _runtime(dead.runtime, folders, processes, registry, docker_host)
    controller = Controller(folders, registry, clock, processes, runtime, environments)
    controller.stop(workloads=True)
    await controller.run()
