"""Expressions about one service in one environment, in PromQL.

A replica's own series carry the labels of its pod as Prometheus writes them (`app_kubernetes_io_name`, ...; see
`docs/kubernetes_metrics.md`). What the kubelet and kube-state-metrics tell of a pod has only its namespace and name, so
it is joined with `shopkart:replica`, which says which version each pod is of.
"""

import json
import re

from shopkart_pipeline.adapters._prometheus_queries import BOUND, ENVIRONMENT, SERVICE, TRACK, VERSION
from shopkart_pipeline.domain.monitoring import Target

ERRORS, STATUSES = "5xx|[5-9]..", "[1-9].."
"""Statuses, or classes of them: those that are errors, and all. What has another label was counted by something else,
and must not be taken for answers without an error."""
_TRACKS = f'{TRACK}=~"canary|stable"'


def seconds(value: float) -> str:
    """A duration as Prometheus writes it."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if value >= size and value % size == 0:
            return f"{value / size:.0f}{unit}"
    return f"{max(1, round(value * 1000))}ms"


def quoted(text: str) -> str:
    """Text as PromQL writes it, which is as Go and JSON do."""
    return json.dumps(text, ensure_ascii=False)


def number(value: float) -> str:
    """A number without digits that say nothing."""
    return f"{value:.6g}"


class Expressions:
    """What can be asked about one target."""

    def __init__(self, target: Target) -> None:
        self._source = target.source
        wanted = {**self._source.labels, SERVICE: target.service, ENVIRONMENT: target.environment}
        self._wanted = [f"{name}={quoted(value)}" for name, value in wanted.items()]
        self._of_environment = f"{{{ENVIRONMENT}={quoted(target.environment)}}}"
        self._own = f"environment={quoted(target.environment)},service={quoted(target.service)}"

    def of(self, record: str) -> str:
        """A recorded series of the target."""
        return f"{record}{{{self._own}}}"

    def pods(self, *further: str) -> str:
        """The labels that choose the series of the target's replicas."""
        return f"{{{','.join((*self._wanted, _TRACKS, *further))}}}"

    def replicas(self) -> str:
        """Every replica that Prometheus knows of, whether or not it answers: 1, with its version and track."""
        up = _renamed(_renamed(f"up{self.pods()}", VERSION, "version"), TRACK, "track")
        return f"max by (namespace, pod, version, track) ({up}) >= bool 0"

    def of_pods(self, series: str) -> str:
        """A sum by version of what somebody else tells of the target's pods."""
        return f"sum by (version) ({self.joined(series)})"

    def joined(self, series: str) -> str:
        """What somebody else tells of the target's containers, with their version."""
        return f"{each_container(series)} * on (namespace, pod) group_left (version) {self.of('shopkart:replica')}"

    def request_rate(self, window: str) -> str:
        """Requests a second by version."""
        return f"sum by (version) ({self._versioned(self._rate(self._source.requests, window))})"

    def error_ratio_by_version(self, window: str) -> str:
        """As `error_ratio`, of each version."""
        failed = self._versioned(self._errors(window))
        return _ratio(f"sum by (version) ({failed})", f"sum by (version) ({self._versioned(self._answers(window))})")

    def error_ratio(self, window: str) -> str:
        """Errors per request; nothing where there are no requests, or no statuses; 0 where none of them failed."""
        return _ratio(f"sum ({self._errors(window)})", f"sum ({self._answers(window)})")

    def requests(self, window: str) -> str:
        """How many requests were answered."""
        return f"sum (increase({self._source.requests}{self.pods()}[{window}]))"

    def slow_ratio(self, window: str, limit_seconds: float) -> str:
        """The share of requests that took longer than a bound of the histogram; nothing where that is no bound."""
        bound = re.escape(number(limit_seconds))
        within = self._rate(self._source.latency_buckets, window, f"{BOUND}=~{quoted(f'{bound}|{bound}[.]0')}")
        total = self._rate(self._source.latency_buckets, window, f'{BOUND}="+Inf"')
        return f"1 - sum ({within}) / (sum ({total}) > 0)"

    def latency(self, window: str, quantile: float) -> str:
        """A quantile in seconds by version; nothing where there are no requests."""
        buckets = self._versioned(self._rate(self._source.latency_buckets, window))
        return f"histogram_quantile({number(quantile)}, sum by (version, {BOUND}) ({buckets})) >= 0"

    def database(self, series: str, reduction: str) -> str:
        """What PostgreSQL's exporter tells of the environment's server."""
        return f"{reduction} ({series}{self._of_environment})"

    def _errors(self, window: str) -> str:
        return self._rate(self._source.requests, window, f'{self._source.status_label}=~"{ERRORS}"')

    def _answers(self, window: str) -> str:
        return self._rate(self._source.requests, window, f'{self._source.status_label}=~"{STATUSES}"')

    def _rate(self, series: str, window: str, *further: str) -> str:
        return f"rate({series}{self.pods(*further)}[{window}])"

    def _versioned(self, expression: str) -> str:
        return _renamed(expression, VERSION, "version")


def each_container(series: str) -> str:
    """One value for each container: the kubelet tells of one that was started again twice for a while, and where two of
    its pages are scraped, of all."""
    return f"max by (namespace, pod, container) ({series})"


def _ratio(part: str, total: str) -> str:
    return f"({part} or {total} * 0) / ({total} > 0)"


def _renamed(expression: str, label: str, name: str) -> str:
    return f'label_replace({expression}, "{name}", "$1", "{label}", "(.*)")'
