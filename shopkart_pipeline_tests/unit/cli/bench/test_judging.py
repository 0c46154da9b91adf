"""A small, seeded version of the bench's simulation, and that it simulates the judge that is really used."""

import random
from datetime import UTC, datetime, timedelta
from statistics import fmean, median, pvariance
from xml.etree import ElementTree

import pytest

from shopkart_pipeline.cli.bench import judge as bench
from shopkart_pipeline.cli.bench.judging.kayenta import is_high
from shopkart_pipeline.cli.bench.judging.plot import svg
from shopkart_pipeline.cli.bench.judging.rules import ArgoRollouts, Flagger, OwnJudge, Rule
from shopkart_pipeline.cli.bench.judging.together import false_aborts_together
from shopkart_pipeline.cli.bench.judging.traffic import Look, Scenario, poisson
from shopkart_pipeline.cli.bench.judging.trial import ARGO_STRICT, RULES, history_of, trial
from shopkart_pipeline.cli.bench.measures import SHOPKART, Measure, Measurement
from shopkart_pipeline.cli.bench.report import wide_rows
from shopkart_pipeline.domain.judge import Opinion, judge
from shopkart_pipeline.domain.sequential_test import Draws
from shopkart_pipeline.domain.traffic import Counts, TrafficSample

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("scenario", bench.GOOD, ids=lambda scenario: scenario.name)
def test_in_ten_minutes_no_good_canary_of_thirty_is_aborted(scenario: Scenario) -> None:
    found = trial(scenario, bench.POLICY, range(30), 600.0, 5.0)

    assert found[SHOPKART] == (None,) * 30


def test_the_scenarios_tell_the_rules_apart() -> None:
    found = trial(bench.GOOD[0], bench.POLICY, range(30), 600.0, 5.0)

    assert sum(abort is not None for abort in found[ARGO_STRICT]) > 10


def test_a_tenfold_error_rate_is_found_within_thirty_seconds() -> None:
    found = trial(bench.TENFOLD, bench.POLICY, range(101), 120.0, 1.0)

    assert median(abort.seconds if abort else 120.0 for abort in found[SHOPKART]) <= 30.0


def test_together_errors_checkouts_and_latency_abort_no_good_canary() -> None:
    assert false_aborts_together(bench.POLICY, range(20), 600.0, 5.0) == 0


@pytest.mark.parametrize("effect", [1.0, 10.0])
@pytest.mark.parametrize("seed", range(3))
def test_what_is_simulated_is_the_judge_itself(effect: float, seed: int) -> None:
    scenario = Scenario("bursts", effect=effect, burst=2.0)
    history = history_of(scenario, seed, 5.0)
    rule, canary, stable = OwnJudge(bench.POLICY, history), Counts(0, 0), Counts(0, 0)
    samples = [TrafficSample(NOON, canary, stable)]
    for look in scenario.looks(seed, 300.0, 5.0):
        assert look.canary is not None
        assert look.stable is not None
        canary, stable = canary + Counts(*look.canary), stable + Counts(*look.stable)
        samples.append(TrafficSample(NOON + timedelta(seconds=look.seconds), canary, stable))

        judged = judge(samples, bench.POLICY, history=history).opinion is Opinion.BAD

        assert rule.aborts(look) is judged
        if judged:
            break


def test_bursts_and_independent_errors_are_equally_many() -> None:
    rates = []
    for burst in (1.0, 5.0):
        looks = Scenario("any", burst=burst).looks(7, 20_000.0, 10.0)
        errors = [look.stable.hits for look in looks if look.stable]
        rates.append(fmean(errors))
        dispersion = pvariance(errors) / fmean(errors)
        assert dispersion == pytest.approx(2 * burst - 1, rel=0.2)

    assert rates[0] == pytest.approx(rates[1], rel=0.1)


@pytest.mark.parametrize("mean", [0.0, 0.3, 4.0, 200.0])
def test_arrivals_have_their_mean(mean: float) -> None:
    chance = random.Random(1)

    assert fmean(poisson(chance, mean) for _ in range(4000)) == pytest.approx(mean, abs=0.05 + mean / 50)


def minutes(rule: Rule, *errors_of_a_hundred: int | None) -> int | None:
    """In which minute a rule aborts, if the canary answers a hundred requests in each; None is no data."""
    for minute, errors in enumerate(errors_of_a_hundred, start=1):
        canary = None if errors is None else Draws(100, errors)
        if rule.aborts(Look(60.0 * minute, canary, canary and Draws(900, 9))):
            return minute
    return None


def test_argo_rollouts_aborts_beyond_its_failure_limit_and_after_five_errors_in_a_row() -> None:
    assert minutes(ArgoRollouts(60.0, 0.95, 1), 9, 0, 0, 9, 0) == 4
    assert minutes(ArgoRollouts(60.0, 0.95, 0), 5, 5, 5) is None
    assert minutes(ArgoRollouts(60.0, 0.95, 3), 0, None, None, None, None, None, None) == 6


def test_flagger_adds_failed_checks_up_counts_no_data_and_rolls_back_a_tick_later() -> None:
    assert minutes(Flagger(60.0, 0.99, 2), 9, 0, 9, 0, 0) == 4
    assert minutes(Flagger(60.0, 0.99, 2), None, None, None) == 3


def test_kayenta_sees_a_shift_of_most_samples_and_passes_what_it_has_no_data_for() -> None:
    stable = [0.005, 0.006, 0.004, 0.0051, 0.0049, 0.0055, 0.0045, 0.0052, 0.0048, 0.005]

    assert is_high([10 * ratio for ratio in stable], stable)
    assert not is_high(stable[::-1], stable)
    assert not is_high([], stable)
    assert not is_high([0.5] * 3 + stable[3:], stable)


def a_measurement() -> Measurement:
    """As the simulation makes it, with invented numbers."""
    quantity = f"{bench.FOUND}: {bench.TENFOLD.name}"
    measures = [
        Measure(rule, f"{bench.FALSE}: <all> & any", "%", (float(number),)) for number, rule in enumerate(RULES)
    ]
    measures += [
        Measure(rule, quantity, "s", (20.0, 25.0, 1800.0), 30.0 if rule == SHOPKART else None) for rule in RULES
    ]
    return Measurement(bench.NAME, "judged", tuple(measures), wide=True)


def test_the_picture_is_well_formed_and_shows_every_rule() -> None:
    picture = svg(a_measurement().as_json(), bench.FALSE, f"{bench.FOUND}: {bench.TENFOLD.name}")

    texts = [element.text for element in ElementTree.fromstring(picture).iter() if element.tag.endswith("text")]
    assert set(RULES) <= set(texts)
    assert "<all> & any" in texts


def test_the_table_has_a_column_for_each_rule_and_our_limit() -> None:
    head, rows = wide_rows(a_measurement().as_json())

    assert head == ("measured (median)", *RULES, "limit")
    assert rows[1][-1] == "30 s, kept"
    assert rows[0][1:-1] == ("0", "1", "2", "3", "4", "5")


def test_a_simulation_of_a_few_streams_has_every_scenario() -> None:
    found = bench.simulate(2, processes=1)

    quantities = {measure.quantity for measure in found.measures if measure.subject == SHOPKART}
    assert {f"{bench.FALSE}: {scenario.name}" for scenario in bench.GOOD} <= quantities
    assert {f"{bench.FOUND}: {scenario.name}" for scenario in bench.BAD} <= quantities
