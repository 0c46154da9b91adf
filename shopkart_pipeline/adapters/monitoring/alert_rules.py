"""Alerts: what a promise costs too much of, what will soon be short, and what nobody can see.

An objective's alerts are multi-window burn rates (see `domain.burn_rate`): of the share of requests that failed, or
that took longer than promised; of fewer than `FEWEST_REQUESTS` in the short window nobody is told. The other alerts are
of causes that people have to know of before requests fail. Silence is never a pass: a service
that nobody scrapes, and a metric that nobody tells, are alerts of their own.

Every alert has the labels `environment`, `service`, `owner`, and `severity`: `critical` wakes somebody, `warning` waits
for working hours, and outside of production nothing is critical. Alerts that say "from here on nothing is known"
inhibit those that follow from it.
"""

from collections.abc import Iterator
from typing import Any

from shopkart_pipeline.adapters.monitoring.promql import Expressions, each_container, number, seconds
from shopkart_pipeline.adapters.monitoring.recording_rules import (
    CONTAINERS,
    ERROR_RATIO,
    REPLICA,
    Group,
    record_of,
    requests_record,
    vitals_of,
    window_record,
)
from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.burn_rate import BurnRule, Urgency
from shopkart_pipeline.domain.health import FEWEST_REQUESTS
from shopkart_pipeline.domain.incident import IncidentSeverity
from shopkart_pipeline.domain.monitoring import Pace, Target
from shopkart_pipeline.domain.vitals import Vital

NOT_SEEN, NOT_MEASURED = "ShopkartNotSeen", "ShopkartNotMeasured"
SEVERITIES = {Urgency.PAGE: IncidentSeverity.CRITICAL, Urgency.TICKET: IncidentSeverity.WARNING}
_LARGEST_SHARE = 0.9
"""A share of bad requests that always fires: a generous objective times a burn rate's factor may be more than all."""
_MOST_RESTARTS = 2
_RESTARTS_WINDOW_SECONDS = 900.0
_NEAR_LIMIT = 0.9
_CONNECTIONS_NEAR_LIMIT = 0.8
_VOLUME_FREE = 0.15
_FOLLOWS_FROM_REQUESTS = frozenset(
    {Vital.LATENCY_P50_SECONDS, Vital.LATENCY_P95_SECONDS, Vital.LATENCY_P99_SECONDS, Vital.ERROR_RATIO}
)
"""Without requests there are none of these, and nothing is wrong."""


def alert_group(target: Target, pace: Pace, links: dict[str, str]) -> Group:
    """The group with all alerts of one target.

    Args:
        target: the service in its environment.
        pace: how long things have to last.
        links: further annotations of every alert, such as `dashboard`.
    """
    alerts = [*_burns(target, pace), *_shortages(target, pace), *_unseen(target, pace)]
    labels = {"environment": target.environment, "service": target.service, "owner": ", ".join(target.owners)}
    return {
        "name": f"shopkart-alerts-{target.environment}-{target.service}",
        "interval": seconds(pace.evaluation_seconds),
        "rules": [_complete(target, alert, labels, links) for alert in alerts],
    }


def budget_of(objective: Objective) -> float:
    """The share of requests that may break an objective."""
    if objective.measure == ERROR_RATIO:
        return objective.limit
    quantile = Vital(objective.measure).quantile
    if quantile is None:
        raise ValueError(f"there is no budget of {objective.measure}")
    return round(1 - quantile, 6)


def _complete(target: Target, alert: dict[str, Any], labels: dict[str, str], links: dict[str, str]) -> dict[str, Any]:
    own: dict[str, str] = alert["labels"]
    severity = own["severity"] if target.is_production else IncidentSeverity.WARNING.value
    summary = f"{target.service} in {target.environment}: {alert['annotations']['summary']}"
    annotations = {**alert["annotations"], "summary": summary, **links}
    return {**alert, "labels": {**labels, **own, "severity": severity}, "annotations": annotations}


def _alert(
    name: str, expression: str, lasting_seconds: float, urgency: Urgency, summary: str, **labels: str
) -> dict[str, Any]:
    lasting = {"for": seconds(lasting_seconds)} if lasting_seconds else {}
    return {
        "alert": name,
        "expr": expression,
        **lasting,
        "labels": {"severity": SEVERITIES[urgency].value, **labels},
        "annotations": {"summary": summary, "value": "{{ $value | humanize }}"},
    }


def _burns(target: Target, pace: Pace) -> Iterator[dict[str, Any]]:
    for objective in target.deployment.objectives:
        for rule in pace.rules_of(objective):
            yield _burn(target, objective, rule)


