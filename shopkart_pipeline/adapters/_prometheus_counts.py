"""What replicas have counted since a fixed moment, and what that is in requests of both tracks.

The sum over replicas never falls while that moment stays: a replica that came later has counted from zero, and one that
has left keeps what it had. Where a counter began anew (a container was started again), every sample of that replica is
gone through, and what it had before is added. So the difference of two looks is what was answered between them.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from shopkart_pipeline.adapters._prometheus_api import Series
from shopkart_pipeline.adapters._prometheus_queries import BOUND, LATENCY, PART, REPLICA, REQUESTS, TRACK
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.judge_policy import EventRule
from shopkart_pipeline.domain.latency import Histogram
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.workload import Track

_STATUS = re.compile(r"(?P<code>[1-5][0-9]{2})|(?P<first>[1-5])xx", re.IGNORECASE)
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


class Replica(NamedTuple):
    """A replica, by its track and the name of its pod."""

    track: Track
    name: str


class Answered(NamedTuple):
    """Requests of one method that were answered with one status, or with a status of one class."""

    method: str
    first_status: int
    last_status: int


class Within(NamedTuple):
    """Requests that were answered within so many seconds."""

    bound: float


Cells = dict[Answered | Within, float]
"""How often what was counted."""
Counters = Mapping[Replica, Cells]
"""What each replica has counted."""


class Labels(NamedTuple):
    """Names of the labels that say how a request was answered."""

    method: str
    status: str


def replica_of(series: Series) -> Replica:
    """Whose series it is. Raises `UntrustedInput` where it does not say so."""
    name = series.labels.get(REPLICA, "")
    if not _NAME.fullmatch(name):
        raise UntrustedInput(f"A series has no label `{REPLICA}` with a pod's name.", "See docs/kubernetes_metrics.md.")
    try:
        return Replica(Track(series.labels.get(TRACK, "")), name)
    except ValueError:
        raise UntrustedInput(f"A series of {name} has no track.", "See docs/kubernetes_metrics.md.") from None


def counters_of(answer: Iterable[Series], labels: Labels) -> dict[Replica, Cells]:
    """The counters in an answer that was asked for in parts. Raises `UntrustedInput` where one comes twice."""
    found: dict[Replica, Cells] = {}
    for series in answer:
        part = series.labels.get(PART)
        if part in (REQUESTS, LATENCY):
            cell = answered(series, labels) if part == REQUESTS else within(series)
            cells = found.setdefault(replica_of(series), {})
            if cell in cells:
                raise UntrustedInput("Prometheus' answer has the same series twice.", "Look at what is before it.")
            cells[cell] = series.value
    return found


def answered(series: Series, labels: Labels) -> Answered:
    """How the requests of a series were answered. Raises `UntrustedInput` where it does not say so."""
    written = series.labels.get(labels.status, "")
    status = _STATUS.fullmatch(written)
    if status is None:
        raise UntrustedInput(
            f"A series has {written[:20]!r} as `{labels.status}`, which is no status.",
            "Declare `status_label` as it is.",
        )
    first = int(status["code"] or f"{status['first']}00")
    return Answered(series.labels.get(labels.method, ""), first, first if status["code"] else first + 99)


def within(series: Series) -> Within:
    """Which bucket a series counts. Raises `UntrustedInput` where it does not say so."""
    try:
        return Within(float(series.labels.get(BOUND, "")))
    except ValueError:
        raise UntrustedInput(f"A bucket of the latency has no bound `{BOUND}`.", "Declare `latency_buckets`.") from None


def counted_through(every_sample: Iterable[tuple[Series, Answered | Within]]) -> dict[Replica, Cells]:
    """What replicas have counted by all their samples, each series with what it counts: where one falls, its counter
    began anew, and what it had before is added."""
    found: dict[Replica, Cells] = {}
    for series, cell in every_sample:
        cells = found.setdefault(replica_of(series), {})
        cells[cell] = cells.get(cell, 0.0) + _counted_through(series.points)
    return found


def _counted_through(points: tuple[tuple[float, float], ...]) -> float:
    lost = sum(before for (_, before), (_, after) in pairwise(points) if after < before)
    return points[-1][1] + lost


def samples_of(series: Iterable[Series], labels: Labels, part: str) -> list[tuple[Series, Answered | Within]]:
    """Series of one part with what they count."""
    return [(each, answered(each, labels) if part == REQUESTS else within(each)) for each in series]


def counts_of(counters: Counters, track: Track) -> Counts:
    """Requests, errors and latency of a track; a histogram that makes no sense is none."""
    cells = [
        (cell, value) for replica, found in counters.items() if replica.track is track for cell, value in found.items()
    ]
    requests = [(cell, int(value)) for cell, value in cells if isinstance(cell, Answered)]
    below: dict[float, int] = {}
    for cell, value in cells:
        if isinstance(cell, Within):
            below[cell.bound] = below.get(cell.bound, 0) + int(value)
    errors = sum(value for cell, value in requests if cell.first_status >= 500)
    return Counts(sum(value for _, value in requests), errors, latency=histogram_of(below))


def histogram_of(below: Mapping[float, int]) -> Histogram | None:
    """From how many requests were within each bound, the infinite one included; None where that makes no sense."""
    bounds = sorted(below)
    if len(bounds) < 2 or bounds[-1] != float("inf"):
        return None
    each = tuple(after - before for before, after in pairwise((0, *(below[bound] for bound in bounds))))
    if bounds[0] <= 0 or min(each) < 0:
        return None
    return Histogram(tuple(bounds[:-1]), each)


def matching(cells: Cells, rule: EventRule) -> float:
    """How often an event happened.

    Raises:
        UntrustedInput: only classes of statuses are counted, and the rule asks for less than one.
    """
    first, last = rule.statuses
    total = 0.0
    for cell, value in cells.items():
        if isinstance(cell, Within) or cell.method != rule.method:
            continue
        if first <= cell.first_status and cell.last_status <= last:
            total += value
        elif cell.first_status <= last and first <= cell.last_status:
            raise UntrustedInput(
                f"Prometheus has classes of statuses alone, so {rule.name} can't be told from other answers.",
                f"Declare the event by a class, such as {first // 100}xx, or count by status.",
            )
    return total
