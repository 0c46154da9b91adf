"""A code host in memory that answers questions: pull requests, reviews, rules, deliveries."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from shopkart_pipeline.domain.branch_rules import BranchRules
from shopkart_pipeline.domain.code_review import ProposedChange, Review, ReviewState
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.code_host import CodeHostReader, HookDelivery, TryLater

REPOSITORY = "shopkart/storefront"


@dataclass
class FakeCodeReader(CodeHostReader):
    """`opened`, `reviewed` and `merged` are what people do; `silent` is why nothing is answered."""

    clock: Clock
    silent: str | None = None
    silent_until: datetime | None = None
    """When it is silent no more; None: not before `silent` is taken back."""
    heads: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    rules: dict[tuple[str, str], BranchRules] = field(default_factory=dict[tuple[str, str], BranchRules])
    deliveries: list[HookDelivery] = field(default_factory=list[HookDelivery])
    asked: list[str] = field(default_factory=list[str])
    """What was asked, in order."""
    delivered_again: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.changes: dict[int, ProposedChange] = {}
        self._reviews: dict[int, list[Review]] = {}
        self._commits: dict[str, list[int]] = {}

    # What people do.

    def opened(self, number: int, sha: str, base_sha: str, login: str = "ana", **details: Any) -> ProposedChange:
        self.changes[number] = ProposedChange(
            **{
                "repository": REPOSITORY,
                "number": number,
                "title": f"change {number}",
                "login": login,
                "branch": "main",
                "base_sha": base_sha,
                "sha": sha,
                "from_fork": False,
                "is_open": True,
                "merged_at": None,
                "merge_sha": None,
                "updated_at": self.clock.now(),
                "url": f"https://github.example/{REPOSITORY}/pull/{number}",
                **details,
            }
        )
        return self.changes[number]

    def reviewed(self, number: int, login: str, state: ReviewState = ReviewState.APPROVED, **details: Any) -> None:
        review = Review(login, state, self.changes[number].sha, self.clock.now())
        self._reviews.setdefault(number, []).append(replace(review, **details))

    def merged(self, number: int, *shas: str) -> ProposedChange:
        """A pull request became these commits of its branch, the last of which names it."""
        now = self.clock.now()
        change = replace(self.changes[number], is_open=False, merged_at=now, merge_sha=shas[-1], updated_at=now)
        self.changes[number] = change
        for sha in shas:
            self._commits.setdefault(sha, []).append(number)
        return change

    def belongs(self, sha: str, *numbers: int) -> None:
        """A commit is part of pull requests, whatever became of them."""
        self._commits.setdefault(sha, []).extend(numbers)

    # What is asked.

    @property
    def has_one_webhook(self) -> bool:
        return True

    def branch_head(self, repository: str, branch: str) -> str:
        self._answer(f"head {branch}")
        if (repository, branch) not in self.heads:
            raise NotFound(f"{repository} has no branch {branch}.", "")
        return self.heads[repository, branch]

    def changes_since(self, repository: str, branch: str, since: datetime) -> tuple[ProposedChange, ...]:
        self._answer(f"changes {branch} {since.isoformat()}")
        found = [
            each
            for each in self.changes.values()
            if (each.repository, each.branch) == (repository, branch) and each.updated_at >= since
        ]
        return tuple(sorted(found, key=lambda each: (each.updated_at, each.number)))

    def change(self, repository: str, number: int) -> ProposedChange:
        self._answer(f"change {number}")
        if number not in self.changes:
            raise NotFound(f"{repository} has no pull request {number}.", "")
        return self.changes[number]

    def changes_of_commit(self, repository: str, sha: str) -> tuple[ProposedChange, ...]:
        self._answer(f"commit {sha}")
        return tuple(self.changes[number] for number in self._commits.get(sha, ()))

    def reviews(self, repository: str, number: int) -> tuple[Review, ...]:
        self._answer(f"reviews {number}")
        return tuple(self._reviews.get(number, ()))

    def branch_rules(self, repository: str, branch: str) -> BranchRules:
        self._answer(f"rules {branch}")
        if (repository, branch) not in self.rules:
            raise NotFound(f"{repository} has no branch {branch}.", "")
        return self.rules[repository, branch]

    def hook_deliveries(self, repository: str, since: datetime) -> tuple[HookDelivery, ...]:
        self._answer("deliveries")
        return tuple(each for each in self.deliveries if each.latest_at >= since)

    def deliver_again(self, repository: str, delivery: HookDelivery) -> None:
        self._answer(f"deliver {delivery.guid}")
        self.delivered_again.append(delivery.guid)

    def _answer(self, question: str) -> None:
        self.asked.append(question)
        if self.silent is not None and (self.silent_until is None or self.clock.now() < self.silent_until):
            raise TryLater(self.silent, self.silent_until or self.clock.now(), everything=True)
