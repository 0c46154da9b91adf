"""What a release is: one commit of one service, on its way to production.

A release key is derived from the commit alone (committer time and hash), so every process that sees the same
merge, however often, names the same release. Keys sort by commit time. The key of a proposed change starts with its
pull request, because the same commit may be merged later, and because a stranger chooses the time of a commit.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

_PROPOSED, _MERGE_GROUP = "pr-", "mg-"


@dataclass(frozen=True)
class Person:
    """Somebody in the history of a commit, as git knows them."""

    name: str
    email: str


@dataclass(frozen=True)
class Commit:
    """One commit of a repository."""

    sha: str
    """Forty hexadecimal digits."""
    committed_at: datetime
    author: Person
    committer: Person
    message: str

    @property
    def title(self) -> str:
        return self.message.partition("\n")[0]


@dataclass(frozen=True)
class PullRequest:
    """A proposed change. What it wants to change is tried out; it is never pushed, deployed, or shown a secret."""

    number: int
    base_sha: str
    """The commit of the branch that it is measured against."""
    from_fork: bool
    """Whether it comes from a repository that is not ours."""
    merge_group: str | None = None
    """Set for a group of a merge queue, which is tried out alike: the reference of its head. `number` is then that of
    the last pull request in it."""


@dataclass(frozen=True)
class Release:
    """One service at one commit, and how it came here."""

    service: str
    key: str
    """`YYYYmmdd-HHMMSS-` and twelve digits of the commit, in UTC; `pr-` and the number of a pull request before the
    digits, or `mg-` for a merge queue's group; the Dagster partition key."""
    repository: str
    """`owner/name` as GitHub spells it."""
    branch: str
    """The branch that it is on, or that it is proposed to."""
    sha: str
    previous_sha: str | None
    """Where the branch stood before this push; None for the branch's first push. For a proposed change, the commit
    that it started from."""
    title: str
    author: Person
    people: tuple[str, ...]
    """E-mail addresses of everybody who authored or committed something in it: they can't approve it."""
    actor: str
    """GitHub login of the person whose push or merge triggered it."""
    delivery_id: str
    """Identifies the webhook delivery (`X-GitHub-Delivery`)."""
    received_at: datetime
    pull_request: PullRequest | None = None
    """Set where the commit is only proposed: then there is continuous integration and nothing after it."""

    @property
    def name(self) -> str:
        return f"{self.service}@{self.key}"


def release_key(sha: str, committed_at: datetime) -> str:
    """The key of the release of commit `sha` (40 hexadecimal digits), committed at `committed_at`.

    Raises:
        ValueError: the time has no zone.
    """
    if committed_at.tzinfo is None:
        raise ValueError("the time of a commit needs a zone")
    return f"{committed_at.astimezone(UTC):%Y%m%d-%H%M%S}-{sha[:12]}"


def pull_request_key(number: int, sha: str | None = None) -> str:
    """The key of pull request `number`, or of the release that stands for its head commit `sha`; sorts by number."""
    return f"{_PROPOSED}{number:06d}" + (f"-{sha[:12]}" if sha else "")


def number_of(key: str) -> int:
    """The number of the pull request that a key is of. Raises `ValueError` for other keys."""
    return int(key.removeprefix(_PROPOSED).partition("-")[0])


def merge_group_key(sha: str) -> str:
    """The key of a merge queue's group whose head is `sha`, and of the release that stands for it."""
    return f"{_MERGE_GROUP}{sha[:12]}"


def is_merge_group(key: str) -> bool:
    """Whether a key is that of a merge queue's group."""
    return key.startswith(_MERGE_GROUP)


def is_proposed(key: str) -> bool:
    """Whether a key is that of a pull request or a merge queue's group, and not of a merge."""
    return key.startswith((_PROPOSED, _MERGE_GROUP))
