"""How a change came to a branch: the pull request behind a commit, and who agreed to it before it was merged.

What counts is what stood when the merge happened: of each reviewer the newest review that says yes or no, given before
the merge, for a head that was merged; the author's own does not count. So the answer about a commit never changes.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ReviewState(StrEnum):
    """What a reviewer said."""

    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    COMMENTED = "commented"
    DISMISSED = "dismissed"


@dataclass(frozen=True)
class Review:
    """One review of a pull request."""

    login: str
    state: ReviewState
    sha: str | None
    """The head that was looked at; None where the code host does not know it any more."""
    submitted_at: datetime


@dataclass(frozen=True)
class ProposedChange:
    """A pull request as the code host tells it."""

    repository: str
    number: int
    title: str
    login: str
    """Who opened it."""
    branch: str
    """The branch that it is meant for."""
    base_sha: str
    sha: str
    """Its head."""
    from_fork: bool
    is_open: bool
    merged_at: datetime | None
    merge_sha: str | None
    """The commit that it became on the branch, where it was merged."""
    updated_at: datetime
    url: str
