"""A window that begins while a rollout is under way: its worker, who holds the lease, raises stable.

It remembers that in what it brings and in what it would go back to. It never lowers: what is over is lowered after the
rollout.
"""

import logging
from dataclasses import replace
from datetime import datetime

from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.errors import Conflict, Refused
from shopkart_pipeline.domain.scale_ahead import Scale, ahead_at, raised
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline.ports.cluster import Cluster
from shopkart_pipeline.services.rollout_document import RolloutDocument, dump

log = logging.getLogger(__name__)


def raise_in_rollout(
    cluster: Cluster, deployment: Deployment, service: str, document: RolloutDocument, now: datetime
) -> RolloutDocument:
    """The document with what holds now. Somebody's own bounds are no reason to stop a rollout.

    Raises:
        ToolUnavailable: the cluster does not answer.
    """
    if not deployment.scale_ahead or document.wanted.own_manifests is not None:
        return document
    ahead = ahead_at(deployment, now)
    previous = document.previous
    outdated = [each for each in (document.wanted, previous) if each is not None and raised(ahead.scale, _scale(each))]
    if ahead.span is None or not outdated:
        return document
    wanted = _with(document.wanted, ahead.scale) if document.wanted in outdated else document.wanted
    after = replace(document, wanted=wanted, declared_replicas=ahead.scale.replicas)
    # With both numbers in it, so that neither is taken for somebody's own by whoever comes next.
    cluster.save_rollout(deployment.environment, service, dump(after))
    stable = cluster.observe(deployment.environment, service).stable
    try:
        if stable is not None and stable.spec.replicas and raised(ahead.scale, _scale(stable.spec)):
            cluster.rescale(deployment.environment, service, ahead.scale)
    except (Conflict, Refused) as error:
        log.warning("%s in %s is not scaled for %s: %s", service, deployment.environment, ahead.span.name, error)
    if previous is not None and raised(ahead.scale, _scale(previous)):
        after = replace(after, previous=_with(previous, ahead.scale))
        cluster.save_rollout(deployment.environment, service, dump(after))
    return after


def _scale(spec: WorkloadSpec) -> Scale:
    return Scale(spec.replicas, spec.autoscale)


def _with(spec: WorkloadSpec, scale: Scale) -> WorkloadSpec:
    return replace(spec, replicas=scale.replicas, autoscale=scale.autoscale)
