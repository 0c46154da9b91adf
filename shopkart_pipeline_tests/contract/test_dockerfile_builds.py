"""What every builder of Dockerfiles promises beyond a good image: how builds fail, what they can't reach, what the
next commit's build does not do again.

What a command did is read from the image and not from the log: buildah may lose the words of a command that ends as
soon as it has spoken, on a busy machine.

Collected where Docker's or buildah's builder can work, Docker's among the thorough tests; the test ids tell which ran.
"""

import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._build_inputs import CONTEXT_LIMIT_BYTES
from shopkart_pipeline.adapters._oci import read_manifest, unpack
from shopkart_pipeline.adapters.buildah import BuildahBuilder
from shopkart_pipeline.adapters.docker_engine import DockerEngineBuilder
from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.builder import BuiltImage, ImageBuilder, ImageRequest
from shopkart_pipeline_tests.contract.images import BASE_ON_DISK, a_request, a_service, write_files
from shopkart_pipeline_tests.docker_base import ON_AN_ENGINE, SHELL_BASE_IMAGE, buildah_for_tests, engine_for_tests

_BUILDERS: list[object] = ["buildah"] if buildah_for_tests() is None else []
if engine_for_tests():
    _BUILDERS += [pytest.param(name, marks=ON_AN_ENGINE) for name in ("docker", "docker without BuildKit")]

_COMMAND = 'WORKDIR /app\nUSER 10001\nENTRYPOINT ["python", "-m", "shop"]\n'
_FROM_BASE = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"
_RUN_THAT_DIFFERS = "RUN cat /proc/sys/kernel/random/uuid > /ran\n"
"""Gives another layer whenever it is really run."""


@dataclass(frozen=True)
class Bench:
    """A builder, and requests whose base image with a shell it can find."""

    builder: ImageBuilder
    base_layout: Path | None

    def request(self, folder: Path, tree: Mapping[str, str], **details: float | bool) -> ImageRequest:
        on_disk = self.base_layout is not None
        request = a_request(folder, a_service(base_image=SHELL_BASE_IMAGE))
        if on_disk:
            shutil.copytree(self.base_layout, request.tree / "base", copy_function=os.link)
            workload = replace(request.service.workload, base_image=BASE_ON_DISK)
            request = replace(request, service=replace(request.service, workload=workload))
        write_files(request.tree, {".dockerignore": "base\n", **tree})
        return replace(request, **details)


@pytest.fixture(params=_BUILDERS)
def bench(request: pytest.FixtureRequest, base_layout: Path, tmp_path: Path) -> Bench:
    if request.param == "buildah":
        return Bench(BuildahBuilder(tmp_path.parent / "storage", tmp_path.parent / "layers"), base_layout)
    host = request.getfixturevalue("docker_host")
    return Bench(
        DockerEngineBuilder(tmp_path.parent / "layers", host, buildkit=request.param == "docker"), base_layout=None
    )


def _built(result: BuiltImage | EvidenceMissing) -> BuiltImage:
    assert isinstance(result, BuiltImage), result
    return result


def _file(built: BuiltImage, path: str, tmp_path: Path) -> str:
    unpack(built.layout, tmp_path / "image")
    return (tmp_path / "image" / path).read_text(encoding="utf-8")


def _reason(result: BuiltImage | EvidenceMissing, request: ImageRequest) -> str:
    assert isinstance(result, EvidenceMissing), result
    assert not request.layout.exists()
    assert result.reason in request.log.read_text(encoding="utf-8")
    return result.reason


def test_a_repository_without_a_dockerfile_says_so(bench: Bench, tmp_path: Path) -> None:
    request = bench.request(tmp_path, {})
    (request.tree / "Dockerfile").unlink()

    assert "The repository has no ./Dockerfile" in _reason(bench.builder.build(request), request)


