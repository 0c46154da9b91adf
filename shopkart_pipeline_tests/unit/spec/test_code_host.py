"""GitHub's section: who is who, who may command what, how branches are protected."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.code_host import BranchPolicy, CodeHostPolicy, Command
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, faults_of, one_fault_of, pipeline_of

_MAYA, _JONAS = "maya@shopkart.example", "jonas@shopkart.example"


def _declared(folder: Path, section: str) -> CodeHostPolicy:
    policy = pipeline_of(folder, f"{SMALLEST}github: {{{section}}}\n").code_host
    assert policy is not None
    return policy


@pytest.mark.parametrize("section", ["", "github:\n"])
def test_without_a_word_there_are_webhooks_and_git_alone(tmp_path: Path, section: str) -> None:
    assert pipeline_of(tmp_path, SMALLEST + section).code_host is None


def test_an_empty_section_knows_nobody_and_protects_branches_as_is_usual(tmp_path: Path) -> None:
    policy = _declared(tmp_path, "")

    assert policy == CodeHostPolicy()
    assert policy.api == "https://api.github.com"
    assert not policy.may("maya", Command.APPROVE)


def test_people_are_known_by_their_login_however_it_is_written(tmp_path: Path) -> None:
    policy = _declared(tmp_path, f"people: {{Maya-Shop: {_MAYA}}}, commands: {{approve: [{_MAYA}]}}")

    assert policy.person("MAYA-shop") == _MAYA
    assert policy.may("maya-SHOP", Command.APPROVE)
    assert not policy.may("maya-shop", Command.ROLLBACK)


def test_a_team_stands_for_its_members(tmp_path: Path) -> None:
    teams = f"teams: {{shop: [{_MAYA}, {_JONAS}]}}\n"
    section = f"people: {{maya: {_MAYA}, jonas: {_JONAS}}}, commands: {{rerun: ['team:shop', '{_MAYA}']}}"
    policy = pipeline_of(tmp_path, f"{SMALLEST}{teams}github: {{{section}}}\n").code_host

    assert policy is not None
    assert policy.commands == {Command.RERUN: (_MAYA, _JONAS)}


def test_what_is_said_of_branches_goes_before_what_is_usual(tmp_path: Path) -> None:
    section = "branch_protection: {reviews: 2, code_owners: false, required_checks: [build], signed_commits: true}"

    policy = _declared(tmp_path, f"api: 'https://github.example/api/v3/', {section}")

    assert policy.api == "https://github.example/api/v3"
    assert policy.branch == BranchPolicy(reviews=2, code_owners=False, required_checks=("build",), signed_commits=True)


@pytest.mark.parametrize("address", ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:5000/api/v3"])
def test_this_machine_needs_no_encryption(tmp_path: Path, address: str) -> None:
    assert _declared(tmp_path, f"api: '{address}'").api == address


FAULTS = [
    ("api: 'http://github.example'", "github.api", "without encryption GitHub may only be on this machine"),
    ("api: github.example", "github.api", "is not an API's address"),
    ("api: 'https://github.example/../x?y'", "github.api", "is not an API's address"),
    ("people: {-maya: maya@x.example}", "github.people.-maya", "is not the login of a person"),
    ("people: {'dependabot[bot]': b@x.example}", 'github.people."dependabot[bot]"', "is not the login of a person"),
    ("people: {maya: Maya}", "github.people.maya", "is not an e-mail address"),
    ("people: {maya: m@x.example, Maya: n@x.example}", "github.people.Maya", "is here twice"),
    ("people: {maya: m@x.example, may: M@x.example}", "github.people.may", "is maya already"),
    (f"commands: {{rerun: [{_MAYA}]}}", "github.commands.rerun[0]", f"{_MAYA} has no login; add `LOGIN: {_MAYA}`"),
    ("commands: {rerun: ['team:shop']}", "github.commands.rerun[0]", "there is no team shop in `teams`"),
    ("commands: {rerunn: []}", "github.commands.rerunn", "unknown key; did you mean rerun?"),
    (
        f"people: {{jonas: {_JONAS}}}, commands: {{approve: [{_JONAS}]}}",
        "github.commands.approve[0]",
        f"{_JONAS} is no approver of any environment",
    ),
    ("branch_protection: {reviews: 7}", "github.branch_protection.reviews", "must be at most 6"),
    ("branch_protection: {reviewers: 1}", "github.branch_protection.reviewers", "did you mean reviews?"),
]


@pytest.mark.parametrize(("declared", "path", "words"), FAULTS)
def test_a_fault_of_the_section_names_its_place(tmp_path: Path, declared: str, path: str, words: str) -> None:
    fault = one_fault_of(tmp_path, f"{SMALLEST}github: {{{declared}}}\n")

    assert (fault.line, fault.path) == (9, path)
    assert words in fault.message


def test_a_member_of_a_team_needs_a_login_as_well(tmp_path: Path) -> None:
    teams = f"teams: {{shop: [{_MAYA}, {_JONAS}]}}\n"
    section = f"github: {{people: {{maya: {_MAYA}}}, commands: {{rollback: ['team:shop']}}}}\n"

    fault = one_fault_of(tmp_path, f"{SMALLEST}{teams}{section}")

    assert fault.path == "github.commands.rollback[0]"
    assert f"{_JONAS} of team:shop has no login" in fault.message


def test_faulty_approvers_are_not_held_against_who_may_approve(tmp_path: Path) -> None:
    unknown = SMALLEST.replace(f"[{_MAYA}]", "['team:nobody']")
    section = f"github: {{people: {{maya: {_MAYA}}}, commands: {{approve: [{_MAYA}]}}}}\n"

    [fault] = faults_of(tmp_path, unknown + section)

    assert "there is no team nobody" in fault.message
