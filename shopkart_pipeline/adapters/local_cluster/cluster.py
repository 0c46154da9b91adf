"""The cluster port on the local cluster: clients write wishes and read what is there; the controller does the rest.

Many short-lived processes may be clients at once. A wish is a change of one document under its lock, durable when
the call returns. Rollout state and lease are in the same document, and are kept even while no controller runs.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from shopkart_pipeline.adapters.local_cluster.documents import locked
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.job_documents import is_wanted, want
from shopkart_pipeline.adapters.local_cluster.presence import controller_state
from shopkart_pipeline.adapters.local_cluster.state import (
    DESIRED,
    OBSERVED,
    DesiredService,
    Lease,
    status_of,
)
from shopkart_pipeline.domain.errors import NotFound, PipelineError, Refused, ToolUnavailable
from shopkart_pipeline.domain.job import JobSpec, JobStatus
from shopkart_pipeline.domain.scale_ahead import Scale
from shopkart_pipeline.domain.workload import ServiceStatus, Track, WorkloadSpec
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.cluster import Cluster
from shopkart_pipeline.ports.registry import ImageRegistry

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ROUTE_TIMEOUT_SECONDS = 15.0
_POLL_SECONDS = 0.02


class LocalCluster(Cluster):
    """The embedded default.

    Args:
        home: the product's home.
        registry: where the controller gets its images from.
    """

    name = "local"

    def __init__(self, home: Path, registry: ImageRegistry, clock: Clock) -> None:
        self._folders = Folders(home)
        self._registry = registry
        self._clock = clock

    def observe(self, environment: str, service: str) -> ServiceStatus:
        self._check(environment, service)
        desired = DESIRED.read(self._folders.desired_of(environment, service))
        return status_of(desired, OBSERVED.read(self._folders.observed_of(environment, service)))

    def apply(self, environment: str, service: str, track: Track, spec: WorkloadSpec) -> None:
        self._check(environment, service)
        self._check_image(service, spec)
        self._change(environment, service, lambda desired: desired.wants(track, spec))

    def scale(self, environment: str, service: str, track: Track, replicas: int) -> None:
        def scaled(desired: DesiredService) -> DesiredService:
            spec = desired.tracks.get(track)
            if spec is None:
                raise NotFound(f"{service} has no {track.value} in {environment}.", "Deploy it first.")
            return desired.wants(track, replace(spec, replicas=replicas))

        self._check(environment, service)
        self._change(environment, service, scaled)

    def rescale(self, environment: str, service: str, scale: Scale) -> None:
        def scaled(desired: DesiredService) -> DesiredService:
            spec = desired.tracks.get(Track.STABLE)
            if spec is None:
                raise NotFound(f"{service} has no stable in {environment}.", "Deploy it first.")
            # Nothing here scales by itself, so the number follows the fewest.
            return desired.wants(Track.STABLE, replace(spec, replicas=scale.replicas, autoscale=scale.autoscale))

        self._check(environment, service)
        self._change(environment, service, scaled)

    def bounds(self, environment: str, service: str) -> tuple[int, int] | None:
        self._check(environment, service)
        desired = DESIRED.read(self._path(environment, service)) or DesiredService()
        spec = desired.tracks.get(Track.STABLE)
        return None if spec is None or spec.autoscale is None else (spec.autoscale.minimum, spec.autoscale.maximum)

    def remove(self, environment: str, service: str, track: Track) -> None:
        self._check(environment, service)
        self._change(environment, service, lambda desired: desired.wants(track, None))

    def set_weight(self, environment: str, service: str, canary_percent: int) -> None:
        if not 0 <= canary_percent <= 100:
            raise Refused(f"{canary_percent} % is no share of the traffic.", "Give 0 to 100.")
        self._check_canary(environment, service, canary_percent)
        before = DESIRED.read(self._path(environment, service)) or DesiredService()
        self._change(environment, service, lambda desired: replace(desired, canary_weight_percent=canary_percent))
        try:
            self._wait_for_route(environment, service, canary_percent)
        except PipelineError:
            # A share that was refused must not come true later, when the canary has recovered.
            kept = min(before.canary_weight_percent, canary_percent)
            self._change(environment, service, lambda desired: replace(desired, canary_weight_percent=kept))
            raise

    def _wait_for_route(self, environment: str, service: str, canary_percent: int) -> None:
        deadline = self._clock.now() + timedelta(seconds=_ROUTE_TIMEOUT_SECONDS)
        while self._check_canary(environment, service, canary_percent).canary_weight_percent != canary_percent:
            if self._clock.now() > deadline:
                raise ToolUnavailable(
                    f"The load balancer did not confirm {canary_percent} % for {service} in time.",
                    f"See {self._folders.server_log('balancer')}.",
                )
            self._clock.sleep(_POLL_SECONDS)

    def _check_canary(self, environment: str, service: str, canary_percent: int) -> ServiceStatus:
        status = self.observe(environment, service)
        if canary_percent > 0 and (status.canary is None or status.canary.ready == 0):
            raise Refused(f"The canary of {service} in {environment} has no ready replica.", "Wait until it is ready.")
        return status

    def run_job(self, environment: str, service: str, job: JobSpec) -> JobStatus:
        self._check(environment, service)
        if not is_wanted(self._folders, environment, service, job.name):
            self._check_image(service, job.workload)
        return want(self._folders, environment, service, job)

    def load_rollout(self, environment: str, service: str) -> str | None:
        desired = DESIRED.read(self._path(environment, service))
        return None if desired is None else desired.rollout

    def save_rollout(self, environment: str, service: str, document: str) -> None:
        self._change(environment, service, lambda desired: replace(desired, rollout=document))

    def acquire_lease(self, environment: str, service: str, holder: str, ttl_seconds: float, now: datetime) -> bool:
        wished = Lease(holder, now + timedelta(seconds=ttl_seconds))

        def taken(desired: DesiredService) -> DesiredService:
            lease = desired.lease
            free = lease is None or lease.holder == holder or lease.expires_at <= now
            return replace(desired, lease=wished) if free else desired

        return self._change(environment, service, taken).lease == wished

    def release_lease(self, environment: str, service: str, holder: str) -> None:
        def given_back(desired: DesiredService) -> DesiredService:
            theirs = desired.lease is not None and desired.lease.holder != holder
            return desired if theirs else replace(desired, lease=None)

        self._change(environment, service, given_back)

    def _check_image(self, service: str, spec: WorkloadSpec) -> None:
        repository = spec.repository or service
        if not self._registry.has(repository, spec.digest):
            raise NotFound(
                f"The registry {self._registry.name} does not hold {repository}@{spec.digest}.",
                "Publish the image first.",
            )

    def _change(
        self, environment: str, service: str, change: Callable[[DesiredService], DesiredService]
    ) -> DesiredService:
        path = self._path(environment, service)
        with locked(path.with_suffix(".lock")):
            before = DESIRED.read(path)
            after = change(before or DesiredService())
            if after != (before or DesiredService()):
                DESIRED.write(path, after, durable=True)
            return after

    def _path(self, environment: str, service: str) -> Path:
        for name in (environment, service):
            if not _NAME.fullmatch(name):
                raise NotFound(f"{name!r} is no name of a service or environment.", "Use a-z, 0-9 and dashes.")
        return self._folders.desired_of(environment, service)

    def _check(self, environment: str, service: str) -> None:
        """Raise unless a controller looks after this environment."""
        self._path(environment, service)
        state = controller_state(self._folders, self._clock.now())
        if environment not in state.environments:
            known = ", ".join(state.environments)
            raise NotFound(f"The local cluster has no environment {environment}.", f"It has {known}.")
