"""Which parts of `dagster.yaml` are values of the chart: what tunes and what is kept how long, never who may do what.

Dagster's chart has the same values; those that are not here (the queue's limits, attempts of runs, pods of runs) follow
from the declaration. The database is named by variables in a secret, unless a value names it; its password is in the
secret in any case.
"""

from typing import Any

from shopkart_pipeline.adapters.kubernetes.chart_markup import Markup
from shopkart_pipeline.adapters.kubernetes.chart_values import (
    ADDRESS,
    COUNT,
    DAYS,
    PARAMETERS,
    PORT,
    SECONDS,
    ChartValue,
    Schema,
)

_QUEUE = "dagsterDaemon.runCoordinator.config.queuedRunCoordinator"
_RUNS = "runLauncher.config.k8sRunLauncher.runK8sConfig"
_TUNED: tuple[tuple[str, str, Schema, str], ...] = (
    (
        "compute_logs.config.upload_interval",
        "computeLogManager.config.s3ComputeLogManager.uploadInterval",
        COUNT,
        "Seconds between looks at the outputs of steps that still run.",
    ),
    (
        "run_launcher.config.run_k8s_config.job_spec_config.ttlSecondsAfterFinished",
        f"{_RUNS}.jobSpecConfig.ttlSecondsAfterFinished",
        SECONDS,
        "Seconds that a finished run's Job stays to be looked at.",
    ),
    (
        "run_coordinator.config.dequeue_interval_seconds",
        f"{_QUEUE}.dequeueIntervalSeconds",
        COUNT,
        "Seconds between looks at the queue.",
    ),
    (
        "run_monitoring.poll_interval_seconds",
        "dagsterDaemon.runMonitoring.pollIntervalSeconds",
        COUNT,
        "Seconds between looks at pods of runs.",
    ),
    (
        "run_monitoring.start_timeout_seconds",
        "dagsterDaemon.runMonitoring.startTimeoutSeconds",
        COUNT,
        "Seconds that a run may take to start; a node may have to come first.",
    ),
    (
        "run_monitoring.cancel_timeout_seconds",
        "dagsterDaemon.runMonitoring.cancelTimeoutSeconds",
        COUNT,
        "Seconds that a run may take to end when it is cancelled.",
    ),
    (
        "run_monitoring.free_slots_after_run_end_seconds",
        "dagsterDaemon.runMonitoring.freeSlotsAfterRunEndSeconds",
        COUNT,
        "Seconds after which an ended run's places in pools are free.",
    ),
    ("sensors.num_workers", "dagsterDaemon.sensors.numWorkers", COUNT, "Sensors looked at side by side."),
)
_RETENTION = {"schedule": "schedule", "sensor": "sensor", "auto_materialize": "autoMaterialize"}
_DATABASE = {"hostname": "postgresqlHost", "db_name": "postgresqlDatabase", "username": "postgresqlUsername"}


def mark_instance(marks: Markup, configuration: dict[str, Any]) -> dict[str, Any]:
    """Put marks into `dagster.yaml`; what is not there any more raises KeyError."""
    for path, name, schema, says in _TUNED:
        *above, last = path.split(".")
        place = configuration
        for key in above:
            place = place[key]
        place[last] = marks.value(ChartValue(name, place[last], schema, says))
    for theirs, name in _RETENTION.items():
        kept: dict[str, Any] = configuration["retention"][theirs]
        days: Any = kept["purge_after_days"]
        path, says = f"retention.{name}.purgeAfterDays", "Days that ticks are kept; -1: for ever."
        if isinstance(days, int):
            kept["purge_after_days"] = marks.value(ChartValue(path, days, DAYS, says))
        else:
            kept["purge_after_days"] = {
                how: marks.value(ChartValue(f"{path}.{how}", count, DAYS, says)) for how, count in days.items()
            }
    _mark_database(marks, configuration["storage"]["custom"]["config"]["postgres_db"])
    return configuration


def _mark_database(marks: Markup, database: dict[str, Any]) -> None:
    for key, name in _DATABASE.items():
        says = f"In place of what the secret says in {database[key]['env']}."
        mark = marks.instead(ChartValue(f"postgresql.{name}", "", ADDRESS, says))
        database[key] = {mark: None, **database[key]}
    port = ChartValue("postgresql.service.port", database["port"], PORT, "Port of the database.")
    database["port"] = marks.value(port)
    database["params"] = marks.optional(
        ChartValue(
            "postgresql.postgresqlParams", {}, PARAMETERS, "Parameters of libpq, such as {sslmode: verify-full}."
        )
    )
