"""Unpacking images that nobody vouches for: nothing is written outside, and layers add up as the specification says."""

import hashlib
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._oci import read_manifest, unpack
from shopkart_pipeline.domain.errors import NotFound, UntrustedInput
from shopkart_pipeline_tests.fakes.fake_builder import write_image


@dataclass(frozen=True)
class Entry:
    """An entry of a layer: a file unless it says otherwise."""

    name: str
    content: str = ""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644


def folder(name: str, mode: int = 0o755) -> Entry:
    return Entry(name, kind=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str) -> Entry:
    return Entry(name, kind=tarfile.SYMTYPE, target=target)


def hard_link(name: str, target: str) -> Entry:
    return Entry(name, kind=tarfile.LNKTYPE, target=target)


def an_image(layout: Path, *layers: Sequence[Entry]) -> Path:
    archives = [_archive(layer) for layer in layers]
    diff_ids = [f"sha256:{hashlib.sha256(archive).hexdigest()}" for archive in archives]
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}}
    write_image(layout, json.dumps(config).encode(), archives)
    return layout


def _archive(layer: Sequence[Entry]) -> bytes:
    target = BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for entry in layer:
            member = tarfile.TarInfo(entry.name)
            member.type, member.linkname, member.mode, member.size = (
                entry.kind,
                entry.target,
                entry.mode,
                len(entry.content.encode()),
            )
            tar.addfile(member, BytesIO(entry.content.encode()))
    return target.getvalue()


def tree(root: Path) -> dict[str, str]:
    """Every file and link below `root`, by name."""
    found: dict[str, str] = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[path.relative_to(root).as_posix()] = f"-> {path.readlink()}"
        elif path.is_file():
            found[path.relative_to(root).as_posix()] = path.read_text(encoding="utf-8")
    return found


def test_upper_layers_replace_and_hide_what_lower_ones_brought(tmp_path: Path) -> None:
    lower = [Entry("etc/kept", "1"), Entry("etc/changed", "1"), Entry("etc/gone", "1"), Entry("old/a", "1")]
    upper = [Entry("etc/changed", "2"), Entry("etc/.wh.gone"), Entry(".wh.old"), Entry("new/a", "2")]

    unpack(an_image(tmp_path / "image", lower, upper), tmp_path / "out")

    assert tree(tmp_path / "out") == {"etc/kept": "1", "etc/changed": "2", "new/a": "2"}


@pytest.mark.parametrize("first", [True, False], ids=["marker first", "marker last"])
def test_an_opaque_folder_hides_all_below_and_nothing_of_its_own_layer(tmp_path: Path, first: bool) -> None:
    lower = [Entry("d/lower", "1"), Entry("d/sub/lower", "1")]
    own = [folder("d"), Entry("d/own", "2"), folder("d/sub"), Entry("d/sub/own", "2")]
    marker = [Entry("d/.wh..wh..opq")]

    unpack(an_image(tmp_path / "image", lower, marker + own if first else own + marker), tmp_path / "out")

    assert tree(tmp_path / "out") == {"d/own": "2", "d/sub/own": "2"}


def test_files_folders_and_links_take_each_others_place(tmp_path: Path) -> None:
    lower = [Entry("a/x", "1"), Entry("b", "1"), link("c", "b")]
    upper = [Entry("a", "2"), folder("b"), Entry("b/x", "2"), Entry("c", "2")]

    unpack(an_image(tmp_path / "image", lower, upper), tmp_path / "out")

    assert tree(tmp_path / "out") == {"a": "2", "b/x": "2", "c": "2"}


def test_entries_below_a_link_land_where_it_points_inside_of_the_image(tmp_path: Path) -> None:
    layer = [folder("usr/lib"), link("lib", "/usr/lib"), Entry("lib/x.so", "1"), link("l", "usr"), Entry("l/y", "2")]

    unpack(an_image(tmp_path / "image", layer), tmp_path / "out")

    found = tree(tmp_path / "out")
    assert found["usr/lib/x.so"] == "1"
    assert found["usr/y"] == "2"


def test_absolute_links_are_made_to_stay_inside(tmp_path: Path) -> None:
    layer = [Entry("etc/passwd", "of the image"), folder("a/b"), link("a/b/link", "/etc/passwd")]

    unpack(an_image(tmp_path / "image", layer), tmp_path / "out")

    assert (tmp_path / "out/a/b/link").read_text(encoding="utf-8") == "of the image"


def test_hard_links_share_their_file(tmp_path: Path) -> None:
    layer = [Entry("a", "1"), hard_link("b", "a")]

    unpack(an_image(tmp_path / "image", layer), tmp_path / "out")

    assert (tmp_path / "out/a").samefile(tmp_path / "out/b")


