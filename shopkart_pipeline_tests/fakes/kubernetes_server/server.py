"""Serves a world on a free port of this machine, with its controllers running, for as long as a test needs it."""

import base64
import json
import socket
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from shopkart_pipeline_tests.fakes.github_server.server import DroppableProtocol
from shopkart_pipeline_tests.fakes.kubernetes_server.controllers import step
from shopkart_pipeline_tests.fakes.kubernetes_server.serving import serve
from shopkart_pipeline_tests.fakes.kubernetes_server.tls import Certificate
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld


@contextmanager
def running_kubernetes(
    world: KubernetesWorld, step_seconds: float | None = 0.02, certificate: Certificate | None = None
) -> Generator[str]:
    """Serve a world; gives the address of its API.

    Args:
        world: what it knows and remembers.
        step_seconds: how often the controllers look, by this machine's clock; None: only when the test calls `step`.
        certificate: speak TLS with it.
    """

    async def answer(request: Request) -> Response:
        return await serve(world, request)

    methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
    application = Starlette(routes=[Route("/{path:path}", answer, methods=methods)])
    with socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        settings = uvicorn.Config(
            application,
            http=DroppableProtocol,
            ws="none",
            lifespan="off",
            log_level="critical",
            ssl_certfile=None if certificate is None else certificate.certificate,
            ssl_keyfile=None if certificate is None else certificate.key,
        )
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        if step_seconds is not None:
            stack.enter_context(_stepping(world, step_seconds))
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            scheme = "http" if certificate is None else "https"
            yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            world.memory["shut down"] = True
            server.should_exit = True
            thread.join()


def write_kubeconfig(
    path: Path, address: str, token: str, namespace: str = "default", certificate: Certificate | None = None
) -> Path:
    """A kubeconfig for the world, as an operator would have it."""
    cluster: dict[str, Any] = {"name": "emulated", "cluster": {"server": address}}
    if certificate is not None:
        authority = base64.b64encode(certificate.certificate.read_bytes()).decode()
        cluster["cluster"]["certificate-authority-data"] = authority
    user = {"name": "shopkart", "user": {"token": token}}
    context = {"name": "emulated", "context": {"cluster": "emulated", "user": "shopkart", "namespace": namespace}}
    document = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "users": [user], "contexts": [context]}
    path.write_text(json.dumps({**document, "current-context": "emulated"}))
    return path


@contextmanager
def _stepping(world: KubernetesWorld, step_seconds: float) -> Generator[None]:
    """The controllers' loop; a fault in it is raised when it ends, so that no test passes without controllers."""
    done, faults = threading.Event(), list[BaseException]()

    def loop() -> None:
        try:
            while not done.wait(step_seconds):
                step(world)
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    if faults:
        raise faults[0]
