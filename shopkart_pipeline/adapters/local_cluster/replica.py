"""The life of one replica: started, probed, started again after a crash, drained, gone.

Each replica lives in a task of its own. It decides nothing about numbers or versions: it is told to leave, and then
leaves in order: no longer routed to, which the load balancer confirms, then asked to end, then ended by force when
its time is over. A task that is cancelled leaves the replica running for the next controller.
"""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shopkart_pipeline.adapters.local_cluster.balancer import Balancer
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.health import (
    delay_before_restart_seconds,
    failure_after_crash,
    how_it_ended,
)
from shopkart_pipeline.adapters.local_cluster.images import Images
from shopkart_pipeline.adapters.local_cluster.log_files import begin_log, last_words
from shopkart_pipeline.adapters.local_cluster.ports import HOST, Ports, is_free
from shopkart_pipeline.adapters.local_cluster.probing import Found, Prober
from shopkart_pipeline.adapters.local_cluster.runtime import Launch, Runtime
from shopkart_pipeline.adapters.local_cluster.state import ReplicaRecord
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline.ports.clock import Clock

_logger = logging.getLogger(__name__)
_ROUTE_TIMEOUT_SECONDS = 10.0
"""A load balancer that does not confirm for so long is down, and sends nobody anywhere."""
_PAUSE_AFTER_FAULT_SECONDS = 1.0


@dataclass(frozen=True)
class Surroundings:
    """What the replicas of one service share."""

    environment: str
    service: str
    folders: Folders
    images: Images
    runtime: Runtime
    balancer: Balancer
    ports: Ports
    clock: Clock
    variables: Callable[[WorkloadSpec], Mapping[str, str]]
    """The spec's variables with what the environment gives filled in."""
    redact: Callable[[str], str]
    """Takes passwords out of a text."""
    changed: Callable[[], None]
    """Is called whenever the record of a replica is another one."""


class Replica:
    """One replica; `record` always says how it is."""

    def __init__(self, record: ReplicaRecord, around: Surroundings) -> None:
        self.record = record
        self._around = around
        self._leave = asyncio.Event()
        if record.leaving:
            self._leave.set()

    @property
    def _log(self) -> Path:
        folder = self._around.folders.logs_of(self._around.environment, self._around.service)
        return folder / f"{self.record.name}.log"

    @property
    def _scratch(self) -> Path:
        around = self._around
        return around.folders.scratch_of(around.environment, around.service, self.record.name)

    def leave(self) -> None:
        """Be told to leave."""
        self._note(leaving=True)
        self._leave.set()

    def routed(self, confirmed: bool) -> None:
        """Be told whether requests reach it."""
        self._note(routed=confirmed)

    def _note(self, **changes: Any) -> None:
        changed = replace(self.record, **changes)
        if changed != self.record:
            self.record = changed
            self._around.changed()

    async def live(self) -> None:
        """Live until it has left."""
        while not self._leave.is_set():
            try:
                await self._one_run()
            except (PipelineError, OSError) as error:
                missing = isinstance(error, NotFound)
                self._note(failure=self._around.redact(f"{'image missing: ' if missing else ''}{error}"))
                await self._pause(_PAUSE_AFTER_FAULT_SECONDS)
            except Exception:
                # One replica's trouble must not end the others' controller.
                _logger.exception("%s of %s", self.record.name, self._around.service)
                await self._pause(_PAUSE_AFTER_FAULT_SECONDS)
        await self._depart()

    async def _one_run(self) -> None:
        handle = self.record.handle
        if handle is None or not await self._around.runtime.alive(handle):
            handle = await self._start()
        ended = asyncio.create_task(self._around.runtime.wait(handle))
        hopeless = asyncio.create_task(Prober(self.record, self._found).until_hopeless())
        told = asyncio.create_task(self._leave.wait())
        tasks: tuple[asyncio.Task[Any], ...] = (ended, hopeless, told)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if told.done() and not told.cancelled():
            return
        if ended.done() and not ended.cancelled():
            await self._crashed(ended.result())
        else:
            await self._give_up(handle, hopeless.result())

    async def _start(self) -> str:
        around, record = self._around, self.record
        image = await around.images.get(record.spec.repository or around.service, record.spec.digest)
        self._note(handle=None, ready=False, was_ready=False, port=self._port())
        begin_log(self._log, record.name, record.spec.release_key, around.clock.now())
        handle = await around.runtime.start(
            Launch(
                environment=around.environment,
                service=around.service,
                replica=record.name,
                image=image,
                command=record.spec.command,
                variables=self._variables(),
                log=self._log,
                scratch=self._scratch,
            )
        )
        self._note(handle=handle)
        _logger.info("%s of %s in %s runs %s", record.name, around.service, around.environment, record.spec.digest)
        return handle

    def _port(self) -> int:
        if is_free(self.record.port):
            return self.record.port
        self._around.ports.give_back(self.record.port)
        return self._around.ports.lend()

    def _variables(self) -> Mapping[str, str]:
        spec = self.record.spec
        return {
            **self._around.variables(spec),
            "HOST": HOST,
            "PORT": str(self.record.port),
            "SHOPKART_VERSION": spec.release_key,
            "SHOPKART_TRACK": self.record.track.value,
            "SHOPKART_ENVIRONMENT": self._around.environment,
            "DRAIN_SECONDS": f"{spec.drain_seconds:g}",
        }

    def _found(self, found: Found) -> None:
        """Take note of what the probes found."""
        failure = found.failure or self.record.failure
        crashes = 0 if found.calm else self.record.crashes
        if found.ready and crashes == 0:
            failure = None
        text = None if failure is None else self._around.redact(failure)
        self._note(ready=found.ready, was_ready=found.was_ready, crashes=crashes, failure=text)

    async def _crashed(self, exit_code: int | None) -> None:
        how = how_it_ended(exit_code, last_words(self._log))
        await self._over(how, self.record.failure)

    async def _give_up(self, handle: str, found: Found) -> None:
        """Start a running replica anew: nobody is sent to it any more, and it may finish what it has begun."""
        self._note(ready=False)
        await self._out_of_route()
        await self._around.runtime.stop(handle, self.record.spec.drain_seconds)
        how = f"was started anew: {found.failure}"
        await self._over(how, self.record.failure if found.was_ready else found.failure)

    async def _over(self, how: str, failure: str | None) -> None:
        name, crashes = self.record.name, self.record.crashes + 1
        failure = failure_after_crash(name, crashes, how) or failure
        _logger.warning(
            "%s of %s in %s %s", name, self._around.service, self._around.environment, self._around.redact(how)
        )
        self._note(
            handle=None,
            ready=False,
            was_ready=False,
            restarts=self.record.restarts + 1,
            crashes=crashes,
            failure=None if failure is None else self._around.redact(failure),
        )
        await self._pause(delay_before_restart_seconds(crashes))

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until it is told to leave."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._leave.wait(), seconds)

    async def _depart(self) -> None:
        if self.record.handle is not None:
            await self._out_of_route()
            await self._around.runtime.stop(self.record.handle, self.record.spec.drain_seconds)
            self._note(handle=None, ready=False)
        shutil.rmtree(self._scratch, ignore_errors=True)
        _logger.info("%s of %s in %s has left", self.record.name, self._around.service, self._around.environment)
        self._around.ports.give_back(self.record.port)

    async def _out_of_route(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._around.balancer.wait_without(self.record.port), _ROUTE_TIMEOUT_SECONDS)
