"""How fast an error budget is spent: the burn rate, and when that has to wake somebody.

An objective leaves a budget: of all requests of its period, the share that may fail. A burn rate of 1 spends it exactly
by the end of the period. A rule fires while both of its windows burn faster than its factor: the long one says that
it matters, the short one that it still goes on.

Source: Google, The Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts", whose windows are for
30 days; for another period they are scaled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

PERIOD_SECONDS = 30 * 86_400.0
_SHORTEST_PERIOD_SECONDS = 86_400.0
SHORTEST_WINDOW_SECONDS = 10.0
"""Shorter windows hold too few scrapes to say anything; rules that would need one are left out."""


class Urgency(StrEnum):
    """What a rule asks for."""

    PAGE = "page"
    """Somebody has to look now."""
    TICKET = "ticket"
    """Somebody has to look within days."""


@dataclass(frozen=True)
class BurnRule:
    """One pair of windows."""

    factor: float
    long_seconds: float
    short_seconds: float
    urgency: Urgency

    def scaled(self, period_seconds: float) -> "BurnRule":
        """The same rule for a budget of another period."""
        scale = period_seconds / PERIOD_SECONDS
        return BurnRule(self.factor, self.long_seconds * scale, self.short_seconds * scale, self.urgency)


BURN_RULES = (
    BurnRule(14.4, 3_600.0, 300.0, Urgency.PAGE),
    BurnRule(6.0, 6 * 3_600.0, 1_800.0, Urgency.PAGE),
    BurnRule(3.0, 86_400.0, 2 * 3_600.0, Urgency.TICKET),
    BurnRule(1.0, 3 * 86_400.0, 6 * 3_600.0, Urgency.TICKET),
)
"""For a period of 30 days, the most urgent one first."""


def budget_period_seconds(window_seconds: float, usual_seconds: float = PERIOD_SECONDS) -> float:
    """Over which time the budget of an objective is counted: its window where that is long enough to be one, which is a
    day or more; else the usual 30 days, and the window is how soon a breach shows."""
    return window_seconds if window_seconds >= _SHORTEST_PERIOD_SECONDS else usual_seconds


def burn_rules(period_seconds: float) -> tuple[BurnRule, ...]:
    """The rules for a budget of a period, without those whose short window would be too short to measure."""
    scaled = (rule.scaled(period_seconds) for rule in BURN_RULES)
    return tuple(rule for rule in scaled if rule.short_seconds >= SHORTEST_WINDOW_SECONDS)


def burn_rate(bad: float, total: float, budget_ratio: float) -> float:
    """How many times faster than allowed the budget is spent.

    Args:
        bad: requests that broke the objective.
        total: all of them; without any, nothing is spent.
        budget_ratio: the share of requests that may break it, above 0.
    """
    return bad / total / budget_ratio if total else 0.0


@dataclass(frozen=True)
class Burn:
    """A rule beside what its windows burn."""

    rule: BurnRule
    long_rate: float
    short_rate: float

    @property
    def fires(self) -> bool:
        return self.long_rate > self.rule.factor and self.short_rate > self.rule.factor


def most_urgent(burns: Sequence[Burn]) -> Burn | None:
    """The first rule that fires, in the order of the rules; None where none does."""
    return next((burn for burn in burns if burn.fires), None)
