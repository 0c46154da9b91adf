"""How a canary is judged, as declared; see `domain.analysis.Analysis`, which compiles to this."""

import math
from dataclasses import dataclass

from shopkart_pipeline.domain.sequential_test import Worse

_BURSTS = 3.0


def largest_burst(dispersion: float) -> int:
    """Errors that may come at once and mean nothing: three times the dispersion. Bursts that end by chance have twice
    their mean as dispersion, and one in four hundred is larger than that."""
    return math.floor(_BURSTS * dispersion)


@dataclass(frozen=True)
class EventRule:
    """A business event that is counted beside errors, such as completed checkouts."""

    name: str
    method: str
    """Requests by this method ..."""
    statuses: tuple[int, int]
    """... that were answered with a status from the first to the second one are this event."""
    worse: Worse = Worse.FEWER
    minimum_effect: float = 2.0
    """The smallest ratio between the rates of both tracks, above one, that counts as a regression."""


@dataclass(frozen=True)
class LatencyRule:
    """Latency is compared by one quantile."""

    quantile: float = 0.95
    minimum_effect: float = 1.5
    """The smallest ratio of the canary's quantile over stable's that counts as a regression."""


@dataclass(frozen=True)
class JudgePolicy:
    """Limits of a judgement."""

    minimum_effect: float
    false_abort_probability: float
    floor_error_ratio: float
    floor_minimum_requests: int
    minimum_canary_requests: int
    warm_up_seconds: float = 0.0
    """What the canary shows in its first seconds is measured, and compared with nothing; the floor holds."""
    events: tuple[EventRule, ...] = ()
    latency: LatencyRule | None = None

    def is_over_floor(self, requests: int, errors: int, dispersion: float) -> bool:
        """Whether a canary fails so often that nothing needs to be compared, even if one burst is taken off.

        Args:
            requests: that the canary has answered.
            errors: those among them that failed.
            dispersion: of errors, as it was known before the canary; see `domain.history`.
        """
        burst = largest_burst(dispersion)
        return requests >= self.floor_minimum_requests and errors - burst > self.floor_error_ratio * requests

    @property
    def watched(self) -> int:
        """How many streams are judged beside errors."""
        return len(self.events) + (self.latency is not None)

    @property
    def error_limit(self) -> float:
        """The evidence ratio of errors that aborts. Errors have half of the declared probability where there is more
        to judge, so that all streams together stay below it (union bound)."""
        return (2.0 if self.watched else 1.0) / self.false_abort_probability

    @property
    def other_limit(self) -> float:
        """The evidence ratio that aborts, of each stream beside errors; they share the other half."""
        return 2.0 * self.watched / self.false_abort_probability
