"""Where services run. Every method may be called again with the same arguments and then changes nothing."""

from abc import ABC, abstractmethod
from datetime import datetime

from shopkart_pipeline.domain.job import JobSpec, JobStatus
from shopkart_pipeline.domain.scale_ahead import Scale
from shopkart_pipeline.domain.workload import ServiceStatus, Track, WorkloadSpec


class Cluster(ABC):
    """A platform that runs replicas of images behind a route. Raises `ToolUnavailable` where it does not answer."""

    name: str

    @abstractmethod
    def observe(self, environment: str, service: str) -> ServiceStatus:
        """What is there now; a service that was never deployed has neither stable nor canary."""

    @abstractmethod
    def apply(self, environment: str, service: str, track: Track, spec: WorkloadSpec) -> None:
        """Want this; the platform gets there by itself, by a rolling update with surge one and unavailable none.
        Raises `NotFound` for an image that the registry does not hold."""

    @abstractmethod
    def scale(self, environment: str, service: str, track: Track, replicas: int) -> None:
        """Want another number of replicas of what is there."""

    @abstractmethod
    def rescale(self, environment: str, service: str, scale: Scale) -> None:
        """Want another number of replicas of stable, or other bounds of its autoscaler, and nothing else. Raises
        `NotFound` where there is no stable, and `Conflict` where somebody else has set them."""

    @abstractmethod
    def bounds(self, environment: str, service: str) -> tuple[int, int] | None:
        """The fewest and the most replicas that the autoscaler of stable goes by now, whoever set them; None where none
        is."""

    @abstractmethod
    def remove(self, environment: str, service: str, track: Track) -> None:
        """Want it gone: no new requests, running ones finished, then stopped."""

    @abstractmethod
    def set_weight(self, environment: str, service: str, canary_percent: int) -> None:
        """Give the canary this share of new requests, and return when the route does. Raises `Refused` where the
        canary has no ready replica and the share is not zero."""

    @abstractmethod
    def run_job(self, environment: str, service: str, job: JobSpec) -> JobStatus:
        """Have a command run to its end, and say at once how it stands: asked again under the same name, the platform
        tells of the run that it has begun, or of how that ended, for a day at least. It runs beside the replicas, and
        no request reaches it. What is still at work when its time is over is ended and has failed; so has what nobody
        knows the end of. Raises `NotFound` for an image that the registry does not hold."""

    @abstractmethod
    def load_rollout(self, environment: str, service: str) -> str | None:
        """The rollout state that was saved beside the workload, or None."""

    @abstractmethod
    def save_rollout(self, environment: str, service: str, document: str) -> None:
        """Keep the rollout state beside the workload."""

    @abstractmethod
    def acquire_lease(self, environment: str, service: str, holder: str, ttl_seconds: float, now: datetime) -> bool:
        """Take or renew the right to change the service; False while somebody else holds it unexpired."""

    @abstractmethod
    def release_lease(self, environment: str, service: str, holder: str) -> None:
        """Give the right back; does nothing for somebody else's."""
