"""What Prometheus is asked, in PromQL.

A replica's series carry the labels of its pod as Prometheus writes them: `app_kubernetes_io_name` (the service),
`app_kubernetes_io_instance` (the environment), `shopkart_track`, and `pod` for its name. A whole look is one query, so
that all of it is of one moment; each part is told by the label `shopkart_part`.

Counters are asked for as they are, by replica, and never as `rate` or `increase`: those guess what came between the
edges of their window and the samples, and a sum over replicas falls when one leaves. `last_over_time` since a fixed
moment keeps what a replica that has left had counted.
"""

import json
import re
from collections.abc import Collection
from datetime import timedelta

from shopkart_pipeline.domain.metrics_source import PrometheusSource

SERVICE, ENVIRONMENT = "app_kubernetes_io_name", "app_kubernetes_io_instance"
TRACK, REPLICA, PART, BOUND = "shopkart_track", "pod", "shopkart_part", "le"
REQUESTS, LATENCY, RESETS, UP, SCRAPED, TARGETS = "requests", "latency", "resets", "up", "scraped", "targets"
DOWN, RECORDED = "down", "recorded_"
PEAK, COVERED = "peak", "covered"
VERSION = "app_kubernetes_io_version"
_OWN = f"{REPLICA}, {TRACK}"
_FINE, _MOMENTS = timedelta(hours=1), 720
_BOTH, _STABLE = f'{TRACK}=~"canary|stable"', f'{TRACK}="stable"'


class Queries:
    """The questions about one service in one environment.

    Args:
        source: names of series and labels.
        environment: its name.
        service: its name.
    """

    def __init__(self, source: PrometheusSource, environment: str, service: str) -> None:
        self._source = source
        wanted = {**source.labels, SERVICE: service, ENVIRONMENT: environment}
        self._wanted = [f"{name}={_quoted(value)}" for name, value in wanted.items()]
        self._recorded = f"environment={_quoted(environment)},service={_quoted(service)}"

    def snapshot(self, window: timedelta) -> str:
        """Everything of a look: counters that replicas had in the window, and how the replicas of now are scraped."""
        source, chosen = self._source, self._chosen(_BOTH)
        counted = f"{source.requests}{chosen}"
        targets = f"count by ({_OWN}, job, instance) ({counted})"
        return self._together(
            {
                **self._counters(chosen, window),
                RESETS: f"sum by ({_OWN}) (resets({counted}{_range(window)})) > 0",
                UP: f"min by ({_OWN}) (up{chosen})",
                SCRAPED: f"min by ({_OWN}) (timestamp(up{chosen}))",
                TARGETS: f"count by ({_OWN}) ({targets})",
            }
        )

    def every_sample(self, series: str, replicas: Collection[str], window: timedelta) -> str:
        """All samples of some replicas' series in the window."""
        names = _quoted("|".join(re.escape(name) for name in sorted(replicas)))
        return f"{series}{self._chosen(_BOTH, f'{REPLICA}=~{names}')}{_range(window)}"

    def stable(self) -> str:
        """Requests of stable's replicas, as they are counted at a moment."""
        source = self._source
        labels = f"{REPLICA}, {source.method_label}, {source.status_label}"
        return f"sum by ({labels}) ({source.requests}{self._chosen(_STABLE)})"

    def answered(self, window: timedelta) -> str:
        """What was answered in a window, by version, how replicas were scraped at both ends, and how many of those that
        counted something can't be scraped now."""
        source, chosen, range_ = self._source, self._chosen(_BOTH), _coarse_range(window)
        back, counted = f"offset {_duration(window)}", f"last_over_time({source.requests}{chosen}{range_})"
        return self._together(
            {
                UP: f"count (up{chosen} {back})",
                DOWN: f"count (min by ({_OWN}) (up{chosen}) == 0 and sum by ({_OWN}) ({counted}))",
                SCRAPED: f"max (timestamp(up{chosen} == 1))",
                REQUESTS: f"sum by ({VERSION}, {source.status_label}) ({_grown(source.requests + chosen, window)})",
                LATENCY: f"sum by ({VERSION}, {BOUND}) ({_grown(source.latency_buckets + chosen, window)})",
            }
        )

    def recorded(self, vitals: Collection[str]) -> str:
        """The recorded series of metrics, and when each was recorded."""
        parts: dict[str, str] = {}
        for vital in vitals:
            parts |= {vital: self.record(vital), f"{RECORDED}{vital}": f"timestamp({self.record(vital)})"}
        return self._together(parts)

    def peak(self, window: timedelta, step: timedelta) -> str:
        """The highest recorded rate of all versions together in a window, and at how many steps there is one."""
        rates = f"sum({self.record('request_rate')})[{_duration(window)}:{_duration(step)}]"
        return self._together({PEAK: f"max_over_time({rates})", COVERED: f"count_over_time({rates})"})

    def record(self, vital: str) -> str:
        """The recorded series of one metric."""
        return f"shopkart:{vital}{{{self._recorded}}}"

    def _counters(self, chosen: str, window: timedelta) -> dict[str, str]:
        source = self._source
        labels = f"{_OWN}, {source.method_label}, {source.status_label}"
        buckets = f"{source.latency_buckets}{chosen}{_range(window)}"
        return {
            REQUESTS: f"sum by ({labels}) (last_over_time({source.requests}{chosen}{_range(window)}))",
            LATENCY: f"sum by ({_OWN}, {BOUND}) (last_over_time({buckets}))",
        }

    def _chosen(self, *further: str) -> str:
        return f"{{{','.join((*self._wanted, *further))}}}"

    def _together(self, parts: dict[str, str]) -> str:
        return " or ".join(f'label_replace({query}, "{PART}", "{name}", "", "")' for name, query in parts.items())


def _grown(counter: str, window: timedelta) -> str:
    """By how much counters grew in a window, to the last request: `increase` leaves out what came before the window's
    first sample, so it serves only where a counter began anew, or could not be scraped just when the window began. One
    that was not there before has grown by all of it."""
    range_, back = _coarse_range(window), f"offset {_duration(window)}"
    last = f"last_over_time({counter}{range_})"
    began_anew = f"resets({counter}{range_}) > 0"
    grown = f"({last} - {counter} {back} >= 0 unless {began_anew})"
    was_there = f"last_over_time({counter}{_range(_FINE)} {back})"
    return f"{grown} or (increase({counter}{range_}) and ({began_anew} or {was_there})) or {last}"


def _range(window: timedelta) -> str:
    return f"[{_duration(window)}]"


def _coarse_range(window: timedelta) -> str:
    """The same, of a long window only so many moments: every sample of days is more than a server goes through."""
    if window <= _FINE:
        return _range(window)
    return f"[{_duration(window)}:{_duration(window / _MOMENTS)}]"


def _duration(window: timedelta) -> str:
    return f"{max(1, round(window.total_seconds() * 1000))}ms"


def _quoted(text: str) -> str:
    """Text as PromQL writes it, which is as Go and JSON do."""
    return json.dumps(text, ensure_ascii=False)
