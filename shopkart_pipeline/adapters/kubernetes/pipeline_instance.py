"""The configuration of Dagster's instance on Kubernetes (`dagster.yaml`), from the declaration.

Storage is PostgreSQL, outputs of steps are in S3, and each run is a Job. Secrets and what differs by account are named
as variables, and filled in by whoever opens the instance. Runs are never resumed and never tried again by Dagster: what
a deployment may do again is decided by the stage, and the inbox's sensor asks for what was lost.

Source: Dagster, "dagster.yaml reference" (1.13).
"""

from typing import Any

from shopkart_pipeline.adapters.kubernetes.pipeline_pods import ARTIFACTS, CODE, INSTANCE, run_config
from shopkart_pipeline.adapters.kubernetes.pipeline_steps import modes
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.installation import Installation
from shopkart_pipeline.domain.run_pods import ACCOUNTS, UNTRUSTED, jobs_by_kind

_STORAGE = {"hostname": "HOST", "db_name": "NAME", "username": "USER", "password": "PASSWORD"}
"""Variables of `shopkart-storage` that say where Dagster's database is: `SHOPKART_DAGSTER_DB_...`."""
_DRIVER = "postgresql+psycopg2"
"""Said, because SQLAlchemy 2.1 takes psycopg 3 otherwise, which has no parameters for the NOTIFY that dagster-postgres
sends with each event of a run."""
BUCKET_VARIABLE, REGION_VARIABLE, IMAGE_VARIABLE = "SHOPKART_COMPUTE_LOGS_BUCKET", "AWS_REGION", "SHOPKART_IMAGE"
_PORT = 5432
_FINISHED_JOBS_SECONDS = 3600
_LONGEST_START_SECONDS = 900
"""From a launch to the first word of the run: a node may have to come first."""
_DAYS = {"skipped": 1, "started": 7, "success": 30, "failure": 30}


def instance_configuration(pipeline: Pipeline, installation: Installation) -> dict[str, Any]:
    """All of `dagster.yaml`."""
    return {
        "storage": {
            "custom": {
                "module": "shopkart_pipeline.engine.postgres_storage",
                "class": "PatientPostgresStorage",
                "config": {"postgres_db": _database()},
            }
        },
        "local_artifact_storage": {
            "module": "dagster._core.storage.root",
            "class": "LocalArtifactStorage",
            "config": {"base_dir": ARTIFACTS},
        },
        "compute_logs": {
            "module": "dagster_aws.s3.compute_log_manager",
            "class": "S3ComputeLogManager",
            "config": {
                "bucket": {"env": BUCKET_VARIABLE},
                "region": {"env": REGION_VARIABLE},
                "prefix": "compute-logs",
                "local_dir": "/tmp/compute-logs",  # noqa: S108
                "upload_interval": 30,
            },
        },
        "run_launcher": _launcher(pipeline, installation),
        "run_coordinator": _coordinator(pipeline),
        "run_monitoring": {
            "enabled": True,
            "poll_interval_seconds": 30,
            "start_timeout_seconds": _LONGEST_START_SECONDS,
            "cancel_timeout_seconds": 180,
            "max_resume_run_attempts": 0,
            "free_slots_after_run_end_seconds": 10,
        },
        "run_retries": {"enabled": False},
        "concurrency": {"pools": {"granularity": "op"}},
        "retention": {
            "sensor": {"purge_after_days": dict(_DAYS)},
            "schedule": {"purge_after_days": 90},
            "auto_materialize": {"purge_after_days": {"skipped": 1, "success": 30}},
        },
        "sensors": {"use_threads": True, "num_workers": 4},
        "telemetry": {"enabled": False},
        "nux": {"enabled": False},
    }


def _database() -> dict[str, Any]:
    named = {key: {"env": f"SHOPKART_DAGSTER_DB_{name}"} for key, name in _STORAGE.items()}
    return {"scheme": _DRIVER, **named, "port": _PORT}


def _launcher(pipeline: Pipeline, installation: Installation) -> dict[str, Any]:
    jobs, steps, namespace = jobs_by_kind(pipeline.services), modes(pipeline), installation.namespace
    return {
        "module": "shopkart_pipeline.engine.pod_launcher",
        "class": "PodRunLauncher",
        "config": {
            "job_namespace": installation.namespace,
            "job_image": {"env": IMAGE_VARIABLE},
            "dagster_home": CODE,
            "instance_config_map": INSTANCE,
            "service_account_name": ACCOUNTS[UNTRUSTED],
            "run_k8s_config": {"job_spec_config": {"ttlSecondsAfterFinished": _FINISHED_JOBS_SECONDS}},
            "only_allow_user_defined_k8s_config_fields": {},
            "jobs": {name: kind.value for name, kind in sorted(jobs.items())},
            "kinds": {
                kind.value: run_config(kind, pod, steps[kind], namespace) for kind, pod in pipeline.run_pods.items()
            },
        },
    }


def _coordinator(pipeline: Pipeline) -> dict[str, Any]:
    """The rules of `engine.places`, as tags."""
    said, each = pipeline.concurrency, {"applyLimitPerUniqueValue": True}
    limits: list[dict[str, Any]] = [
        {"key": "shopkart/counted", "limit": said.runs},
        {"key": "shopkart/limit", "value": "pull_requests", "limit": said.pull_requests},
        {"key": "shopkart/queue", "value": dict(each), "limit": 1},
        *[
            {"key": "shopkart/counted_environment", "value": name, "limit": limit}
            for name, limit in sorted(said.environments.items())
        ],
    ]
    if said.per_service is not None:
        limits.append({"key": "shopkart/counted_service", "value": dict(each), "limit": said.per_service})
    return {
        "module": "shopkart_pipeline.engine.counting_coordinator",
        "class": "CountingRunCoordinator",
        "config": {"max_concurrent_runs": -1, "tag_concurrency_limits": limits, "dequeue_interval_seconds": 2},
    }
