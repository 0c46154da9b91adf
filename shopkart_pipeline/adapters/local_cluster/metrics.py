"""The metrics port on the load balancer's own counters.

They count what callers got, by track and status, and so include what a replica that crashed could not have counted
itself. Only a page that is the load balancer's own, for a service that it routes, says anything: then a track without
a counter has answered no request yet. Everything else is missing, never zero.
"""

import http.client
import re
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.ports import HOST, ports_of
from shopkart_pipeline.adapters.local_cluster.routes import OWN_PORT, route_name, target_name
from shopkart_pipeline.adapters.local_cluster.state import OBSERVED
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import Metrics

_TIMEOUT_SECONDS = 2.0
_REQUESTS = re.compile(r"^traefik_service_requests_total\{(?P<labels>[^}]*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_OWN_PAGE = "traefik_config_reloads_total"


class LocalMetrics(Metrics):
    """Requests by track, as the load balancer counts them.

    Args:
        home: the product's home.
    """

    def __init__(self, home: Path) -> None:
        self._folders = Folders(home)

    def traffic(self, environment: str, service: str, now: datetime) -> TrafficSample | MetricsMissing:
        try:
            if OBSERVED.read(self._folders.observed_of(environment, service)) is None:
                return MetricsMissing(now, f"{service} was never deployed to {environment}")
            return sample(self._page(), route_name(environment, service), now)
        except (OSError, http.client.HTTPException) as error:
            return MetricsMissing(now, f"the load balancer does not answer: {error}")
        except (ToolUnavailable, ValueError) as error:
            return MetricsMissing(now, str(error))

    def _page(self) -> str:
        port = ports_of(self._folders).get(OWN_PORT)
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
    """
    if _OWN_PAGE not in page:
        raise ValueError("the load balancer's metrics are empty or somebody else's")
    return TrafficSample(now, _counts(page, route, Track.CANARY), _counts(page, route, Track.STABLE))


def _counts(page: str, route: str, track: Track) -> Counts:
    wanted = f"{target_name(route, track)}@file"
    requests = errors = 0
    for match in _REQUESTS.finditer(page):
        labels = dict(_LABEL.findall(match["labels"]))
        if labels.get("service") != wanted:
            continue
        value, code = float(match["value"]), int(labels["code"])
        requests += int(value)
        errors += int(value) if code >= 500 else 0
    return Counts(requests, errors)
