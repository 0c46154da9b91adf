"""GitHub's answers: heads, pull requests and their reviews, branch protection, deliveries of webhooks.

Everything goes through one client, which asks conditionally, follows pages and names a missing permission. Approvals
count if they are by a person who may write to the repository; on a public one anybody can review. A branch without a
rule is an answer, a rule that may not be seen is not.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote, urlsplit

from shopkart_pipeline.adapters import _github_documents as documents
from shopkart_pipeline.adapters._github_client import GitHubClient
from shopkart_pipeline.adapters._github_rules import Protection, from_classic, from_rules, merged
from shopkart_pipeline.domain.branch_rules import BranchRules
from shopkart_pipeline.domain.code_review import ProposedChange, Review
from shopkart_pipeline.domain.errors import NotFound, Refused
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.code_host import CodeHostReader, HookDelivery, TryLater

WEBHOOK_PATH = "/webhooks/github"
"""Where the receiver listens; the webhook of a repository is known by that."""
_WRITERS = frozenset({"admin", "maintain", "write"})
_CODE_OWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""In the order in which GitHub looks."""
_UNPROTECTED = "Branch not protected"
_ERRORS_NAMED = 10
_DELIVERY_PAGES = 200


class GitHubReader(CodeHostReader):
    """One GitHub, as one identity."""

    def __init__(self, client: GitHubClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    @property
    def has_one_webhook(self) -> bool:
        return self._client.is_app

    def branch_head(self, repository: str, branch: str) -> str:
        document = self._get(repository, f"/git/ref/heads/{quote(branch)}")
        sha = _within(document, "object", "sha")
        if not isinstance(sha, str) or len(sha) != 40:
            raise self._unreadable(f"the head of {branch}")
        return sha

    def changes_since(self, repository: str, branch: str, since: datetime) -> tuple[ProposedChange, ...]:
        query = {"state": "all", "base": branch, "sort": "updated", "direction": "desc"}
        found: dict[int, ProposedChange] = {}
        for document in self._client.each(repository, f"/repos/{repository}/pulls", query):
            change = documents.read_change(document, repository, self._clock)
            if change.updated_at < since:
                break
            found.setdefault(change.number, change)  # What moves to the front meanwhile comes twice.
        return tuple(sorted(found.values(), key=lambda change: (change.updated_at, change.number)))

    def change(self, repository: str, number: int) -> ProposedChange:
        return documents.read_change(self._get(repository, f"/pulls/{number}"), repository, self._clock)

    def changes_of_commit(self, repository: str, sha: str) -> tuple[ProposedChange, ...]:
        listed = self._client.get_all(repository, f"/repos/{repository}/commits/{quote(sha)}/pulls")
        return tuple(documents.read_change(each, repository, self._clock) for each in listed)

    def reviews(self, repository: str, number: int) -> tuple[Review, ...]:
        listed = self._client.get_all(repository, f"/repos/{repository}/pulls/{number}/reviews")
        read = documents.read_reviews(listed, self._clock)
        approving = {each.login for each in read if each.state == "APPROVED" and each.is_by_a_person}
        may_write = {login for login in approving if self._may_write(repository, login)}
        return tuple(
            review
            for each in read
            if (review := each.told(counts=each.state != "APPROVED" or each.login in may_write)) is not None
        )

    def branch_rules(self, repository: str, branch: str) -> BranchRules:
        self.branch_head(repository, branch)  # A branch that is not there is no branch without protection.
        protections = [*self._classic(repository, branch), *self._rulesets(repository, branch)]
        file = self._code_owners_file(repository, branch)
        errors = self._code_owners_errors(repository, branch) if file is not None else ()
        return merged(repository, branch, protections, file, errors)

    def hook_deliveries(self, repository: str, since: datetime) -> tuple[HookDelivery, ...]:
        place = self._hook(repository)
        asked_by = None if self._client.is_app else repository
        listed = self._client.each(asked_by, f"{place}/deliveries", maximum_pages=_DELIVERY_PAGES)
        return documents.read_deliveries(listed, since, self._clock)

    def deliver_again(self, repository: str, delivery: HookDelivery) -> None:
        if self._client.is_app:
            self._client.ask(None, lambda github: github.rest.apps.redeliver_webhook_delivery(delivery.latest_id))
            return
        owner, _, name = repository.partition("/")
        number = int(self._hook(repository).rpartition("/")[2])
        self._client.ask(
            repository,
            lambda github: github.rest.repos.redeliver_webhook_delivery(owner, name, number, delivery.latest_id),
        )

    def _get(self, repository: str, path: str) -> Any:
        return self._client.get(repository, f"/repos/{repository}{path}")

    def _may_write(self, repository: str, login: str) -> bool:
        try:
            document = self._get(repository, f"/collaborators/{quote(login)}/permission")
        except NotFound:
            return False
        return _within(document, "permission") in _WRITERS

    def _classic(self, repository: str, branch: str) -> Iterator[Protection]:
        try:
            yield from_classic(self._object(self._get(repository, f"/branches/{quote(branch, safe='')}/protection")))
        except NotFound as error:
            if _UNPROTECTED not in error.what:
                fix = "The App or the token needs to read administration to see how branches are protected."
                raise Refused(error.what, fix) from error

    def _rulesets(self, repository: str, branch: str) -> Iterator[Protection]:
        path = f"/repos/{repository}/rules/branches/{quote(branch, safe='')}"
        by_ruleset: dict[int, list[dict[str, Any]]] = {}
        for rule in self._client.get_all(repository, path):
            number = _within(rule, "ruleset_id")
            by_ruleset.setdefault(number if isinstance(number, int) else 0, []).append(self._object(rule))
        for number, rules in by_ruleset.items():
            yield from_rules(rules, self._can_be_bypassed(repository, number))

    def _can_be_bypassed(self, repository: str, ruleset: int) -> bool | None:
        try:
            actors = _within(self._get(repository, f"/rulesets/{ruleset}"), "bypass_actors")
        except NotFound:
            return None
        return len(cast("list[Any]", actors)) > 0 if isinstance(actors, list) else None

    def _code_owners_file(self, repository: str, branch: str) -> str | None:
        for path in _CODE_OWNERS:
            try:
                self._client.get(repository, f"/repos/{repository}/contents/{path}", {"ref": branch})
            except NotFound:
                continue
            return path
        return None

    def _code_owners_errors(self, repository: str, branch: str) -> tuple[str, ...]:
        document = self._client.get(repository, f"/repos/{repository}/codeowners/errors", {"ref": branch})
        errors = _within(document, "errors")
        if not isinstance(errors, list):
            raise self._unreadable("errors in CODEOWNERS")
        found = [_owners_error(each) for each in cast("list[Any]", errors)]
        more = [f"and {len(found) - _ERRORS_NAMED} more"] if len(found) > _ERRORS_NAMED else []
        return (*found[:_ERRORS_NAMED], *more)

    def _hook(self, repository: str) -> str:
        """The path of the webhook that leads to this pipeline: the App's own, or the repository's."""
        if self._client.is_app:
            return "/app/hook"
        for hook in self._client.each(repository, f"/repos/{repository}/hooks"):
            url, number = _within(hook, "config", "url"), _within(hook, "id")
            if isinstance(url, str) and isinstance(number, int) and urlsplit(url).path.endswith(WEBHOOK_PATH):
                return f"/repos/{repository}/hooks/{number}"
        raise NotFound(
            f"{repository} has no webhook that leads to {WEBHOOK_PATH}.", "Add one, as docs/github.md describes."
        )

    def _object(self, document: Any) -> dict[str, Any]:
        if not isinstance(document, dict):
            raise self._unreadable("how a branch is protected")
        return cast("dict[str, Any]", document)

    def _unreadable(self, what: str) -> TryLater:
        return TryLater(f"GitHub's answer about {what} can't be read.", self._clock.now(), everything=False)


def _within(document: Any, *names: str) -> Any:
    for name in names:
        document = cast("dict[str, Any]", document).get(name) if isinstance(document, dict) else None
    return document


def _owners_error(error: Any) -> str:
    line, kind, advice = _within(error, "line"), _within(error, "kind"), _within(error, "suggestion")
    return plain(f"line {line}: {kind}" + (f" ({advice})" if advice else ""))[:200]
