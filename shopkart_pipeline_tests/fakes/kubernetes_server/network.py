"""Pods that really listen, the proxies before them, and load: so that failed requests can be counted.

A container answers on its pod's own loopback address and port until it is told to stop; a service's proxy and a
gateway pass each connection on to an endpoint, by what they know, which is a moment older than what is true. That is
the race that a workload without `preStop` loses. Readiness is not probed over this network: the behaviour says it."""

import asyncio
import json
import random
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.refusal import Document
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serving = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
_DEFAULT_PORT = 8080


@dataclass
class _Process:
    """A container that listens."""

    pod: Document
    server: asyncio.Server
    writers: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    draining: bool = False


@dataclass
class Network:
    """All of it, on one event loop."""

    world: KubernetesWorld
    loop: asyncio.AbstractEventLoop
    served: Counter[tuple[str, int]] = field(default_factory=Counter[tuple[str, int]])
    """Requests by image and status."""
    _processes: dict[str, _Process] = field(default_factory=dict[str, _Process])
    _proxies: dict[tuple[str, str, str], tuple[asyncio.Server, str]] = field(default_factory=dict[Any, Any])
    _serving: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _writers: "weakref.WeakSet[asyncio.StreamWriter]" = field(default_factory=weakref.WeakSet[asyncio.StreamWriter])

    def begin(self, uid: str, pod: Document, address: str) -> None:
        """Let a pod's container listen."""
        ports = pod["spec"]["containers"][0].get("ports", [])
        port = ports[0]["containerPort"] if ports else _DEFAULT_PORT

        async def listen() -> None:
            async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await self._serve(process, reader, writer)

            process = _Process(pod, await self._listening(connected, address, port))
            self._processes[uid] = process

        self._wait(listen())

    def term(self, uid: str) -> None:
        """SIGTERM: no new connections, unless it doesn't care."""
        process = self._processes.get(uid)
        if process is not None:
            process.draining = True
            if not self.world.behaviours.of(process.pod["spec"]["containers"][0]).listens_after_term:
                self._wait(_closed(process.server))

    def kill(self, uid: str) -> None:
        """SIGKILL, or its own end: whatever was open is cut off."""
        process = self._processes.pop(uid, None)
        if process is None:
            return

        async def end() -> None:
            process.server.close()
            for writer in list(process.writers):
                writer.transport.abort()

        self._wait(end())

    def service(self, namespace: str, name: str) -> str:
        """The address of a service's proxy."""
        return self._proxy("service", namespace, name)

    def gateway(self, namespace: str, route: str) -> str:
        """The address of the gateway, for one route."""
        return self._proxy("route", namespace, route)

    def load_balancer(self, namespace: str, ingress: str) -> str:
        """The address of an ALB."""
        return self._proxy("ingress", namespace, ingress)

    def known_endpoints(self, namespace: str, service: str) -> int:
        """How many endpoints a service's proxy passes connections on to now."""
        return len(self.world.memory.get("proxied", {}).get((namespace, service), []))

    def close(self) -> None:
        for uid in list(self._processes):
            self.kill(uid)
        for server, _ in self._proxies.values():
            self._wait(_closed(server))

    async def drained(self) -> None:
        """End what still goes on, until nothing new does: a connection just accepted brings a task of its own."""
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.sleep(0)
        for writer in list(self._writers):
            writer.transport.abort()
        for _ in range(3):  # Closed connections are let go in later turns of the loop.
            await asyncio.sleep(0)

    async def _listening(self, serve: Serving, host: str, port: int) -> asyncio.Server:
        """A server whose connections are known, and closed in the end, even where serving them never began."""

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            def ended(task: asyncio.Task[None]) -> None:
                self._serving.discard(task)
                writer.close()

            self._writers.add(writer)
            task = asyncio.get_running_loop().create_task(serve(reader, writer))
            self._serving.add(task)
            task.add_done_callback(ended)

        return await asyncio.start_server(connected, host, port)

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def _proxy(self, kind: str, namespace: str, name: str) -> str:
        async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            chosen = self._chosen(kind, namespace, name)
            if chosen is None:
                writer.transport.abort()
                return
            host, port = chosen.rsplit(":", 1)
            await self._joined((reader, writer), host, int(port))

        key = (kind, namespace, name)
        if key not in self._proxies:
            server = self._wait(self._listening(passed, "127.0.0.1", 0))
            self._proxies[key] = server, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return self._proxies[key][1]

    def _chosen(self, kind: str, namespace: str, name: str) -> str | None:
        """An endpoint for a new connection, by what the proxies know."""
        known: dict[tuple[str, str], list[str]] = self.world.memory.get("proxied", {})
        if kind != "service":
            shared = self.world.memory.get("routed" if kind == "route" else "balanced", {})
            backends = shared.get((namespace, name), [])
            backends = [(weight, service) for weight, service in backends if weight > 0]
            if not backends:
                return None
            name = random.choices([service for _, service in backends], [weight for weight, _ in backends])[0]
        endpoints = known.get((namespace, name), [])
        return random.choice(endpoints) if endpoints else None

    async def _serve(self, process: _Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        process.writers.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while not process.draining and (head := await reader.readuntil(b"\r\n\r\n")):
                    await self._respond(process, head, reader, writer)
        finally:
            process.writers.discard(writer)

    async def _joined(self, client: Streams, host: str, port: int) -> None:
        """Pass bytes both ways until either side ends; a connection that can't be made is refused to the client too."""
        try:
            pod = await asyncio.open_connection(host, port)
        except OSError:
            client[1].transport.abort()
            return
        self._writers.add(pod[1])

        async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                with suppress(OSError):
                    while chunk := await reader.read(65536):
                        writer.write(chunk)
                        await writer.drain()
            finally:
                writer.close()

        try:
            await asyncio.gather(pump(client[0], pod[1]), pump(pod[0], client[1]))
        finally:
            pod[1].close()

    async def _respond(self, process: _Process, head: bytes, reader: asyncio.StreamReader, writer: Any) -> None:
        path, headers = head.split(b" ", 2)[1].decode(), head.lower()
        if b"content-length:" in headers:
            await reader.readexactly(int(headers.split(b"content-length:")[1].split(b"\r\n")[0]))
        container = process.pod["spec"]["containers"][0]
        behaviour = self.world.behaviours.of(container)
        await asyncio.sleep(behaviour.latency_seconds)
        status = 500 if random.random() < behaviour.failing_share else behaviour.status
        status = (200 if behaviour.ready else 503) if "health" in path else status
        body = json.dumps({"image": container["image"], "pod": process.pod["metadata"]["name"], "path": path}).encode()
        connection = b"close" if process.draining or b"connection: close" in headers else b"keep-alive"
        fields = b"content-type: application/json\r\ncontent-length: %d\r\nconnection: %b" % (len(body), connection)
        writer.write(b"HTTP/1.1 %d Emulated\r\n%b\r\n\r\n%b" % (status, fields, body))
        await writer.drain()
        self.served[container["image"], status] += 1
        if connection == b"close":
            raise ConnectionResetError


@dataclass
class Load:
    """What happened to requests."""

    sent: int = 0
    failures: list[str] = field(default_factory=list[str])
    images: Counter[str] = field(default_factory=Counter[str])
    """Answers by image."""


@contextmanager
def running_network(world: KubernetesWorld) -> Generator[Network]:
    """Let the world's pods listen. Open it before pods begin."""
    world.pod_network = f"127.{random.randint(64, 250)}"
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    network = world.memory["processes"] = Network(world, loop)
    try:
        yield network
    finally:
        with world.lock:
            del world.memory["processes"]
        network.close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(network.drained())
        loop.close()


@contextmanager
def load_on(network: Network, address: str, per_second: float = 50.0) -> Generator[Load]:
    """Send requests meanwhile, each on a connection of its own; those under way at the end are waited for."""
    load, done = Load(), asyncio.Event()
    sending = asyncio.run_coroutine_threadsafe(_send(load, done, address, per_second), network.loop)
    try:
        yield load
    finally:
        network.loop.call_soon_threadsafe(done.set)
        sending.result(30)


async def _send(load: Load, done: asyncio.Event, address: str, per_second: float) -> None:
    under_way: set[asyncio.Task[None]] = set()
    while not done.is_set():
        task = asyncio.create_task(_request(load, address))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        await asyncio.sleep(1 / per_second)
    await asyncio.gather(*under_way)


async def _request(load: Load, address: str) -> None:
    load.sent += 1
    host, port = address.rsplit(":", 1)
    try:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(host, int(port))
            try:
                writer.write(b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")
                answer = await reader.read()
            finally:
                writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head:
            raise ConnectionError(head.split(b"\r\n")[0].decode() or "the connection was cut off")
        load.images[json.loads(body)["image"]] += 1
    except (OSError, TimeoutError) as error:
        load.failures.append(f"{type(error).__name__}: {error}")


async def _closed(server: asyncio.Server) -> None:
    server.close()
