"""Measures the eight metrics of every replica every few seconds, for as long as the controller runs.

Requests are the load balancer's: what a track answered is the version's that it runs, and where a rolling update has
two on one track, the newer one's. Memory, CPU and connections come from the process table and PostgreSQL's own list,
restarts from the controller's records, disk from the replicas' folders and logs. What can't be measured is noted with
its reason. Nothing here may disturb the controller: it works in a thread, waits for nobody long, and fails alone.
"""

import asyncio
import http.client
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.adapters.local_cluster.addresses import postgres_name
from shopkart_pipeline.adapters.local_cluster.database_sessions import connections_of
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.log_files import older
from shopkart_pipeline.adapters.local_cluster.metrics import balancer_page, sample
from shopkart_pipeline.adapters.local_cluster.ports import ports_of
from shopkart_pipeline.adapters.local_cluster.process_runtime import ProcessRuntime
from shopkart_pipeline.adapters.local_cluster.routes import route_name, target_name
from shopkart_pipeline.adapters.local_cluster.samples import SAMPLE_SECONDS, Place, Sample, Samples
from shopkart_pipeline.adapters.local_cluster.state import ReplicaRecord
from shopkart_pipeline.adapters.local_cluster.usage import ProcessTable, Usage, disk_bytes
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import Vital
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.clock import Clock

_logger = logging.getLogger(__name__)
_DISK_EVERY, _DATABASE_EVERY = 6, 3
"""Ticks from one look to the next at what costs more and changes slower."""
_CONTAINERS = "replicas are containers, which the embedded platform does not look into"
Running = Mapping[tuple[str, str], tuple[ReplicaRecord, ...]]
"""Replicas by environment and service."""
Found = tuple[dict[Vital, float], dict[Vital, str]]


@dataclass(frozen=True)
class Look:
    """What one tick sees before it is told apart by version."""

    usage: Mapping[str, Usage]
    """By handle."""
    elapsed_seconds: float | None
    """Since the look before; None at the first one."""
    page: str | None
    """The load balancer's."""
    silence: str
    """Why there is no page."""


