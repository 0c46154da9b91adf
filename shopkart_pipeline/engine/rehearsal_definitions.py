"""What the warm server rehearses: the least that has a partition, a dependency, a blocking check and metadata."""

import warnings

import dagster as dg

from shopkart_pipeline.engine.definitions_source import DefinitionsSource
from shopkart_pipeline.engine.executor import parallel_threads

SOURCE = DefinitionsSource(__name__, "rehearsal")
JOB_NAME = "rehearsal"
PARTITIONS_NAME = "rehearsals"

_partitions = dg.DynamicPartitionsDefinition(name=PARTITIONS_NAME)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.PreviewWarning)  # Partitioned checks; the pipeline's own are, too.
    _gate = dg.AssetCheckSpec("gate", asset="rehearsed", blocking=True, partitions_def=_partitions)


@dg.asset(partitions_def=_partitions, check_specs=[_gate])
def rehearsed(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # pyright: ignore[reportMissingTypeArgument, reportUnknownParameterType]
    """Logs, materializes and is judged."""
    context.log.info("Rehearsing.")
    verdict = dg.AssetCheckResult(check_name="gate", passed=True, metadata={"value": 1})
    return dg.MaterializeResult(metadata={"value": 1}, check_results=[verdict])


@dg.asset(partitions_def=_partitions, deps=[rehearsed])
def rehearsed_again() -> None:
    """Comes after the other."""


defs = dg.Definitions(
    assets=[rehearsed, rehearsed_again],
    jobs=[dg.define_asset_job(JOB_NAME, executor_def=parallel_threads)],  # pyright: ignore[reportUnknownMemberType]
)
