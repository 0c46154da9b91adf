"""A team's own manifests on an emulated cluster: from the first deployment over a canary to the next release."""

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.kubernetes.kinds import AUTOSCALER, DEPLOYMENT, SERVICE, Kind
from shopkart_pipeline.domain.workload import Track, WorkloadSpec
from shopkart_pipeline_tests.contract.cluster_worlds import a_spec, is_complete
from shopkart_pipeline_tests.contract.kubernetes_worlds import EmulatedWorld, an_emulated_world
from shopkart_pipeline_tests.unit.adapters.kubernetes.test_own_manifests import FILES, read

POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")


@pytest.fixture
def world(tmp_path: Path) -> Generator[EmulatedWorld]:
    with an_emulated_world(tmp_path) as world:
        yield world


def spec_of(world: EmulatedWorld, folder: Path, version: str) -> WorkloadSpec:
    files = {name: text.replace("namespace: shop", "") for name, text in FILES.items()}
    own = read(folder, files)
    digest = world.publish("backend", version)
    return replace(a_spec(digest), replicas=own.replicas, own_manifests=own.document)


def test_a_canary_beside_a_teams_own_deployment_gets_its_share_and_leaves(world: EmulatedWorld, tmp_path: Path) -> None:
    old, new = spec_of(world, tmp_path / "old", "v1"), spec_of(world, tmp_path / "new", "v2")
    world.cluster.apply("production", "backend", Track.STABLE, old)
    status = world.until("production", "backend", lambda status: is_complete(status.stable))[-1]
    assert status.stable is not None
    assert status.stable.spec == old
    assert world.api.get(POLICY, "production", "shut") is not None
    assert world.api.get(POLICY, "production", "backend") is None

    world.cluster.apply("production", "backend", Track.CANARY, replace(new, replicas=1))
    status = world.until("production", "backend", lambda status: is_complete(status.canary))[-1]
    assert status.canary_weight_percent == 0

    world.cluster.set_weight("production", "backend", 25)
    world.until("production", "backend", lambda status: status.has_weight(25))
    service = world.api.get(SERVICE, "production", "backend")
    assert service is not None
    assert [port["port"] for port in service["spec"]["ports"]] == [8000]

    world.cluster.apply("production", "backend", Track.STABLE, new)
    world.until("production", "backend", lambda status: is_complete(status.stable))
    world.cluster.set_weight("production", "backend", 0)
    world.cluster.remove("production", "backend", Track.CANARY)
    status = world.until("production", "backend", lambda status: status.canary is None)[-1]
    assert status.stable is not None
    assert status.stable.spec.digest == new.digest
    deployment = world.api.get(DEPLOYMENT, "production", "backend")
    assert deployment is not None
    assert deployment["metadata"]["annotations"]["team"] == "shop"
    assert world.api.get(AUTOSCALER, "production", "backend") is None
