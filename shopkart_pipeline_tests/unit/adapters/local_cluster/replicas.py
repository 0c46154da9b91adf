"""Specifications and replicas that the tests about decisions start from."""

from dataclasses import replace

from shopkart_pipeline.adapters.local_cluster.state import ReplicaRecord
from shopkart_pipeline.domain.workload import Probes, Track, WorkloadSpec

PROBES = Probes("/startup", "/ready", "/live", startup_deadline_seconds=5.0)
V1 = WorkloadSpec(
    digest="sha256:1",
    release_key="one",
    commit="c0ffee",
    replicas=2,
    command=("python", "-m", "shop"),
    variables={},
    probes=PROBES,
    metrics_path="/metrics",
    drain_seconds=5.0,
)
V2 = replace(V1, digest="sha256:2", release_key="two")


def a_replica(number: int, spec: WorkloadSpec = V1, *, serves: bool = True, leaving: bool = False) -> ReplicaRecord:
    """A stable replica."""
    return ReplicaRecord(
        name=f"stable-{number}",
        track=Track.STABLE,
        spec=spec,
        port=20_000 + number,
        handle=f"{number}:1.0",
        ready=serves,
        routed=serves,
        leaving=leaving,
    )
