"""The code forge (GitHub): what its events mean. No I/O: the delivery is verified and stored before it comes here."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from shopkart_pipeline.ports.inbox import Delivery


@dataclass(frozen=True)
class Push:
    """A branch moved."""

    repository: str
    branch: str
    sha: str
    previous_sha: str | None
    actor: str


@dataclass(frozen=True)
class Ignored:
    """An event that asks for nothing, and why."""

    reason: str


class Forge(ABC):
    """Reads events."""

    @abstractmethod
    def read(self, delivery: Delivery) -> Push | Ignored:
        """What a delivery says; raises `UntrustedInput` for a body that is not what its event name promises."""
