"""One service of an environment as the controller handles it: its replicas, and the documents about it."""

import asyncio
import logging
import os
from pathlib import Path

from shopkart_pipeline.adapters.local_cluster.log_files import forget_old
from shopkart_pipeline.adapters.local_cluster.reconcile import next_change
from shopkart_pipeline.adapters.local_cluster.replica import Replica, Surroundings
from shopkart_pipeline.adapters.local_cluster.routes import Route, route_name
from shopkart_pipeline.adapters.local_cluster.state import (
    DESIRED,
    OBSERVED,
    DesiredService,
    ObservedService,
    ReplicaRecord,
)
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.workload import Track, WorkloadSpec

_logger = logging.getLogger(__name__)
_NOTHING = DesiredService()


class Workload:
    """The replicas of one service in one environment."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self.name = route_name(around.environment, around.service)
        self._failure: str | None = None
        self._desired_path = around.folders.desired_of(around.environment, around.service)
        self._observed_path = around.folders.observed_of(around.environment, around.service)
        self._seen: tuple[int, ...] | None = None
        self._desired = _NOTHING
        self._replicas: dict[str, tuple[Replica, asyncio.Task[None]]] = {}
        self._last_number = 0
        self._weight_percent = 0
        self._written: ObservedService | None = None

    @property
    def records(self) -> tuple[ReplicaRecord, ...]:
        return tuple(replica.record for replica, _ in self._replicas.values())

    @property
    def digests(self) -> set[str]:
        """Images that are needed."""
        specs = (*self._desired.tracks.values(), *(record.spec for record in self.records))
        return {spec.digest for spec in specs}

    async def adopt(self) -> None:
        """Take over what an earlier controller has left running; what has ended meanwhile is forgotten."""
        try:
            there = OBSERVED.read(self._observed_path) or ObservedService(url="")
        except ToolUnavailable as error:
            # What it named is ended as a left-over, and started again as it is wanted.
            _logger.error("%s", error)
            return
        self._last_number, self._weight_percent = there.last_number, there.canary_weight_percent
        for record in there.replicas:
            if record.handle is not None and await self._around.runtime.alive(record.handle):
                self._around.ports.lent(record.port)
                self._bring_to_life(record)

    def _bring_to_life(self, record: ReplicaRecord) -> None:
        replica = Replica(record, self._around)
        task = asyncio.create_task(replica.live(), name=record.name)
        task.add_done_callback(lambda _: self._around.changed())
        self._replicas[record.name] = replica, task

    def look(self) -> bool:
        """Read what is wanted, if it has changed since the last look; a damaged wish changes nothing and raises
        `ToolUnavailable` once."""
        seen = _signature(self._desired_path)
        if seen == self._seen:
            return False
        self._seen = seen
        self._desired = DESIRED.read(self._desired_path) or _NOTHING
        return True

    def reconcile(self, *, stopping: bool) -> None:
        """Bring replicas a step nearer to what is wanted; to nothing where everything is to stop."""
        self._bury()
        self._see_route()
        try:
            for track in Track:
                self._reconcile(track, None if stopping else self._desired.tracks.get(track))
            self._failure = None
        except Refused as error:
            self._failure = str(error)

    def _see_route(self) -> None:
        applied = self._around.balancer.applied
        if applied is None:
            # This controller has no confirmation yet; what its predecessor knew still holds.
            return
        route = applied.get(self.name)
        self._weight_percent = 0 if route is None else route.effective_weight_percent
        for replica, _ in self._replicas.values():
            replica.routed(route is not None and route.serves(replica.record.port))

    def _bury(self) -> None:
        for name in [name for name, (_, task) in self._replicas.items() if task.done()]:
            _, task = self._replicas.pop(name)
            task.result()

    def _reconcile(self, track: Track, wanted: WorkloadSpec | None) -> None:
        change = next_change(wanted, [record for record in self.records if record.track is track])
        for name in change.release:
            self._replicas[name][0].leave()
        if wanted is not None:
            for _ in range(change.add):
                self._add(track, wanted)

    def _add(self, track: Track, spec: WorkloadSpec) -> None:
        # Without an address nobody could reach it.
        self._around.balancer.entry_of(self.name)
        port = self._around.ports.lend()
        forget_old(self._around.folders.logs_of(self._around.environment, self._around.service), self._replicas)
        self._last_number += 1
        self._bring_to_life(ReplicaRecord(f"{track.value}-{self._last_number}", track, spec, port))

    def wanted_route(self) -> Route | None:
        """Where requests shall go: to replicas that are ready and aren't about to leave. None while there are none."""
        tracks = {*self._desired.tracks, *(record.track for record in self.records)}
        if not self.records:
            return None
        targets = {
            track: tuple(
                record.port for record in self.records if record.track is track and record.ready and not record.leaving
            )
            for track in Track
            if track in tracks
        }
        return Route(self._around.balancer.entry_of(self.name), targets, self._desired.canary_weight_percent)

    def publish(self) -> None:
        """Write down what is there, where that has changed."""
        now = ObservedService(
            url=self._around.balancer.address_of(self.name),
            canary_weight_percent=self._weight_percent,
            last_number=self._last_number,
            replicas=self.records,
            failure=self._failure,
        )
        if now != self._written:
            OBSERVED.write(self._observed_path, now, durable=False)
            self._written = now

    def abandon(self) -> list[asyncio.Task[None]]:
        """Leave everything running and look after it no longer."""
        tasks = [task for _, task in self._replicas.values()]
        for task in tasks:
            task.cancel()
        return tasks


def _signature(path: Path) -> tuple[int, ...] | None:
    """Differs whenever a file was replaced."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
