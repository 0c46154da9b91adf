"""What `docker save` writes, as engines and tools really write it, and as nobody should."""

import json
import subprocess
import tarfile
from collections.abc import Mapping
from gzip import compress
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._docker_archive import convert
from shopkart_pipeline.adapters._oci import read_config, read_manifest
from shopkart_pipeline.adapters._oci_documents import Manifest
from shopkart_pipeline.adapters._oci_pack import Deadline, LayerPacker
from shopkart_pipeline.adapters._oci_write import new_layout
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline_tests.contract.oci_readers import StrictReader

_SAMPLES = Path(__file__).parents[2] / "samples" / "oci"
_IMAGE_ID = "sha256:16afc8b73dca7d2440ec9af64f824a71d27b3e0ff9f4ea8566e2bb6feef25d5f"
_LAYER = b"\0" * 10240


def _converted(archive: Path, folder: Path) -> Manifest:
    with new_layout(folder / "layout") as layout:
        return convert(archive, layout, "shop", LayerPacker(folder / "cache"), Deadline.after(60))


def _archive(folder: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(folder / "image.tar", "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return folder / "image.tar"


def _config(*layers: bytes) -> bytes:
    diff_ids = [f"sha256:{sha256(layer).hexdigest()}" for layer in layers]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    created = "2025-03-14T15:09:26Z"
    return json.dumps(
        {"architecture": "amd64", "os": "linux", "created": created, "config": {}, "rootfs": rootfs}
    ).encode()


def _listing(*layers: str, config: str = "config.json") -> bytes:
    return json.dumps([{"Config": config, "RepoTags": None, "Layers": layers}]).encode()


@pytest.mark.parametrize("name", ["docker-save-20.10.tar", "skopeo-1.9-docker-archive.tar"])
def test_recorded_archives_become_layouts_with_the_images_own_configuration(name: str, tmp_path: Path) -> None:
    manifest = _converted(_SAMPLES / name, tmp_path)

    assert manifest.config.digest == _IMAGE_ID
    assert StrictReader().read(tmp_path / "layout").digest == manifest.digest
    assert read_config(tmp_path / "layout", manifest).config.command == ("/x/a",)


def test_the_digest_depends_on_the_image_and_not_on_who_saved_it(tmp_path: Path) -> None:
    saved = _converted(_SAMPLES / "docker-save-20.10.tar", tmp_path / "docker")
    copied = _converted(_SAMPLES / "skopeo-1.9-docker-archive.tar", tmp_path / "skopeo")

    assert saved == copied


def test_a_layout_of_another_tool_is_read(tmp_path: Path) -> None:
    layout = tmp_path / "layout"
    layout.mkdir()
    subprocess.run(["tar", "-xf", str(_SAMPLES / "skopeo-1.9-layout.tar"), "-C", str(layout)], check=True)

    manifest = read_manifest(layout)

    assert len(manifest.layers) == 2
    assert read_config(layout, manifest).config.User == "10001:10001"


def test_layers_that_newer_engines_compress_are_read(tmp_path: Path) -> None:
    config = f"blobs/sha256/{'c' * 64}"
    files = {
        "manifest.json": _listing("blobs/layer", config=config),
        config: _config(_LAYER),
        "blobs/layer": compress(_LAYER),
    }

    manifest = _converted(_archive(tmp_path, files), tmp_path)

    assert StrictReader().read(tmp_path / "layout").digest == manifest.digest


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "no manifest.json"),
        ({"manifest.json": b"[{]"}, "malformed"),
        ({"manifest.json": b"[]"}, "0 images"),
        ({"manifest.json": _listing("l")[:-1] + b"," + _listing("l")[1:]}, "2 images"),
        ({"manifest.json": _listing("l")}, "no config.json"),
        ({"manifest.json": _listing("l"), "config.json": b"{}"}, "malformed"),
        ({"manifest.json": _listing("l"), "config.json": _config()}, "another number of layers"),
        ({"manifest.json": _listing("l"), "config.json": _config(_LAYER)}, "saved no l"),
        ({"manifest.json": _listing("l"), "config.json": _config(_LAYER), "l": b"other"}, "instead of sha256"),
        ({"manifest.json": _listing("l"), "config.json": _config(_LAYER), "l": compress(_LAYER)[:-9]}, "can't be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_broken_archives_are_refused_and_leave_nothing(tmp_path: Path, files: Mapping[str, bytes], words: str) -> None:
    with pytest.raises(UntrustedInput, match=words):
        _converted(_archive(tmp_path, files), tmp_path)

    assert not (tmp_path / "layout").exists()


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(b"no archive" * 1000)

    with pytest.raises(UntrustedInput, match="can't be read"):
        _converted(tmp_path / "image.tar", tmp_path)
