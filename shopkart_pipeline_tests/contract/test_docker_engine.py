"""Docker's builder beyond what all builders promise; see `test_image_builder` for that.

Collected only where an engine is reachable or can be started; among the thorough tests.
"""

import json
import secrets
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import docker
import pytest

from shopkart_pipeline.adapters._oci import read_manifest, unpack
from shopkart_pipeline.adapters._oci_documents import blob_path
from shopkart_pipeline.adapters.docker_engine import DockerEngineBuilder
from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.builder import BuiltImage
from shopkart_pipeline_tests.contract.images import APPLICATION, BASE_ON_DISK, a_request, a_service
from shopkart_pipeline_tests.contract.images_of_engines import a_docker_request, docker_archive
from shopkart_pipeline_tests.docker_base import EMPTY_BASE_IMAGE, ON_AN_ENGINE, SHELL_BASE_IMAGE, make_base_image

pytestmark = ON_AN_ENGINE

_PLAIN = f'FROM {EMPTY_BASE_IMAGE}\nCOPY . /app\nWORKDIR /app\nUSER 10001\nENTRYPOINT ["python", "-m", "shop"]\n'


@pytest.fixture(params=[True, False], ids=["BuildKit", "classic"])
def builder(request: pytest.FixtureRequest, docker_host: str, tmp_path: Path) -> DockerEngineBuilder:
    return DockerEngineBuilder(tmp_path.parent / "layers", docker_host, buildkit=request.param)


def unpacked(built: BuiltImage | EvidenceMissing, destination: Path) -> Path:
    assert isinstance(built, BuiltImage), built
    unpack(built.layout, destination)
    return destination


def test_a_dockerfile_that_asks_for_the_application_gets_the_one_that_was_built(
    builder: DockerEngineBuilder, tmp_path: Path
) -> None:
    request = a_docker_request(
        tmp_path, {"source/app/shop/__main__.py": "raise SystemExit('not built, not scanned')\n"}
    )

    image = unpacked(builder.build(request), tmp_path / "out")

    found = (image / "app/app/shop/__main__.py").read_text(encoding="utf-8")
    assert found == APPLICATION["app/shop/__main__.py"]


def test_a_dockerfile_that_does_not_ask_builds_its_own(builder: DockerEngineBuilder, tmp_path: Path) -> None:
    request = a_docker_request(tmp_path, {"Dockerfile": _PLAIN, "marker": "of the repository\n"})

    image = unpacked(builder.build(request), tmp_path / "out")

    assert (image / "app/marker").read_text(encoding="utf-8") == "of the repository\n"


def test_dockerignore_counts(builder: DockerEngineBuilder, tmp_path: Path) -> None:
    tree = {"Dockerfile": _PLAIN, ".dockerignore": "secret*\n", "secret.txt": "no\n", "public.txt": "yes\n"}

    image = unpacked(builder.build(a_docker_request(tmp_path, tree)), tmp_path / "out")

    assert (image / "app/public.txt").exists()
    assert not (image / "app/secret.txt").exists()


def test_the_dockerfile_may_lie_elsewhere(builder: DockerEngineBuilder, tmp_path: Path) -> None:
    request = a_docker_request(tmp_path, {"images/shop.Dockerfile": _PLAIN, "Dockerfile": "FROM nowhere\n"})
    options = {"dockerfile": "images/shop.Dockerfile"}
    stage = Stage("image", StageKind.IMAGE, Phase.CI, (), 60.0, options=options)

    built = builder.build(replace(request, service=replace(request.service, stages=(stage,))))

    assert isinstance(built, BuiltImage), built


def test_an_engine_takes_the_configuration_byte_for_byte(
    builder: DockerEngineBuilder, docker_host: str, tmp_path: Path
) -> None:
    built = builder.build(a_docker_request(tmp_path, {}))
    assert isinstance(built, BuiltImage), built
    manifest = read_manifest(built.layout)
    config = blob_path(built.layout, manifest.config.digest)
    client = docker.DockerClient(base_url=docker_host)

    (loaded,) = client.images.load(docker_archive(built.layout))

    # An image's id is the configuration's digest, or the manifest's where images are kept in containerd.
    assert _saved_config(b"".join(loaded.save())) == config.read_bytes()
    client.close()


