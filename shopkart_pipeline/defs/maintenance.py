"""What is done by the clock: missed webhooks are made up for, old work is swept, old releases leave the interface, and
the ledger is signed.

The interface keeps a declared number of live partitions per service, because its pages grow slow with their number;
the events of those that leave stay, and so does everything in the evidence store.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false

from collections.abc import Callable

from dagster import (
    DagsterInstance,
    Failure,
    JobDefinition,
    OpExecutionContext,
    ResourceParam,
    job,
    op,
)

from shopkart_pipeline.defs.dispatch import drain
from shopkart_pipeline.defs.keys import partitions_name
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.reconcile_sources import reconcile_sources
from shopkart_pipeline.services.record_policy import record_policy
from shopkart_pipeline.services.redeliver import redeliver
from shopkart_pipeline.services.retry_reviews import retry_reviews
from shopkart_pipeline.services.run_companion import remove_companions
from shopkart_pipeline.services.sign_ledger import anchor_head, signed_head
from shopkart_pipeline.services.sweep_workspace import sweep_workspace

RECONCILE = "reconcile"


def build_maintenance_job() -> JobDefinition:
    """One job: looking at branches, sweeping, retiring partitions, signing the ledger."""

    @op(description="Makes up for webhooks that never came, and has those that failed delivered again.")
    def reconcile_branches(context: OpExecutionContext, platform: ResourceParam[Platform]) -> None:
        failures = [_told(context, platform, part) for part in (reconcile_sources, redeliver, retry_reviews)]
        drain(context.instance, platform)
        if any(failures):
            raise Failure("; ".join(filter(None, failures)))

    @op(description="Removes older releases' files and partitions, and what runs that died left in staging.")
    def sweep_old_work(context: OpExecutionContext, platform: ResourceParam[Platform]) -> None:
        context.log.info("%s folders removed", sweep_workspace(platform))
        for removed in remove_companions(platform):
            context.log.info(removed)
        for name in platform.pipeline.services:
            for old in _beyond_retention(context.instance, platform, name):
                context.instance.delete_dynamic_partition(partitions_name(name), old)

    @op(description="Tells the ledger of a new policy, signs its newest entry, and keeps its head outside as well.")
    def sign_ledger(context: OpExecutionContext, platform: ResourceParam[Platform]) -> None:
        record_policy(platform)
        head, mark = signed_head(platform), anchor_head(platform)
        context.log.info("signed up to entry %s", "none" if head is None else head.sequence)
        context.log.info("anchored up to entry %s", "none" if mark is None else mark.sequence)

    @job(name=RECONCILE, description="Makes up for missed webhooks, sweeps old work and signs the ledger.")
    def maintenance() -> None:
        reconcile_branches()
        sweep_old_work()
        sign_ledger()

    return maintenance


def _told(context: OpExecutionContext, platform: Platform, part: Callable[[Platform], tuple[str, ...]]) -> str:
    """Do one part and log what it found; returns how it failed, which must not keep the others from being done."""
    try:
        for found in part(platform):
            context.log.info(found)
    except Exception as error:
        context.log.exception("%s failed", part.__name__)
        return f"{part.__name__} failed: {type(error).__name__}"
    return ""


def _beyond_retention(instance: DagsterInstance, platform: Platform, service: str) -> list[str]:
    """Partitions of all but the releases that came last; keys of pull requests do not sort with the others."""
    partitions, most = instance.get_dynamic_partitions(partitions_name(service)), platform.pipeline.live_releases
    if len(partitions) <= most:
        return []
    live = {release.key for release in platform.evidence.releases(service, most)}
    return [key for key in partitions if key not in live]
