"""Alerts about the pipeline itself: what it tells of itself, and that it tells anything at all.

They read what `shopkart exporter` shows. Whoever is told by the pipeline has to hear of a dead one from elsewhere, so
Alertmanager's own way to people should take `ShopkartPipelineNotSeen` too. Every alert has the label `service`
`pipeline`, which is no environment's: the pipeline opens its incident as one that no service answers for.

A database that is declared under `recovery` has to have a backup younger than its `maximum_age`, and one that a drill
has restored within a week: a backup that nobody brought back is a hope.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from shopkart_pipeline.adapters.monitoring.promql import number, seconds
from shopkart_pipeline.adapters.monitoring.recording_rules import Group
from shopkart_pipeline.domain.backup import Recovery
from shopkart_pipeline.domain.incident import IncidentSeverity
from shopkart_pipeline.domain.monitoring import Pace

PIPELINE = "pipeline"
TAKEN, VERIFIED = "shopkart_backup_taken_timestamp_seconds", "shopkart_backup_verified_timestamp_seconds"
_CRITICAL, _WARNING = IncidentSeverity.CRITICAL, IncidentSeverity.WARNING
_DELIVERIES_SECONDS, _NOTICES_SECONDS = 600.0, 1800.0
_LATE_SECONDS = 3600.0
"""How much later than declared a backup may be before somebody is woken: it takes a while."""
_VERIFIED_SECONDS = 7 * 86400.0
_MINUTES = 40
_STEP_SECONDS = 30
_OLD = 40 * 86400
"""Older than every limit here, as a moment in a test whose clock begins at zero."""


def pipeline_groups(recovery: Recovery, pace: Pace) -> list[Group]:
    """The group with all alerts about the pipeline.

    Args:
        recovery: which databases are backed up.
        pace: how long things have to last.
    """
    rules = [*_processes(pace), *_backups(recovery)]
    return [{"name": "shopkart-alerts-pipeline", "interval": seconds(pace.evaluation_seconds), "rules": rules}]


def _processes(pace: Pace) -> Iterator[dict[str, Any]]:
    unseen = "absent(shopkart_source_up)"
    yield _alert(
        "NotSeen", unseen, pace.unseen_seconds, _CRITICAL, "nobody tells its metrics, so nothing is known of it"
    )
    away = "min by (source) (shopkart_source_up) == 0"
    yield _alert("SourceAway", away, pace.unseen_seconds, _CRITICAL, "a store can't be asked: {{ $labels.source }}")
    window = seconds(_DELIVERIES_SECONDS)
    waiting = f"min_over_time(shopkart_inbox_deliveries[{window}]) > 0 and shopkart_inbox_deliveries offset {window}"
    summary = f"deliveries wait for more than {window}: does the daemon run, do its sensors fail?"
    yield _alert("DeliveriesWait", waiting, 0, _CRITICAL, summary)
    window = seconds(_NOTICES_SECONDS)
    untold = f"min_over_time(shopkart_outbox_notices[{window}]) > 0 and shopkart_outbox_notices offset {window}"
    yield _alert("NoticesWait", untold, 0, _WARNING, f"notices for the code host wait for more than {window}")
    given_up = 'max by (channel) (shopkart_notifications_untold{state="given_up"}) > 0'
    yield _alert("PeopleNotTold", given_up, 0, _WARNING, "people were not told by {{ $labels.channel }}")


def _backups(recovery: Recovery) -> Iterator[dict[str, Any]]:
    for name, database in recovery.databases.items():
        limit, own = database.maximum_age_seconds + _LATE_SECONDS, f'{{database="{name}"}}'
        age = f"time() - max by (database) ({TAKEN}{own}) > {number(limit)}"
        summary = f"the newest backup of {name} is older than {seconds(database.maximum_age_seconds)}, or there is none"
        yield _alert("BackupOld", _or_none(age, TAKEN, own), _LATE_SECONDS / 2, _CRITICAL, summary, database=name)
        age = f"time() - max by (database) ({VERIFIED}{own}) > {number(_VERIFIED_SECONDS)}"
        summary = f"no backup of {name} was restored by a drill within {seconds(_VERIFIED_SECONDS)}"
        yield _alert(
            "BackupNotVerified", _or_none(age, VERIFIED, own), _LATE_SECONDS / 2, _WARNING, summary, database=name
        )


def _or_none(expression: str, series: str, own: str) -> str:
    """Also where there is none, but not where the pipeline tells nothing at all, which is an alert of its own."""
    return f"{expression} or absent({series}{own}) and on () count(shopkart_source_up)"


def _alert(
    name: str, expression: str, lasting_seconds: float, severity: IncidentSeverity, summary: str, **labels: str
) -> dict[str, Any]:
    lasting = {"for": seconds(lasting_seconds)} if lasting_seconds else {}
    return {
        "alert": f"ShopkartPipeline{name}",
        "expr": expression,
        **lasting,
        "labels": {"service": PIPELINE, "severity": severity.value, **labels},
        "annotations": {"summary": f"the pipeline: {summary}", "value": "{{ $value | humanize }}"},
    }


def pipeline_tests(recovery: Recovery, rules_file: str) -> dict[str, Any]:
    """A file for `promtool test rules`: series on which nothing fires, and bad ones.

    Args:
        recovery: as for `pipeline_groups`.
        rules_file: where they are, relative to the tests.
    """
    well = {
        'shopkart_source_up{source="inbox"}': 1,
        "shopkart_inbox_deliveries": 0,
        "shopkart_outbox_notices": 0,
        'shopkart_notifications_untold{channel="slack",state="given_up"}': 0,
    }
    names = list(recovery.databases)
    # Of the future, and so never old, whatever the declared limits are.
    well |= {f'{series}{{database="{name}"}}': _OLD for name in names for series in (TAKEN, VERIFIED)}
    bad: dict[str, tuple[dict[str, int], set[str]]] = {
        "all is well": (well, set()),
        "nobody tells anything": ({}, {"NotSeen"}),
        "a store is away": (well | {'shopkart_source_up{source="inbox"}': 0}, {"SourceAway"}),
        "the daemon is dead": (well | {"shopkart_inbox_deliveries": 3}, {"DeliveriesWait"}),
        "the code host is away": (well | {"shopkart_outbox_notices": 3}, {"NoticesWait"}),
        "a channel is silent": (
            well | {'shopkart_notifications_untold{channel="slack",state="given_up"}': 1},
            {"PeopleNotTold"},
        ),
    }
    if names:
        without = {series: value for series, value in well.items() if TAKEN not in series and VERIFIED not in series}
        bad["there is no backup"] = without, {"BackupOld", "BackupNotVerified"}
        old = {f'{series}{{database="{name}"}}': -_OLD for name in names for series in (TAKEN, VERIFIED)}
        bad["the newest backup is old"] = well | old, {"BackupOld", "BackupNotVerified"}
    tests = [_test(name, series, expected) for name, (series, expected) in bad.items()]
    return {"rule_files": [rules_file], "evaluation_interval": "1m", "tests": tests}


def _test(name: str, series: Mapping[str, int], expected: set[str]) -> dict[str, Any]:
    steps = _MINUTES * 60 // _STEP_SECONDS
    return {
        "name": f"the pipeline: {name}",
        "interval": f"{_STEP_SECONDS}s",
        "input_series": [{"series": each, "values": f"{value}x{steps}"} for each, value in series.items()],
        "promql_expr_test": [
            {
                "expr": f'group by (alertname) (ALERTS{{alertstate="firing",service="{PIPELINE}"}})',
                "eval_time": f"{_MINUTES}m",
                "exp_samples": [
                    {"labels": f'{{alertname="ShopkartPipeline{each}"}}', "value": 1} for each in sorted(expected)
                ],
            }
        ],
    }
