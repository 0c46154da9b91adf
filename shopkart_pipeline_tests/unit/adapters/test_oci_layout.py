"""The daemonless builder: what makes two images equal, what is reused, and what it refuses to pack."""

import json
import os
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.adapters._oci import read_config, read_manifest, unpack
from shopkart_pipeline.adapters._oci_documents import blob_path
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.builder import BuiltImage, ImageRequest
from shopkart_pipeline_tests.contract.images import COMMITTED_AT, a_request, a_service, write_files

_NAMES = st.from_regex(r"[a-z._ é]{1,12}", fullmatch=True).filter(lambda name: name.strip(".") == name != "app")
_TREES = st.dictionaries(
    st.tuples(st.sampled_from(["app", "deps"]), _NAMES, _NAMES).map("/".join), st.text(max_size=40)
)


def _build(request: ImageRequest, cache: Path) -> BuiltImage:
    result = OciLayoutBuilder(cache).build(request)
    assert isinstance(result, BuiltImage), result
    return result


@settings(max_examples=25, deadline=None)
@given(
    files=_TREES.filter(bool),
    order=st.randoms(),
    umask=st.sampled_from([0o000, 0o022, 0o077]),
    age=st.integers(0, 2**31),
)
def test_equal_trees_give_equal_digests_whatever_made_them(files: dict[str, str], order, umask: int, age: int) -> None:
    with TemporaryDirectory() as folder:
        one, other = Path(folder, "one"), Path(folder, "other")
        first = _build(a_request(one, files=files), one / "cache")
        names = list(files)
        order.shuffle(names)
        before = os.umask(umask)
        try:
            request = a_request(other, files={name: files[name] for name in names})
            for path in request.application.rglob("*"):
                os.utime(path, (age, age))
            second = _build(request, other / "cache")
        finally:
            os.umask(before)

        assert first.digest == second.digest


def test_another_commit_keeps_the_layer_of_unchanged_dependencies(tmp_path: Path) -> None:
    request = a_request(tmp_path)
    before = _layers(_build(request, tmp_path / "cache"))
    write_files(request.application, {"app/shop/__init__.py": "VERSION = 2\n"})

    later = replace(request, created_at=COMMITTED_AT + timedelta(days=1), labels={"v": "2"})
    after = _layers(_build(later, tmp_path / "cache"))

    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_cached_layer_is_reused_and_gives_the_same_digest(tmp_path: Path) -> None:
    request = a_request(tmp_path)
    cold = _build(request, tmp_path / "cache")

    warm = _build(request, tmp_path / "cache")

    assert warm.digest == cold.digest == _build(request, tmp_path / "another cache").digest
    assert request.log.read_text(encoding="utf-8").count("reused") == 2


def test_a_corrupt_cache_is_not_believed(tmp_path: Path) -> None:
    request = a_request(tmp_path)
    good = _build(request, tmp_path / "cache")
    for cached in (tmp_path / "cache").iterdir():
        cached.unlink()
        cached.write_bytes(b"something else")

    assert _build(request, tmp_path / "cache").digest == good.digest


