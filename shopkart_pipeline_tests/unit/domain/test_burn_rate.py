"""Burn rates: laws, and the numbers of the published rules."""

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.burn_rate import (
    BURN_RULES,
    PERIOD_SECONDS,
    SHORTEST_WINDOW_SECONDS,
    Burn,
    Urgency,
    burn_rate,
    burn_rules,
    most_urgent,
)

_budgets = st.floats(1e-5, 0.5)
_totals = st.integers(1, 10**9)


def test_the_rules_spend_what_the_workbook_says_of_a_budget_of_thirty_days() -> None:
    spent = [rule.factor * rule.long_seconds / PERIOD_SECONDS for rule in BURN_RULES]

    assert [round(share, 9) for share in spent] == [0.02, 0.05, 0.1, 0.1]
    assert [rule.urgency for rule in BURN_RULES] == [Urgency.PAGE, Urgency.PAGE, Urgency.TICKET, Urgency.TICKET]


@given(st.floats(60, 400 * 86_400))
def test_a_scaled_rule_spends_the_same_share_of_its_budget(period_seconds: float) -> None:
    for rule, scaled in zip(BURN_RULES, (rule.scaled(period_seconds) for rule in BURN_RULES), strict=True):
        share = rule.factor * rule.long_seconds / PERIOD_SECONDS
        assert isclose(scaled.factor * scaled.long_seconds / period_seconds, share)


@given(st.floats(1, 400 * 86_400))
def test_no_rule_has_a_window_that_is_too_short_to_measure(period_seconds: float) -> None:
    assert all(
        SHORTEST_WINDOW_SECONDS <= rule.short_seconds < rule.long_seconds < period_seconds
        for rule in burn_rules(period_seconds)
    )


@given(_totals, _budgets, st.floats(0, 1))
def test_spending_exactly_the_budget_is_a_rate_of_one(total: int, budget: float, share: float) -> None:
    assert isclose(burn_rate(total * budget, total, budget), 1)
    assert isclose(burn_rate(total * share, total, budget), share / budget)


def test_without_requests_nothing_is_spent() -> None:
    assert burn_rate(0, 0, 0.01) == 0


@given(st.integers(0, 1000), st.integers(0, 1000), _budgets)
def test_more_bad_requests_never_silence_a_rule(bad: int, more: int, budget: float) -> None:
    fires = Burn(BURN_RULES[0], burn_rate(bad, 2000, budget), burn_rate(bad, 2000, budget)).fires
    worse = burn_rate(bad + more, 2000, budget)

    assert not fires or Burn(BURN_RULES[0], worse, worse).fires


@pytest.mark.parametrize(("long_rate", "short_rate"), [(15, 14), (14, 15), (14.4, 14.4)])
def test_a_rule_needs_both_windows_above_its_factor(long_rate: float, short_rate: float) -> None:
    assert not Burn(BURN_RULES[0], long_rate, short_rate).fires


def test_the_most_urgent_rule_speaks() -> None:
    burns = [Burn(rule, 20.0, 20.0) for rule in BURN_RULES]

    assert most_urgent(burns) == burns[0]
    assert most_urgent([Burn(rule, 0.5, 20.0) for rule in BURN_RULES]) is None
