"""How a change came to a branch: the pull request behind a commit, and who agreed to it before it was merged.

What counts is what stood when the merge happened: of each reviewer the newest review that says yes or no, given before
the merge, for a head that was merged; the author's own does not count. So the answer about a commit never changes.
Reviewers are persons: two logins of one person are one reviewer, and nobody approves with a second login what the first
one proposed.
"""

from collections.abc import Iterable, Mapping
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
    counts: bool = True
    """False for an approval by somebody who may not write to the repository: anybody can review a public one."""


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


_DECISIVE = frozenset({ReviewState.APPROVED, ReviewState.CHANGES_REQUESTED, ReviewState.DISMISSED})
"""A comment takes no approval back; a dismissal does."""


def approvers(
    change: ProposedChange, reviews: Iterable[Review], people: Mapping[str, str], *, dismiss_stale_reviews: bool
) -> tuple[str, ...]:
    """The logins of those whose approval stood when a change was merged, sorted; nobody for one that was not merged.

    Args:
        change: the pull request.
        reviews: all of its reviews, in any order.
        people: persons by login in lower case; who is not in it is a person of that login alone.
        dismiss_stale_reviews: whether approvals of an earlier head than the one that was merged count for nothing.
    """
    if change.merged_at is None:
        return ()
    newest: dict[str, Review] = {}
    for review in sorted(reviews, key=lambda each: each.submitted_at):
        if review.state in _DECISIVE and review.counts and review.submitted_at <= change.merged_at:
            newest[_person(review.login, people)] = review
    newest.pop(_person(change.login, people), None)
    return tuple(
        sorted(
            review.login
            for review in newest.values()
            if review.state is ReviewState.APPROVED and (not dismiss_stale_reviews or review.sha == change.sha)
        )
    )


def _person(login: str, people: Mapping[str, str]) -> str:
    return people.get(login.casefold(), login).casefold()
