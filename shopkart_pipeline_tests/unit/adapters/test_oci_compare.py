"""The first difference between two images, as a person wants to hear it."""

import gzip
import hashlib
import json
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters.oci_files import OciImageFiles
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.domain.errors import NotFound, UntrustedInput
from shopkart_pipeline.ports.builder import BuiltImage
from shopkart_pipeline_tests.contract.images import APPLICATION, LABELS, a_request
from shopkart_pipeline_tests.fakes.fake_builder import write_image


def _layer(*entries: tuple[str, bytes], **details: int | str) -> bytes:
    target = BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, content in entries:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            for key, value in details.items():
                setattr(entry, key, value)
            tar.addfile(entry, BytesIO(content))
    return target.getvalue()


_SAME = _layer(("base", b"1"))


def _image(layout: Path, *layers: bytes, **config: Any) -> Path:
    content = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": {"a": "b"}},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers]},
        **config,
    }
    write_image(layout, json.dumps(content).encode(), list(layers))
    return layout


@pytest.mark.parametrize(
    ("recorded", "rebuilt", "words"),
    [
        ([_layer(("a", b"1"))], [_layer(("a", b"2"))], "layer 1 of 1: a: the content differs"),
        ([_layer(("a", b"1"))], [_layer(("a", b"12"))], "layer 1 of 1: a: size 1 is now 2"),
        ([_SAME, _layer(("a", b""), mtime=1)], [_SAME, _layer(("a", b""), mtime=2)], "2 of 2: a: mtime 1 is now 2"),
        ([_layer(("a", b""), mode=0o644)], [_layer(("a", b""), mode=0o600)], "a: mode 420 is now 384"),
        ([_layer(("a", b""), uid=0)], [_layer(("a", b""), uid=7)], "a: uid 0 is now 7"),
        ([_layer(("a", b""))], [_layer(("a", b""), ("b", b""))], "only the rebuilt image has b"),
        ([_layer(("a", b""), ("b", b""))], [_layer(("a", b""))], "only the recorded image has b"),
        ([_layer(("a", b""))], [_layer(("b", b""))], "the recorded image has a where the rebuilt one has b"),
        ([_SAME], [_SAME, _SAME], "the recorded image has 1 layers, the rebuilt one 2"),
        ([_layer(("a", b""))], [_layer(("a", b"")) + bytes(512)], "layer 1 of 1: the same files, archived differently"),
    ],
)
def test_the_lowest_layer_that_differs_is_opened(
    tmp_path: Path, recorded: list[bytes], rebuilt: list[bytes], words: str
) -> None:
    first, second = _image(tmp_path / "one", *recorded), _image(tmp_path / "other", *rebuilt)

    assert words in str(OciImageFiles().first_difference(first, second))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": {"Labels": {"a": "c"}}}, "the configuration: config.Labels.a 'b' is now 'c'"),
        ({"config": {"Labels": {"a": "b"}, "Env": ["X=1"]}}, "config.Env None is now ['X=1']"),
        ({"created": "2025"}, "created None is now '2025'"),
    ],
)
def test_equal_layers_leave_the_configuration(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    first, second = _image(tmp_path / "one", _SAME), _image(tmp_path / "other", _SAME, **change)

    assert words in str(OciImageFiles().first_difference(first, second))


def test_equal_images_have_no_difference(tmp_path: Path) -> None:
    assert OciImageFiles().first_difference(_image(tmp_path / "one", _SAME), _image(tmp_path / "other", _SAME)) is None


def test_compression_alone_is_told_apart(tmp_path: Path) -> None:
    built = OciLayoutBuilder(tmp_path / "cache").build(a_request(tmp_path, files=APPLICATION))
    assert isinstance(built, BuiltImage)
    other = tmp_path / "other"
    _recompress(built.layout, other)

    assert "nothing but the compression" in str(OciImageFiles().first_difference(built.layout, other))


def test_the_labels_are_read(tmp_path: Path) -> None:
    built = OciLayoutBuilder(tmp_path / "cache").build(a_request(tmp_path))
    assert isinstance(built, BuiltImage)

    assert OciImageFiles().labels(built.layout).items() >= LABELS.items()
    assert OciImageFiles().labels(_image(tmp_path / "bare", _SAME, config={})) == {}


def test_a_damaged_layer_is_no_difference_but_an_error(tmp_path: Path) -> None:
    first, second = _image(tmp_path / "one", _SAME), _image(tmp_path / "other", _layer(("a", b"")))
    for blob in (second / "blobs" / "sha256").iterdir():
        if b"diff_ids" not in blob.read_bytes() and b"schemaVersion" not in blob.read_bytes():
            blob.write_bytes(bytes(blob.stat().st_size))

    with pytest.raises(UntrustedInput):
        OciImageFiles().first_difference(first, second)
    with pytest.raises(NotFound):
        OciImageFiles().first_difference(first, tmp_path / "nowhere")


def _recompress(layout: Path, target: Path) -> None:
    """The same image with plain layers."""

    def blob(digest: str) -> bytes:
        return (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()

    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]))
    layers = [gzip.decompress(blob(layer["digest"])) for layer in manifest["layers"]]
    write_image(target, blob(manifest["config"]["digest"]), layers)
