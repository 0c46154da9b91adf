"""What asks for a run: plain data between the services that decide and the engine that launches."""

from dataclasses import dataclass

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.release import merge_group_key, pull_request_key
from shopkart_pipeline.ports.evidence_store import Note


@dataclass(frozen=True)
class PullRequestName:
    """One pull request, or one group of a merge queue, over all that becomes of it."""

    repository: str
    number: int
    merge_group: str = ""
    """The head of a group of a merge queue; empty for a pull request."""

    @property
    def key(self) -> str:
        """What its history is kept under."""
        return merge_group_key(self.merge_group) if self.merge_group else pull_request_key(self.number)

    def __str__(self) -> str:
        return f"{self.repository}#{self.key if self.merge_group else self.number}"


@dataclass(frozen=True)
class RunRequest:
    """Please run this phase of this release. Equal keys are one run, however often and by whomever they are asked."""

    key: str
    service: str
    release_key: str
    phase: Phase
    reason: str
    stages: tuple[str, ...] = ()
    """Only these stages of the phase; all of them if empty."""
    pull_request: PullRequestName | None = None
    """Set where the release is only proposed."""
    no_reuse: bool = False
    """Whether every stage has to do its work again, also where a result for the same inputs is at hand."""

    @property
    def queue(self) -> str:
        """Runs with the same one run one after another, in the order in which they were asked for; empty: none."""
        if self.pull_request is not None:
            of_group = self.pull_request.merge_group
            return f"{self.service}:{merge_group_key(of_group) if of_group else f'pr-{self.pull_request.number}'}"
        return queue_of(self.service, self.phase)


def queue_of(service: str, phase: Phase) -> str:
    """The queue of a service's merges in a phase: one is built, or tried in staging, at a time. Rollouts in production
    have a lease of their own, and must not wait behind one that takes hours."""
    return "" if phase is Phase.PRODUCTION else f"{service}:{phase.value}"


@dataclass(frozen=True)
class RollbackRequest:
    """Please bring a service back to the release before this one. Equal keys are one run."""

    key: str
    service: str
    release_key: str
    """What has to be in production, or on its way there, by then."""
    actor: str
    reason: str
    asked_in: str = ""
    """The delivery that it is asked in; the ledger says by whom."""


def rollback_key(delivery_id: str, service: str) -> str:
    """The key of the request that a delivery makes for a service."""
    return f"{delivery_id}:{service}:rollback"


@dataclass(frozen=True)
class Accepted:
    """What a delivery asks for, and what is to be remembered about it."""

    requests: tuple[RunRequest, ...]
    outcome: str
    not_affected: tuple[Note, ...] = ()
    """What was noted about services that it does not concern."""
    pull_request: PullRequestName | None = None
    """The pull request that it was about: what runs for it otherwise has to end."""
    rollbacks: tuple[RollbackRequest, ...] = ()
