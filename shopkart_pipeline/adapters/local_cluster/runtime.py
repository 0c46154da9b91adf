"""What runs replicas: processes of this machine, or containers of its engine."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters.local_cluster.images import Image

DEFAULT_HOST = "unix:///var/run/docker.sock"


@dataclass(frozen=True)
class Launch:
    """All that a replica needs to run."""

    environment: str
    service: str
    replica: str
    image: Image
    command: tuple[str, ...]
    """In the image's terms; empty: what the image starts by itself."""
    variables: Mapping[str, str]
    """Complete but for what the image brings. They hold passwords."""
    log: Path
    scratch: Path
    """A folder of its own for temporary files."""


class Runtime(ABC):
    """Runs replicas that outlive the controller. A handle names a replica's run across controllers."""

    name: str

    @abstractmethod
    async def start(self, launch: Launch) -> str:
        """Start a replica and return its handle.

        Raises:
            PipelineError: the image can't be run here, in words for the one who released it.
        """

    @abstractmethod
    async def alive(self, handle: str) -> bool:
        """Whether it still runs; a handle of another run is never taken for it."""

    @abstractmethod
    async def wait(self, handle: str) -> int | None:
        """Wait until it has ended; returns the exit code where it is known."""

    @abstractmethod
    async def stop(self, handle: str, grace_seconds: float) -> None:
        """Ask it to end, and end it with all that it started when the time of grace is over."""

    @abstractmethod
    async def sweep(self, known: Collection[str]) -> None:
        """End replicas of this home whose handle nobody knows."""
