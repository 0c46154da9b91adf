"""Two code servers, started as the manifests say, are one to whoever asks them, and one of them suffices."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import grpc
import pytest
from dagster._grpc.client import DagsterGrpcClient
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shopkart_pipeline_tests.pipeline_installation import IMAGE, objects

MODULE = "shopkart_pipeline_tests.orchestration.engine.sample_definitions"
START_SECONDS = 60.0


def command(port: int) -> list[str]:
    """The Deployment's own, with other definitions and another port, as the kubelet would fill it in."""
    [container] = objects("Deployment")["shopkart-code-server"]["spec"]["template"]["spec"]["containers"]
    words = [word.replace("$(SHOPKART_IMAGE)", IMAGE) for word in container["command"]]
    given = {"--host": "127.0.0.1", "--port": str(port), "--module-name": MODULE}
    for number, word in enumerate(words):
        name = word.partition("=")[0]
        words[number] = f"{name}={given[name]}" if name in given else word
    return [str(Path(sys.executable).with_name(words[0])), *words[1:]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def serves(port: int) -> bool:
    """What the kubelet's probe asks."""
    [container] = objects("Deployment")["shopkart-code-server"]["spec"]["template"]["spec"]["containers"]
    asked = health_pb2.HealthCheckRequest(service=container["readinessProbe"]["grpc"]["service"])
    with contextlib.suppress(grpc.RpcError), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(asked, timeout=2)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
    return False


@contextlib.contextmanager
def service(ports: list[int]) -> Generator[int]:
    """Connects callers to the servers by turns, and to another one where one is away, as a Service does."""
    listening, turns = socket.create_server(("127.0.0.1", 0)), itertools.count()

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                target.sendall(piece)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def connected(near: socket.socket) -> None:
        for number in range(next(turns), next(turns) + len(ports)):
            with contextlib.suppress(OSError):
                far = socket.create_connection(("127.0.0.1", ports[number % len(ports)]), timeout=5)
                with near, far:
                    back = threading.Thread(target=pump, args=(far, near))
                    back.start()
                    pump(near, far)
                    back.join()
                return

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=connected, args=(listening.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[dict[int, "subprocess.Popen[bytes]"]]:
    variables = {**os.environ, "DAGSTER_HOME": str(tmp_path)}
    ports = [free_port(), free_port()]
    with (tmp_path / "log").open("wb") as log:
        started = {port: subprocess.Popen(command(port), env=variables, stdout=log, stderr=log) for port in ports}
    try:
        deadline = time.monotonic() + START_SECONDS
        while not all(serves(port) for port in ports):
            assert time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.2)
        yield started
    finally:
        for process in started.values():
            process.kill()
            process.wait()


@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_two_are_one_to_their_callers_and_one_of_them_suffices(servers: dict[int, "subprocess.Popen[bytes]"]) -> None:
    with service(list(servers)) as port:
        ids = {DagsterGrpcClient(port=port, host="127.0.0.1").get_server_id() for _ in range(4)}
        # Another id would be new code to the webserver and the daemon, which would read everything anew.
        assert ids == {IMAGE}
        first, *_ = servers.values()
        first.send_signal(signal.SIGKILL)
        first.wait()
        answered = [DagsterGrpcClient(port=port, host="127.0.0.1").list_repositories() for _ in range(2)]
        assert all("__repository__" in str(each) for each in answered)
    assert [serves(port) for port in servers] == [False, True]
