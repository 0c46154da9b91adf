"""Histograms add up, and their quantiles are those of Prometheus."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.latency import Histogram

BOUNDS = (0.1, 0.5, 1.0)
_COUNTS = st.lists(st.integers(0, 1000), min_size=4, max_size=4).map(tuple)


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    histogram = Histogram(BOUNDS, (50, 40, 10, 0))

    assert histogram.quantile(0.5) == pytest.approx(0.1)
    assert histogram.quantile(0.7) == pytest.approx(0.3)
    assert histogram.quantile(0.95) == pytest.approx(0.75)


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert Histogram(BOUNDS, (1, 0, 0, 99)).quantile(0.95) == 1.0
    assert Histogram(BOUNDS, (1, 0, 0, 99)).bound_at(0.95) is None


def test_nothing_measured_has_no_quantile_worth_the_name() -> None:
    assert Histogram(BOUNDS, (0, 0, 0, 0)).quantile(0.95) == 0.0


def test_other_buckets_have_no_growth_and_replace_what_was() -> None:
    one, other = Histogram((0.1,), (1, 2)), Histogram((0.2,), (3, 4))

    assert other - one is None
    assert one + other == other


@pytest.mark.parametrize(("bounds", "counts"), [((), (1,)), ((0.1, 0.1), (1, 2, 3)), ((0.1,), (1,)), ((0.0,), (1, 2))])
def test_a_histogram_that_makes_no_sense_is_refused(bounds: tuple[float, ...], counts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        Histogram(bounds, counts)


@given(_COUNTS, _COUNTS)
def test_growth_undoes_a_sum(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    first, second = Histogram(BOUNDS, one), Histogram(BOUNDS, other)

    assert (first + second) - first == second
    assert (first + second).above(0.5) == first.above(0.5) + second.above(0.5)


@given(_COUNTS, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_quantiles_grow(counts: tuple[int, ...], one: float, other: float) -> None:
    histogram = Histogram(BOUNDS, counts)

    assert histogram.quantile(min(one, other)) <= histogram.quantile(max(one, other))
