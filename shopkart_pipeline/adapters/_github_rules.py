"""How GitHub protects a branch: a classic rule, any number of rulesets, or both; the strictest of them holds.

What can be bypassed holds only for some, so whether administrators are included is found by leaving out all that can
be: if the same is left, nobody gets around. Who may bypass a ruleset GitHub shows to those alone who may change it
("`bypass_actors` is only returned if the user making the API request has write access to the ruleset"); where that is
not shown, it is not known.

Source: "Get branch protection", "Get rules for a branch" and "Get a repository ruleset" in GitHub's REST API, version
2022-11-28.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, cast

from shopkart_pipeline.domain.branch_rules import BranchRules

Document = dict[str, Any]


@dataclass(frozen=True)
class Demands:
    """What one source demands of those whom it holds for."""

    pull_request: bool = False
    reviews: int = 0
    code_owners: bool = False
    stale_dismissed: bool = False
    up_to_date: bool = False
    checks: frozenset[str] = frozenset()
    no_force_push: bool = False
    no_deletion: bool = False
    signed: bool = False

    def together(self, other: "Demands") -> "Demands":
        """What holds where both do."""
        return Demands(
            self.pull_request or other.pull_request,
            max(self.reviews, other.reviews),
            self.code_owners or other.code_owners,
            self.stale_dismissed or other.stale_dismissed,
            self.up_to_date or other.up_to_date,
            self.checks | other.checks,
            self.no_force_push or other.no_force_push,
            self.no_deletion or other.no_deletion,
            self.signed or other.signed,
        )


@dataclass(frozen=True)
class Protection:
    """One source of protection."""

    demands: Demands
    can_be_bypassed: bool | None
    """None: that is not shown."""


def from_classic(document: Document) -> Protection:
    """A classic branch protection rule."""
    reviews = _part(document, "required_pull_request_reviews")
    checks = _part(document, "required_status_checks")
    demands = Demands(
        pull_request=reviews is not None,
        reviews=_number(reviews, "required_approving_review_count"),
        code_owners=_is_on(reviews, "require_code_owner_reviews"),
        stale_dismissed=_is_on(reviews, "dismiss_stale_reviews"),
        up_to_date=_is_on(checks, "strict"),
        checks=frozenset(_names(checks, "checks", "context")) | frozenset(_texts(checks, "contexts")),
        no_force_push=not _is_on(_part(document, "allow_force_pushes"), "enabled"),
        no_deletion=not _is_on(_part(document, "allow_deletions"), "enabled"),
        signed=_is_on(_part(document, "required_signatures"), "enabled"),
    )
    passing_by = _part(reviews or {}, "bypass_pull_request_allowances") or {}
    allowed = any(passing_by.get(kind) for kind in ("users", "teams", "apps"))
    return Protection(demands, not _is_on(_part(document, "enforce_admins"), "enabled") or allowed)


def from_rules(rules: Iterable[Document], can_be_bypassed: bool | None) -> Protection:
    """The rules of one ruleset that hold for a branch."""
    return Protection(reduce(Demands.together, (_demand(rule) for rule in rules), Demands()), can_be_bypassed)


def merged(
    repository: str,
    branch: str,
    protections: Sequence[Protection],
    code_owners_file: str | None,
    code_owners_errors: tuple[str, ...],
) -> BranchRules:
    """What all sources come to."""
    all_of_it = _together(protections)
    for_everybody = _together([each for each in protections if each.can_be_bypassed is False])
    perhaps = _together([each for each in protections if not each.can_be_bypassed])
    included = bool(protections) and for_everybody == all_of_it
    return BranchRules(
        repository=repository,
        branch=branch,
        pull_request_required=all_of_it.pull_request,
        reviews=all_of_it.reviews,
        code_owners_required=all_of_it.code_owners,
        stale_reviews_dismissed=all_of_it.stale_dismissed,
        up_to_date_required=all_of_it.up_to_date,
        required_checks=tuple(sorted(all_of_it.checks)),
        force_push_allowed=not all_of_it.no_force_push,
        deletion_allowed=not all_of_it.no_deletion,
        signed_commits_required=all_of_it.signed,
        admins_included=included,
        code_owners_file=code_owners_file,
        code_owners_errors=code_owners_errors,
        bypass_hidden=bool(protections) and not included and perhaps == all_of_it,
    )


def _together(protections: Iterable[Protection]) -> Demands:
    return reduce(Demands.together, (each.demands for each in protections), Demands())


def _demand(rule: Document) -> Demands:
    details = _part(rule, "parameters")
    match rule.get("type"):
        case "pull_request":
            return Demands(
                pull_request=True,
                reviews=_number(details, "required_approving_review_count"),
                code_owners=_is_on(details, "require_code_owner_review"),
                stale_dismissed=_is_on(details, "dismiss_stale_reviews_on_push"),
            )
        case "required_status_checks":
            checks = _names(details, "required_status_checks", "context")
            strict = _is_on(details, "strict_required_status_checks_policy")
            return Demands(up_to_date=strict, checks=frozenset(checks))
        case "merge_queue":
            return Demands(pull_request=True, up_to_date=True)
        case "non_fast_forward":
            return Demands(no_force_push=True)
        case "deletion":
            return Demands(no_deletion=True)
        case "required_signatures":
            return Demands(signed=True)
        case _:
            return Demands()


def _part(document: Document, name: str) -> Document | None:
    value = document.get(name)
    return cast("Document", value) if isinstance(value, dict) else None


def _is_on(document: Document | None, name: str) -> bool:
    return document is not None and document.get(name) is True


def _number(document: Document | None, name: str) -> int:
    value = (document or {}).get(name)
    return value if isinstance(value, int) else 0


def _texts(document: Document | None, name: str) -> list[str]:
    value = (document or {}).get(name)
    return [each for each in cast("list[Any]", value) if isinstance(each, str)] if isinstance(value, list) else []


def _names(document: Document | None, name: str, key: str) -> list[str]:
    value = (document or {}).get(name)
    items = (
        [cast("Document", each) for each in cast("list[Any]", value) if isinstance(each, dict)]
        if isinstance(value, list)
        else []
    )
    return [each[key] for each in items if isinstance(each.get(key), str)]
