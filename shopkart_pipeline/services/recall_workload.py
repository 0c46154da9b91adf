"""What a release ran as in an environment, kept when it took it, and found again when it is to come back.

The ledger names the whole workload by digest beside each placement, and the evidence store keeps it. Where that is
missing, because an earlier version placed it or the store has lost it, the rollout that is saved beside the workload
and the reports of rollouts are looked at. Today's declaration is no source: it may have changed since.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.domain.scale_ahead import ahead_at
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed
from shopkart_pipeline.services.rollout_document import RolloutDocument, saved_rollout
from shopkart_pipeline.services.rollout_reports import past_rollout

_SPECS = TypeAdapter(WorkloadSpec)


def keep_workload(platform: Platform, placed: Placed, spec: WorkloadSpec) -> Placed:
    """Keep what a release runs as, and return its placement with the names by which that is found again."""
    report = platform.evidence.put_report(RawReport("workload.json", "application/json", _SPECS.dump_json(spec)))
    return replace(placed, configuration=spec.configuration, workload=report.digest)


def recall_workload(platform: Platform, deployment: Deployment, service: str, placed: Placed) -> WorkloadSpec | None:
    """What a release ran as; None where nobody kept it.

    How many replicas there are and how requests reach them is as it is declared today: neither belongs to the release.
    A team's own manifests say their numbers themselves.
    """
    found = _kept(platform, placed) or next(_in_rollouts(platform, deployment, service, placed), None)
    if found is None:
        return None
    around = replace(found, release_key=placed.release_key, commit=placed.commit, route=deployment.route)
    if found.own_manifests is not None:
        return around
    scale = ahead_at(deployment, platform.clock.now()).scale
    return replace(around, replicas=scale.replicas, autoscale=scale.autoscale)


def _kept(platform: Platform, placed: Placed) -> WorkloadSpec | None:
    if placed.workload is None:
        return None
    try:
        spec = _SPECS.validate_json(platform.evidence.get_report(placed.workload))
    except (PipelineError, ValidationError):
        return None
    return spec if spec.digest == placed.digest else None


def _in_rollouts(platform: Platform, deployment: Deployment, service: str, placed: Placed) -> Iterator[WorkloadSpec]:
    for document in _documents(platform, deployment, service, placed):
        for spec in (document.wanted, document.previous):
            if spec is not None and spec.unit.is_same(placed.unit):
                yield spec


def _documents(platform: Platform, deployment: Deployment, service: str, placed: Placed) -> Iterator[RolloutDocument]:
    saved = saved_rollout(platform.sites[deployment.environment].cluster, deployment.environment, service)
    if saved is not None:
        yield saved
    phase = platform.pipeline.environments[deployment.environment].phase
    with suppress(PipelineError):
        yield past_rollout(platform, platform.evidence.release(service, placed.release_key), phase)
