"""Buildah's builder beyond what all builders promise: what it leaves behind, and where it has to stop.

Collected only where buildah is installed and can be given namespaces of its own.
"""

import contextlib
import os
import secrets
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._oci import read_config, read_manifest
from shopkart_pipeline.adapters.buildah import BuildahBuilder
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.builder import BuiltImage, ImageRequest
from shopkart_pipeline_tests.contract.images import BASE_ON_DISK, a_request, a_service, write_files

_FROM_BASE = "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"
_COMMAND = 'ENTRYPOINT ["python", "-m", "shop"]\n'


@pytest.fixture
def builder(tmp_path: Path) -> BuildahBuilder:
    return BuildahBuilder(tmp_path / "storage", tmp_path.parent / "layers")


def a_buildah_request(
    folder: Path, base: Path, tree: Mapping[str, str], files: Mapping[str, str] | None = None
) -> ImageRequest:
    request = a_request(folder, **({} if files is None else {"files": files}))
    shutil.copytree(base, request.tree / "base", copy_function=os.link)
    write_files(request.tree, {".dockerignore": "base\n", **tree})
    return replace(request, service=a_service(base_image=BASE_ON_DISK))


def test_a_killed_build_leaves_neither_process_nor_mount_nor_container(
    builder: BuildahBuilder, base_layout: Path, tmp_path: Path
) -> None:
    seconds = f"7{secrets.randbelow(10**6):06}"
    dockerfile = f"{_FROM_BASE}RUN (setsid sleep {seconds} &); exec sleep {seconds}\n"
    request = replace(a_buildah_request(tmp_path, base_layout, {"Dockerfile": dockerfile}), timeout_seconds=4.0)

    result = builder.build(request)

    assert isinstance(result, EvidenceMissing)
    assert f"sleep {seconds}" in request.log.read_text(encoding="utf-8")
    assert _gone(lambda: seconds in _output("ps", "-eo", "args"))
    assert str(tmp_path) not in _output("findmnt", "--list", "--noheadings", "--output", "TARGET")
    assert _containers(builder, tmp_path) == ""


def test_a_full_disk_is_a_reason(base_layout: Path, tmp_path: Path) -> None:
    with _small_disk(tmp_path / "disk") as disk:
        builder = BuildahBuilder(disk / "storage", tmp_path / "layers")

        result = builder.build(a_buildah_request(tmp_path, base_layout, {"Dockerfile": f"{_FROM_BASE}{_COMMAND}"}))

    assert isinstance(result, EvidenceMissing)
    assert "no space left on device" in result.reason.lower()


def test_two_builds_at_a_time_get_their_own_applications(
    builder: BuildahBuilder, base_layout: Path, tmp_path: Path
) -> None:
    alone = BuildahBuilder(tmp_path / "other storage", tmp_path / "layers")
    files = [{"app/shop/__main__.py": f"print({number})\n"} for number in range(2)]
    requests = [a_buildah_request(tmp_path / str(n), base_layout, {}, files[n]) for n in range(2)]

    with ThreadPoolExecutor() as threads:
        together = list(threads.map(builder.build, requests))

    expected = [alone.build(replace(request, layout=tmp_path / "alone")) for request in requests]
    assert [_digest(built) for built in together] == [_digest(built) for built in expected]


def test_no_path_of_this_machine_is_in_the_image(builder: BuildahBuilder, base_layout: Path, tmp_path: Path) -> None:
    built = builder.build(a_buildah_request(tmp_path, base_layout, {}))
    assert isinstance(built, BuiltImage), built

    manifest = read_manifest(built.layout)
    config = built.layout / "blobs" / "sha256" / manifest.config.digest.removeprefix("sha256:")
    assert str(tmp_path.parent) not in config.read_text(encoding="utf-8")
    assert read_config(built.layout, manifest).history


def test_an_image_that_is_named_by_a_tag_makes_it_not_reproducible(
    builder: BuildahBuilder, base_layout: Path, tmp_path: Path
) -> None:
    # The stage is not built, and may be one day: what the Dockerfile says counts.
    stage = "ARG BASE_IMAGE\nFROM python:3.11 AS unused\nFROM ${BASE_IMAGE}\n"
    tree = {"Dockerfile": f"{stage}{_COMMAND}"}

    built = builder.build(a_buildah_request(tmp_path, base_layout, tree))

    assert isinstance(built, BuiltImage), built
    assert (built.reproducible, built.doubt) == (False, "named without a digest: python:3.11")


def test_a_base_image_outside_of_the_repository_is_refused(
    builder: BuildahBuilder, base_layout: Path, tmp_path: Path
) -> None:
    request = a_request(tmp_path, a_service(base_image="oci:elsewhere"))
    (request.tree / "elsewhere").symlink_to(base_layout)

    result = builder.build(request)

    assert isinstance(result, EvidenceMissing)
    assert "leads out of the repository" in result.reason


@pytest.mark.parametrize(
    "dockerfile",
    [
        "FROM oci:{layout}\n",
        "ARG A=oc\nFROM ${{A}}i:{layout}\n",
        "FROM scratch\nCOPY --from=oci:{layout} / /\n",
        # What one version takes for text is an instruction to another.
        "FROM scratch\nRUN <<X\nFROM oci:{layout}\nX\n",
        "FROM tarball:{archive}\n",
    ],
)
def test_a_dockerfile_can_take_no_image_from_a_folder_of_the_machine(
    builder: BuildahBuilder, base_layout: Path, tmp_path: Path, dockerfile: str
) -> None:
    archive = tmp_path / "private.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(base_layout / "index.json", "private.txt")
    tree = {"Dockerfile": dockerfile.format(layout=base_layout, archive=archive) + _COMMAND}

    result = builder.build(a_buildah_request(tmp_path, base_layout, tree))

    assert isinstance(result, EvidenceMissing)
    words = ("rejected by policy", "Unknown instruction", "no stage or image found", 'building at STEP "RUN <<X')
    assert any(word in result.reason for word in words), result.reason


def test_what_a_command_caches_is_gone_with_the_build(
    builder: BuildahBuilder, base_layout: Path, tmp_path: Path
) -> None:
    count = "RUN --mount=type=cache,target=/cache test ! -e /cache/left && echo x > /cache/left && : "
    for number in range(2):
        tree = {"Dockerfile": f"{_FROM_BASE}{count}{number}\n{_COMMAND}"}
        assert _digest(builder.build(a_buildah_request(tmp_path / str(number), base_layout, tree)))


def test_a_cache_over_its_limit_begins_anew(builder: BuildahBuilder, base_layout: Path, tmp_path: Path) -> None:
    _digest(builder.build(a_buildah_request(tmp_path, base_layout, {})))

    assert builder.trim_cache(1 << 40) == 0
    assert builder.trim_cache(1 << 20) > 1_000_000
    assert not (tmp_path / "storage" / "root").exists()


def _digest(built: BuiltImage | EvidenceMissing) -> str:
    assert isinstance(built, BuiltImage), built
    return built.digest


def _gone(there: object, within_seconds: float = 60.0) -> bool:
    """A killed process may take a moment to be gone."""
    deadline = time.monotonic() + within_seconds
    while there():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


def _containers(builder: BuildahBuilder, folder: Path) -> str:
    """What buildah itself lists. It mounts its storage, so it gets a namespace to do it in."""
    storage = ["--root", f"{folder}/storage/root", "--runroot", f"{folder}/run"]
    return _output("unshare", "--mount", "buildah", *storage, "containers", "--all", "--quiet")


@contextlib.contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True, timeout=30)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=30)
