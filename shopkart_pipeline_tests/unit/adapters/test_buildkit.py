"""When BuildKit may be trusted to keep the time out of an image, and how a builder beside the engine is asked.

The engine's own builder is tried out by the contract tests. Another builder needs an image from a registry to start,
so here a program that answers like buildx stands for it; the answers follow buildx's documentation.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters._build_inputs import LayoutInput
from shopkart_pipeline.adapters._buildkit import OWN_BUILDER, Builder, build_rewritten, why_not_rewriting
from shopkart_pipeline.adapters._docker_build import Plan
from shopkart_pipeline.adapters._oci_pack import Deadline
from shopkart_pipeline.domain.errors import PipelineError

_CONTAINERD = [["driver-type", "io.containerd.snapshotter.v1"]]
_OVERLAY = [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]]


class _Engine:
    """An engine of which only version and storage are asked."""

    def __init__(self, version: str, status: object) -> None:
        self._version, self._status = version, status

    def version(self) -> dict[str, Any]:
        return {"Version": self._version}

    def info(self) -> dict[str, Any]:
        return {"DriverStatus": self._status}


def _buildx(folder: Path, answer: str = "", *, exit_code: int = 0) -> str:
    """A command line with buildx that gives `answer`, and keeps what it was asked."""
    program = folder / "docker"
    (folder / "answer").write_text(answer)
    program.write_text(
        f'#!/bin/sh\n[ "$2" = version ] && exit 0\nfor word; do echo "$word" >> {folder}/asked; done\n'
        f"env | sort > {folder}/variables\nmkdir -p image\ncat {folder}/answer\nexit {exit_code}\n"
    )
    program.chmod(0o755)
    return str(program)


def _inspected(driver: str, buildkit: str | None) -> str:
    version = "" if buildkit is None else f"BuildKit version: {buildkit}\n"
    return (
        f"Name:          shop\nDriver:        {driver}\nLast Activity: 2026-03-02 10:42:47 +0100 CET\n\nNodes:\n"
        f"Name:           shop0\nEndpoint:       unix:///var/run/docker.sock\nStatus:         running\n{version}"
        "Platforms:      linux/amd64\n"
    )


@pytest.mark.parametrize(
    ("version", "status", "reason"),
    [
        ("28.5.2+dfsg4", _CONTAINERD, None),
        ("26.0.0", _CONTAINERD, None),
        ("25.0.3", _CONTAINERD, "Docker 25.0.3; 26 is the first"),
        ("dev", _CONTAINERD, "Docker dev; 26 is the first"),
        ("28.5.2", _OVERLAY, "does not keep its images in containerd"),
        ("28.5.2", None, "does not keep its images in containerd"),
    ],
)
def test_the_engines_own_builder_needs_containerd_and_docker_26(
    tmp_path: Path, version: str, status: object, reason: str | None
) -> None:
    engine: Any = _Engine(version, status)

    found = why_not_rewriting(engine, _buildx(tmp_path), "unix:///x", OWN_BUILDER, tmp_path)

    assert found == reason or (reason is not None and found is not None and reason in found)


@pytest.mark.parametrize(
    ("driver", "buildkit", "reason"),
    [
        ("docker-container", "v0.13.0", None),
        ("docker-container", "v0.25.1", None),
        ("remote", "v1.0.0-rc1", None),
        ("kubernetes", "0.14.1", None),
        ("docker-container", "v0.12.5", "v0.12.5; 0.13 is the first"),
        ("docker-container", None, "does not tell its version"),
        ("docker", "v0.25.1", "has the driver docker"),
        ("cloud-of-somebody", "v0.25.1", "has the driver cloud-of-somebody"),
    ],
)
def test_another_builder_tells_its_driver_and_version(
    tmp_path: Path, driver: str, buildkit: str | None, reason: str | None
) -> None:
    engine: Any = _Engine("20.10.24", _OVERLAY)
    program = _buildx(tmp_path, _inspected(driver, buildkit))

    found = why_not_rewriting(engine, program, "unix:///x", Builder("shop", tmp_path / "state"), tmp_path)

    assert found == reason or (reason is not None and found is not None and reason in found)
    assert f"BUILDX_CONFIG={tmp_path}/state" in (tmp_path / "variables").read_text()


def test_a_builder_that_is_not_there_is_a_reason(tmp_path: Path) -> None:
    engine: Any = _Engine("28.5.2", _CONTAINERD)
    program = _buildx(tmp_path, 'ERROR: no builder "shop" found', exit_code=1)

    found = why_not_rewriting(engine, program, "unix:///x", Builder("shop"), tmp_path)

    assert found is not None
    assert 'no builder "shop" found' in found


def test_without_buildx_there_is_no_rewriting(tmp_path: Path) -> None:
    engine: Any = _Engine("28.5.2", _CONTAINERD)
    (tmp_path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)

    for program in (None, str(tmp_path / "docker")):
        assert why_not_rewriting(engine, program, "unix:///x", OWN_BUILDER, tmp_path) == "buildx is not installed"


def _plan(folder: Path, arguments: Mapping[str, str], *, fresh: bool = False) -> Plan:
    return Plan(
        host="unix:///x",
        context=folder / "tree",
        dockerfile=folder / "tree" / "Dockerfile",
        tag="",
        labels={},
        arguments=arguments,
        network="default",
        log=folder / "log",
        fresh=fresh,
    )


def test_the_build_keeps_the_time_out_and_takes_images_from_disk(tmp_path: Path) -> None:
    program, home = _buildx(tmp_path), tmp_path / "home"
    home.mkdir()
    given = [LayoutInput("APPLICATION", "shopkart-application-1", tmp_path / "application")]
    plan = _plan(tmp_path, {"BASE_IMAGE": "python:3.11"}, fresh=True)

    image = build_rewritten(program, Builder("shop", tmp_path / "state"), plan, given, home, Deadline.after(10.0))

    asked = (tmp_path / "asked").read_text().splitlines()
    assert image == home / "image"
    assert asked[:6] == ["--host", "unix:///x", "buildx", "build", "--builder", "shop"]
    assert {"--provenance=false", "--sbom=false", "--no-cache"} <= set(asked)
    assert f"shopkart-application-1=oci-layout://{tmp_path}/application" in asked
    assert {"BASE_IMAGE=python:3.11", "APPLICATION=shopkart-application-1"} <= set(asked)
    output = asked[asked.index("--output") + 1].split(",")
    assert {"type=oci", "dest=image", "tar=false", "rewrite-timestamp=true"} <= set(output)
    # Before every build there ever was, and not the commit's.
    assert "SOURCE_DATE_EPOCH=315532800\n" in (tmp_path / "variables").read_text()


def test_a_failed_build_is_quoted_with_its_last_words(tmp_path: Path) -> None:
    program = _buildx(tmp_path, "#7 [2/2] RUN exit 3\n------\nERROR: failed to solve: exit code: 3\n", exit_code=1)

    with pytest.raises(PipelineError, match="exit code: 3"):
        build_rewritten(program, OWN_BUILDER, _plan(tmp_path, {}), [], tmp_path, Deadline.after(10.0))
