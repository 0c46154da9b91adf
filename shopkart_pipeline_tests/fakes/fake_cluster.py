"""A cluster, its metrics and its logs in memory.

The fake keeps the port's promises in small: a rolling update needs several looks, an old replica leaves only when a
new one is ready, the canary gets traffic only while it is ready. Time passes with each `observe` (or `tick`), so a
test that waits by observing needs no sleep. Images can be made to misbehave, and the cluster to be out of reach.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from shopkart_pipeline.domain.errors import NotFound, Refused, ToolUnavailable
from shopkart_pipeline.domain.history import History
from shopkart_pipeline.domain.job import JobPhase, JobSpec, JobStatus
from shopkart_pipeline.domain.judge_policy import EventRule
from shopkart_pipeline.domain.latency import Histogram
from shopkart_pipeline.domain.scale_ahead import Scale
from shopkart_pipeline.domain.traffic import LATENCY, Counts, MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import ServiceStatus, Track, WorkloadSpec, WorkloadStatus
from shopkart_pipeline.ports.cluster import Cluster
from shopkart_pipeline.ports.telemetry import LogLine, Logs, LogsMissing, Metrics

_CRASH_LOOP = 3
_TICKS_TO_DEADLINE = 5


class Behaviour(StrEnum):
    """What becomes of replicas of an image."""

    GETS_READY = "gets ready"
    CRASHES = "crashes"
    STALLS = "never gets ready, and nothing says why"
    FAILS_TO_START = "is not ready until its deadline"


@dataclass
class _Replica:
    spec: WorkloadSpec
    ready: bool = False
    restarts: int = 0
    ticks: int = 0


@dataclass
class _Service:
    wanted: dict[Track, WorkloadSpec] = field(default_factory=dict[Track, WorkloadSpec])
    replicas: dict[Track, list[_Replica]] = field(default_factory=lambda: {track: [] for track in Track})
    weight_percent: int = 0
    rollout: str | None = None
    lease: tuple[str, datetime] | None = None


_MIGRATED = JobStatus(JobPhase.SUCCEEDED, "", ("migrated",))


@dataclass
class JobBehaviour:
    """What becomes of a command."""

    looks: int = 2
    """So many looks find it running."""
    status: JobStatus = _MIGRATED


class FakeCluster(Cluster):
    """A cluster in memory.

    Args:
        images: digests that its registry holds; None: it holds all.
    """

    name = "fake"

    def __init__(self, images: set[str] | None = None) -> None:
        self.images = images
        self.behaviours: dict[str, Behaviour] = {}
        """By digest of an image or of a configuration; what isn't named gets ready."""
        self.staying: set[str] = set()
        """Digests whose replicas can't be made to leave, as where a disruption budget or a node holds them."""
        self.unreachable = False
        self.job_behaviours: dict[str, JobBehaviour] = {}
        """By a word of the command; those that aren't named succeed."""
        self.effects: list[str] = []
        """What was asked for, such as `apply production/backend canary sha256:…`, for tests about order."""
        self.bounds_by_hand: dict[tuple[str, str], tuple[int, int]] = {}
        """What somebody set an autoscaler's bounds to."""
        self._services: dict[tuple[str, str], _Service] = {}
        self._jobs: dict[tuple[str, str, str], int] = {}

    def observe(self, environment: str, service: str) -> ServiceStatus:
        self._reach()
        self.tick(environment, service)
        there = self._service(environment, service)
        return ServiceStatus(
            stable=self._status(there, Track.STABLE),
            canary=self._status(there, Track.CANARY),
            canary_weight_percent=self._real_weight(there),
            url=f"http://{service}.{environment}.example",
        )

    def tick(self, environment: str, service: str) -> None:
        """Let some time pass for a service."""
        there = self._service(environment, service)
        for track, replicas in there.replicas.items():
            wanted = there.wanted.get(track)
            for replica in replicas:
                self._age(replica)
            held = [replica for replica in replicas if replica.spec.digest in self.staying]
            if wanted is None:
                replicas[:] = held
            else:
                _step(replicas, wanted, held)

    def _age(self, replica: _Replica) -> None:
        replica.ticks += 1
        if self._is_missing(replica.spec.digest) and not replica.ready:
            return
        match self._behaviour(replica.spec):
            case Behaviour.GETS_READY:
                replica.ready = True
            case Behaviour.CRASHES:
                replica.ready = False
                replica.restarts += 1
            case Behaviour.STALLS | Behaviour.FAILS_TO_START:
                replica.ready = False

    def _behaviour(self, spec: WorkloadSpec) -> Behaviour:
        of_image = self.behaviours.get(spec.digest, Behaviour.GETS_READY)
        return self.behaviours.get(spec.configuration, of_image)

    def _is_missing(self, digest: str) -> bool:
        return self.images is not None and digest not in self.images

    def _status(self, there: _Service, track: Track) -> WorkloadStatus | None:
        replicas, spec = there.replicas[track], there.wanted.get(track)
        if spec is None:
            if not replicas:
                return None
            spec = replace(replicas[-1].spec, replicas=0)
        updated = [replica for replica in replicas if _same(replica.spec, spec)]
        return WorkloadStatus(
            spec=spec,
            ready=sum(replica.ready for replica in replicas),
            updated_ready=sum(replica.ready for replica in updated),
            total=len(replicas),
            restarts=sum(replica.restarts for replica in updated),
            failure=next((why for why in map(self._failure, updated) if why is not None), None),
        )

    def _failure(self, replica: _Replica) -> str | None:
        digest = replica.spec.digest
        if replica.ready:
            return None
        if self._is_missing(digest):
            return f"image missing: {digest}"
        behaviour = self._behaviour(replica.spec)
        if behaviour is Behaviour.CRASHES and replica.restarts >= _CRASH_LOOP:
            return f"crash loop: exit code 1, {replica.restarts} times in a row"
        if behaviour is Behaviour.FAILS_TO_START and replica.ticks >= _TICKS_TO_DEADLINE:
            return f"never ready within {replica.spec.probes.startup_deadline_seconds:g} s (readiness probe: 503)"
        return None

    def _real_weight(self, there: _Service) -> int:
        return there.weight_percent if any(replica.ready for replica in there.replicas[Track.CANARY]) else 0

    def apply(self, environment: str, service: str, track: Track, spec: WorkloadSpec) -> None:
        self._reach()
        if self._is_missing(spec.digest):
            raise NotFound(f"The registry does not hold {spec.digest}.", "Publish the image first.")
        self.effects.append(f"apply {environment}/{service} {track.value} {spec.digest}")
        self._service(environment, service).wanted[track] = spec

    def scale(self, environment: str, service: str, track: Track, replicas: int) -> None:
        self._reach()
        wanted = self._service(environment, service).wanted
        if track not in wanted:
            raise NotFound(f"{service} has no {track.value} in {environment}.", "Deploy it first.")
        self.effects.append(f"scale {environment}/{service} {track.value} {replicas}")
        wanted[track] = replace(wanted[track], replicas=replicas)

    def rescale(self, environment: str, service: str, scale: Scale) -> None:
        self._reach()
        wanted = self._service(environment, service).wanted
        if Track.STABLE not in wanted:
            raise NotFound(f"{service} has no stable in {environment}.", "Deploy it first.")
        self.effects.append(f"rescale {environment}/{service} {scale.words}")
        wanted[Track.STABLE] = replace(wanted[Track.STABLE], replicas=scale.replicas, autoscale=scale.autoscale)

    def bounds(self, environment: str, service: str) -> tuple[int, int] | None:
        self._reach()
        stable = self._service(environment, service).wanted.get(Track.STABLE)
        by_hand = self.bounds_by_hand.get((environment, service))
        if stable is None or stable.autoscale is None:
            return None
        return by_hand or (stable.autoscale.minimum, stable.autoscale.maximum)

    def remove(self, environment: str, service: str, track: Track) -> None:
        self._reach()
        self.effects.append(f"remove {environment}/{service} {track.value}")
        there = self._service(environment, service)
        there.wanted.pop(track, None)
        if track is Track.CANARY:
            there.weight_percent = 0

    def set_weight(self, environment: str, service: str, canary_percent: int) -> None:
        self._reach()
        if not 0 <= canary_percent <= 100:
            raise Refused(f"{canary_percent} % is no share of the traffic.", "Give 0 to 100.")
        there = self._service(environment, service)
        if canary_percent > 0 and not any(replica.ready for replica in there.replicas[Track.CANARY]):
            raise Refused(f"The canary of {service} has no ready replica.", "Wait until it is ready.")
        self.effects.append(f"set_weight {environment}/{service} {canary_percent}")
        there.weight_percent = canary_percent

    def run_job(self, environment: str, service: str, job: JobSpec) -> JobStatus:
        self._reach()
        if self._is_missing(job.workload.digest):
            raise NotFound(f"The registry does not hold {job.workload.digest}.", "Publish the image first.")
        key = environment, service, job.name
        if key not in self._jobs:
            self.effects.append(f"run {environment}/{service} {' '.join(job.command)} {job.workload.digest}")
        looks = self._jobs[key] = self._jobs.get(key, 0) + 1
        named = (self.job_behaviours[word] for word in job.command if word in self.job_behaviours)
        behaviour = next(named, JobBehaviour())
        return behaviour.status if looks > behaviour.looks else JobStatus(JobPhase.RUNNING)

    def load_rollout(self, environment: str, service: str) -> str | None:
        self._reach()
        return self._service(environment, service).rollout

    def save_rollout(self, environment: str, service: str, document: str) -> None:
        self._reach()
        self._service(environment, service).rollout = document

    def acquire_lease(self, environment: str, service: str, holder: str, ttl_seconds: float, now: datetime) -> bool:
        self._reach()
        there = self._service(environment, service)
        if there.lease is not None and there.lease[0] != holder and there.lease[1] > now:
            return False
        there.lease = holder, now + timedelta(seconds=ttl_seconds)
        return True

    def release_lease(self, environment: str, service: str, holder: str) -> None:
        self._reach()
        there = self._service(environment, service)
        if there.lease is not None and there.lease[0] == holder:
            there.lease = None

    def lose_replicas(self, environment: str, service: str, track: Track) -> None:
        """Every replica of a track dies; the cluster starts them anew."""
        for replica in self._service(environment, service).replicas[track]:
            replica.ready = False
            replica.restarts += 1

    def _service(self, environment: str, service: str) -> _Service:
        return self._services.setdefault((environment, service), _Service())

    def _reach(self) -> None:
        if self.unreachable:
            raise ToolUnavailable("The cluster does not answer.", "Start it.")


