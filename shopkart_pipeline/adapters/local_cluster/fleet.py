"""All services of all environments of a home, and the routes to them."""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from shopkart_pipeline.adapters.local_cluster.addresses import environment_urls
from shopkart_pipeline.adapters.local_cluster.balancer import Balancer
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.images import Images
from shopkart_pipeline.adapters.local_cluster.ports import Ports
from shopkart_pipeline.adapters.local_cluster.replica import Surroundings
from shopkart_pipeline.adapters.local_cluster.routes import Route, route_name
from shopkart_pipeline.adapters.local_cluster.runtime import Runtime
from shopkart_pipeline.adapters.local_cluster.state import ReplicaRecord
from shopkart_pipeline.adapters.local_cluster.variables import filled_in, redacted
from shopkart_pipeline.adapters.local_cluster.workload import Workload
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline.ports.clock import Clock

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ground:
    """What all replicas of a home rest on."""

    folders: Folders
    environments: Sequence[str]
    images: Images
    runtime: Runtime
    balancer: Balancer
    ports: Ports
    clock: Clock
    secrets: tuple[str, ...]
    """Never to be repeated in a message."""
    changed: Callable[[], None]
    """Is called whenever something about a replica is another."""

    def variables_of(self, environment: str, spec: WorkloadSpec) -> Mapping[str, str]:
        """The variables of a specification with what the environment gives filled in."""

        def url_of(service: str) -> str:
            return self.balancer.url_of(route_name(environment, service))

        return filled_in(spec.variables, environment_urls(self.folders.home, environment), url_of)


class Fleet:
    """The services of one home."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._workloads: dict[tuple[str, str], Workload] = {}
        self._looked_at: dict[str, int | None] = {}

    @property
    def handles(self) -> list[str]:
        """Of everything that runs."""
        records = (record for workload in self._workloads.values() for record in workload.records)
        return [record.handle for record in records if record.handle is not None]

    @property
    def replicas(self) -> Mapping[tuple[str, str], tuple[ReplicaRecord, ...]]:
        """Of every service, by environment and name."""
        return {key: workload.records for key, workload in self._workloads.items()}

    @property
    def empty(self) -> bool:
        return not any(workload.records for workload in self._workloads.values())

    @property
    def digests(self) -> set[str]:
        """Images that are needed."""
        return {digest for workload in self._workloads.values() for digest in workload.digests}

    async def adopt(self) -> None:
        """Take over the replicas that an earlier controller has left running."""
        for environment in self._ground.environments:
            for path in sorted((self._ground.folders.observed / environment).glob("*.json")):
                await self._workload(environment, path.stem).adopt()

    def look(self, *, thoroughly: bool) -> bool:
        """Read what is wanted where that has changed; returns whether it has.

        Args:
            thoroughly: look at every wish, not only where the time of a folder tells of a new one: two wishes within
                one tick of the file system's clock leave the same time.
        """
        news = False
        for environment in self._ground.environments:
            folder = self._ground.folders.desired / environment
            changed_at = folder.stat().st_mtime_ns if folder.is_dir() else None
            if thoroughly or changed_at != self._looked_at.get(environment):
                self._looked_at[environment] = changed_at
                for path in sorted(folder.glob("*.json")):
                    news |= self._look_at(environment, path.stem)
        return news

    def _look_at(self, environment: str, service: str) -> bool:
        try:
            return self._workload(environment, service).look()
        except PipelineError as error:
            _logger.error("%s", error)
            return False

    def reconcile(self, environments: Collection[str], *, stopping: bool) -> None:
        """Bring the replicas of these environments nearer to what is wanted, tell the load balancer, write it down."""
        for (environment, _), workload in self._workloads.items():
            if environment in environments:
                workload.reconcile(stopping=stopping)
        self.tell_routes()
        for workload in self._workloads.values():
            workload.publish()

    def tell_routes(self) -> None:
        """Tell the load balancer where requests shall go."""
        routes: dict[str, Route] = {}
        for workload in self._workloads.values():
            route = workload.wanted_route()
            if route is not None:
                routes[workload.name] = route
        self._ground.balancer.want(routes)

    def abandon(self) -> list[asyncio.Task[None]]:
        """Leave everything running and look after it no longer."""
        return [task for workload in self._workloads.values() for task in workload.abandon()]

    def _workload(self, environment: str, service: str) -> Workload:
        key = environment, service
        if key not in self._workloads:
            self._workloads[key] = Workload(self._surroundings(environment, service))
        return self._workloads[key]

    def _surroundings(self, environment: str, service: str) -> Surroundings:
        ground = self._ground
        return Surroundings(
            environment=environment,
            service=service,
            folders=ground.folders,
            images=ground.images,
            runtime=ground.runtime,
            balancer=ground.balancer,
            ports=ground.ports,
            clock=ground.clock,
            variables=lambda spec: ground.variables_of(environment, spec),
            redact=lambda text: redacted(text, ground.secrets),
            changed=ground.changed,
        )
