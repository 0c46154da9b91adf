"""The code forge (GitHub): what its events mean. No I/O: the delivery is verified and stored before it comes here."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime

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
class PullRequestEvent:
    """A pull request was opened, got another head, or was closed."""

    repository: str
    """The repository that is to be changed, wherever the change comes from."""
    number: int
    branch: str
    """The branch that is to be changed."""
    base_sha: str
    """Where that branch stood."""
    sha: str
    """The head: the commit that is proposed."""
    from_fork: bool
    """Whether the head is in a repository that is not ours, or in one that is gone."""
    is_open: bool
    is_merged: bool
    updated_at: datetime
    """When it came to be so. Events may arrive in another order; the one that came to be last stands."""
    actor: str


@dataclass(frozen=True)
class Ignored:
    """An event that asks for nothing, and why."""

    reason: str


class Forge(ABC):
    """Reads events."""

    @abstractmethod
    def read(self, delivery: Delivery) -> Push | PullRequestEvent | Ignored:
        """What a delivery says; raises `UntrustedInput` for a body that is not what its event name promises."""

    @abstractmethod
    def head_reference(self, number: int) -> str:
        """The reference by which the repository that is to be changed hands out the head of a pull request."""