def test_the_container_runs(builder: DockerEngineBuilder, docker_host: str, tmp_path: Path) -> None:
    built = builder.build(a_docker_request(tmp_path, {}, make_base_image(docker_host)))
    assert isinstance(built, BuiltImage), built
    client = docker.DockerClient(base_url=docker_host)
    (image,) = client.images.load(docker_archive(built.layout))

    said = client.containers.run(image.id, network_mode="none", remove=True)

    assert said == b"hello shop\n"
    client.close()


@pytest.mark.parametrize(
    ("tree", "reason"),
    [
        ({"Dockerfile": _PLAIN.replace('"shop"', '"other"')}, "The image starts python -m other; the declaration"),
        ({"Dockerfile": f"FROM {SHELL_BASE_IMAGE}\nRUN exit 3\n"}, "exit 3"),
        ({"Dockerfile": "NONSENSE\n"}, "unknown instruction: NONSENSE"),
    ],
    ids=["another command", "a failing command", "nonsense"],
)
def test_what_can_not_be_released_is_no_image(
    builder: DockerEngineBuilder, tmp_path: Path, tree: Mapping[str, str], reason: str
) -> None:
    request = a_docker_request(tmp_path, tree)

    result = builder.build(request)

    assert isinstance(result, EvidenceMissing)
    assert reason in result.reason
    assert reason in request.log.read_text(encoding="utf-8")
    assert not request.layout.exists()


def test_a_base_image_on_disk_is_taken_where_images_can_be_rewritten_and_refused_elsewhere(
    builder: DockerEngineBuilder, tmp_path: Path
) -> None:
    result = builder.build(a_request(tmp_path, a_service(base_image=BASE_ON_DISK)))

    if isinstance(result, BuiltImage):
        assert result.reproducible
    else:
        assert "oci:base is a layout on disk" in result.reason


def test_an_image_that_is_not_reproducible_says_why(builder: DockerEngineBuilder, tmp_path: Path) -> None:
    built = builder.build(a_docker_request(tmp_path, {}))

    assert isinstance(built, BuiltImage), built
    assert not built.reproducible
    # The empty base image is named by a tag; the older ways don't even come to that.
    assert built.doubt.startswith(
        ("named without a digest: shopkart-test-empty:1", "the image tells when it was built")
    )


def test_a_build_that_hangs_is_ended(builder: DockerEngineBuilder, tmp_path: Path) -> None:
    # The engine remembers commands that it has run to their end; this one is new to it.
    command = f"RUN : {secrets.token_hex(8)} && sleep 60"
    request = a_docker_request(tmp_path, {"Dockerfile": f"FROM {SHELL_BASE_IMAGE}\n{command}\n"})

    result = builder.build(replace(request, timeout_seconds=3.0))

    assert isinstance(result, EvidenceMissing)
    assert "within 3 s" in result.reason


def test_no_tag_of_the_build_is_left(builder: DockerEngineBuilder, docker_host: str, tmp_path: Path) -> None:
    builder.build(a_docker_request(tmp_path, {}))
    builder.build(a_docker_request(tmp_path / "failing", {"Dockerfile": "FROM scratch\nARG APPLICATION\nNONSENSE\n"}))
    client = docker.DockerClient(base_url=docker_host)

    tags = [tag for image in client.images.list() for tag in image.tags]

    assert [tag for tag in tags if tag.startswith("shopkart-build/")] == []
    client.close()


def _saved_config(archive: bytes) -> bytes:
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        manifest = tar.extractfile("manifest.json")
        assert manifest is not None
        (entry,) = json.loads(manifest.read())
        config = tar.extractfile(entry["Config"])
        assert config is not None
        return config.read()
