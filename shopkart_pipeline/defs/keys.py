"""Names in Dagster: an asset key is `[service, stage]`, a partition is a release, a job is one phase of a service."""

from functools import cache

from dagster import AssetKey, DynamicPartitionsDefinition

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.engine import places

APPROVAL = "approval"
SERVICE_TAG = places.SERVICE_TAG
RELEASE_TAG = "shopkart/release"
"""`SERVICE@KEY`."""
PULL_REQUEST_TAG = "shopkart/pull_request"
"""`OWNER/NAME#NUMBER`."""
NO_REUSE_TAG = "shopkart/no_reuse"
"""Set to `true` on a run, it makes every stage of it run, also where an earlier result would stand."""
PULL_REQUESTS = "pull_requests"
"""The group of runs that counts against the limit of that name."""


@cache
def asset_key(service: str, stage: str) -> AssetKey:
    return AssetKey([service, stage])


def partitions_name(service: str) -> str:
    return f"{service}_releases"


@cache
def releases_of(service: str) -> DynamicPartitionsDefinition:
    """The releases of a service; one partition definition per service keeps pages and queries small."""
    return DynamicPartitionsDefinition(name=partitions_name(service))


def job_name(service: str, phase: Phase) -> str:
    return f"{op_prefix(service)}_{phase.value}"


def rollback_job_name(service: str) -> str:
    return f"{op_prefix(service)}_rollback"


def op_prefix(service: str) -> str:
    """Service names may hold hyphens; Dagster's names may not."""
    return service.replace("-", "_")
