"""The registry on disk: damage is found and repaired, a killed pusher does no harm, one of two pushers wins."""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.adapters.oci_registry import DiskRegistry
from shopkart_pipeline.domain.errors import Conflict, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.builder import BuiltImage
from shopkart_pipeline_tests.contract.images import a_request
from shopkart_pipeline_tests.contract.oci_readers import StrictReader

_PUSH = """
import sys
from pathlib import Path
from shopkart_pipeline.adapters.oci_registry import DiskRegistry
registry = DiskRegistry(Path(sys.argv[1]))
print("ready", flush=True)
registry.push(Path(sys.argv[2]), "shop/backend", "1")
"""


def an_image(folder: Path, version: int = 1, padding_bytes: int = 0) -> BuiltImage:
    padding = "".join(random.Random(version).choices("abcdefghijklmnop", k=padding_bytes))
    files = {"deps/d.py": padding, "app/a.py": f"VERSION = {version}\n"}
    built = OciLayoutBuilder(folder / "cache").build(a_request(folder / f"v{version}", files=files))
    assert isinstance(built, BuiltImage)
    return built


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_byte_is_found_by_pull_and_repaired_by_push(data: st.DataObject) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        image, registry = an_image(folder), DiskRegistry(folder / "registry")
        registry.push(image.layout, "shop", "1")
        stored = sorted((folder / "registry/blobs/sha256").iterdir())
        stored += sorted((folder / "registry/repositories/shop/_manifests").iterdir())
        victim = data.draw(st.sampled_from(stored))
        content = bytearray(victim.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        victim.write_bytes(content)

        with pytest.raises(UntrustedInput, match=victim.name):
            registry.pull("shop", image.digest, folder / "pulled")
        assert not (folder / "pulled").exists()

        registry.push(image.layout, "shop", "1")
        registry.pull("shop", image.digest, folder / "pulled")
        assert StrictReader().read(folder / "pulled").digest == image.digest


@pytest.mark.parametrize("missing", [True, False], ids=["missing", "cut short"])
def test_an_incomplete_image_is_not_there(tmp_path: Path, missing: bool) -> None:
    image, registry = an_image(tmp_path), DiskRegistry(tmp_path / "registry")
    registry.push(image.layout, "shop", "1")
    victim = max((tmp_path / "registry/blobs/sha256").iterdir(), key=lambda path: path.stat().st_size)
    content = victim.read_bytes()
    victim.unlink()
    if not missing:
        victim.write_bytes(content[:-1])

    assert not registry.has("shop", image.digest)
    with pytest.raises(UntrustedInput, match=victim.name):
        registry.pull("shop", image.digest, tmp_path / "pulled")


def test_blobs_that_images_share_are_stored_once(tmp_path: Path) -> None:
    registry = DiskRegistry(tmp_path / "registry")

    registry.push(an_image(tmp_path, 1).layout, "shop", "1")
    registry.push(an_image(tmp_path, 2).layout, "other", "1")

    # Two layers and a configuration each, and the layer of dependencies is the same.
    assert len(list((tmp_path / "registry/blobs/sha256").iterdir())) == 5


def test_what_happens_to_a_layout_later_does_not_reach_the_registry(tmp_path: Path) -> None:
    image, registry = an_image(tmp_path), DiskRegistry(tmp_path / "registry")
    registry.push(image.layout, "shop", "1")
    for blob in (image.layout / "blobs/sha256").iterdir():
        blob.write_bytes(b"")

    registry.pull("shop", image.digest, tmp_path / "pulled")

    assert StrictReader().read(tmp_path / "pulled").digest == image.digest


def test_of_two_images_pushed_at_once_under_one_tag_one_wins(tmp_path: Path) -> None:
    images = [an_image(tmp_path, version) for version in range(4)]
    registry = DiskRegistry(tmp_path / "registry")

    with ThreadPoolExecutor() as pool:
        pushes = [pool.submit(registry.push, image.layout, "shop", "1") for image in images]
        failures = [push.exception() for push in pushes]

    winners = [image.digest for image, failure in zip(images, failures, strict=True) if failure is None]
    assert winners == [registry.resolve("shop", "1")]
    assert all(isinstance(failure, Conflict) for failure in failures if failure is not None)


def test_a_pusher_killed_at_any_moment_leaves_no_half_image_and_the_next_one_completes_it(tmp_path: Path) -> None:
    image = an_image(tmp_path, padding_bytes=1_500_000)
    whole_seconds = _push_in_a_process(tmp_path / "timing", image.layout, None)
    for step in range(8):
        root = tmp_path / f"registry-{step}"
        _push_in_a_process(root, image.layout, whole_seconds * step / 7)
        registry = DiskRegistry(root)

        if registry.resolve("shop/backend", "1") is not None or registry.has("shop/backend", image.digest):
            registry.pull("shop/backend", image.digest, tmp_path / "pulled")
        assert registry.push(image.layout, "shop/backend", "1") == image.digest

        registry.pull("shop/backend", image.digest, tmp_path / "pulled")
        assert StrictReader().read(tmp_path / "pulled").digest == image.digest
        assert list((root / "incoming").iterdir()) == []


def _push_in_a_process(root: Path, layout: Path, kill_after_seconds: float | None) -> float:
    with subprocess.Popen([sys.executable, "-c", _PUSH, str(root), str(layout)], stdout=subprocess.PIPE) as pusher:
        assert pusher.stdout is not None
        pusher.stdout.readline()
        started = time.monotonic()
        if kill_after_seconds is not None:
            time.sleep(kill_after_seconds)
            os.kill(pusher.pid, signal.SIGKILL)
        pusher.wait(timeout=30)
        return time.monotonic() - started


def test_a_root_that_is_no_folder_is_unavailable(tmp_path: Path) -> None:
    image = an_image(tmp_path)
    (tmp_path / "registry").write_text("a file", encoding="utf-8")

    with pytest.raises(ToolUnavailable, match="does not work"):
        DiskRegistry(tmp_path / "registry").push(image.layout, "shop", "1")


def test_a_registry_that_nobody_wrote_to_answers(tmp_path: Path) -> None:
    registry = DiskRegistry(tmp_path / "registry")

    assert registry.resolve("shop", "1") is None
    assert not (tmp_path / "registry").exists()
