"""What stable showed against itself: how far counts that must be alike differ all the same.

Two halves of stable's replicas run the same version, so whatever their counts differ by is noise: bursts, uneven
routing, slow nodes. The dispersion is Pearson's: the mean squared deviation of one half's counts from its share of
both, over what independent draws would have. It is drawn towards the prior while there is little, and a judge trusts it
like so many intervals at most that what happens during the release still counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shopkart_pipeline.domain.sequential_test import PRIOR, Dispersion, Draws
from shopkart_pipeline.domain.traffic import Counts

ERRORS = "errors"
MOST_INTERVALS = 60


@dataclass(frozen=True)
class History:
    """What was learned, and from which time."""

    since: datetime
    until: datetime
    dispersions: Mapping[str, Dispersion]
    """By stream: `errors`, and events by their names."""

    @classmethod
    def unknown(cls) -> "History":
        """Of nothing: every stream has the cautious assumption."""
        never = datetime.fromtimestamp(0, UTC)
        return cls(never, never, {})

    def prior(self, stream: str) -> Dispersion:
        """What the judge begins with."""
        return self.dispersions.get(stream, PRIOR)


def learn(halves: Sequence[tuple[Counts, Counts]], since: datetime, until: datetime) -> History:
    """Learn from what two halves of stable answered, or two versions that were both good, interval by interval.

    Args:
        halves: counts of each interval alone (not cumulative); intervals should be as long as the looks of a rollout.
        since: beginning of the first interval.
        until: end of the last one.
    """
    names = set[str]().union(*(one.events.keys() & other.events.keys() for one, other in halves))
    streams = {ERRORS: dispersion_of(_errors(halves))}
    for name in sorted(names):
        streams[name] = dispersion_of(
            (Draws(one.requests, one.events[name]), Draws(other.requests, other.events[name]))
            for one, other in halves
            if name in one.events and name in other.events
        )
    return History(since, until, streams)


def _errors(halves: Sequence[tuple[Counts, Counts]]) -> Iterable[tuple[Draws, Draws]]:
    return ((Draws(one.requests, one.errors), Draws(other.requests, other.errors)) for one, other in halves)


def dispersion_of(pairs: Iterable[tuple[Draws, Draws]]) -> Dispersion:
    """Pearson's dispersion of how hits fall on two halves; intervals without hits say nothing."""
    squares, informative = 0.0, 0
    for one, other in pairs:
        requests, hits = one.requests + other.requests, one.hits + other.hits
        if hits == 0 or one.requests == 0 or other.requests == 0:
            continue
        share = one.requests / requests
        squares += (one.hits - hits * share) ** 2 / (hits * share * (1 - share))
        informative += 1
    value = (squares + PRIOR.intervals * PRIOR.value) / (informative + PRIOR.intervals)
    return Dispersion(max(1.0, value), min(PRIOR.intervals + informative, MOST_INTERVALS))
