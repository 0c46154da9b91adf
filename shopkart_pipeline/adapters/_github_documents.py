"""GitHub's documents as far as they are read: pull requests, reviews, deliveries of webhooks.

Fields that nobody needs are passed over, since an Enterprise Server may lag behind; one that is needed and missing
makes the whole answer useless, and that is said, never guessed. `merge_commit_sha` is in the version of the API that is
asked for (2022-11-28) and not in the next one.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, TypeAdapter, ValidationError

from shopkart_pipeline.domain.code_review import ProposedChange, Review, ReviewState
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.code_host import HookDelivery, TryLater

Read = TypeVar("Read")
_Sha = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
_GHOST = "ghost"
"""Whom GitHub names where an account is gone."""
_PENDING = "PENDING"
_ROBOT = "Bot"


class _Account(BaseModel):
    login: str
    type: str = "User"


class _Repository(BaseModel):
    full_name: str


class _Side(BaseModel):
    ref: str
    sha: _Sha
    repo: _Repository | None = None


class _PullRequest(BaseModel):
    number: Annotated[int, Field(gt=0)]
    title: str
    user: _Account | None = None
    state: str
    base: _Side
    head: _Side
    merged_at: AwareDatetime | None = None
    merge_commit_sha: _Sha | None = None
    updated_at: AwareDatetime
    html_url: str

    def told(self, repository: str) -> ProposedChange:
        home = self.head.repo.full_name if self.head.repo is not None else ""
        return ProposedChange(
            repository=repository,
            number=self.number,
            title=plain(self.title),
            login=self.user.login if self.user is not None else _GHOST,
            branch=self.base.ref,
            base_sha=self.base.sha,
            sha=self.head.sha,
            from_fork=home.casefold() != repository.casefold(),
            is_open=self.state == "open",
            merged_at=self.merged_at,
            # Before the merge, GitHub tells the commit of a merge that it only tried out.
            merge_sha=self.merge_commit_sha if self.merged_at is not None else None,
            updated_at=self.updated_at,
            url=self.html_url,
        )


class ReviewDocument(BaseModel):
    """One review; those that are not submitted yet are passed over."""

    user: _Account | None = None
    state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED", "PENDING"]
    commit_id: _Sha | None = None
    submitted_at: AwareDatetime | None = None

    @property
    def login(self) -> str:
        return self.user.login if self.user is not None else _GHOST

    @property
    def is_by_a_person(self) -> bool:
        return self.user is not None and self.user.type != _ROBOT

    def told(self, *, counts: bool) -> Review | None:
        if self.submitted_at is None or self.state == _PENDING:
            return None
        return Review(self.login, ReviewState(self.state.lower()), self.commit_id, self.submitted_at, counts)


class _Attempt(BaseModel):
    id: int
    guid: str
    delivered_at: AwareDatetime
    status_code: int
    event: str


def read_change(document: Any, repository: str, clock: Clock) -> ProposedChange:
    """A pull request."""
    return read(_PULL_REQUEST, document, "a pull request", clock).told(repository)


def read_reviews(documents: list[Any], clock: Clock) -> list[ReviewDocument]:
    """Reviews as they are listed."""
    return read(_REVIEWS, documents, "reviews", clock)


def read_deliveries(listed: Iterable[Any], since: datetime, clock: Clock) -> tuple[HookDelivery, ...]:
    """What was to be delivered since then, oldest first, out of attempts that are listed newest first."""
    by_guid: dict[str, list[_Attempt]] = {}
    for document in listed:
        attempt = read(_ATTEMPT, document, "deliveries of a webhook", clock)
        if attempt.delivered_at < since:
            break
        by_guid.setdefault(attempt.guid, []).append(attempt)
    found: list[HookDelivery] = []
    for guid, tries in by_guid.items():
        newest = max(tries, key=lambda attempt: (attempt.delivered_at, attempt.id))
        delivered = any(200 <= attempt.status_code < 300 for attempt in tries)
        found.append(HookDelivery(guid, newest.id, newest.event, len(tries), delivered, newest.delivered_at))
    return tuple(sorted(found, key=lambda delivery: (delivery.latest_at, delivery.latest_id)))


def read(adapter: TypeAdapter[Read], document: Any, what: str, clock: Clock) -> Read:
    """A document, or `TryLater` for one that is not what it should be."""
    try:
        return adapter.validate_python(document)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in fault["loc"])
        words = f"GitHub's answer about {what} can't be read: {plain(place)}: {plain(fault['msg'])}."
        raise TryLater(words, clock.now(), everything=False) from None


_PULL_REQUEST = TypeAdapter(_PullRequest)
_REVIEWS = TypeAdapter(list[ReviewDocument])
_ATTEMPT = TypeAdapter(_Attempt)
