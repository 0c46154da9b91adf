"""Whether a look at Prometheus says anything: which replicas it sees, how well, and of which moment.

A replica that can't be scraped hides what it answered. On the canary, that is no look: its errors must not be what
nobody sees. On stable one seen replica is enough, as what the others hide is missing on both sides of a ratio. A track
whose replicas are seen and count no requests has another counter than the one that is declared. A look is of the
moment at which the last of the replicas was scraped.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from shopkart_pipeline.adapters._prometheus_api import Series
from shopkart_pipeline.adapters._prometheus_counts import Answered, Counters, Replica, replica_of
from shopkart_pipeline.adapters._prometheus_queries import PART, RESETS, SCRAPED, TARGETS, UP
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.workload import Track

_DOCUMENTED = "See docs/kubernetes_metrics.md."


@dataclass(frozen=True)
class Sight:
    """How replicas are scraped now."""

    up: Mapping[Replica, float]
    """One where the latest scrape went well, else zero."""
    scraped: Mapping[Replica, float]
    """When that was, in seconds since 1970."""
    targets: Mapping[Replica, float]
    """By how many scrapes its requests are counted."""
    restarted: frozenset[str]
    """Names of replicas whose counters began anew."""

    @classmethod
    def of(cls, answer: Iterable[Series]) -> "Sight":
        """As an answer in parts tells it."""
        parts: dict[str, dict[Replica, float]] = {UP: {}, SCRAPED: {}, TARGETS: {}, RESETS: {}}
        for series in answer:
            part = parts.get(series.labels.get(PART, ""))
            if part is not None:
                part[replica_of(series)] = series.value
        restarted = frozenset(replica.name for replica in parts[RESETS])
        return cls(parts[UP], parts[SCRAPED], parts[TARGETS], restarted)

    def replicas(self, track: Track) -> list[Replica]:
        return [replica for replica in self.up if replica.track is track]

    @property
    def moments(self) -> list[float]:
        """When each replica was scraped that can be, in seconds since 1970, the one that was longest ago first."""
        return sorted(self.scraped.get(replica, 0.0) for replica, is_up in self.up.items() if is_up)


@dataclass(frozen=True)
class Look:
    """What all replicas have counted, as of one moment."""

    at: datetime
    counters: Counters
    scraped: Mapping[Replica, float]

    def is_after(self, before: "Look") -> bool:
        """Whether every replica that is still there was scraped again: else what one of them answered meanwhile would
        be compared with what nobody counted yet."""
        newest = {replica: at for replica, at in before.scraped.items() if replica in self.scraped}
        return all(self.scraped[replica] > at for replica, at in newest.items())

    def went_back(self, before: "Look") -> bool:
        """Whether something was counted before that is not now."""
        return any(
            value > self.counters.get(replica, {}).get(cell, 0.0)
            for replica, cells in before.counters.items()
            for cell, value in cells.items()
        )


def look_of(sight: Sight, counters: Counters, source: PrometheusSource, now: datetime, *, with_canary: bool) -> Look:
    """What a look says.

    Args:
        sight: how replicas are scraped.
        counters: what they have counted.
        source: names and limits.
        now: the time.
        with_canary: whether there is a canary with traffic.

    Raises:
        ToolUnavailable: it does not, and why.
    """
    for track in Track:
        _check_track(track, sight, counters, source, needed=with_canary or track is Track.STABLE)
    twice = next((replica for replica, number in sight.targets.items() if number > 1), None)
    if twice is not None:
        raise ToolUnavailable(
            f"requests of {twice.name} are counted by {sight.targets[twice]:.0f} scrapes at once",
            "Say by `labels` which job counts.",
        )
    oldest, newest = sight.moments[0], sight.moments[-1]
    away_seconds = max(now.timestamp() - oldest, newest - now.timestamp())
    if away_seconds > source.maximum_age_seconds:
        raise ToolUnavailable(
            f"the counts are of another time, {away_seconds:.0f} s away (limit {source.maximum_age_seconds:.0f} s)",
            "Look at Prometheus and its clock, or declare `maximum_age`.",
        )
    return Look(datetime.fromtimestamp(oldest, UTC), counters, sight.scraped)


def _check_track(track: Track, sight: Sight, counters: Counters, source: PrometheusSource, *, needed: bool) -> None:
    if not needed:
        return
    replicas = sight.replicas(track)
    down = sorted(replica.name for replica in replicas if not sight.up[replica])
    if not replicas:
        raise ToolUnavailable(f"Prometheus scrapes no replica of {track.value}", _DOCUMENTED)
    if len(down) == len(replicas) or (down and track is Track.CANARY):
        raise ToolUnavailable(f"Prometheus can't scrape {down[0]} of {track.value}", "Look at its targets.")
    if not any(isinstance(cell, Answered) for replica in replicas for cell in counters.get(replica, {})):
        raise ToolUnavailable(f"no replica of {track.value} counts {source.requests}", "Declare `requests` as it is.")
