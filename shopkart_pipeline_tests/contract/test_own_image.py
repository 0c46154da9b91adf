"""The pipeline's own image, built by a Docker Engine from the shipped Dockerfile and run with the rights, volumes,
commands and probes of the generated manifests: PostgreSQL is real, Kubernetes is emulated.

Thorough, because it installs everything that the image has. Not collected where there is no engine, no `mmdebstrap` for
the base image or no `docker-registry` to give it a digest; the summary says so.
"""

import json
import tarfile
import time
from collections.abc import Generator
from contextlib import ExitStack
from io import BytesIO
from urllib.parse import urlsplit

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shopkart_pipeline.adapters._blob_places import BlobPlaces
from shopkart_pipeline.adapters._http import HttpClient
from shopkart_pipeline.adapters.oci_distribution import OciHttpRegistry
from shopkart_pipeline_tests.contract.own_image import (
    Engine,
    Pod,
    Surroundings,
    build_by_the_pipeline,
    make_python_base,
)
from shopkart_pipeline_tests.contract.postgres import Postgres
from shopkart_pipeline_tests.contract.registry_server import running_registry
from shopkart_pipeline_tests.docker_base import ON_AN_ENGINE
from shopkart_pipeline_tests.fakes import kubernetes_server as emulator
from shopkart_pipeline_tests.fakes.fast_clock import FastClock
from shopkart_pipeline_tests.pipeline_installation import files, objects

pytestmark = ON_AN_ENGINE