def test_a_dockerfile_outside_of_the_repository_is_none(bench: Bench, tmp_path: Path) -> None:
    request = bench.request(tmp_path, {})
    (request.tree / "Dockerfile").unlink()
    write_files(tmp_path, {"Elsewhere": "FROM scratch\n"})
    (request.tree / "Dockerfile").symlink_to(tmp_path / "Elsewhere")

    assert "The repository has no ./Dockerfile" in _reason(bench.builder.build(request), request)


def test_a_failing_command_is_quoted_with_its_last_words(bench: Bench, tmp_path: Path) -> None:
    dockerfile = f"{_FROM_BASE}RUN echo it is the wind-$((40+2)); sleep 0.5; exit 3\n"
    request = bench.request(tmp_path, {"Dockerfile": dockerfile})

    result = bench.builder.build(request)

    reason = _reason(result, request)
    assert "exit 3" in reason
    assert "wind-42" in request.log.read_text(encoding="utf-8")


def test_a_base_image_that_is_nowhere_is_a_reason(bench: Bench, tmp_path: Path) -> None:
    request = bench.request(tmp_path, {"Dockerfile": "FROM 127.0.0.1:9/nobody/nothing:1\n"})

    assert "127.0.0.1:9" in _reason(bench.builder.build(request), request)


def test_a_link_out_of_the_repository_leads_nowhere(bench: Bench, tmp_path: Path) -> None:
    outside = write_files(tmp_path / "outside", {"secret.txt": "the host's own words"})
    dockerfile = f"{_FROM_BASE}COPY leak /leak\nCOPY folder /folder\n{_COMMAND}"
    request = bench.request(tmp_path, {"Dockerfile": dockerfile})
    (request.tree / "leak").symlink_to(outside / "secret.txt")
    (request.tree / "folder").symlink_to(outside)

    result = bench.builder.build(request)

    if isinstance(result, BuiltImage):
        unpack(result.layout, tmp_path / "image")
        assert not list((tmp_path / "image").rglob("secret.txt"))
        assert not (tmp_path / "image" / "leak").exists()
    assert "the host's own words" not in request.log.read_text(encoding="utf-8")


def test_a_huge_context_is_refused_before_anything_is_copied(bench: Bench, tmp_path: Path) -> None:
    request = bench.request(tmp_path, {"Dockerfile": f"{_FROM_BASE}COPY . /app\n{_COMMAND}"})
    with (request.tree / "data.bin").open("wb") as hole:
        hole.truncate(CONTEXT_LIMIT_BYTES + 1)

    assert "the limit is 2.1 GB" in _reason(bench.builder.build(request), request)


def test_what_dockerignore_leaves_out_may_be_huge(bench: Bench, tmp_path: Path) -> None:
    tree = {"Dockerfile": f"{_FROM_BASE}COPY source /app\n{_COMMAND}", ".dockerignore": "base\n*.bin\n"}
    request = bench.request(tmp_path, tree)
    with (request.tree / "data.bin").open("wb") as hole:
        hole.truncate(CONTEXT_LIMIT_BYTES + 1)

    assert _built(bench.builder.build(request))


