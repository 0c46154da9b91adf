"""The evaluator of IAM policies itself: each rule once, and nothing that it doesn't know passes."""

from typing import Any

import pytest

from shopkart_pipeline_tests.iam_evaluator import Request, is_allowed


def document(**statement: Any) -> dict[str, Any]:
    return {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **statement}]}


ASKED = Request("s3:GetObject", "arn:aws:s3:::bucket/key", context={"k": "v", "many": ["a", "b"], "n": "5"})


def test_nothing_is_allowed_unless_something_says_so() -> None:
    assert not is_allowed(ASKED)
    assert is_allowed(ASKED, [document()])


def test_a_denial_anywhere_wins() -> None:
    assert not is_allowed(ASKED, [document(), document(Effect="Deny")])
    assert not is_allowed(ASKED, [document()], [document(Effect="Deny")])


@pytest.mark.parametrize(
    ("resource", "matches"),
    [
        ("arn:aws:s3:::bucket/*", True),
        ("arn:aws:s3:::bucket/ke?", True),
        ("arn:aws:s3:::bucket", False),
        ("arn:aws:s3:::buck.t/*", False),
        (["arn:aws:s3:::other/*", "arn:aws:s3:::bucket/key"], True),
    ],
)
def test_resources_match_by_stars_and_question_marks_alone(resource: object, matches: bool) -> None:
    assert is_allowed(ASKED, [document(Resource=resource)]) == matches


def test_actions_match_without_regard_to_case() -> None:
    assert is_allowed(ASKED, [document(Action="S3:get*")])
    assert not is_allowed(ASKED, [document(Action="s3:Put*")])


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"StringEquals": {"k": "v"}}, True),
        ({"StringEquals": {"k": ["u", "v"]}}, True),
        ({"StringEquals": {"k": "V"}}, False),
        ({"StringEquals": {"absent": "v"}}, False),
        ({"StringEqualsIfExists": {"absent": "v"}}, True),
        ({"StringNotEquals": {"k": ["u", "v"]}}, False),
        ({"StringNotEquals": {"absent": "v"}}, True),
        ({"StringLike": {"k": "*"}}, True),
        ({"Null": {"absent": "true"}}, True),
        ({"Null": {"k": "true"}}, False),
        ({"NumericGreaterThanEquals": {"n": "5"}}, True),
        ({"NumericGreaterThanEquals": {"n": "6"}}, False),
        ({"NumericGreaterThanEquals": {"absent": "0"}}, False),
        ({"ForAnyValue:StringEquals": {"many": "b"}}, True),
        ({"ForAllValues:StringEquals": {"many": "b"}}, False),
        ({"ForAllValues:StringEquals": {"absent": "b"}}, True),
        ({"ForAnyValue:StringEquals": {"absent": "b"}}, False),
        ({"StringEquals": {"k": "v"}, "Null": {"n": "true"}}, False),
    ],
)
def test_every_condition_has_to_hold(condition: object, holds: bool) -> None:
    assert is_allowed(ASKED, [document(Condition=condition)]) == holds


@pytest.mark.parametrize(
    "statement",
    [
        {"NotAction": "s3:PutObject"},
        {"Condition": {"DateLessThan": {"k": "2030-01-01"}}},
        {"Condition": {"ForSomeValues:StringEquals": {"k": "v"}}},
        {"Condition": {"StringEquals": {"many": "a"}}},
        {"Resource": "arn:aws:s3:::${aws:username}/*"},
    ],
)
def test_what_it_does_not_know_is_an_error(statement: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        is_allowed(ASKED, [document(**statement)])


def test_a_star_in_an_arn_condition_does_not_reach_over_a_colon() -> None:
    condition = {"ArnLike": {"who": "arn:aws:iam::*:role/build"}}
    for arn, holds in (
        ("arn:aws:iam::123456789012:role/build", True),
        ("arn:aws:iam::1:user:role/build", False),
    ):
        asked = Request("s3:GetObject", "x", context={"who": arn})
        assert is_allowed(asked, [document(Condition=condition)]) == holds


def test_an_accounts_root_stands_for_all_of_the_account() -> None:
    owner = document(Principal={"AWS": "arn:aws:iam::123456789012:root"})
    assert is_allowed(Request("s3:GetObject", "x", "arn:aws:iam::123456789012:role/build"), resource=[owner])
    assert not is_allowed(Request("s3:GetObject", "x", "arn:aws:iam::210987654321:role/build"), resource=[owner])