NAMESPACE = "shopkart-pipeline"
CONFINED = (
    *("--rm", "--read-only", "--user", "65532:65532", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
    *("--network", "none", "--tmpfs", "/tmp"),
)
WEBHOOK_SECRET = "the-webhook-secret-of-this-test"


@pytest.fixture(scope="module")
def engine(docker_host: str) -> Engine:
    return Engine(docker_host)


@pytest.fixture(scope="module")
def image(engine: Engine, docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Built by the pipeline, pushed by it, and pulled by digest by the engine."""
    folder = tmp_path_factory.mktemp("own-image")
    with running_registry(folder / "registry") as registry:
        base = make_python_base(engine, registry, folder / "base")
        began = time.monotonic()
        built = build_by_the_pipeline(docker_host, base, folder / "build")
        print(f"built in {time.monotonic() - began:.0f} s, {built.size_bytes / 1e6:.0f} MB compressed")
        client = HttpClient("The registry", registry)
        pushed = OciHttpRegistry(client, "registry", BlobPlaces(folder / "places", registry))
        digest = pushed.push(built.layout, "shopkart-pipeline", "tests")
        client.close()
        assert digest == built.digest
        name = f"{registry.removeprefix('http://')}/shopkart-pipeline@{digest}"
        engine("pull", name, timeout_seconds=600.0)
        yield name


@pytest.fixture(scope="module")
def around(
    engine: Engine, image: str, postgres: Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Surroundings]:
    folder, database = tmp_path_factory.mktemp("pods"), urlsplit(postgres.address())
    kept_in = postgres.address(postgres.password)
    configured = yaml.safe_load(files()["dagster.yaml"])
    configured["storage"]["custom"]["config"]["postgres_db"] |= {"port": database.port}
    instance = folder / "instance"
    instance.mkdir()
    for name, content in objects("ConfigMap")["shopkart-instance"]["data"].items():
        (instance / name).write_text(content)
    (instance / "dagster.yaml").write_text(yaml.safe_dump(configured))
    token, world = folder / "token", emulator.KubernetesWorld(FastClock(20.0))
    world.add_namespace(NAMESPACE)
    token.mkdir()
    certificate = emulator.make_certificate(folder)
    (token / "ca.crt").write_bytes(certificate.certificate.read_bytes())
    (token / "token").write_text(world.token)
    (token / "namespace").write_text(NAMESPACE)
    key, trust = _key(), folder / "shopkart-trust"
    trust.mkdir()
    told = ("--env", f"SHOPKART_SIGNER_KEY={key}", "--env", "SHOPKART_HOME=/tmp/home")
    (trust / "attestation-keys.json").write_text(engine("run", *CONFINED, *told, image, "shopkart", "signer", "keys"))
    storage = {
        "SHOPKART_DAGSTER_DB_HOST": str(database.hostname),
        "SHOPKART_DAGSTER_DB_NAME": database.path[1:],
        "SHOPKART_DAGSTER_DB_USER": str(database.username),
        "SHOPKART_DAGSTER_DB_PASSWORD": postgres.password,
        "SHOPKART_INBOX": kept_in,
        "SHOPKART_LEDGER": kept_in,
        # The shipped declaration is one for a machine, with registry and environments in the home; else it is refused.
        "SHOPKART_HOME_LASTS": "yes",
    }
    secrets = {
        "shopkart-storage": storage,
        "shopkart-signer": {"SHOPKART_SIGNER_TOKEN": "0f" * 32, "SHOPKART_SIGNER_KEY": key},
        "shopkart-signer-callers": {"SHOPKART_SIGNER_TOKEN": "0f" * 32},
        "shopkart-receiver": {"SHOPKART_WEBHOOK_SECRET": WEBHOOK_SECRET},
        "shopkart-secrets": {"SHOPKART_PUBLIC_URL": "https://pipeline.shopkart.example"},
    }
    with emulator.running_kubernetes(world, certificate=certificate) as address:
        place = urlsplit(address)
        api = {"KUBERNETES_SERVICE_HOST": str(place.hostname), "KUBERNETES_SERVICE_PORT": str(place.port)}
        yield Surroundings(folder, image, instance, token, secrets, api)


def _key() -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(encoding, form, serialization.NoEncryption()).decode()


def test_it_says_its_version_and_judges_its_declaration_without_any_right(engine: Engine, image: str) -> None:
    assert engine("run", *CONFINED, image, "shopkart", "--version").startswith("shopkart ")
    said = engine("run", *CONFINED, image, "shopkart", "validate")
    assert "shopkart.yaml" in said
    assert engine("run", *CONFINED, image, "id", "-u").strip() == "65532"


def test_the_pods_of_the_manifests_come_up_answer_their_probes_write_into_volumes_alone_and_end(
    engine: Engine, around: Surroundings
) -> None:
    deployments = objects("Deployment")
    with ExitStack() as stack:
        first = Pod(engine, around, yaml.safe_load(files()["migrate.yaml"]))
        stack.callback(first.remove)
        assert first.ended() == 0, first.words()
        pods = list[Pod]()
        # In this order each finds what it asks at its start.
        order = ("shopkart-signer", "shopkart-code-server")
        for name in [*order, *(each for each in deployments if each not in order)]:
            pods.append(Pod(engine, around, deployments[name]))
            stack.callback(pods[-1].remove)
            print(f"{name}: up after {pods[-1].start():.1f} s")
        for pod in pods:
            assert pod.answers("readinessProbe"), pod.words()
            assert pod.answers("livenessProbe"), pod.words()
            assert pod.is_running(), pod.words()
            assert pod.written() == [], pod.name
        for pod in pods:
            # 130 and 143: it ended by the signal that kubelet sends. One that has to be killed says 137.
            assert pod.stop() in (0, 130, 143), f"{pod.name}: {pod.words()}"


def test_layers_and_history_hold_no_secret_no_cache_and_no_test(engine: Engine, image: str) -> None:
    history = engine("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    found = json.loads(engine("inspect", image))[0]
    assert found["Config"]["User"] == "65532:65532"
    with tarfile.open(fileobj=BytesIO(engine.tried("save", image, timeout_seconds=600.0).stdout)) as archive:
        names = [name for layer in _layers(archive) for name in layer]
    assert "PASSWORD" not in history.upper()
    print(f"{found['Size'] / 1e6:.0f} MB, {len(names)} files")
    for part in ("app/.git/", "shopkart_pipeline_tests", ".cache/pip", "var/lib/apt/lists/deb", ".pem.key"):
        assert [name for name in names if part in name] == []


def _layers(archive: tarfile.TarFile) -> list[list[str]]:
    manifest = archive.extractfile("manifest.json")
    assert manifest is not None
    listed = list[list[str]]()
    for name in json.loads(manifest.read())[0]["Layers"]:
        content = archive.extractfile(name)
        assert content is not None
        with tarfile.open(fileobj=content) as layer:
            listed.append(layer.getnames())
    return listed