def test_commands_see_no_variable_of_the_pipeline(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPKART_WEBHOOK_SECRET", "the-webhook-secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the-registry-secret")
    request = bench.request(
        tmp_path, {"Dockerfile": f"{_FROM_BASE}RUN env > /seen; : {secrets.token_hex(4)}\n{_COMMAND}"}
    )

    built = _built(bench.builder.build(request))

    seen = _file(built, "seen", tmp_path)
    assert "PATH=" in seen
    assert "-secret" not in seen


def test_the_network_may_be_forbidden(bench: Bench, tmp_path: Path) -> None:
    dockerfile = f"{_FROM_BASE}RUN cat /proc/net/dev > /seen; : {secrets.token_hex(4)}\n{_COMMAND}"
    request = bench.request(tmp_path, {"Dockerfile": dockerfile})
    stage = Stage("image", StageKind.IMAGE, Phase.CI, (), 60.0, options={"network": "none"})

    built = _built(bench.builder.build(replace(request, service=replace(request.service, stages=(stage,)))))

    lines = _file(built, "seen", tmp_path).splitlines()
    assert [line.partition(":")[0].strip() for line in lines if ":" in line] == ["lo"]


def test_a_network_of_another_name_is_refused(bench: Bench, tmp_path: Path) -> None:
    request = bench.request(tmp_path, {})
    stage = Stage("image", StageKind.IMAGE, Phase.CI, (), 60.0, options={"network": "host"})
    request = replace(request, service=replace(request.service, stages=(stage,)))

    assert "option network is 'host'" in _reason(bench.builder.build(request), request)


def test_the_next_commit_does_not_install_again(bench: Bench, tmp_path: Path) -> None:
    dockerfile = (
        "ARG BASE_IMAGE\nARG APPLICATION=build\n"
        "FROM ${APPLICATION} AS application\n"
        "FROM ${BASE_IMAGE}\n"
        f"{_RUN_THAT_DIFFERS}"
        "COPY --from=application /app/deps /app/deps\n"
        f"COPY --from=application /app/app /app/app\n{_COMMAND}"
    )
    first = bench.request(tmp_path / "first", {"Dockerfile": dockerfile})
    second = bench.request(tmp_path / "second", {"Dockerfile": dockerfile})
    second = replace(second, labels={**second.labels, "org.opencontainers.image.revision": "f" * 40})
    write_files(second.application, {"app/shop/__init__.py": "VERSION = 2\n"})

    before, after = _built(bench.builder.build(first)), _built(bench.builder.build(second))

    log = second.log.read_text(encoding="utf-8")
    assert log.count("CACHED") + log.count("Using cache") >= 2
    old, new = read_manifest(before.layout).layers, read_manifest(after.layout).layers
    assert old[:3] == new[:3]
    assert old[3] != new[3]


def test_a_fresh_build_runs_every_command(bench: Bench, tmp_path: Path) -> None:
    tree = {"Dockerfile": f"{_FROM_BASE}{_RUN_THAT_DIFFERS}{_COMMAND}"}
    first = _built(bench.builder.build(bench.request(tmp_path / "first", tree)))
    cached = _built(bench.builder.build(bench.request(tmp_path / "cached", tree)))

    again = _built(bench.builder.build(bench.request(tmp_path / "again", tree, fresh=True)))

    assert read_manifest(cached.layout).layers == read_manifest(first.layout).layers
    assert read_manifest(again.layout).layers != read_manifest(first.layout).layers


def test_one_that_may_be_called_reproducible_is_so_after_a_commit_and_without_the_cache(
    bench: Bench, tmp_path: Path
) -> None:
    dockerfile = (
        f"{_FROM_BASE}RUN mkdir -p /made/b /made/a && echo x > /made/b/file && : {secrets.token_hex(4)}\n"
        f"COPY source /app\n{_COMMAND}"
    )
    earlier = bench.request(tmp_path / "earlier", {"Dockerfile": dockerfile})
    write_files(earlier.tree, {"source/app/shop/__main__.py": "an earlier commit\n"})
    bench.builder.build(earlier)
    later, elsewhere = (bench.request(tmp_path / name, {"Dockerfile": dockerfile}) for name in ("one", "other"))

    cached = _built(bench.builder.build(later))
    fresh = _built(bench.builder.build(replace(elsewhere, fresh=True)))

    assert cached.reproducible == fresh.reproducible
    assert cached.digest == fresh.digest or not cached.reproducible


def test_a_build_that_hangs_is_ended_with_all_that_it_started(bench: Bench, tmp_path: Path) -> None:
    seconds = f"6{secrets.randbelow(10**6):06}"
    dockerfile = f"{_FROM_BASE}RUN sleep {seconds} & exec sleep {seconds}\n"
    request = bench.request(tmp_path, {"Dockerfile": dockerfile}, timeout_seconds=4.0)

    assert "within 4 s" in _reason(bench.builder.build(request), request)
