"""What a service tells Prometheus about itself.

Requests are counted by route template, never by path, so the number of series is fixed by the routes. Every
series of a declared route exists from the start at zero: a counter that first appears with a value hides its
first increase.
"""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from starlette.routing import BaseRoute, Route

from servicekit.settings import Identity

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
UNMATCHED_ROUTE = "unmatched"
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LATENCY_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServiceMetrics:
    """The metrics that every service has; a service adds its own to `registry`."""

    def __init__(self, identity: Identity) -> None:
        disable_created_metrics()
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "storefront_http_requests",
            "Requests answered, by route template, method and class of status.",
            ["route", "method", "status_class"],
            registry=self.registry,
        )
        self._latency = Histogram(
            "storefront_http_request_duration_seconds",
            "Time from the first byte of a request's head to the last byte of its answer, in seconds.",
            ["route", "method"],
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "storefront_http_requests_in_flight", "Requests being answered now.", registry=self.registry
        )
        Gauge(
            "storefront_build_info",
            "Always 1; its labels say what runs.",
            ["service", "version", "track", "environment"],
            registry=self.registry,
        ).labels(identity.service, identity.version, identity.track, identity.environment).set(1)
        ProcessCollector(registry=self.registry)

    def declare(self, routes: Iterable[BaseRoute]) -> None:
        """Makes the series of these routes exist at zero."""
        for route in routes:
            if not isinstance(route, Route):
                continue
            for method in sorted((route.methods or set()) - {"HEAD"}):
                self._latency.labels(route.path_format, method)
                for status_class in ("2xx", "4xx", "5xx"):
                    self._requests.labels(route.path_format, method, status_class)

    def observe(self, *, route: str, method: str, status: int, duration_seconds: float) -> None:
        """Counts one answered request."""
        known = method if method in KNOWN_METHODS else "other"
        self._requests.labels(route, known, f"{status // 100}xx").inc()
        self._latency.labels(route, known).observe(duration_seconds)

    def exposition(self) -> bytes:
        """Every metric in the Prometheus text format."""
        return generate_latest(self.registry)