def _same(spec: WorkloadSpec, other: WorkloadSpec) -> bool:
    return replace(spec, replicas=0, autoscale=None) == replace(other, replicas=0, autoscale=None)


def _step(replicas: list[_Replica], wanted: WorkloadSpec, held: Sequence[_Replica]) -> None:
    """One step of a rolling update: an old one leaves for a new one that is ready, or one is added."""
    new = [replica for replica in replicas if _same(replica.spec, wanted)]
    old = [replica for replica in replicas if not _same(replica.spec, wanted)]
    new_ready = sum(replica.ready for replica in new)
    surplus_old = len(old) - max(0, wanted.replicas - new_ready)
    for replica in sorted(old, key=lambda replica: replica.ready)[: max(0, surplus_old)]:
        if not any(replica is each for each in held):
            replicas.remove(replica)
    for replica in sorted(new, key=lambda replica: replica.ready)[: max(0, len(new) - wanted.replicas)]:
        replicas.remove(replica)
    room = wanted.replicas + 1 - len(replicas)
    replicas.extend(_Replica(wanted) for _ in range(min(wanted.replicas - len(new), room)))


class FakeMetrics(Metrics):
    """Counts that grow with every question, split as the cluster's route splits them.

    Args:
        cluster: whose weight and digests matter.
        requests: how many requests come between two questions.
    """

    def __init__(self, cluster: FakeCluster, requests: int = 200) -> None:
        self.requests = requests
        self.error_ratios: dict[str, float] = {}
        """Errors per request, by digest of an image or of a configuration; what isn't named makes none."""
        self.missing: str | None = None
        """Why there are no metrics now."""
        self.event_ratios: dict[str, float] = {}
        """Of each declared event per request, by digest; images that aren't named have one per ten requests."""
        self.seconds: dict[str, float] = {}
        """How long every request takes, by digest; images that aren't named take twenty milliseconds."""
        self.events_missing: str | None = None
        """Why events can't be counted now."""
        self.past: History | None = None
        """What stable showed against itself."""
        self._cluster = cluster
        self._counts: dict[tuple[str, str, Track], Counts] = {}

    def traffic(
        self, environment: str, service: str, now: datetime, since: datetime | None = None
    ) -> TrafficSample | MetricsMissing:
        if self.missing is not None:
            return MetricsMissing(now, self.missing)
        status = self._cluster.observe(environment, service)
        if status.stable is None and status.canary is None:
            return MetricsMissing(now, f"{service} was never deployed to {environment}")
        canary = self.requests * status.canary_weight_percent // 100
        for track, workload, requests in (
            (Track.CANARY, status.canary, canary),
            (Track.STABLE, status.stable, self.requests - canary),
        ):
            if workload is not None:
                digest, key = workload.spec.digest, (environment, service, track)
                ratio = self.error_ratios.get(workload.spec.configuration, self.error_ratios.get(digest, 0.0))
                errors = round(requests * ratio)
                events = {"checkouts": round(requests * self.event_ratios.get(digest, 0.1))}
                took = Counts(requests, errors, events, _all_took(requests, self.seconds.get(digest, 0.02)))
                self._counts[key] = self._counts.get(key, Counts(0, 0)) + took

        def counted(track: Track) -> Counts:
            return self._counts.get((environment, service, track), Counts(0, 0)).only(frozenset({LATENCY}))

        return TrafficSample(now, counted(Track.CANARY), counted(Track.STABLE))

    def events(
        self,
        environment: str,
        service: str,
        now: datetime,
        rules: Sequence[EventRule],
        since: datetime | None = None,
    ) -> Mapping[str, tuple[int, int]] | MetricsMissing:
        """What the latest question about the traffic counted, whatever the rules ask for."""
        if self.missing is not None or self.events_missing is not None:
            return MetricsMissing(now, self.missing or self.events_missing or "")

        def counted(track: Track) -> int:
            return self._counts.get((environment, service, track), Counts(0, 0)).events.get("checkouts", 0)

        return {rule.name: (counted(Track.CANARY), counted(Track.STABLE)) for rule in rules}

    def history(
        self, environment: str, service: str, since: datetime, until: datetime, rules: Sequence[EventRule]
    ) -> History | MetricsMissing:
        return self.past or MetricsMissing(until, "nothing was kept")


