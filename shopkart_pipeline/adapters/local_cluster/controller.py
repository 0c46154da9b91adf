"""The controller: compares what is wanted with what is there, again and again, and closes the gap.

It keeps nothing in memory that it couldn't find again: wishes, replicas, processes, ports and routes are on disk or
observable. It may be killed at any moment; what it started goes on serving, and the next controller takes it over.

Start: take over what runs, end what nobody knows, servers first, then replicas. Stop: replicas in order, then the load
balancer, then the datastores; or nothing but itself.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Coroutine, Sequence
from typing import Any

from shopkart_pipeline.adapters.local_cluster.addresses import password_of, postgres_name, redis_name
from shopkart_pipeline.adapters.local_cluster.balancer import Balancer
from shopkart_pipeline.adapters.local_cluster.fleet import Fleet, Ground
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.images import Images
from shopkart_pipeline.adapters.local_cluster.jobs import Jobs
from shopkart_pipeline.adapters.local_cluster.log_files import rotate
from shopkart_pipeline.adapters.local_cluster.ports import Ports
from shopkart_pipeline.adapters.local_cluster.postgres_server import PostgresServer
from shopkart_pipeline.adapters.local_cluster.processes import Processes
from shopkart_pipeline.adapters.local_cluster.redis_server import RedisServer
from shopkart_pipeline.adapters.local_cluster.runtime import Runtime
from shopkart_pipeline.adapters.local_cluster.sampler import Sampler
from shopkart_pipeline.adapters.local_cluster.samples import Samples
from shopkart_pipeline.adapters.local_cluster.servers import Handles, Keeper, Server
from shopkart_pipeline.adapters.local_cluster.state import CONTROLLER, SHUTDOWN, ControllerState, Phase
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.registry import ImageRegistry

_logger = logging.getLogger(__name__)
_TICK_SECONDS = 0.05
_HEARTBEAT_SECONDS = 0.5
_ROTATION_SECONDS = 5.0
_PAUSE_AFTER_FAULT_SECONDS = 1.0


class Controller:
    """Looks after one home. Whoever runs it holds the home's lock.

    Args:
        processes: the home's processes.
        runtime: what replicas run in.
        environments: their names.
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
        self._handles = Handles(folders)
        self._images = Images(folders, registry)
        ports = Ports(folders)
        self._balancer = Balancer(folders, ports, self._wake.set)
        servers: list[Server] = [self._balancer]
        for environment in environments:
            servers += [RedisServer(folders, environment, ports), PostgresServer(folders, environment, ports)]
        self._keepers = tuple(Keeper(server, processes, self._handles, self._wake.set) for server in servers)
        ground = Ground(
            folders=folders,
            environments=self._environments,
            images=self._images,
            runtime=runtime,
            balancer=self._balancer,
            ports=ports,
            clock=clock,
            secrets=tuple(password_of(folders, server.name) for server in servers[1:]),
            changed=self._wake.set,
        )
        self._fleet = Fleet(ground)
        self._jobs = Jobs(ground)
        self._sampler = Sampler(
            folders,
            self._environments,
            runtime.name,
            clock,
            running=lambda: self._fleet.replicas,
            samples=Samples(folders.vitals),
        )
        self._open: set[str] = set()
        self._background: list[asyncio.Task[None]] = []
        self._phase = Phase.STARTING
        self._stop_workloads: bool | None = None
        self._next_heartbeat = self._next_rotation = 0.0

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
            self._start(self._sampler.follow())
        try:
            while not self._finished():
                await self._round()
        finally:
            await self._end()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._background.append(asyncio.create_task(work))

    async def _take_over(self) -> None:
        await self._fleet.adopt()
        self._jobs.adopt()
        known = [*self._handles.all(), *self._fleet.handles, *self._jobs.handles]
        if ended := await asyncio.to_thread(self._processes.sweep, known):
            _logger.warning("ended %d processes that an earlier controller had left without a note", ended)
        await self._runtime.sweep(known)
        self._fleet.look(thoroughly=True)
        await asyncio.to_thread(self._images.forget_all_but, self._fleet.digests | self._jobs.digests)
        self._fleet.tell_routes()

    def _finished(self) -> bool:
        if self._stop_workloads:
            self._phase = Phase.STOPPING
            return self._fleet.empty
        return self._stop_workloads is False

    async def _end(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, *self._fleet.abandon(), *self._jobs.abandon(), return_exceptions=True)
        if self._stop_workloads:
            await self._jobs.stop()
            balancer, *datastores = self._keepers
            await balancer.stop()
            await asyncio.gather(*(keeper.stop() for keeper in datastores))
            await asyncio.to_thread(self._processes.sweep, ())
            self._folders.controller.unlink(missing_ok=True)

    async def _round(self) -> None:
        for task in self._background:
            if task.done():
                # Nothing there ends by itself: it is a fault, and the next controller starts afresh.
                task.result()
        try:
            self._work()
        except OSError:
            # Such as a full disk: what is there goes on serving, and what is wanted stays wanted.
            _logger.exception("a round failed")
            await asyncio.sleep(_PAUSE_AFTER_FAULT_SECONDS)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), _TICK_SECONDS)

    def _work(self) -> None:
        if self._folders.shutdown_request.exists():
            request = SHUTDOWN.read(self._folders.shutdown_request)
            self._folders.shutdown_request.unlink()
            self.stop(workloads=request is None or request.stop_workloads)
        now_seconds = asyncio.get_running_loop().time()
        beat = now_seconds >= self._next_heartbeat
        if self._fleet.look(thoroughly=beat) or self._wake.is_set():
            self._wake.clear()
            self._reconcile()
        if beat:
            self._jobs.look(self._open if self._stop_workloads is None else ())
            self._beat()
        if now_seconds >= self._next_rotation:
            self._next_rotation = now_seconds + _ROTATION_SECONDS
            rotate(self._folders.logs)

    def _reconcile(self) -> None:
        self._open_environments()
        stopping = self._phase is Phase.STOPPING
        self._fleet.reconcile(self._environments if stopping else self._open, stopping=stopping)

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
