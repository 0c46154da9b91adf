"""Which statements prove a release: all that are needed, each about this release, and nothing less."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.attestation import PROVENANCE, SBOM, STAGE_RESULT, TEST_RESULT, Statement
from shopkart_pipeline.domain.attested_release import AttestedRelease, NamedStatement, Wanted, unproved
from shopkart_pipeline.domain.signed_moment import RELEASE_FIELD

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"
RELEASE = AttestedRelease(
    service="backend",
    release="20260301-000000-abcdefabcdef",
    repository="shopkart/storefront",
    branch="main",
    commit="ab" * 20,
    digest=DIGEST,
    builder="https://build.shop.example",
    now=NOW,
    maximum_age_seconds=3600.0,
)
ABOUT = {
    "service": RELEASE.service,
    "release": RELEASE.release,
    "repository": RELEASE.repository,
    "branch": RELEASE.branch,
    "commit": RELEASE.commit,
    "signed_at": NOW.isoformat(),
}
WANTED = Wanted({"lint": "sha256:lint", "unit_tests": "sha256:tests"}, frozenset({"unit_tests"}), image=True)


def stated(name: str, kind: str, predicate: dict[str, object]) -> NamedStatement:
    return NamedStatement(name, Statement("backend", DIGEST, kind, predicate))


def stage(name: str, record: str, **changes: object) -> NamedStatement:
    return stated(name, STAGE_RESULT, {**ABOUT, "stage": name, "record": record, "outcome": "pass", **changes})


def bill(name: str, kind: str) -> NamedStatement:
    properties = [{"name": f"shopkart:{key}", "value": value} for key, value in ABOUT.items()]
    metadata = {"component": {"type": kind}, "properties": properties}
    return stated(name, SBOM, {"bomFormat": "CycloneDX", "metadata": metadata})


WHOLE = (
    stated(
        "provenance",
        PROVENANCE,
        {
            "buildDefinition": {"externalParameters": ABOUT},
            "runDetails": {"builder": {"id": RELEASE.builder}, "metadata": {"finishedOn": NOW.isoformat()}},
        },
    ),
    bill("image-sbom", "container"),
    bill("application-sbom", "application"),
    stage("lint", "sha256:lint"),
    stage("unit_tests", "sha256:tests"),
    stated("unit_tests-result", TEST_RESULT, {"result": "PASSED", RELEASE_FIELD: {**ABOUT, "stage": "unit_tests"}}),
)


def test_all_of_them_prove_it() -> None:
    assert unproved(RELEASE, WANTED, WHOLE) == []


@given(st.sets(st.sampled_from(range(len(WHOLE))), max_size=len(WHOLE) - 1))
def test_nothing_less_does(kept: set[int]) -> None:
    assert unproved(RELEASE, WANTED, [WHOLE[each] for each in sorted(kept)])


@given(st.permutations(WHOLE), st.lists(st.sampled_from(WHOLE), max_size=3))
def test_neither_order_nor_repetition_matters(order: Sequence[NamedStatement], again: list[NamedStatement]) -> None:
    assert unproved(RELEASE, WANTED, [*order, *again]) == []


@pytest.mark.parametrize("field", ["service", "release", "repository", "branch", "commit", "digest"])
@pytest.mark.parametrize("each", WHOLE, ids=lambda each: each.name)
def test_none_of_them_is_about_another_release(field: str, each: NamedStatement) -> None:
    other = replace(RELEASE, **{field: "sha256:other" if field == "digest" else "other"})

    why = other.not_about(each.statement)

    assert why is not None
    assert why.startswith("is about the image" if field == "digest" else f"is about {field} ")


@pytest.mark.parametrize("each", WHOLE, ids=lambda each: each.name)
def test_each_of_them_expires(each: NamedStatement) -> None:
    late = replace(RELEASE, now=NOW + timedelta(seconds=3601))
    early = replace(RELEASE, now=NOW - timedelta(seconds=301))

    assert "has expired: it is 3601 s old (at most 3600 s)" in (late.not_about(each.statement) or "")
    assert "is of the future" in (early.not_about(each.statement) or "")


def test_another_builder_is_named() -> None:
    other = replace(RELEASE, builder="https://elsewhere.example")

    assert unproved(other, WANTED, WHOLE) == [
        "provenance names builder https://build.shop.example, not https://elsewhere.example",
        "no provenance",
    ]


@pytest.mark.parametrize("builder", [None, [], {"id": ["https://build.shop.example"]}, "https://build.shop.example"])
def test_a_builder_of_another_shape_is_another_builder(builder: object) -> None:
    [provenance, *others] = WHOLE
    details = {"builder": builder, "metadata": {"finishedOn": NOW.isoformat()}}
    odd = replace(provenance.statement, predicate={**provenance.statement.predicate, "runDetails": details})

    assert "no provenance" in unproved(RELEASE, WANTED, [replace(provenance, statement=odd), *others])


def test_a_stage_that_did_not_pass_is_named_although_it_was_signed() -> None:
    others = [each for each in WHOLE if each.name != "lint"]

    assert unproved(RELEASE, WANTED, [*others, stage("lint", "sha256:lint", outcome="fail")]) == [
        "stage lint is stated as fail, not as passed"
    ]


def test_one_bill_twice_is_not_a_bill_of_both() -> None:
    """Whoever may edit the evidence store could otherwise hide what the application consists of."""
    others = [each for each in WHOLE if each.name != "application-sbom"]

    assert unproved(RELEASE, WANTED, [*others, replace(others[1], name="application-sbom")]) == [
        "no bill of materials of the application"
    ]


def test_tests_that_were_stated_to_have_failed_are_named() -> None:
    """Such as those of an earlier attempt of the same release."""
    [*others, result] = WHOLE
    failed = replace(
        result, statement=replace(result.statement, predicate={**result.statement.predicate, "result": "FAILED"})
    )

    assert unproved(RELEASE, WANTED, [*others, failed]) == ["no statement that the tests of unit_tests passed"]


def test_an_edited_record_is_named() -> None:
    edited = replace(WANTED, records={**WANTED.records, "lint": "sha256:edited"})

    assert unproved(RELEASE, edited, WHOLE) == [
        "the record of lint in the evidence store is not the one that was signed"
    ]
