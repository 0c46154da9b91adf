"""A sequential test that may be looked at as often as one likes: does the canary count worse than stable?

While both serve side by side, each counted thing (an error, a slow request, a checkout) is a draw: if both versions
were alike, it would fall on the canary with the probability of the canary's share of the requests in that interval.
The test multiplies, interval by interval, the likelihood ratio of "the canary's rate is r times stable's" against
"alike", mixed over several r from the minimum effect onwards (r above one where more is worse, below one where fewer
is). Under "alike" such a product exceeds 1/alpha with a probability of at most alpha, however often one looks (Ville's
inequality), so watching does not inflate false aborts. Whatever hits both tracks alike (an outage behind them, the time
of day) cancels out, because only the split is judged.

Looks that saw few requests are joined to one interval, since a draw between one request and one says next to nothing.
Errors come in bursts, and a burst falls on one track: so the log ratio is divided by a dispersion, the mean squared
deviation of a track's counts from its own rate over what independent draws would have (the larger one of both tracks,
at least one). Where little was seen yet, it is drawn towards what stable showed against itself in the past
(`domain.history`), or towards two where nobody knows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

MULTIPLES = (1.0, 2.5, 5.0, 25.0)
"""Multiples of the minimum effect over which the test is mixed, with equal weight."""
INTERVAL_REQUESTS = 5
"""Requests that each track has answered in an interval, at least."""
MINIMUM_INTERVALS = 5
"""Before, a burst can't be told from a regression."""
_LARGEST_EXPONENT = 700.0


class Worse(StrEnum):
    """Which direction of a count is bad news."""

    MORE = "more"
    FEWER = "fewer"


@dataclass(frozen=True)
class Dispersion:
    """How much more than independent draws some counts vary, and how many intervals stand behind that."""

    value: float
    """One for independent draws; a burst of five errors at a time makes it five."""
    intervals: int


PRIOR = Dispersion(2.0, 5)
"""What is assumed where there is no history."""


class Draws(NamedTuple):
    """What one track showed in an interval."""

    requests: int
    hits: int


def effects(minimum: float, worse: Worse) -> tuple[float, ...]:
    """The rates of the canary over stable's that are tested, from the minimum effect (a ratio above one) onwards."""
    ratios = [minimum * multiple for multiple in MULTIPLES]
    return tuple(ratio if worse is Worse.MORE else 1 / ratio for ratio in ratios)


class SequentialTest:
    """The test over one stream of counts; takes intervals oldest first.

    Args:
        tested: rates of the canary over stable's, see `effects`.
        prior: the dispersion to begin with.
    """

    __slots__ = ("_canary", "_intervals", "_pending", "_prior", "_stable", "_tested", "_totals")

    def __init__(self, tested: Sequence[float], prior: Dispersion = PRIOR) -> None:
        self._tested = tuple(tested)
        self._prior = prior
        self._totals = [0.0] * len(self._tested)
        self._canary, self._stable = _Spread(), _Spread()
        self._intervals = 0
        self._pending = Draws(0, 0), Draws(0, 0)

    def add(self, canary: Draws, stable: Draws) -> None:
        """What was counted since the last look; where an interval ends depends on requests, never on hits."""
        one, other = self._pending
        one = Draws(one.requests + canary.requests, one.hits + canary.hits)
        other = Draws(other.requests + stable.requests, other.hits + stable.hits)
        if min(one.requests, other.requests) < INTERVAL_REQUESTS:
            self._pending = one, other
            return
        self._intervals += 1
        self._canary.add(one)
        self._stable.add(other)
        if one.hits or other.hits:
            for index, effect in enumerate(self._tested):
                self._totals[index] += log_ratio(one, other, effect)
        self._pending = Draws(0, 0), Draws(0, 0)

    @property
    def dispersion(self) -> float:
        """The larger one of both tracks."""
        one, other = self._pending
        intervals = self._intervals + 1
        return max(
            self._canary.dispersion(one, intervals, self._prior), self._stable.dispersion(other, intervals, self._prior)
        )

    @property
    def ratio(self) -> float:
        """How many times likelier the counts are if the canary is worse than if both are alike."""
        if self._intervals + 1 < MINIMUM_INTERVALS:
            return 1.0
        one, other = self._pending
        dispersion = self.dispersion
        exponents = [
            (total + log_ratio(one, other, effect)) / dispersion
            for total, effect in zip(self._totals, self._tested, strict=True)
        ]
        return sum(math.exp(min(each, _LARGEST_EXPONENT)) for each in exponents) / len(exponents)


class _Spread:
    """How much a track's counts deviate from its own rate, kept as sums."""

    __slots__ = ("_hits", "_requests", "_squares")

    def __init__(self) -> None:
        self._requests = self._hits = 0
        self._squares = 0.0

    def add(self, draws: Draws) -> None:
        self._requests += draws.requests
        self._hits += draws.hits
        self._squares += draws.hits * draws.hits / draws.requests

    def dispersion(self, pending: Draws, intervals: int, prior: Dispersion) -> float:
        hits, requests = self._hits + pending.hits, self._requests + pending.requests
        if hits == 0 or requests == 0:
            return 1.0
        squares = self._squares + (pending.hits * pending.hits / pending.requests if pending.requests else 0.0)
        deviation = squares * requests / hits - hits
        return max(1.0, (deviation + prior.intervals * prior.value) / (intervals + prior.intervals))


def log_ratio(canary: Draws, stable: Draws, effect: float) -> float:
    """Log likelihood ratio of one interval's hits, given how the requests were split."""
    if canary.requests == 0 or stable.requests == 0 or canary.hits + stable.hits == 0:
        return 0.0
    requests = canary.requests + stable.requests
    weighted = effect * canary.requests + stable.requests
    lost = math.log(requests / weighted)
    return canary.hits * (math.log(effect) + lost) + stable.hits * lost