def _all_took(requests: int, seconds: float) -> Histogram:
    bounds = (0.01, 0.03, 0.1, 0.3, 1.0)
    counts = [0] * (len(bounds) + 1)
    counts[bisect_left(bounds, seconds)] = requests
    return Histogram(bounds, tuple(counts))


class FakeLogs(Logs):
    """Log lines that a test puts there."""

    def __init__(self) -> None:
        self.missing: str | None = None
        self.lines: dict[tuple[str, str], list[LogLine]] = {}

    def errors(
        self, environment: str, service: str, since: datetime, until: datetime, limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        if self.missing is not None:
            return LogsMissing(self.missing)
        lines = self.lines.get((environment, service))
        if lines is None:
            return LogsMissing(f"{service} has never written a log in {environment}")
        in_window: Callable[[LogLine], bool] = lambda line: since <= line.at <= until  # noqa: E731
        wanted = (line for line in lines if in_window(line) and line.level in ("error", "critical", "fatal"))
        return tuple(sorted(wanted, key=lambda line: line.at)[:limit])

    def search(
        self, environment: str, service: str, since: datetime, until: datetime, *, text: str = "", limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        if self.missing is not None:
            return LogsMissing(self.missing)
        lines = self.lines.get((environment, service))
        if lines is None:
            return LogsMissing(f"{service} has never written a log in {environment}")
        wanted = (line for line in lines if since <= line.at <= until and text.casefold() in line.message.casefold())
        return tuple(sorted(wanted, key=lambda line: line.at)[-limit:])