def test_byte_code_is_left_out_unless_it_is_all_there_is(tmp_path: Path) -> None:
    files = {
        "app/shop/__init__.py": "",
        "app/shop/__pycache__/__init__.cpython-311.pyc": "byte code",
        "app/old.py": "",
        "app/old.pyc": "byte code",
        "app/sourceless.pyc": "byte code",
    }

    built = _build(a_request(tmp_path, files=files), tmp_path / "cache")

    unpack(built.layout, tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {"app/app/shop/__init__.py", "app/app/old.py", "app/app/sourceless.pyc"}


def test_modes_say_no_more_than_whether_a_file_can_be_run(tmp_path: Path) -> None:
    request = a_request(tmp_path, files={"app/run": "#!/bin/sh\n", "app/data": "1\n"})
    (request.application / "app" / "run").chmod(0o4710)
    (request.application / "app" / "data").chmod(0o600)

    built = _build(request, tmp_path / "cache")

    unpack(built.layout, tmp_path / "out")
    modes = {name: (tmp_path / "out/app/app" / name).stat().st_mode & 0o7777 for name in ("run", "data")}
    assert modes == {"run": 0o755, "data": 0o644}


def test_links_inside_of_the_application_survive(tmp_path: Path) -> None:
    request = a_request(tmp_path)
    (request.application / "app" / "greeting").symlink_to("../deps/greeting")

    built = _build(request, tmp_path / "cache")

    unpack(built.layout, tmp_path / "out")
    assert (tmp_path / "out/app/app/greeting").readlink() == Path("../deps/greeting")


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../etc/passwd"])
def test_a_link_out_of_the_application_is_refused(tmp_path: Path, target: str) -> None:
    request = a_request(tmp_path)
    (request.application / "app" / "link").symlink_to(target)

    result = OciLayoutBuilder(tmp_path / "cache").build(request)

    assert isinstance(result, EvidenceMissing)
    assert "leads out of the application" in result.reason
    assert not request.layout.exists()


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = a_request(tmp_path)
    monkeypatch.chdir(request.application / "app")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        result = OciLayoutBuilder(tmp_path / "cache").build(request)

    assert isinstance(result, EvidenceMissing)
    assert "neither file, folder nor link" in result.reason


def test_an_empty_application_is_no_image(tmp_path: Path) -> None:
    request = a_request(tmp_path, files={})

    result = OciLayoutBuilder(tmp_path / "cache").build(request)

    assert isinstance(result, EvidenceMissing)
    assert "is empty" in result.reason
    assert "is empty" in request.log.read_text(encoding="utf-8")


def test_a_base_image_lies_below_and_keeps_its_variables(tmp_path: Path) -> None:
    base = _build(a_request(tmp_path / "base", files={"python/bin/python": "an interpreter"}), tmp_path / "cache")
    _set_variables(base.layout, ["PATH=/python/bin", "LANG=C.UTF-8"])
    base.layout.rename(tmp_path / "tree-base")
    request = a_request(tmp_path, a_service(base_image="oci:../tree-base"))

    built = _build(request, tmp_path / "cache")

    config = read_config(built.layout, read_manifest(built.layout))
    assert {"PATH=/python/bin", "LANG=C.UTF-8"} <= set(config.config.Env or [])
    assert config.config.command == request.service.workload.command
    unpack(built.layout, tmp_path / "out")
    assert (tmp_path / "out/app/python/bin/python").read_text(encoding="utf-8") == "an interpreter"
    assert (tmp_path / "out/app/app/shop/__main__.py").exists()


def test_a_base_image_of_an_engine_is_left_out_and_said_so(tmp_path: Path) -> None:
    request = a_request(tmp_path, a_service(base_image="python:3.11-slim"))

    built = _build(request, tmp_path / "cache")

    assert len(read_manifest(built.layout).layers) == 2
    assert "base image python:3.11-slim needs an engine" in request.log.read_text(encoding="utf-8")


def test_a_missing_base_image_is_no_image(tmp_path: Path) -> None:
    result = OciLayoutBuilder(tmp_path / "cache").build(a_request(tmp_path, a_service(base_image="oci:nowhere")))

    assert isinstance(result, EvidenceMissing)
    assert "no OCI image layout" in result.reason


def test_the_cache_keeps_the_layers_used_last(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for number in range(80):
        (cache / f"old-{number}").write_bytes(b"")
        os.utime(cache / f"old-{number}", (number, number))

    _build(a_request(tmp_path), cache)

    kept = sorted(path.name for path in cache.iterdir())
    assert len(kept) == 64
    assert "old-79" in kept
    assert "old-17" not in kept


def _layers(built: BuiltImage) -> list[str]:
    return [layer.digest for layer in read_manifest(built.layout).layers]


def _set_variables(layout: Path, variables: list[str]) -> None:
    """Rewrite an image's configuration by hand, as another tool might have written it."""
    from shopkart_pipeline.adapters._oci_write import add_image

    manifest = read_manifest(layout)
    config = json.loads(blob_path(layout, manifest.config.digest).read_bytes())
    config["config"]["Env"] = variables
    add_image(layout, json.dumps(config).encode(), manifest.layers, "base")
