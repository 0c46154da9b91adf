"""What an image's layers say is installed in it."""

import hashlib
import json
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.oci_files import OciImageFiles
from shopkart_pipeline.domain.component import Component, ImageContents
from shopkart_pipeline.domain.errors import NotFound, UntrustedInput
from shopkart_pipeline_tests.fakes.fake_builder import write_image

Entry = tuple[str, str] | tarfile.TarInfo
SITE = "usr/lib/python3/dist-packages"
STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc (2.36-9)
Version: 2.36-9+deb12u4
Depends: libgcc-s1
Description: the C library
 Version: this is no field

Package: libgcc-s1
Status: install ok installed
Version: 12.2.0-14
Pre-Depends: libc6 (>= 2.35), gone | libc6:amd64

Package: gone
Status: deinstall ok config-files
Version: 1.0
"""


def layer(*entries: Entry) -> bytes:
    target = BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for entry in entries:
            if isinstance(entry, tarfile.TarInfo):
                tar.addfile(entry)
                continue
            name, content = entry
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            tar.addfile(info, BytesIO(content.encode()))
    return target.getvalue()


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def image(folder: Path, *layers: bytes) -> Path:
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2025-03-14T15:09:26.123456789Z",
        "rootfs": {"type": "layers", "diff_ids": [digest_of(each) for each in layers]},
    }
    write_image(folder / "layout", json.dumps(config).encode(), list(layers))
    return folder / "layout"


def contents(folder: Path, *layers: bytes) -> ImageContents:
    return OciImageFiles().contents(image(folder, *layers))


def metadata(name: str, version: str = "1.0", more: str = "", site: str = SITE) -> tuple[str, str]:
    return f"{site}/{name}-{version}.dist-info/METADATA", f"Name: {name}\nVersion: {version}\n{more}\n\ntext\n"


def manifest(place: str, name: str, version: str = "1.0.0", **more: object) -> tuple[str, str]:
    return f"{place}/node_modules/{name}/package.json", json.dumps({"name": name, "version": version, **more})


def by_purl(found: ImageContents) -> dict[str, Component]:
    return {each.purl: each for each in found.components}


def test_python_packages_are_told_with_licence_layer_and_needs(tmp_path: Path) -> None:
    lower = layer(metadata("Jinja2", "3.1.4", "License-Expression: BSD-3-Clause"))
    needs = 'Requires-Dist: jinja2>=3\nRequires-Dist: absent\nRequires-Dist: other; extra == "test"'
    upper = layer(metadata("shop", "2.0", needs), metadata("other"))
    found = by_purl(contents(tmp_path, lower, upper))
    assert set(found) == {"pkg:pypi/jinja2@3.1.4", "pkg:pypi/shop@2.0", "pkg:pypi/other@1.0"}
    jinja, shop = found["pkg:pypi/jinja2@3.1.4"], found["pkg:pypi/shop@2.0"]
    assert jinja.licence == "BSD-3-Clause"
    assert [place.layer for place in jinja.places] == [digest_of(lower)]
    assert [place.layer for place in shop.places] == [digest_of(upper)]
    assert shop.needs == ("pkg:pypi/jinja2@3.1.4",)


def test_a_package_that_is_there_twice_is_one_with_two_places(tmp_path: Path) -> None:
    [only] = contents(tmp_path, layer(metadata("six", site="a"), metadata("six", site="b"))).components
    assert [place.path for place in only.places] == ["a/six-1.0.dist-info/METADATA", "b/six-1.0.dist-info/METADATA"]


def test_node_packages_find_what_they_need_as_node_does(tmp_path: Path) -> None:
    integrity = "sha512-" + "A" * 86 + "=="
    lock = {"lockfileVersion": 3, "packages": {"node_modules/app": {"version": "1.0.0", "integrity": integrity}}}
    found = contents(
        tmp_path,
        layer(
            manifest("srv", "app", dependencies={"@a/b": "1", "c": "1"}, license="MIT"),
            manifest("srv", "@a/b"),
            manifest("srv", "c", "1.0.0"),
            manifest("srv/node_modules/app", "c", "2.0.0"),
            ("srv/node_modules/.package-lock.json", json.dumps(lock)),
            ("srv/node_modules/app/test/package.json", "{}"),
        ),
    )
    app = by_purl(found)["pkg:npm/app@1.0.0"]
    assert app.needs == ("pkg:npm/%40a/b@1.0.0", "pkg:npm/c@2.0.0")
    assert app.licence is not None
    assert app.hashes == (f"sha512:{'0' * 128}",)
    assert {each.package.name for each in found.components} == {"app", "@a/b", "c"}


def test_system_packages_are_those_that_are_installed(tmp_path: Path) -> None:
    release = ("usr/lib/os-release", 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12"\n')
    found = contents(tmp_path, layer(release, ("var/lib/dpkg/status", STATUS)))
    libc = by_purl(found)["pkg:deb/debian/libc6@2.36-9%2Bdeb12u4?arch=amd64&distro=debian-12"]
    assert [each.package.name for each in found.components] == ["libc6", "libgcc-s1"]
    assert libc.package.ecosystem == "Debian"
    assert libc.properties == {"source": "glibc"}
    assert libc.needs == ("pkg:deb/debian/libgcc-s1@12.2.0-14?distro=debian-12",)
    assert found.properties == {"operating-system": "Debian GNU/Linux 12", "layers": "1"}


@pytest.mark.parametrize("folder", ["lib", "usr/lib"])
def test_packages_of_alpine_find_what_they_need_by_what_others_provide(tmp_path: Path, folder: str) -> None:
    """Where `/lib` is a link to `/usr/lib`, the database is in the latter."""
    database = "P:musl\nV:1.2.5-r0\nA:x86_64\np:so:libc.musl.so.1=1\n\nP:zlib\nV:1.3\nD:so:libc.musl.so.1\n"
    found = contents(tmp_path, layer(("etc/os-release", "ID=alpine\n"), (f"{folder}/apk/db/installed", database)))
    assert by_purl(found)["pkg:apk/alpine/zlib@1.3"].needs == ("pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64",)


def test_what_a_higher_layer_hides_is_not_there(tmp_path: Path) -> None:
    lower = layer(metadata("one"), metadata("two"), metadata("three", site="opt"))
    upper = layer(
        (f"{SITE}/.wh.one-1.0.dist-info", ""),
        metadata("four", site="opt"),
        ("opt/.wh..wh..opq", ""),
    )
    found = contents(tmp_path, lower, upper)
    assert [each.package.name for each in found.components] == ["four", "two"]


def test_a_package_that_a_higher_layer_replaces_is_that_layers(tmp_path: Path) -> None:
    path = f"{SITE}/one-1.0.dist-info/METADATA"
    lower, upper = layer((path, "Name: one\nVersion: 1.0\n")), layer((path, "Name: one\nVersion: 1.0\nx: y\n"))
    [only] = contents(tmp_path, lower, upper).components
    assert [place.layer for place in only.places] == [digest_of(upper)]


def test_names_are_resolved_through_links_of_lower_layers(tmp_path: Path) -> None:
    lower = layer(metadata("one"), link("lib", "/usr/../usr/lib"))
    upper = layer(("lib/python3/dist-packages/.wh.one-1.0.dist-info", ""), metadata("two", site="lib/site"))
    [only] = contents(tmp_path, lower, upper).components
    assert only.places[0].path == "usr/lib/site/two-1.0.dist-info/METADATA"


def test_a_hard_link_counts_as_the_file_it_is(tmp_path: Path) -> None:
    path, content = metadata("one", site="cache")
    linked = link(f"{SITE}/one-1.0.dist-info/METADATA", path, tarfile.LNKTYPE)
    [only] = contents(tmp_path, layer((path, content), linked)).components
    assert len(only.places) == 2


def test_metadata_that_hide_behind_a_link_are_said_to_be_unreadable(tmp_path: Path) -> None:
    hidden = link(f"{SITE}/bad-1.0.dist-info/METADATA", "etc/harmless", tarfile.LNKTYPE)
    found = contents(tmp_path, layer(metadata("one"), ("etc/harmless", "Name: bad\nVersion: 1.0\n"), hidden))
    assert [each.package.name for each in found.components] == ["one"]
    assert any(f"{SITE}/bad-1.0.dist-info/METADATA" in note for note in found.notes)


@pytest.mark.parametrize(
    "text", ["", "Name: x\n", "Name: <b>\nVersion: 1\n", "Name: x\nVersion: 1 2\n", "Name: " + "x" * 300]
)
def test_a_package_without_a_name_that_can_be_told_is_said(tmp_path: Path, text: str) -> None:
    found = contents(tmp_path, layer(metadata("one"), (f"{SITE}/odd.dist-info/METADATA", text)))
    assert [each.package.name for each in found.components] == ["one"]
    assert any("odd.dist-info" in note for note in found.notes)


def test_a_database_that_nobody_can_read_is_said(tmp_path: Path) -> None:
    found = contents(tmp_path, layer(metadata("one"), ("var/lib/rpm/rpmdb.sqlite", "binary")))
    assert any("rpmdb.sqlite can't be read" in note for note in found.notes)


def test_an_image_in_which_nothing_can_be_told_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="Nobody can tell what sha256:"):
        contents(tmp_path, layer(("bin/server", "a program that was copied in")))


def test_an_empty_package_database_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="Nobody can tell"):
        contents(tmp_path, layer(("var/lib/dpkg/status", "")))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (("../escape", ""), "no name inside"),
        (("/".join(["a"] * 300), ""), "more than 200 folders"),
        (link("x", "nothing", tarfile.LNKTYPE), "no file of the image"),
    ],
)
def test_a_hostile_layer_is_refused(tmp_path: Path, entry: Entry, words: str) -> None:
    with pytest.raises(UntrustedInput, match=words):
        contents(tmp_path, layer(metadata("one"), entry))


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UntrustedInput, match="circle"):
        contents(tmp_path, layer(link("a", "b"), link("b", "a"), ("a/file", "")))


def test_a_changed_layer_is_refused(tmp_path: Path) -> None:
    content = layer(metadata("one"))
    layout = image(tmp_path, content)
    (layout / "blobs" / "sha256" / digest_of(content)[7:]).write_bytes(content.replace(b"one", b"two"))
    with pytest.raises(UntrustedInput, match="corrupt"):
        OciImageFiles().contents(layout)


def test_the_moment_is_the_images_own(tmp_path: Path) -> None:
    found = contents(tmp_path, layer(metadata("one")))
    assert found.created_at is not None
    assert found.created_at.isoformat() == "2025-03-14T15:09:26+00:00"


def test_another_image_in_the_same_place_is_read_again(tmp_path: Path) -> None:
    files = OciImageFiles()
    first = files.contents(image(tmp_path, layer(metadata("one"))))
    second = files.contents(image(tmp_path, layer(metadata("two"))))
    assert [each.package.name for each in (*first.components, *second.components)] == ["one", "two"]
