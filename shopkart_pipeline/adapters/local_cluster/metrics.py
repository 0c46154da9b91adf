"""The metrics port on the load balancer's own counters.

They count what callers got, by track and status, and so include what a replica that crashed could not have counted
itself. Only a page that is the load balancer's own, for a service that it routes, says anything: then a track without
a counter has answered no request yet. Everything else is missing, never zero.
"""

import http.client
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.ports import HOST, ports_of
from shopkart_pipeline.adapters.local_cluster.routes import OWN_PORT, route_name, target_name
from shopkart_pipeline.adapters.local_cluster.state import OBSERVED
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.judge_policy import EventRule
from shopkart_pipeline.domain.latency import Histogram
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import Metrics

_TIMEOUT_SECONDS = 2.0
_REQUESTS = "traefik_service_requests_total"
_BUCKETS = "traefik_service_request_duration_seconds_bucket"
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_OWN_PAGE = "traefik_config_reloads_total"
_Read = TypeVar("_Read")


class _Answers(NamedTuple):
    method: str
    status: int
    requests: int


class LocalMetrics(Metrics):
    """Requests by track, as the load balancer counts them.

    Args:
        home: the product's home.
    """

    def __init__(self, home: Path) -> None:
        self._folders = Folders(home)

    def traffic(
        self, environment: str, service: str, now: datetime, since: datetime | None = None
    ) -> TrafficSample | MetricsMissing:
        return self._read(environment, service, now, sample)

    def events(
        self,
        environment: str,
        service: str,
        now: datetime,
        rules: Sequence[EventRule],
        since: datetime | None = None,
    ) -> Mapping[str, tuple[int, int]] | MetricsMissing:
        def counted(page: str, route: str, _: datetime) -> Mapping[str, tuple[int, int]]:
            canary, stable = (_answers(page, route, track) for track in (Track.CANARY, Track.STABLE))
            return {rule.name: (_matching(canary, rule), _matching(stable, rule)) for rule in rules}

        return self._read(environment, service, now, counted)

    def _read(
        self, environment: str, service: str, now: datetime, read: Callable[[str, str, datetime], _Read]
    ) -> _Read | MetricsMissing:
        try:
            if OBSERVED.read(self._folders.observed_of(environment, service)) is None:
                return MetricsMissing(now, f"{service} was never deployed to {environment}")
            return read(_own(balancer_page(self._folders)), route_name(environment, service), now)
        except (OSError, http.client.HTTPException) as error:
            return MetricsMissing(now, f"the load balancer does not answer: {error}")
        except (ToolUnavailable, ValueError, OverflowError) as error:
            return MetricsMissing(now, str(error))


def balancer_page(folders: Folders) -> str:
    """The load balancer's own page.

    Raises:
        OSError, http.client.HTTPException: it does not answer in time.
        ToolUnavailable: there is none, or it answers otherwise.
    """
    port = ports_of(folders).get(OWN_PORT)
    if port is None:
        raise ToolUnavailable("The local cluster was never started.", "Start it with `shopkart up`.")
    connection = http.client.HTTPConnection(HOST, port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.OK:
            raise ToolUnavailable(f"The load balancer's metrics answer with status {answer.status}.", "")
        return answer.read().decode()
    finally:
        connection.close()


def sample(page: str, route: str, now: datetime) -> TrafficSample:
    """Read the load balancer's page.

    Raises:
        ValueError: it is not the load balancer's, or makes no sense.
        OverflowError: it counts without end.
    """
    page = _own(page)
    return TrafficSample(now, _counts(page, route, Track.CANARY), _counts(page, route, Track.STABLE))


def _own(page: str) -> str:
    if _OWN_PAGE not in page:
        raise ValueError("the load balancer's metrics are empty or somebody else's")
    return page


def _counts(page: str, route: str, track: Track) -> Counts:
    answers = _answers(page, route, track)
    errors = sum(answer.requests for answer in answers if answer.status >= 500)
    return Counts(sum(answer.requests for answer in answers), errors, latency=_latency(page, route, track))


def _matching(answers: Sequence[_Answers], rule: EventRule) -> int:
    first, last = rule.statuses
    return sum(each.requests for each in answers if each.method == rule.method and first <= each.status <= last)


def _answers(page: str, route: str, track: Track) -> list[_Answers]:
    found = _values(_REQUESTS, page, route, track)
    return [_Answers(labels.get("method", ""), int(labels["code"]), int(value)) for labels, value in found]


def _latency(page: str, route: str, track: Track) -> Histogram | None:
    """Its buckets count everything below a bound, for each method and status; here each counts its own alone."""
    below: dict[float, int] = {}
    for labels, value in _values(_BUCKETS, page, route, track):
        bound = float(labels["le"])
        below[bound] = below.get(bound, 0) + int(value)
    if math.inf not in below or len(below) < 2:
        return None
    counts = [below[bound] for bound in sorted(below)]
    each = (after - before for before, after in pairwise((0, *counts)))
    return Histogram(tuple(sorted(below))[:-1], tuple(each))


def _values(name: str, page: str, route: str, track: Track) -> Iterator[tuple[dict[str, str], float]]:
    wanted, begin = f'service="{target_name(route, track)}@file"', f"{name}{{"
    for line in page.splitlines():
        if line.startswith(begin) and wanted in line:
            labels, _, value = line.removeprefix(begin).rpartition("} ")
            yield dict(_LABEL.findall(labels)), float(value)