def test_modes_stay_usable_and_give_no_rights(tmp_path: Path) -> None:
    layer = [Entry("tool", mode=0o4755), Entry("locked", mode=0o000), folder("closed", mode=0o000)]

    unpack(an_image(tmp_path / "image", layer), tmp_path / "out")

    modes = {path.name: path.stat().st_mode & 0o7777 for path in (tmp_path / "out").iterdir()}
    assert modes == {"tool": 0o755, "locked": 0o600, "closed": 0o700}


def test_devices_and_pipes_are_left_out(tmp_path: Path) -> None:
    layer = [Entry("dev/null", kind=tarfile.CHRTYPE), Entry("pipe", kind=tarfile.FIFOTYPE), Entry("file", "1")]

    unpack(an_image(tmp_path / "image", layer), tmp_path / "out")

    assert tree(tmp_path / "out") == {"file": "1"}


@pytest.mark.parametrize(
    "layer",
    [
        [Entry("../outside", "x")],
        [Entry("a/../../outside", "x")],
        [link("up", "../.."), Entry("other", "x")],
        [hard_link("stolen", "../secret")],
        [folder("a"), link("a/up", ".."), link("escape", "a/up/../../secret")],
        [Entry("n" * 300, "x")],
        [link("a", "b"), link("b", "a"), Entry("a/x", "x")],
        [Entry("/".join("d" * 200 for _ in range(15)), "x")],
    ],
    ids=["parent", "hidden parent", "link up", "hard link", "links in sum", "long name", "circle", "long path"],
)
def test_hostile_entries_are_refused_and_leave_nothing(tmp_path: Path, layer: list[Entry]) -> None:
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    inside = tmp_path / "inside"
    inside.mkdir()

    with pytest.raises(UntrustedInput):
        unpack(an_image(tmp_path / "image", layer), inside / "out")

    assert not (tmp_path / "outside").exists()
    assert list(inside.iterdir()) == []


def test_an_absolute_name_and_a_name_through_a_link_out_stay_inside(tmp_path: Path) -> None:
    layer = [Entry("/etc/x", "1"), link("out", "/"), Entry("out/y", "2")]

    unpack(an_image(tmp_path / "image", layer), tmp_path / "out")

    assert (tmp_path / "out/etc/x").read_text(encoding="utf-8") == "1"
    assert (tmp_path / "out/y").read_text(encoding="utf-8") == "2"


def test_a_destination_that_is_there_is_kept(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image", [Entry("a", "1")])
    unpack(image, tmp_path / "out")
    (tmp_path / "out/written-later").write_text("kept", encoding="utf-8")

    unpack(image, tmp_path / "out")

    assert tree(tmp_path / "out") == {"a": "1", "written-later": "kept"}


def test_a_corrupt_layer_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image", [Entry("a", "1")])
    digest = read_manifest(image).layers[0].digest
    blob = image / "blobs/sha256" / digest.removeprefix("sha256:")
    blob.write_bytes(blob.read_bytes().replace(b"1", b"2"))

    with pytest.raises(UntrustedInput, match=digest):
        unpack(image, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_layer_that_is_not_what_the_configuration_says_is_refused(tmp_path: Path) -> None:
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [f"sha256:{'0' * 64}"]}}
    write_image(tmp_path / "image", json.dumps(config).encode(), [_archive([Entry("a", "1")])])

    with pytest.raises(UntrustedInput, match="does not unpack to sha256:000"):
        unpack(tmp_path / "image", tmp_path / "out")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    garbage = b"no archive" * 100
    diff_id = f"sha256:{hashlib.sha256(garbage).hexdigest()}"
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [diff_id]}}
    write_image(tmp_path / "image", json.dumps(config).encode(), [garbage])

    with pytest.raises(UntrustedInput, match="can't be read"):
        unpack(tmp_path / "image", tmp_path / "out")


def test_no_layout_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        unpack(tmp_path / "nowhere", tmp_path / "out")


def test_a_layout_of_two_images_is_refused(tmp_path: Path) -> None:
    image = an_image(tmp_path / "image", [Entry("a", "1")])
    index = json.loads((image / "index.json").read_bytes())
    index["manifests"] *= 2
    (image / "index.json").write_text(json.dumps(index), encoding="utf-8")

    with pytest.raises(UntrustedInput, match="exactly one image"):
        unpack(image, tmp_path / "out")


@pytest.mark.parametrize("digest", ["sha256:../../../etc/passwd", "md5:abc", "sha256:" + "A" * 64])
def test_a_digest_is_never_a_path(tmp_path: Path, digest: str) -> None:
    image = an_image(tmp_path / "image", [Entry("a", "1")])
    index = json.loads((image / "index.json").read_bytes())
    index["manifests"][0]["digest"] = digest
    (image / "index.json").write_text(json.dumps(index), encoding="utf-8")

    with pytest.raises(UntrustedInput, match="malformed"):
        unpack(image, tmp_path / "out")
