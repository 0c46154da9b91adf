"""Where the counts of an environment come from, as declared.

The defaults are what the storefront's services expose. Which labels tell a replica, its service and its track is not
declared: they are the labels that every pod of ours has, as Prometheus writes them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class PrometheusSource:
    """A Prometheus server, or anything that speaks its HTTP API, and the series that count requests there."""

    address: str
    """Base address, without a slash at its end."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further labels of every series of the environment, such as `cluster` or `job`."""
    requests: str = "storefront_http_requests_total"
    """Counter of answered requests."""
    status_label: str = "status_class"
    """Its label with the status, `503`, or the class of it, `5xx`."""
    method_label: str = "method"
    """Its label with the method; only events need it."""
    latency_buckets: str = "storefront_http_request_duration_seconds_bucket"
    """Buckets of a classic histogram, in seconds."""
    maximum_age_seconds: float = 60.0
    """Counts that are older than this say nothing about now."""
