"""A branch's rules beside those that are declared."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.branch_policy import SETTINGS, BranchLine, compare
from shopkart_pipeline.domain.branch_rules import BranchRules
from shopkart_pipeline.domain.code_host import BranchPolicy

CHECK = "shopkart"
PROTECTED = BranchRules(
    repository="shopkart/storefront",
    branch="main",
    pull_request_required=True,
    reviews=1,
    code_owners_required=True,
    stale_reviews_dismissed=True,
    up_to_date_required=True,
    required_checks=(CHECK,),
    force_push_allowed=False,
    deletion_allowed=False,
    signed_commits_required=False,
    admins_included=True,
    code_owners_file=".github/CODEOWNERS",
)
OPEN = BranchRules(
    repository="shopkart/storefront",
    branch="main",
    pull_request_required=False,
    reviews=0,
    code_owners_required=False,
    stale_reviews_dismissed=False,
    up_to_date_required=False,
    required_checks=(),
    force_push_allowed=True,
    deletion_allowed=True,
    signed_commits_required=False,
    admins_included=False,
    code_owners_file=None,
)


def drift(rules: BranchRules, policy: BranchPolicy | None = None) -> list[BranchLine]:
    return [line for line in compare(rules, policy or BranchPolicy(), [CHECK]) if not line.is_met]


def test_a_branch_that_is_protected_as_declared_has_no_drift() -> None:
    assert drift(PROTECTED) == []


def test_an_open_branch_lacks_everything_that_is_demanded() -> None:
    assert [line.setting for line in drift(OPEN)] == [name for name in SETTINGS if name != "signed_commits"]


@pytest.mark.parametrize(
    ("change", "setting", "fix"),
    [
        ({"pull_request_required": False}, "pull_request", "“Require a pull request before merging” on"),
        ({"reviews": 0}, "reviews", "“Required number of approvals before merging”: 1"),
        ({"code_owners_required": False}, "code_owners", "“Require review from Code Owners” on"),
        ({"code_owners_file": None}, "code_owners_file", "Add `.github/CODEOWNERS` to the branch."),
        ({"code_owners_errors": ("line 3: Unknown owner",)}, "code_owners_file", "Mend .github/CODEOWNERS"),
        ({"stale_reviews_dismissed": False}, "dismiss_stale_reviews", "“Dismiss stale pull request approvals"),
        ({"required_checks": ("other",)}, "required_checks", "add “shopkart”"),
        ({"up_to_date_required": False}, "up_to_date", "“Require branches to be up to date before merging” on"),
        ({"force_push_allowed": True}, "no_force_push", "“Allow force pushes” off. Or in a ruleset: “Block force"),
        ({"deletion_allowed": True}, "no_deletion", "“Allow deletions” off. Or in a ruleset: “Restrict deletions”"),
        ({"admins_included": False}, "include_admins", "“Do not allow bypassing the above settings” on"),
    ],
)
def test_drift_names_the_setting_to_change(change: dict[str, Any], setting: str, fix: str) -> None:
    lines = drift(replace(PROTECTED, **change))

    assert setting in [line.setting for line in lines]
    [line] = [line for line in lines if line.setting == setting]
    assert fix in line.fix


def test_signed_commits_are_asked_for_only_where_they_are_declared() -> None:
    [line] = drift(PROTECTED, BranchPolicy(signed_commits=True))

    assert (line.setting, "“Require signed commits” on" in line.fix) == ("signed_commits", True)


def test_checks_of_ones_own_are_required_beside_those_of_the_services() -> None:
    [line] = drift(PROTECTED, BranchPolicy(required_checks=("licence/cla",)))

    assert line.wanted == "shopkart, licence/cla"
    assert "add “licence/cla”" in line.fix


def test_a_bypass_list_that_can_not_be_seen_is_no_empty_one() -> None:
    [line] = drift(replace(PROTECTED, admins_included=False, bypass_hidden=True))

    assert (line.setting, line.found) == (
        "include_admins",
        "the bypass lists of rulesets are not shown to these credentials",
    )


def test_reviews_count_for_nothing_where_no_pull_request_is_needed() -> None:
    lines = drift(replace(PROTECTED, pull_request_required=False, reviews=2))

    assert [line.setting for line in lines] == ["pull_request", "reviews"]


POLICIES = st.builds(
    BranchPolicy,
    reviews=st.integers(0, 3),
    code_owners=st.booleans(),
    dismiss_stale_reviews=st.booleans(),
    up_to_date=st.booleans(),
    required_checks=st.sampled_from([(), ("licence/cla",)]),
    signed_commits=st.booleans(),
    include_admins=st.booleans(),
)
RULES = st.builds(
    BranchRules,
    repository=st.just("shopkart/storefront"),
    branch=st.just("main"),
    pull_request_required=st.booleans(),
    reviews=st.integers(0, 3),
    code_owners_required=st.booleans(),
    stale_reviews_dismissed=st.booleans(),
    up_to_date_required=st.booleans(),
    required_checks=st.sampled_from([(), (CHECK,), (CHECK, "licence/cla"), ("other",)]),
    force_push_allowed=st.booleans(),
    deletion_allowed=st.booleans(),
    signed_commits_required=st.booleans(),
    admins_included=st.booleans(),
    code_owners_file=st.sampled_from([None, "CODEOWNERS"]),
    code_owners_errors=st.sampled_from([(), ("line 1: Unknown owner",)]),
)


@given(rules=RULES, policy=POLICIES)
def test_every_line_is_there_and_every_drift_says_what_to_do(rules: BranchRules, policy: BranchPolicy) -> None:
    lines = compare(rules, policy, [CHECK])

    assert tuple(line.setting for line in lines) == SETTINGS
    assert all(bool(line.fix) != line.is_met for line in lines)


@given(rules=RULES, policy=POLICIES)
def test_protecting_a_branch_better_never_makes_drift(rules: BranchRules, policy: BranchPolicy) -> None:
    better = replace(
        PROTECTED,
        reviews=max(rules.reviews, PROTECTED.reviews),
        required_checks=(*rules.required_checks, CHECK),
        signed_commits_required=True,
    )

    before = {line.setting for line in compare(rules, policy, [CHECK]) if not line.is_met}
    after = {line.setting for line in compare(better, policy, [CHECK]) if not line.is_met}
    assert after <= before