class Sampler:
    """Samples one home.

    Args:
        folders: the home's.
        environments: their names; each has a PostgreSQL.
        runtime: what replicas run in.
        clock: tells the time of a sample.
        running: the replicas of now.
        samples: where samples are kept.
    """

    def __init__(
        self,
        folders: Folders,
        environments: Sequence[str],
        runtime: str,
        clock: Clock,
        running: Callable[[], Running],
        samples: Samples,
    ) -> None:
        self._folders, self._environments, self._clock, self._running = folders, environments, clock, running
        self._sees_processes = runtime == ProcessRuntime.name
        self._samples, self._table = samples, ProcessTable()
        self._totals: dict[Place, Counts] = {}
        self._counters: dict[str, Counts] = {}
        self._versions: dict[str, str] = {}
        self._disk: dict[tuple[str, str, str], int | None] = {}
        self._sessions: dict[str, frozenset[int] | str] = {}
        self._is_loaded, self._ticks, self._looked_at, self._failure = False, 0, 0.0, ""

    async def follow(self) -> None:
        """Sample until cancelled."""
        while True:
            await asyncio.to_thread(self.tick, self._running())
            await asyncio.sleep(SAMPLE_SECONDS)

    def tick(self, running: Running) -> None:
        """Take one sample of everything; what goes wrong is logged once, and tried again at the next tick."""
        try:
            self._tick(running, self._clock.now())
            self._failure = ""
        except Exception as error:
            if str(error) != self._failure:
                _logger.exception("no sample was taken")
            self._failure = str(error)

    def _tick(self, running: Running, now: datetime) -> None:
        if not self._is_loaded:
            self._totals = {place: each.counts for place, each in self._samples.latest().items()}
            self._counters, self._is_loaded = dict(self._samples.counters()), True
        look = self._look(running)
        found: dict[Place, Sample] = {}
        for (environment, service), records in running.items():
            grown, missing = self._count(look, environment, service, records, now)
            for version in grown | {record.spec.release_key for record in records}:
                place = environment, service, version
                own = [record for record in records if record.spec.release_key == version]
                # Of a version that has just left only its last answers are left to tell.
                gauges, unseen = self._gauges(look, environment, service, own) if own else ({}, {})
                found[place] = Sample(self._totals.get(place, Counts(0, 0)), gauges, unseen | missing)
        self._samples.note(now, found, self._counters)
        living = {(*place, record.name) for place, records in running.items() for record in records}
        self._disk = {key: size for key, size in self._disk.items() if key in living}
        self._ticks += 1

    def _look(self, running: Running) -> Look:
        handles = [record.handle for records in running.values() for record in records if record.handle is not None]
        if self._ticks % _DATABASE_EVERY == _DATABASE_EVERY - 1:
            self._sessions = {name: connections_of(self._folders, name) for name in self._environments}
        book = ports_of(self._folders)
        ports = {book[name] for each in self._environments if (name := postgres_name(each)) in book}
        at = time.monotonic()
        elapsed, self._looked_at = (at - self._looked_at if self._ticks else None), at
        usage: Mapping[str, Usage] = self._table.look(handles, ports) if self._sees_processes else {}
        try:
            return Look(usage, elapsed, balancer_page(self._folders), "")
        except (OSError, http.client.HTTPException, PipelineError, ValueError) as error:
            return Look(usage, elapsed, None, f"the load balancer does not answer: {error}")

    def _count(
        self, look: Look, environment: str, service: str, records: Sequence[ReplicaRecord], now: datetime
    ) -> tuple[set[str], dict[Vital, str]]:
        """Add what was answered to the versions that answered it; returns these, and why that could not be told."""
        if look.page is None:
            return set(), {Vital.REQUEST_RATE: look.silence}
        route = route_name(environment, service)
        try:
            seen = sample(look.page, route, now)
        except (ValueError, OverflowError) as error:
            return set(), {Vital.REQUEST_RATE: str(error)}
        grown = set[str]()
        for track, counts in ((Track.STABLE, seen.stable), (Track.CANARY, seen.canary)):
            name = target_name(route, track)
            version = self._version(name, track, records)
            before = self._counters.get(name) or (Counts(0, 0) if self._ticks else counts)
            self._counters[name] = counts
            more = growth(counts, before)
            if version is not None and more.requests:
                place = environment, service, version
                self._totals[place] = self._totals.get(place, Counts(0, 0)) + more
                grown.add(version)
        return grown, {}

    def _version(self, name: str, track: Track, records: Sequence[ReplicaRecord]) -> str | None:
        own = [record for record in records if record.track is track]
        routed = [record for record in own if record.routed] or own
        if routed:
            self._versions[name] = max(routed, key=lambda record: record.number).spec.release_key
        return self._versions.get(name)

    def _gauges(self, look: Look, environment: str, service: str, own: Sequence[ReplicaRecord]) -> Found:
        gauges: dict[Vital, float] = {Vital.POD_RESTARTS: sum(record.restarts for record in own)}
        missing: dict[Vital, str] = {}
        disk = self._kept_on_disk(environment, service, own)
        if disk is None:
            missing[Vital.DISK_USAGE_BYTES] = "its replicas keep too many files to look at"
        else:
            gauges[Vital.DISK_USAGE_BYTES] = disk
        if not self._sees_processes:
            blind = (Vital.CPU_USAGE_CORES, Vital.MEMORY_USAGE_BYTES, Vital.DATABASE_CONNECTIONS)
            return gauges, missing | dict.fromkeys(blind, _CONTAINERS)
        usages = [usage for record in own if (usage := look.usage.get(record.handle or "")) is not None]
        if not usages:
            reason = "no process of its replicas runs"
            return gauges, missing | dict.fromkeys((Vital.CPU_USAGE_CORES, Vital.MEMORY_USAGE_BYTES), reason)
        gauges[Vital.MEMORY_USAGE_BYTES] = sum(usage.memory_bytes for usage in usages)
        if look.elapsed_seconds:
            gauges[Vital.CPU_USAGE_CORES] = sum(usage.cpu_seconds for usage in usages) / look.elapsed_seconds
        else:
            missing[Vital.CPU_USAGE_CORES] = "sampling has just begun"
        sessions = self._sessions.get(environment, "nobody has asked PostgreSQL yet")
        if isinstance(sessions, str):
            missing[Vital.DATABASE_CONNECTIONS] = sessions
        else:
            gauges[Vital.DATABASE_CONNECTIONS] = sum(len(usage.connections & sessions) for usage in usages)
        return gauges, missing

    def _kept_on_disk(self, environment: str, service: str, own: Sequence[ReplicaRecord]) -> int | None:
        """What replicas keep on disk; None where that is too much to look at."""
        total = 0
        for record in own:
            key = environment, service, record.name
            if key not in self._disk or self._ticks % _DISK_EVERY == 0:
                log = self._folders.logs_of(environment, service) / f"{record.name}.log"
                paths = (self._folders.scratch_of(environment, service, record.name), log, older(log))
                self._disk[key] = disk_bytes(paths)
            size = self._disk[key]
            if size is None:
                return None
            total += size
        return total


def growth(counts: Counts, before: Counts) -> Counts:
    """What was answered between two looks; all of it where nothing was before."""
    return counts - before if before.requests else counts
