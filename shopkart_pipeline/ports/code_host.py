"""The code host (GitHub): `CodeHost` takes notices, `CodeHostReader` tells what webhooks did not.

Three kinds of failure, because three different things follow: ask again later, ask for a rest of all, never ask again.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.branch_rules import BranchRules
from shopkart_pipeline.domain.code_review import ProposedChange, Review
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.notice import Notice


class TryLater(PipelineError):
    """The code host does not answer, or asks for a rest."""

    def __init__(self, what: str, until: datetime, *, everything: bool) -> None:
        super().__init__(what, "It is tried again by itself.")
        self.until = until
        self.everything = everything
        """Whether nothing at all should be asked before (a rate limit), or just not this."""


class CodeHost(ABC):
    """Shows notices. Raises `TryLater`, or `Refused` for what can never succeed."""

    @abstractmethod
    def send(self, notice: Notice, remote_id: str | None, *, maybe_sent: bool, sarif: bytes = b"") -> str:
        """Make the code host show this, and return what it calls the thing. Doing it again changes nothing.

        Args:
            notice: how something stands.
            remote_id: what the code host calls it, where that is known.
            maybe_sent: whether an earlier try may have made it; then it is looked for before it is made.
            sarif: the document of a `ScanNotice`.
        """


@dataclass(frozen=True)
class HookDelivery:
    """One event that the code host wanted to deliver, over all of its attempts."""

    guid: str
    """`X-GitHub-Delivery`."""
    latest_id: int
    """The code host's own id of the newest attempt, by which it can be asked to deliver again."""
    event: str
    attempts: int
    is_delivered: bool
    """Whether an attempt was answered with success."""
    latest_at: datetime


class CodeHostReader(ABC):
    """Answers questions. What has not changed since it was asked for the last time is not transferred again.

    Every method raises `TryLater`, `NotFound` for what is not there or may not be seen, or `Refused` where the
    credentials lack a permission, which is then named.
    """

    @property
    @abstractmethod
    def has_one_webhook(self) -> bool:
        """Whether all repositories tell of their events by the same webhook, as they do to an App."""

    @abstractmethod
    def branch_head(self, repository: str, branch: str) -> str:
        """The commit that a branch stands at."""

    @abstractmethod
    def changes_since(self, repository: str, branch: str, since: datetime) -> tuple[ProposedChange, ...]:
        """Pull requests for a branch, open and closed, that were updated at or after `since`; oldest update first."""

    @abstractmethod
    def change(self, repository: str, number: int) -> ProposedChange:
        """One pull request."""

    @abstractmethod
    def changes_of_commit(self, repository: str, sha: str) -> tuple[ProposedChange, ...]:
        """The pull requests that a commit belongs to, merged or not."""

    @abstractmethod
    def reviews(self, repository: str, number: int) -> tuple[Review, ...]:
        """All reviews of a pull request, oldest first."""

    @abstractmethod
    def branch_rules(self, repository: str, branch: str) -> BranchRules:
        """How a branch is protected, and its CODEOWNERS."""

    @abstractmethod
    def hook_deliveries(self, repository: str, since: datetime) -> tuple[HookDelivery, ...]:
        """What the code host wanted to deliver to this pipeline since then, oldest first. With an App's credentials
        that is about the App's one webhook, whatever the repository."""

    @abstractmethod
    def deliver_again(self, repository: str, delivery: HookDelivery) -> None:
        """Ask for another attempt."""
