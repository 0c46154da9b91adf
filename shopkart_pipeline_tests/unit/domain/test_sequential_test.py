"""The test behind the judge: it may be looked at always, and what hits both tracks alike is no evidence."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.history import MOST_INTERVALS, dispersion_of
from shopkart_pipeline.domain.sequential_test import (
    INTERVAL_REQUESTS,
    PRIOR,
    Dispersion,
    Draws,
    SequentialTest,
    Worse,
    effects,
)

_DRAWS = st.tuples(st.integers(0, 200), st.integers(0, 200)).map(lambda pair: Draws(max(pair), min(pair)))
_LOOKS = st.lists(st.tuples(_DRAWS, _DRAWS), max_size=30)
MORE, FEWER = effects(2.0, Worse.MORE), effects(2.0, Worse.FEWER)


def ratio_of(looks: list[tuple[Draws, Draws]], tested: tuple[float, ...] = MORE, prior: Dispersion = PRIOR) -> float:
    test = SequentialTest(tested, prior)
    for canary, stable in looks:
        test.add(canary, stable)
    return test.ratio


@given(_LOOKS)
def test_whatever_comes_the_evidence_is_a_positive_number(looks: list[tuple[Draws, Draws]]) -> None:
    assert 0 <= ratio_of(looks) < float("inf")
    assert 0 <= ratio_of(looks, FEWER) < float("inf")


@given(_LOOKS)
def test_without_hits_nothing_is_known(looks: list[tuple[Draws, Draws]]) -> None:
    nothing = [(Draws(one.requests, 0), Draws(other.requests, 0)) for one, other in looks]

    assert ratio_of(nothing) == 1.0


def test_hits_in_proportion_to_the_requests_speak_against_a_regression_in_both_directions() -> None:
    alike = [(Draws(10, 1), Draws(90, 9))] * 50

    assert ratio_of(alike) < 0.01
    assert ratio_of(alike, FEWER) < 0.01


def test_what_is_more_on_the_canary_is_evidence_in_one_direction_only() -> None:
    more = [(Draws(10, 2), Draws(90, 3))] * 20

    assert ratio_of(more) > 200
    assert ratio_of(more, FEWER) < 0.01


def test_what_is_lacking_on_the_canary_is_evidence_where_fewer_is_worse() -> None:
    lacking = [(Draws(20, 0), Draws(80, 3))] * 40

    assert ratio_of(lacking, FEWER) > 200
    assert ratio_of(lacking) < 1


def test_looks_are_joined_until_both_tracks_answered_enough() -> None:
    looks = [(Draws(1, number % 2), Draws(number % 5, 0)) for number in range(60)]
    joined = [
        tuple(Draws(sum(d.requests for d in track), sum(d.hits for d in track)) for track in zip(*part, strict=True))
        for part in (looks[start : start + INTERVAL_REQUESTS] for start in range(0, 60, INTERVAL_REQUESTS))
    ]

    assert all(min(one.requests, other.requests) >= INTERVAL_REQUESTS for one, other in joined[:-1])
    assert ratio_of(looks) == pytest.approx(ratio_of(joined))  # pyright: ignore[reportArgumentType]


def test_bursts_weigh_less_the_better_they_are_known() -> None:
    quiet, burst = (Draws(10, 0), Draws(90, 0)), (Draws(10, 5), Draws(90, 0))
    looks = [quiet, quiet, burst, quiet, burst, quiet, quiet]

    assert ratio_of(looks, prior=Dispersion(5.0, 60)) < ratio_of(looks) < ratio_of(looks, prior=Dispersion(1.0, 60))


@pytest.mark.parametrize("size", [1, 3, 8])
def test_history_finds_how_large_bursts_are(size: int) -> None:
    chance = random.Random(size)
    pairs = []
    for _ in range(600):
        hits = [0, 0]
        for _ in range(chance.choices((0, 1, 2), (5, 3, 2))[0]):
            hits[chance.random() < 0.5] += size
        pairs.append((Draws(100, hits[0]), Draws(100, hits[1])))

    found = dispersion_of(pairs)

    assert found.value == pytest.approx(size, rel=0.15)
    assert found.intervals == MOST_INTERVALS


def test_without_history_the_assumption_stands() -> None:
    assert dispersion_of([]) == PRIOR
    assert dispersion_of([(Draws(100, 0), Draws(100, 0))] * 500) == PRIOR
