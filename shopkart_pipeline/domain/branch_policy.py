"""A branch's rules beside those that are declared: line by line, with what has to be changed where they fall short.

Stricter than declared is no drift. What is to be changed is named in GitHub's own words: by the path on the page of a
classic branch protection rule, and on that of a ruleset ("About protected branches" and "Available rules for rulesets"
in GitHub's documentation).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shopkart_pipeline.domain.branch_rules import BranchRules
from shopkart_pipeline.domain.code_host import BranchPolicy

_PULL_REQUEST = "Require a pull request before merging"
_CHECKS, _CHECKS_OF_RULESET = "Require status checks to pass before merging", "Require status checks to pass"
_NOT_DEMANDED = "not demanded"


@dataclass(frozen=True)
class BranchLine:
    """One thing that is declared about a branch, and how it stands."""

    setting: str
    """Its name, such as `reviews`."""
    wanted: str
    found: str
    is_met: bool
    classic: str
    """What to set on the page of the classic rule; empty where it is nothing that is set there."""
    ruleset: str
    """What to set in a ruleset."""

    @property
    def fix(self) -> str:
        """What to do, in one sentence; empty where nothing is."""
        if self.is_met:
            return ""
        if not self.classic:
            return self.ruleset
        return f"In the branch protection rule: {self.classic}. Or in a ruleset: {self.ruleset}."


SETTINGS = (
    "pull_request",
    "reviews",
    "code_owners",
    "code_owners_file",
    "dismiss_stale_reviews",
    "required_checks",
    "up_to_date",
    "no_force_push",
    "no_deletion",
    "signed_commits",
    "include_admins",
)
"""Names of all lines, in their order."""


def compare(rules: BranchRules, policy: BranchPolicy, own_checks: Iterable[str]) -> tuple[BranchLine, ...]:
    """The lines about a branch, always all of them.

    Args:
        rules: what holds.
        policy: what is declared.
        own_checks: names of the checks by which the pipeline itself tells how a commit stands.
    """
    checks = tuple(dict.fromkeys((*own_checks, *policy.required_checks)))
    return (
        _switch("pull_request", True, rules.pull_request_required, f"“{_PULL_REQUEST}” on"),
        _reviews(rules, policy),
        _switch(
            "code_owners",
            policy.code_owners,
            rules.code_owners_required,
            f"“{_PULL_REQUEST}” > “Require review from Code Owners” on",
        ),
        _code_owners_file(rules, policy),
        _switch(
            "dismiss_stale_reviews",
            policy.dismiss_stale_reviews,
            rules.stale_reviews_dismissed,
            f"“{_PULL_REQUEST}” > “Dismiss stale pull request approvals when new commits are pushed” on",
        ),
        _checks(rules, checks),
        _switch(
            "up_to_date",
            policy.up_to_date,
            rules.up_to_date_required,
            f"“{_CHECKS}” > “Require branches to be up to date before merging” on",
            f"“{_CHECKS_OF_RULESET}” > “Require branches to be up to date before merging” on, or "
            "“Require merge queue” on",
        ),
        _switch(
            "no_force_push", True, not rules.force_push_allowed, "“Allow force pushes” off", "“Block force pushes” on"
        ),
        _switch("no_deletion", True, not rules.deletion_allowed, "“Allow deletions” off", "“Restrict deletions” on"),
        _switch("signed_commits", policy.signed_commits, rules.signed_commits_required, "“Require signed commits” on"),
        _admins(rules, policy),
    )


def _switch(setting: str, wanted: bool, found: bool, classic: str, ruleset: str = "") -> BranchLine:
    words = "required" if wanted else _NOT_DEMANDED
    state = "required" if found else "not required"
    return BranchLine(setting, words, state, found or not wanted, classic, ruleset or classic)


def _reviews(rules: BranchRules, policy: BranchPolicy) -> BranchLine:
    wanted, found = policy.reviews, rules.reviews if rules.pull_request_required else 0
    return BranchLine(
        "reviews",
        f"at least {wanted}",
        str(found),
        found >= wanted,
        f"“{_PULL_REQUEST}” > “Required number of approvals before merging”: {wanted}",
        f"“{_PULL_REQUEST}” > “Required approvals”: {wanted}",
    )


def _code_owners_file(rules: BranchRules, policy: BranchPolicy) -> BranchLine:
    if rules.code_owners_file is None:
        found, fix = "no CODEOWNERS", "Add `.github/CODEOWNERS` to the branch."
    elif rules.code_owners_errors:
        found = f"{rules.code_owners_file}: {'; '.join(rules.code_owners_errors)}"
        fix = f"Mend {rules.code_owners_file} on the branch; it can be ignored in part as it is."
    else:
        found, fix = rules.code_owners_file, ""
    wanted = "a valid file" if policy.code_owners else _NOT_DEMANDED
    return BranchLine("code_owners_file", wanted, found, not fix or not policy.code_owners, "", fix)


def _checks(rules: BranchRules, wanted: Sequence[str]) -> BranchLine:
    missing = [name for name in wanted if name not in rules.required_checks]
    added = ", ".join(f"“{name}”" for name in missing)
    return BranchLine(
        "required_checks",
        ", ".join(wanted) or _NOT_DEMANDED,
        ", ".join(rules.required_checks) or "none",
        not missing,
        f"“{_CHECKS}” on, and add {added}",
        f"“{_CHECKS_OF_RULESET}” on, and “Add checks” {added}",
    )


def _admins(rules: BranchRules, policy: BranchPolicy) -> BranchLine:
    classic = (
        "“Do not allow bypassing the above settings” on, and nobody under "
        "“Allow specified actors to bypass required pull requests”"
    )
    ruleset = "an empty “Bypass list”"
    found = "nobody can get around the rules" if rules.admins_included else "somebody can get around the rules"
    if rules.bypass_hidden:
        found = "the bypass lists of rulesets are not shown to these credentials"
        ruleset = f"{ruleset}, and let the pipeline see it (administration: write), or declare `include_admins: false`"
    wanted = "nobody gets around" if policy.include_admins else _NOT_DEMANDED
    return BranchLine(
        "include_admins", wanted, found, rules.admins_included or not policy.include_admins, classic, ruleset
    )
