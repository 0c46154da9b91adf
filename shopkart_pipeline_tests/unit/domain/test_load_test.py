"""When requests arrive, which ones, and what the numbers of a multiple are made of."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.domain.load_report import LOG_BOUNDS, TIMED_OUT, StepResult, histogram_of
from shopkart_pipeline.domain.load_test import LoadRequest, LoadTest, name_of


def plan(*multiples: float, peak: float | None = 10.0, ramp: float = 2.0, hold: float = 4.0) -> LoadTest:
    return LoadTest(multiples, ramp, hold, (LoadRequest("/"),), (), peak)


def test_the_rate_is_constant_while_a_multiple_is_held() -> None:
    step = plan(1.0, 2.0).steps[1]
    held = [at for at, measured in step.arrivals() if measured]
    assert (len(held), held[0], step.ends) == (80, 8.0, 12.0)
    assert {round(after - before, 9) for before, after in pairwise(held)} == {0.05}


def test_a_ramp_goes_from_the_rate_before_to_the_next_one() -> None:
    first, second = plan(1.0, 2.0).steps
    ramp = [at for at, measured in first.arrivals() if not measured]
    assert len(ramp) == 10, "half of ten a second for two seconds"
    assert ramp[1] - ramp[0] > 2 * (ramp[-1] - ramp[-2])
    assert len([at for at, measured in second.arrivals() if not measured]) == 30


def test_without_a_ramp_the_hold_begins_at_once() -> None:
    [step] = plan(1.0, ramp=0.0).steps
    assert next(step.arrivals()) == (0.0, True)


@settings(max_examples=25)
@given(
    st.floats(0.1, 30),
    st.lists(st.floats(0.1, 5), min_size=1, max_size=3, unique=True),
    st.just(0.0) | st.floats(0.01, 3),
)
def test_arrivals_never_go_back_and_stay_within_their_multiple(
    peak: float, multiples: list[float], ramp: float
) -> None:
    for step in plan(*sorted(multiples), peak=peak, ramp=ramp, hold=1.0).steps:
        moments = list(step.arrivals())
        assert len(moments) == step.count
        assert all(before[0] <= after[0] + 1e-6 for before, after in pairwise(moments))
        assert all(step.begins <= at <= step.ends + 1e-6 for at, _ in moments)


def test_a_peak_that_nobody_knows_yet_has_no_arrivals() -> None:
    with pytest.raises(ValueError):
        _ = plan(1.0, peak=None).steps
    assert plan(1.0, peak=None).at_peak(5.0).steps[0].rate == 5.0


def test_requests_of_a_kind_are_spread_over_the_round() -> None:
    requests = (LoadRequest("/a", weight=50), LoadRequest("/b", weight=10), LoadRequest("/c", weight=10))
    order = [each.path for each in LoadTest((1.0,), 0.0, 1.0, requests, ()).order]
    assert order == ["/a", "/a", "/b", "/a", "/c", "/a", "/a"]


def test_measures_begin_with_an_identifier_for_the_multiple() -> None:
    assert [name_of(multiple) for multiple in (1.0, 1.5, 2.0, 10.0)] == ["x1", "x1_5", "x2", "x10"]


def test_a_quantile_of_the_histogram_is_at_most_five_percent_off() -> None:
    result = StepResult(plan(1.0).steps[0])
    for _ in range(100):
        result.latencies[next(index for index, bound in enumerate(LOG_BOUNDS) if bound >= 0.3)] += 1
    assert histogram_of(result.latencies).quantile(0.99) == pytest.approx(0.3, rel=0.05)


def test_nothing_answered_leaves_no_latency_rather_than_zero() -> None:
    result = StepResult(plan(1.0).steps[0])
    result.ends["connection"] = result.failed = 40
    measures = result.measures()
    assert measures["x1_error_ratio"] == 1.0
    assert not [name for name in measures if "latency" in name]


def test_a_multiple_of_which_nothing_ended_has_no_error_ratio() -> None:
    assert "x1_error_ratio" not in StepResult(plan(1.0).steps[0]).measures()


def test_a_generator_that_fell_behind_is_told_with_both_rates() -> None:
    result = StepResult(plan(24.0).steps[0], dispatched_in_time=764, sent_in_time=764)
    result.ends[TIMED_OUT] = 960
    assert result.saturation == "the generator could not send 240/s: 191/s"
