"""How a branch is protected at the code host, whatever the protection is made of: a classic rule, rulesets, or both."""

from dataclasses import dataclass


@dataclass(frozen=True)
class BranchRules:
    """What holds for a branch now. Where several rules speak of one thing, the strictest is here."""

    repository: str
    branch: str
    pull_request_required: bool
    reviews: int
    code_owners_required: bool
    stale_reviews_dismissed: bool
    up_to_date_required: bool
    required_checks: tuple[str, ...]
    force_push_allowed: bool
    deletion_allowed: bool
    signed_commits_required: bool
    admins_included: bool
    """Whether nobody can get around the rules, administrators included."""
    code_owners_file: str | None
    """Where CODEOWNERS lies; None where there is none."""
    code_owners_errors: tuple[str, ...] = ()
    """What the code host finds wrong with it, one line each."""
    bypass_hidden: bool = False
    """Whether it can't be told who may get around the rules, because the code host shows that to administrators alone;
    `admins_included` is False then."""
