"""Runs a small job once in the warm server before it forks anything.

Much of what a run costs is paid by the first run of a process: modules that are imported where they are used,
statements that are compiled, classes that are completed on first use. Rehearsed in the server, just as a worker does
it, this is paid once and every child inherits the result. The rehearsal has a home of its own in a temporary folder and
leaves neither threads nor connections behind.
"""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from dagster import DagsterInstance, DagsterInvalidConfigError

# Private: a run that is not executed in process has no public interface.
from dagster._core.definitions.repository_definition import RepositoryDefinition
from dagster._core.execution.api import create_execution_plan
from dagster._core.instance.ref import InstanceRef
from dagster._core.snap.execution_plan_snapshot import snapshot_from_execution_plan

from shopkart_pipeline.engine import worker
from shopkart_pipeline.engine.first_open import HomeDatabases
from shopkart_pipeline.engine.launch import create_run
from shopkart_pipeline.engine.rehearsal_definitions import JOB_NAME, PARTITIONS_NAME, SOURCE

_RUN_ID = "00000000-0000-4000-8000-000000000000"
_CONFIG = """
instance_class: {module: shopkart_pipeline.engine.instance, class: WarmInstance}
telemetry: {enabled: false}
"""


def rehearse(databases: HomeDatabases) -> None:
    """Create and execute a partitioned run with a check, on storages like those of the real instance.

    Args:
        databases: those of the real instance; nothing is written there.

    Raises:
        RuntimeError: the run did not succeed.
    """
    with tempfile.TemporaryDirectory(prefix="rehearsal-", ignore_cleanup_errors=True) as home:
        Path(home, "dagster.yaml").write_text(_CONFIG)
        if databases.patterns.base.exists():
            shutil.copytree(databases.patterns.base, HomeDatabases(Path(home)).patterns.base)
        reference = InstanceRef.from_dir(home)
        with DagsterInstance.from_ref(reference) as instance:
            instance.add_dynamic_partitions(PARTITIONS_NAME, ["first"])
            create_run(instance, SOURCE, _RUN_ID, JOB_NAME, {"dagster/partition": "first"})
        with DagsterInstance.from_ref(reference) as instance:
            worker.execute_in(instance, _RUN_ID)
            run = instance.get_run_by_id(_RUN_ID)
            if run is None or not run.is_success:
                raise RuntimeError("The rehearsal of a run failed.")


def prepare_job(repository: RepositoryDefinition, name: str) -> None:
    """Compute the snapshot and plan of a job, so that nobody has to afterwards.

    A job that can't be planned without configuration is left for when it gets some.
    """
    job = repository.get_job(name)
    snapshot_id = job.get_job_snapshot_id()
    with suppress(DagsterInvalidConfigError):
        snapshot_from_execution_plan(create_execution_plan(job), snapshot_id)
