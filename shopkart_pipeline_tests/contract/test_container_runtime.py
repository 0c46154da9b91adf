"""Replicas as containers, tried with a real engine; not collected where there can be none."""

from collections.abc import Generator

import docker
import httpx
import pytest

from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.state import OBSERVED
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.contract.cluster_worlds import LocalWorld, a_local_world, a_service, a_spec, is_complete
from shopkart_pipeline_tests.docker_base import ON_AN_ENGINE, engine_for_tests
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour


@pytest.fixture(scope="module")
def world(docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[LocalWorld]:
    with a_local_world(tmp_path_factory.mktemp("cluster"), docker_host) as local:
        yield local


class TestContainers:
    __test__ = engine_for_tests() is not None
    pytestmark = ON_AN_ENGINE

    def test_a_controllers_successor_takes_containers_over_and_updates_them(self, world: LocalWorld) -> None:
        service = a_service()
        world.deployed(service, "v1")
        before = handles(world, service)
        world.kill_controller()
        world.start()
        world.until("production", service, lambda status: is_complete(status.stable))
        assert handles(world, service) == before
        world.cluster.apply("production", service, Track.STABLE, a_spec(world.publish(service, "v2")))
        last = world.until("production", service, lambda status: is_complete(status.stable))[-1]
        assert httpx.get(last.url).json()["version"] == "v2"

    def test_a_container_has_as_little_as_possible(self, world: LocalWorld) -> None:
        service = a_service()
        world.deployed(service, "v1", replicas=1)
        (handle,) = handles(world, service)
        client = docker.APIClient(base_url=world.docker_host, version="auto")
        try:
            container = client.inspect_container(handle)
        finally:
            client.close()
        assert container["Config"]["User"] == "65532:65532"
        assert container["HostConfig"]["ReadonlyRootfs"] is True
        assert container["HostConfig"]["CapDrop"] == ["ALL"]

    def test_the_last_words_of_a_crashing_container_are_in_the_failure(self, world: LocalWorld) -> None:
        service = a_service()
        broken = a_spec(world.publish(service, "v1", Behaviour.CRASHES), replicas=1)
        world.cluster.apply("production", service, Track.STABLE, broken)
        last = world.until("production", service, lambda s: s.stable is not None and bool(s.stable.failure))[-1]
        assert last.stable is not None
        assert last.stable.failure is not None
        assert "exit code 7" in last.stable.failure
        assert "this version can't start" in last.stable.failure


def handles(world: LocalWorld, service: str) -> set[str]:
    there = OBSERVED.read(Folders(world.home).observed_of("production", service))
    assert there is not None
    return {record.handle for record in there.replicas if record.handle is not None}
