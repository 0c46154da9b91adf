"""Who may change a service: a Lease of the cluster, taken, renewed and given back by one holder at a time.

What is written carries the version that was read, so of two that reach for an expired lease one gets it. Time is the
caller's: workers whose clocks differ by more than a lease's length must not share a cluster.

Source: Kubernetes, "Leases" (`coordination.k8s.io/v1`).
"""

import math
from datetime import UTC, datetime, timedelta

from shopkart_pipeline.adapters.kubernetes.api import KubernetesApi
from shopkart_pipeline.adapters.kubernetes.diagnosis import moment
from shopkart_pipeline.adapters.kubernetes.documents import number, part, text
from shopkart_pipeline.adapters.kubernetes.kinds import LEASE
from shopkart_pipeline.adapters.kubernetes.names import Manifest
from shopkart_pipeline.domain.errors import Conflict


def acquire(
    api: KubernetesApi, namespace: str, described: Manifest, holder: str, ttl_seconds: float, now: datetime
) -> bool:
    """Take or renew a lease; False while somebody else holds it."""
    name = described["name"]
    current = api.get(LEASE, namespace, name)
    before = part(current, "spec")
    ours = before.get("holderIdentity") == holder
    if not ours and _expires(before) > now:
        return False
    spec = {
        "holderIdentity": holder,
        "leaseDurationSeconds": max(1, math.ceil(ttl_seconds)),
        "acquireTime": before.get("acquireTime") if ours else _written(now),
        "renewTime": _written(now),
        "leaseTransitions": number(before, "leaseTransitions") + (not ours),
    }
    wanted: Manifest = {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": described, "spec": spec}
    try:
        if current is None:
            api.create(LEASE, namespace, wanted)
        else:
            api.replace(LEASE, namespace, {**current, "spec": spec})
    except Conflict:
        # Somebody was quicker; or it was us, and the first answer got lost.
        there = part(api.get(LEASE, namespace, name), "spec")
        return (there.get("holderIdentity"), there.get("renewTime")) == (holder, spec["renewTime"])
    return True


def release(api: KubernetesApi, namespace: str, name: str, holder: str) -> None:
    """Give a lease back; does nothing for somebody else's."""
    current = api.get(LEASE, namespace, name)
    if current is None or current["spec"].get("holderIdentity") != holder:
        return
    try:
        api.delete(LEASE, namespace, name, version=current["metadata"]["resourceVersion"])
    except Conflict:
        return


def _expires(spec: Manifest) -> datetime:
    renewed = text(spec, "renewTime") or text(spec, "acquireTime")
    if not renewed or not spec.get("holderIdentity"):
        return datetime.min.replace(tzinfo=UTC)
    return moment(renewed) + timedelta(seconds=number(spec, "leaseDurationSeconds"))


def _written(now: datetime) -> str:
    return f"{now:%Y-%m-%dT%H:%M:%S.%fZ}"
