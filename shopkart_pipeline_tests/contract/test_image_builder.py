"""What every image builder promises, each on the real thing.

The fake and the daemonless builder run everywhere, buildah's where it is installed; Docker's, with and without
BuildKit, where an engine is reachable or can be started, among the thorough tests. The test ids tell which ran.
Every image is judged by the strict reader, and by `skopeo` and `umoci` where they are installed.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._oci import read_config, read_manifest, unpack
from shopkart_pipeline.adapters.buildah import BuildahBuilder
from shopkart_pipeline.adapters.docker_engine import DockerEngineBuilder
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.builder import BuiltImage, ImageBuilder
from shopkart_pipeline_tests.contract.images import (
    APPLICATION,
    BASE_ON_DISK,
    LABELS,
    a_request,
    a_service,
    write_files,
)
from shopkart_pipeline_tests.contract.oci_readers import LayoutReader, installed_readers
from shopkart_pipeline_tests.docker_base import EMPTY_BASE_IMAGE, ON_AN_ENGINE, buildah_for_tests, engine_for_tests
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder

_READERS = installed_readers()
_BUILDERS = ["fake", "oci_layout"]
if buildah_for_tests() is None:
    _BUILDERS.append("buildah")
if engine_for_tests():
    _BUILDERS += [pytest.param(name, marks=ON_AN_ENGINE) for name in ("docker", "docker without BuildKit")]


@pytest.fixture(params=_BUILDERS)
def builder(request: pytest.FixtureRequest, tmp_path: Path) -> ImageBuilder:
    match request.param:
        case "fake":
            return FakeBuilder()
        case "oci_layout":
            return OciLayoutBuilder(tmp_path / "cache")
        case "buildah":
            return BuildahBuilder(tmp_path / "storage", tmp_path / "cache")
        case name:
            host = request.getfixturevalue("docker_host")
            return DockerEngineBuilder(tmp_path.parent / "layers", host, buildkit=name == "docker")


@pytest.fixture
def service(builder: ImageBuilder) -> Service:
    """A service whose base image the builder can find."""
    return a_service(base_image=EMPTY_BASE_IMAGE if builder.name == "docker" else BASE_ON_DISK)


@pytest.fixture(params=_READERS.values(), ids=_READERS.keys())
def reader(request: pytest.FixtureRequest) -> LayoutReader:
    return request.param


def _built(result: BuiltImage | EvidenceMissing) -> BuiltImage:
    assert isinstance(result, BuiltImage), result
    return result


def test_independent_readers_accept_the_image_and_see_its_labels(
    builder: ImageBuilder, service: Service, reader: LayoutReader, tmp_path: Path
) -> None:
    built = _built(builder.build(a_request(tmp_path, service)))

    reading = reader.read(built.layout)

    assert reading.digest == built.digest
    assert reading.labels.items() >= LABELS.items()
    assert list(reading.layers) == [layer.digest for layer in read_manifest(built.layout).layers]


def test_the_image_starts_the_declared_command_without_rights(
    builder: ImageBuilder, service: Service, tmp_path: Path
) -> None:
    request = a_request(tmp_path, service)

    built = _built(builder.build(request))

    config = read_config(built.layout, read_manifest(built.layout)).config
    assert config.command == request.service.workload.command
    assert config.User not in ("", "0", "root")
    assert config.WorkingDir == "/app"
    assert "PYTHONPATH=/app/app:/app/deps" in (config.Env or [])


def test_the_image_holds_the_application(builder: ImageBuilder, service: Service, tmp_path: Path) -> None:
    built = _built(builder.build(a_request(tmp_path, service)))

    unpack(built.layout, tmp_path / "unpacked")

    found = {name: (tmp_path / "unpacked" / "app" / name).read_text(encoding="utf-8") for name in APPLICATION}
    assert found == APPLICATION


def test_its_size_is_what_a_registry_will_store(builder: ImageBuilder, service: Service, tmp_path: Path) -> None:
    built = _built(builder.build(a_request(tmp_path, service)))

    stored = sum(path.stat().st_size for path in (built.layout / "blobs" / "sha256").iterdir())
    assert built.size_bytes == stored


def test_a_builder_that_calls_itself_reproducible_is(builder: ImageBuilder, service: Service, tmp_path: Path) -> None:
    first = _built(builder.build(a_request(tmp_path / "first", service)))
    second = _built(builder.build(a_request(tmp_path / "second", service)))

    assert not (first.reproducible and second.reproducible) or first.digest == second.digest


def test_a_fresh_build_gives_what_the_cache_gave(builder: ImageBuilder, service: Service, tmp_path: Path) -> None:
    request = a_request(tmp_path, service)
    cached = [_built(builder.build(request)) for _ in range(2)][-1]

    fresh = _built(builder.build(replace(request, fresh=True, layout=tmp_path / "fresh")))

    assert fresh.digest == cached.digest or not (fresh.reproducible and cached.reproducible)


def test_one_that_is_not_called_reproducible_says_why(builder: ImageBuilder, service: Service, tmp_path: Path) -> None:
    built = _built(builder.build(a_request(tmp_path, service)))

    assert built.reproducible == (built.doubt == "")


def test_trimming_the_cache_to_nothing_changes_no_digest(
    builder: ImageBuilder, service: Service, tmp_path: Path
) -> None:
    before = _built(builder.build(a_request(tmp_path / "before", service)))

    builder.trim_cache(0)

    after = _built(builder.build(a_request(tmp_path / "after", service)))
    assert after.digest == before.digest or not (after.reproducible and before.reproducible)


def test_building_again_replaces_the_layout(builder: ImageBuilder, service: Service, tmp_path: Path) -> None:
    request = a_request(tmp_path, service)
    before = _built(builder.build(request))
    write_files(request.application, {"app/shop/__init__.py": "VERSION = 2\n"})

    after = _built(builder.build(request))

    assert after.digest != before.digest
    assert read_manifest(request.layout).digest == after.digest


def test_a_build_that_runs_out_of_time_leaves_no_layout(
    builder: ImageBuilder, service: Service, tmp_path: Path
) -> None:
    request = replace(a_request(tmp_path, service), timeout_seconds=0.0)

    result = builder.build(request)

    assert isinstance(result, EvidenceMissing)
    assert not request.layout.exists()


def test_the_log_tells_which_image_came_out(builder: ImageBuilder, service: Service, tmp_path: Path) -> None:
    request = a_request(tmp_path, service)

    built = _built(builder.build(request))

    assert built.digest in request.log.read_text(encoding="utf-8")
