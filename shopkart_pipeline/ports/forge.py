"""The code forge (GitHub): what its events mean. No I/O: the delivery is verified and stored before it comes here."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.code_review import Review
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
    merge_sha: str | None = None
    """The commit that it became on the branch, where it was merged."""
    merge_group: str | None = None
    """Set where this is a group of a merge queue, and no pull request by itself: the reference of its head. `number` is
    then that of the last pull request in it."""


@dataclass(frozen=True)
class ReviewEvent:
    """Somebody reviewed a pull request, changed what they said, or somebody took it away."""

    repository: str
    number: int
    action: str
    """`submitted`, `edited` or `dismissed`."""
    review_id: int
    review: Review


@dataclass(frozen=True)
class CommentEvent:
    """A person wrote a comment at a pull request whose first line may be a command."""

    repository: str
    number: int
    login: str
    text: str
    url: str
    created_at: datetime


@dataclass(frozen=True)
class DeploymentReviewEvent:
    """Somebody let a deployment of the forge's own workflows go on, or did not."""

    repository: str
    sha: str
    environment: str
    login: str
    is_approved: bool
    url: str
    known_at: datetime
    """The newest time that the event tells: it was not reviewed before, and the forge does not say when exactly."""


@dataclass(frozen=True)
class Ping:
    """A webhook was set up."""

    missing_events: tuple[str, ...]
    """Events that this pipeline reads, and the webhook does not send."""


@dataclass(frozen=True)
class Ignored:
    """An event that asks for nothing, and why."""

    reason: str


Event = Push | PullRequestEvent | ReviewEvent | CommentEvent | DeploymentReviewEvent | Ping | Ignored


class Forge(ABC):
    """Reads events."""

    @abstractmethod
    def read(self, delivery: Delivery) -> Event:
        """What a delivery says; raises `UntrustedInput` for a body that is not what its event name promises."""

    @abstractmethod
    def head_reference(self, number: int) -> str:
        """The reference by which the repository that is to be changed hands out the head of a pull request."""