def _burn(target: Target, objective: Objective, rule: BurnRule) -> dict[str, Any]:
    ask, limit = Expressions(target), number(min(rule.factor * budget_of(objective), _LARGEST_SHARE))
    long, short = (window_record(objective, window) for window in (rule.long_seconds, rule.short_seconds))
    is_error = objective.measure == ERROR_RATIO
    what = "requests that failed" if is_error else f"requests slower than {number(objective.limit)} s"
    window, enough = seconds(rule.long_seconds), f"{ask.of(requests_record(rule.short_seconds))} >= {FEWEST_REQUESTS}"
    return _alert(
        "ShopkartErrorBudgetBurns" if is_error else "ShopkartLatencyBudgetBurns",
        f"{ask.of(long)} > {limit} and {ask.of(short)} > {limit} and {enough}",
        0,
        rule.urgency,
        f"the share of {what} is above {limit} over {window} and {seconds(rule.short_seconds)}: "
        f"the budget of {number(budget_of(objective))} burns {number(rule.factor)} times too fast",
        objective=objective.measure,
        window=window,
    )


def _shortages(target: Target, pace: Pace) -> Iterator[dict[str, Any]]:
    ask, lasting = Expressions(target), pace.pressing_seconds
    window = seconds(_RESTARTS_WINDOW_SECONDS)
    # `increase` guesses beyond the first and last sample, so that two restarts would be a little more than two.
    restarts = ask.of_pods(f"round(increase(kube_pod_container_status_restarts_total[{window}]))")
    summary = f"replicas were started again more than {_MOST_RESTARTS} times in {window}"
    yield _alert("ShopkartRestarts", f"{restarts} > {_MOST_RESTARTS}", 0, Urgency.PAGE, summary)
    used = each_container(f"container_memory_working_set_bytes{CONTAINERS}")
    most = each_container('kube_pod_container_resource_limits{resource="memory"}')
    memory = f"max by (version) ({ask.joined(f'{used} / {most}')})"
    summary = f"a replica uses more than {_NEAR_LIMIT:.0%} of the memory at which it is ended"
    yield _alert("ShopkartMemoryNearLimit", f"{memory} > {_NEAR_LIMIT}", lasting, Urgency.TICKET, summary)
    free = "kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes"
    own = f"max by (namespace) ({ask.of(REPLICA)})"
    disk = f"min by (persistentvolumeclaim) (({free}) * on (namespace) group_left () {own}) < {_VOLUME_FREE}"
    summary = f"a volume of its namespace has less than {_VOLUME_FREE:.0%} free"
    yield _alert("ShopkartDiskFilling", disk, lasting, Urgency.PAGE, summary)
    if target.uses_database:
        share = f"{ask.of(record_of(Vital.DATABASE_CONNECTIONS))} / scalar({_most_connections(ask)})"
        summary = f"more than {_CONNECTIONS_NEAR_LIMIT:.0%} of the database's connections are taken"
        yield _alert(
            "ShopkartDatabaseConnections", f"{share} > {_CONNECTIONS_NEAR_LIMIT}", lasting, Urgency.PAGE, summary
        )


def _unseen(target: Target, pace: Pace) -> Iterator[dict[str, Any]]:
    ask, lasting = Expressions(target), pace.unseen_seconds
    unseen = f"absent(max(up{ask.pods()}) > 0)"
    summary = "no replica is scraped, so nothing is known of it"
    yield _alert(NOT_SEEN, unseen, lasting, Urgency.PAGE, summary)
    for vital in vitals_of(target, pace):
        if vital in _FOLLOWS_FROM_REQUESTS:
            continue
        slow = lasting if vital is Vital.REQUEST_RATE else 2 * lasting
        summary, told = f"nobody tells its {vital.words.lower()}", ask.of(record_of(vital))
        if vital is Vital.DATABASE_CONNECTIONS:
            summary, told = f"{summary}, or how many there may be", f"{told} and on () {_most_connections(ask)}"
        expression = f"absent({told})"
        yield _alert(NOT_MEASURED, expression, slow, Urgency.TICKET, summary, vital=vital.value)
    yield from _uncountable(target, pace)


def _most_connections(ask: Expressions) -> str:
    return ask.database("pg_settings_max_connections", "max")


def _uncountable(target: Target, pace: Pace) -> Iterator[dict[str, Any]]:
    """A promise of a latency that is no bound of the histogram, or about requests without a status, could never be seen
    to be broken."""
    ask = Expressions(target)
    for objective in target.deployment.objectives:
        asked = f"sum({ask.of(record_of(Vital.REQUEST_RATE))}) > 0"
        shortest, *_ = pace.windows_of(objective)
        missing = f"{asked} unless on () {ask.of(window_record(objective, shortest))}"
        how = f"whether they took longer than {number(objective.limit)} s"
        how = f"a status in `{target.source.status_label}`" if objective.measure == ERROR_RATIO else how
        summary = f"requests are not counted by {how}"
        yield _alert(NOT_MEASURED, missing, 2 * pace.unseen_seconds, Urgency.TICKET, summary, vital=objective.measure)
