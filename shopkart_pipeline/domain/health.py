"""Whether a service keeps what is promised for it: each objective against what was answered, and how fast its budget is
spent.

An objective is met when its value over its own window is within the limit and no burn rate asks for somebody at once.
What was not measured is not met, but it is not broken either: nobody knows. A share of a handful of requests says
nothing, so fewer than `FEWEST_REQUESTS` in the window are no measurement. One of fifty is beyond a limit of a hundredth
in four looks of ten at a service that keeps its promise, so a value beyond the limit breaks the objective only where
chance explains it less often than `_BY_CHANCE` (Chernoff's bound of the binomial distribution); else it is not met.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log

from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.burn_rate import (
    Burn,
    BurnRule,
    Urgency,
    budget_period_seconds,
    burn_rate,
    burn_rules,
    most_urgent,
)
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import Vital, VitalMissing, counted

FEWEST_REQUESTS = 10
_BY_CHANCE = 0.01
_LEAST_BUDGET_RATIO = 1e-9
"""Where nothing at all may fail, one failure burns without end."""
Answered = Mapping[float, Counts | VitalMissing]
"""What was answered in windows, by their length in seconds."""


@dataclass(frozen=True)
class UnseenBurn:
    """A rule of which one window could not be measured."""

    rule: BurnRule
    reason: str


@dataclass(frozen=True)
class ObjectiveHealth:
    """One objective, as it stands."""

    objective: Objective
    value: float | None
    """Over its window; None: was not measured."""
    requests: int
    """In its window."""
    missing: str
    """Why there is no value; empty where there is one."""
    is_certain: bool = True
    """Whether a value beyond the limit is more than chance."""
    burns: tuple[Burn, ...] = ()
    unseen: tuple[UnseenBurn, ...] = ()

    @property
    def burn(self) -> Burn | None:
        """The most urgent rule that fires."""
        return most_urgent(self.burns)

    @property
    def is_broken(self) -> bool:
        """Whether it was measured, and it is surely worse than promised."""
        return self._pages or (self._is_beyond and self.is_certain)

    @property
    def is_met(self) -> bool:
        """Whether it was measured, and it is as promised."""
        return self.value is not None and not self._is_beyond and not self._pages

    @property
    def _is_beyond(self) -> bool:
        return self.value is not None and self.value > self.objective.limit

    @property
    def _pages(self) -> bool:
        return self.burn is not None and self.burn.rule.urgency is Urgency.PAGE

    @property
    def words(self) -> str:
        """One sentence with value, limit and window."""
        name, window = self.objective.measure, f"over {self.objective.window_seconds:g} s"
        burning = f"; {burn_in_words(self.burn)}" if self.burn is not None else ""
        if self.value is None:
            return f"{name} {window} was not measured: {self.missing}{burning}"
        sign = "<=" if self.value <= self.objective.limit else ">"
        value = f"{name} {self.value:.4g} {sign} {self.objective.limit:g}"
        doubt = ", which may be chance" if self._is_beyond and not self.is_certain else ""
        return f"{value} {window}, {self.requests} requests{doubt}{burning}"


def windows_of(objective: Objective) -> tuple[float, ...]:
    """The windows that an objective is looked at in, in seconds, its own first."""
    of_rules = (window for rule in _rules(objective) for window in (rule.short_seconds, rule.long_seconds))
    return tuple(dict.fromkeys((objective.window_seconds, *of_rules)))


def assess(objective: Objective, answered: Answered) -> ObjectiveHealth:
    """How an objective stands.

    Args:
        objective: as declared.
        answered: for each of `windows_of`; one that is not there is missing.
    """
    counts = answered.get(objective.window_seconds)
    value, requests, missing, is_certain = None, 0, "nobody looked", True
    if isinstance(counts, VitalMissing):
        missing = counts.reason
    elif counts is not None:
        value, requests, missing = _value(objective, counts), counts.requests, ""
        if requests < FEWEST_REQUESTS:
            value, missing = None, f"only {requests} requests were answered ({FEWEST_REQUESTS} say something)"
        elif value is None:
            missing = "nobody measured the latency"
        elif _is_out_of_sight(objective, counts):
            value, missing = None, f"the histogram ends at {value:g} s, before the limit, and requests took longer"
        spent = _spent(objective, counts)
        is_certain = spent is not None and _chance(*spent, budget_ratio(objective)) <= _BY_CHANCE
    judged = [_burn(objective, rule, answered) for rule in _rules(objective)]
    return ObjectiveHealth(
        objective,
        value,
        requests,
        missing,
        is_certain,
        tuple(each for each in judged if isinstance(each, Burn)),
        tuple(each for each in judged if isinstance(each, UnseenBurn)),
    )


def budget_ratio(objective: Objective) -> float:
    """The share of requests that may break an objective."""
    quantile = Vital(objective.measure).quantile
    return max(_LEAST_BUDGET_RATIO, objective.limit if quantile is None else 1 - quantile)


def burn_in_words(burn: Burn) -> str:
    """A rule with what its windows burn."""
    rule = burn.rule
    return (
        f"the budget burns {burn.long_rate:.3g} times too fast over {rule.long_seconds:g} s and {burn.short_rate:.3g} "
        f"times over {rule.short_seconds:g} s (limit {rule.factor:g})"
    )


def _rules(objective: Objective) -> tuple[BurnRule, ...]:
    return burn_rules(budget_period_seconds(objective.window_seconds))


def _value(objective: Objective, counts: Counts) -> float | None:
    return counted(Vital(objective.measure), counts, objective.window_seconds)


def _burn(objective: Objective, rule: BurnRule, answered: Answered) -> Burn | UnseenBurn:
    rates = list[float]()
    for window in (rule.long_seconds, rule.short_seconds):
        counts = answered.get(window)
        if counts is None or isinstance(counts, VitalMissing):
            return UnseenBurn(rule, "nobody looked" if counts is None else counts.reason)
        spent = _spent(objective, counts)
        if spent is None:
            return UnseenBurn(rule, "nobody measured the latency")
        enough = counts.requests >= FEWEST_REQUESTS
        rates.append(burn_rate(*spent, budget_ratio(objective)) if enough else 0.0)
    return Burn(rule, *rates)


def _spent(objective: Objective, counts: Counts) -> tuple[float, int] | None:
    """Requests that broke it, of how many; None where that was not measured."""
    if Vital(objective.measure).quantile is None:
        return counts.errors, counts.requests
    if not counts.requests:
        return 0.0, 0
    return None if counts.latency is None else (counts.latency.slower_than(objective.limit), counts.latency.total)


def _is_out_of_sight(objective: Objective, counts: Counts) -> bool:
    """Whether a quantile of the latency is beyond the last bound of the histogram, and the limit is, too."""
    quantile, latency = Vital(objective.measure).quantile, counts.latency
    if quantile is None or latency is None:
        return False
    return latency.bound_at(quantile) is None and objective.limit >= latency.bounds[-1]


def _chance(bad: float, total: int, allowed_ratio: float) -> float:
    """How often so many are bad, or more, where just the allowed share of all is: at most so often."""
    ratio = bad / total if total else 0.0
    if ratio <= allowed_ratio or allowed_ratio <= 0:
        return 1.0
    rest = (1 - ratio) * log((1 - ratio) / (1 - allowed_ratio)) if ratio < 1 else 0.0
    return exp(-total * (ratio * log(ratio / allowed_ratio) + rest))
