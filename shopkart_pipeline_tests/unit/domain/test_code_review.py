"""Whose approval stood when a pull request was merged."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.code_review import ProposedChange, Review, ReviewState, approvers

MERGED_AT = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
HEAD, EARLIER = "a" * 40, "b" * 40
CHANGE = ProposedChange(
    repository="shopkart/storefront",
    number=7,
    title="carts",
    login="ana",
    branch="main",
    base_sha="c" * 40,
    sha=HEAD,
    from_fork=False,
    is_open=False,
    merged_at=MERGED_AT,
    merge_sha="d" * 40,
    updated_at=MERGED_AT,
    url="https://github.example/7",
)
APPROVED, CHANGES, COMMENTED, DISMISSED = (
    ReviewState.APPROVED,
    ReviewState.CHANGES_REQUESTED,
    ReviewState.COMMENTED,
    ReviewState.DISMISSED,
)


def said(state: ReviewState, minutes_before: float, login: str = "maya", sha: str | None = HEAD) -> Review:
    return Review(login, state, sha, MERGED_AT - timedelta(minutes=minutes_before))


def standing(*reviews: Review, stale: bool = True, change: ProposedChange = CHANGE) -> tuple[str, ...]:
    return approvers(
        change, reviews, {"ana-private": "ana@x.example", "ana": "ana@x.example"}, dismiss_stale_reviews=stale
    )


@pytest.mark.parametrize(
    ("reviews", "stand"),
    [
        pytest.param([], (), id="nobody said anything"),
        pytest.param([said(APPROVED, 5)], ("maya",), id="an approval"),
        pytest.param([said(APPROVED, 0)], ("maya",), id="in the second of the merge"),
        pytest.param([said(APPROVED, -1)], (), id="after the merge"),
        pytest.param([said(APPROVED, 9), said(CHANGES, 5)], (), id="taken back"),
        pytest.param([said(CHANGES, 9), said(APPROVED, 5)], ("maya",), id="satisfied in the end"),
        pytest.param([said(APPROVED, 5), said(CHANGES, 9)], ("maya",), id="told in another order"),
        pytest.param([said(APPROVED, 9), said(COMMENTED, 5)], ("maya",), id="a comment takes nothing back"),
        pytest.param([said(APPROVED, 9), said(DISMISSED, 5)], (), id="dismissed"),
        pytest.param([said(APPROVED, 9), said(CHANGES, -1)], ("maya",), id="taken back after the merge"),
        pytest.param([said(APPROVED, 5, "Ana")], (), id="the author"),
        pytest.param([said(APPROVED, 5, "ana-private")], (), id="the author's second login"),
        pytest.param([said(COMMENTED, 5)], (), id="a comment alone"),
        pytest.param([said(APPROVED, 5, sha=EARLIER)], (), id="of an earlier head"),
        pytest.param([said(APPROVED, 5, sha=None)], (), id="of a head that nobody knows any more"),
        pytest.param([replace(said(APPROVED, 5), counts=False)], (), id="by somebody who may not write"),
        pytest.param([said(APPROVED, 5), said(CHANGES, 4, "jonas")], ("maya",), id="another one's objection"),
    ],
)
def test_an_approval_counts_if_it_stood_when_it_was_merged(reviews: list[Review], stand: tuple[str, ...]) -> None:
    assert standing(*reviews) == stand


def test_an_approval_of_an_earlier_head_counts_where_pushes_do_not_take_it_away() -> None:
    assert standing(said(APPROVED, 5, sha=EARLIER), stale=False) == ("maya",)


def test_nobody_approved_what_is_not_merged() -> None:
    assert standing(said(APPROVED, 5), change=replace(CHANGE, merged_at=None, merge_sha=None)) == ()


REVIEWS = st.lists(
    st.builds(
        said,
        st.sampled_from(ReviewState),
        st.integers(-3, 10),
        st.sampled_from(["ana", "ANA", "ana-private", "maya", "Maya", "jonas"]),
        st.sampled_from([HEAD, EARLIER, None]),
    ),
    max_size=8,
    unique_by=lambda review: (review.submitted_at, review.login.casefold()),
)


@given(reviews=REVIEWS, stale=st.booleans())
def test_only_people_who_approved_and_are_not_the_author_are_named(reviews: list[Review], stale: bool) -> None:
    names = standing(*reviews, stale=stale)

    before = [review for review in reviews if review.submitted_at <= MERGED_AT]
    assert set(names) <= {review.login for review in before if review.state is APPROVED}
    assert not {name.casefold() for name in names} & {"ana", "ana-private"}
    assert len({name.casefold() for name in names}) == len(names)


@given(reviews=REVIEWS)
def test_the_stricter_rule_never_finds_more(reviews: list[Review]) -> None:
    assert set(standing(*reviews, stale=True)) <= set(standing(*reviews, stale=False))


@given(reviews=REVIEWS, late=REVIEWS, stale=st.booleans())
def test_nothing_that_is_said_after_the_merge_changes_the_answer(
    reviews: list[Review], late: list[Review], stale: bool
) -> None:
    after = [replace(review, submitted_at=MERGED_AT + timedelta(seconds=1 + n)) for n, review in enumerate(late)]

    assert standing(*reviews, *after, stale=stale) == standing(*reviews, stale=stale)


@given(reviews=REVIEWS, stale=st.booleans(), login=st.sampled_from(["maya", "jonas", "petra"]))
def test_an_objection_before_the_merge_never_adds_an_approval(reviews: list[Review], stale: bool, login: str) -> None:
    objection = said(CHANGES, -0.0, login)

    assert set(standing(*reviews, objection, stale=stale)) <= set(standing(*reviews, stale=stale))
    assert login not in {name.casefold() for name in standing(*reviews, objection, stale=stale)}


@given(reviews=REVIEWS.flatmap(st.permutations), stale=st.booleans())
def test_the_order_in_which_reviews_are_told_does_not_matter(reviews: list[Review], stale: bool) -> None:
    ordered = sorted(reviews, key=lambda review: (review.submitted_at, review.login.casefold()))

    assert standing(*reviews, stale=stale) == standing(*ordered, stale=stale)
