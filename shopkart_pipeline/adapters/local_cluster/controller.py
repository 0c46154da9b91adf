"""The controller: compares what is wanted with what is there, again and again, and closes the gap.

It keeps nothing in memory that it couldn't find again: wishes, replicas, processes, ports and routes are on disk or
observable. It may be killed at any moment; what it started goes on serving, and the next controller takes it over.

Start: lock, take over what runs, end what nobody knows, servers first, then replicas. Stop: replicas in order, then
the load balancer, then the datastores; or nothing at all but itself.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Coroutine, Sequence
from typing import Any

from shopkart_pipeline.adapters.local_cluster.addresses import environment_urls, password_of, postgres_name, redis_name
from shopkart_pipeline.adapters.local_cluster.balancer import Balancer
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.images import Images
from shopkart_pipeline.adapters.local_cluster.log_files import rotate
from shopkart_pipeline.adapters.local_cluster.ports import Ports
from shopkart_pipeline.adapters.local_cluster.postgres_server import PostgresServer
from shopkart_pipeline.adapters.local_cluster.processes import Processes
from shopkart_pipeline.adapters.local_cluster.redis_server import RedisServer
from shopkart_pipeline.adapters.local_cluster.replica import Surroundings
from shopkart_pipeline.adapters.local_cluster.routes import Route, route_name
from shopkart_pipeline.adapters.local_cluster.runtime import Runtime
from shopkart_pipeline.adapters.local_cluster.servers import Handles, Keeper, Server
from shopkart_pipeline.adapters.local_cluster.state import CONTROLLER, SHUTDOWN, ControllerState, Phase
from shopkart_pipeline.adapters.local_cluster.variables import filled_in, redacted
from shopkart_pipeline.adapters.local_cluster.workload import Workload
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.registry import ImageRegistry

_logger = logging.getLogger(__name__)
_TICK_SECONDS = 0.05
_HEARTBEAT_SECONDS = 0.5
_ROTATION_SECONDS = 5.0


class Controller:
    """Looks after one home.

    Args:
        processes: the home's processes.
        runtime: what replicas run in.
        environments: names of the environments.
    """

    def __init__(
        self,
        folders: Folders,
        registry: ImageRegistry,
        clock: Clock,
        processes: Processes,
        runtime: Runtime,
        environments: Sequence[str],
    ) -> None:
        self._folders = folders
        self._clock = clock
        self._processes = processes
        self._runtime = runtime
        self._environments = tuple(environments)
        self._wake = asyncio.Event()
        self._ports = Ports(folders)
        self._handles = Handles(folders)
        self._images = Images(folders, registry)
        self._balancer = Balancer(folders, self._ports, self._wake.set)
        names = [name(environment) for environment in environments for name in (redis_name, postgres_name)]
        self._secrets = tuple(password_of(folders, name) for name in names)
        self._keepers = tuple(
            Keeper(server, processes, self._handles, self._wake.set) for server in (self._balancer, *self._datastores())
        )
        self._open: set[str] = set()
        self._workloads: dict[tuple[str, str], Workload] = {}
        self._background: list[asyncio.Task[None]] = []
        self._phase = Phase.STARTING
        self._stop_workloads: bool | None = None
        self._next_heartbeat = self._next_rotation = 0.0

    def _datastores(self) -> list[Server]:
        return [
            server
            for environment in self._environments
            for server in (
                RedisServer(self._folders, environment, self._ports),
                PostgresServer(self._folders, environment, self._ports),
            )
        ]

    def stop(self, *, workloads: bool) -> None:
        """Ask the controller to end, with or without everything that it looks after."""
        self._stop_workloads = workloads
        self._wake.set()

    async def run(self) -> None:
        """Look after the home until told to stop; told before, only stop what an earlier controller has left."""
        self._folders.shutdown_request.unlink(missing_ok=True)
        self._beat()
        await self._take_over()
        self._start(self._balancer.follow())
        if self._stop_workloads is None:
            for keeper in self._keepers:
                self._start(keeper.keep())
        try:
            while not self._finished():
                await self._round()
        finally:
            await self._end()

    def _finished(self) -> bool:
        if self._stop_workloads:
            self._phase = Phase.STOPPING
            return not any(workload.records for workload in self._workloads.values())
        return self._stop_workloads is False

    async def _end(self) -> None:
        for task in self._background:
            task.cancel()
        left = [*self._background, *(task for workload in self._workloads.values() for task in workload.abandon())]
        await asyncio.gather(*left, return_exceptions=True)
        if self._stop_workloads:
            balancer, *datastores = self._keepers
            await balancer.stop()
            await asyncio.gather(*(keeper.stop() for keeper in datastores))
            await asyncio.to_thread(self._processes.sweep, ())
            self._folders.controller.unlink(missing_ok=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._background.append(asyncio.create_task(work))

    async def _take_over(self) -> None:
        for environment in self._environments:
            for path in sorted((self._folders.observed / environment).glob("*.json")):
                await self._workload(environment, path.stem).adopt()
        replicas = [record.handle for workload in self._workloads.values() for record in workload.records]
        known = [*self._handles.all(), *(handle for handle in replicas if handle is not None)]
        if ended := await asyncio.to_thread(self._processes.sweep, known):
            _logger.warning("ended %d processes that an earlier controller had left without a note", ended)
        await self._runtime.sweep(known)
        self._find_wishes()
        needed = {digest for workload in self._workloads.values() for digest in workload.digests}
        await asyncio.to_thread(self._images.forget_all_but, needed)
        self._balancer.want(self._routes())

    def _workload(self, environment: str, service: str) -> Workload:
        key = environment, service
        if key not in self._workloads:
            self._workloads[key] = Workload(self._surroundings(environment, service))
        return self._workloads[key]

    def _surroundings(self, environment: str, service: str) -> Surroundings:
        def url_of(other: str) -> str:
            return self._balancer.url_of(route_name(environment, other))

        return Surroundings(
            environment=environment,
            service=service,
            folders=self._folders,
            images=self._images,
            runtime=self._runtime,
            balancer=self._balancer,
            ports=self._ports,
            clock=self._clock,
            variables=lambda spec: filled_in(spec.variables, environment_urls(self._folders.home, environment), url_of),
            redact=lambda text: redacted(text, self._secrets),
            changed=self._wake.set,
        )

    async def _round(self) -> None:
        request = SHUTDOWN.read(self._folders.shutdown_request)
        if request is not None:
            self._folders.shutdown_request.unlink()
            self.stop(workloads=request.stop_workloads)
        news = self._find_wishes()
        if news or self._wake.is_set():
            self._wake.clear()
            self._reconcile()
        now_seconds = asyncio.get_running_loop().time()
        if now_seconds >= self._next_heartbeat:
            self._beat()
        if now_seconds >= self._next_rotation:
            self._next_rotation = now_seconds + _ROTATION_SECONDS
            rotate(self._folders.logs)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), _TICK_SECONDS)

    def _find_wishes(self) -> bool:
        news = False
        for environment in self._environments:
            for path in sorted((self._folders.desired / environment).glob("*.json")):
                try:
                    news |= self._workload(environment, path.stem).look()
                except PipelineError as error:
                    _logger.error("%s", error)
        return news

    def _reconcile(self) -> None:
        self._open_environments()
        for (environment, _), workload in self._workloads.items():
            if self._phase is Phase.STOPPING or environment in self._open:
                workload.reconcile(stopping=self._phase is Phase.STOPPING)
        self._balancer.want(self._routes())
        for workload in self._workloads.values():
            workload.publish()

    def _open_environments(self) -> None:
        """Replicas are added to an environment once all that it rests on has served; later outages are theirs to bear,
        as they are anywhere else."""
        serving = {keeper.server.name for keeper in self._keepers if keeper.ready}
        for environment in self._environments:
            needed = {self._balancer.name, redis_name(environment), postgres_name(environment)}
            if needed <= serving:
                self._open.add(environment)
        if self._phase is Phase.STARTING and self._open == set(self._environments):
            self._phase = Phase.READY
            self._beat()

    def _routes(self) -> dict[str, Route]:
        routes = {workload.name: workload.wanted_route() for workload in self._workloads.values()}
        return {name: route for name, route in routes.items() if route is not None}

    def _beat(self) -> None:
        state = ControllerState(
            pid=os.getpid(),
            phase=self._phase,
            heartbeat_at=self._clock.now(),
            environments=self._environments,
            runtime=self._runtime.name,
            balancer_port=self._balancer.own_port,
            waits_for=tuple(f"{keeper.server.name} {keeper.problem}" for keeper in self._keepers if not keeper.ready),
        )
        CONTROLLER.write(self._folders.controller, state, durable=False)
        self._next_heartbeat = asyncio.get_running_loop().time() + _HEARTBEAT_SECONDS
