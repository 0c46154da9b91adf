"""Folders as one file: what comes out is what went in, and what a stranger wrote stays where it belongs."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.step_pod.packing import Limits, pack, unpack
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline_tests.scan_requests import write_files


def entry(path: str, kind: str = "file", content: bytes = b"", **about: object) -> bytes:
    header = {"path": path.encode().hex(), "kind": kind, "modified_at": 0, **about}
    header |= {"size_bytes": about.get("size_bytes", len(content))} if kind == "file" else {}
    text = json.dumps(header).encode()
    return len(text).to_bytes(4, "big") + text + content


def link(path: str, target: str) -> bytes:
    return entry(path, "link", target=target.encode().hex())


def unpacked(folder: Path, *entries: bytes, end: bytes = b"\0\0\0\0", limits: Limits | None = None) -> Path:
    (folder / "file").write_bytes(b"".join(entries) + end)
    unpack(folder / "file", {"made": folder / "made"}, limits, links_to=folder / "python")
    return folder / "made"


def test_what_comes_out_is_what_went_in(tmp_path: Path) -> None:
    tree = write_files(tmp_path / "tree", {"bin/run": "#!", "lib/a.py": "x" * 3_000_000, "lib/ü.txt": "", "b": b"\0"})
    (tree / "bin/run").chmod(0o755)
    (tree / "lib/link").symlink_to("../bin/run")
    os.utime(tree / "b", (1_700_000_000, 1_700_000_000))
    (tree / "empty").mkdir()
    digest = pack({"made": tree}, tmp_path / "one")
    unpack(tmp_path / "one", {"made": tmp_path / "made"}, links_to=tmp_path / "python")
    made = tmp_path / "made"
    assert {path.relative_to(made) for path in made.rglob("*")} == {path.relative_to(tree) for path in tree.rglob("*")}
    assert (made / "lib/link").readlink() == Path("../bin/run")
    assert (made / "lib/a.py").read_bytes() == (tree / "lib/a.py").read_bytes()
    assert os.access(made / "bin/run", os.X_OK)
    assert not os.access(made / "b", os.X_OK) or (made / "b").stat().st_mode & 0o111 == 0
    assert (made / "b").stat().st_mtime == 1_700_000_000
    assert pack({"made": made}, tmp_path / "other").startswith("sha256:")
    assert pack({"made": tree}, tmp_path / "again") == digest


HOSTILE: dict[str, tuple[bytes, ...]] = {
    "above": (entry("made", "folder"), entry("made/../evil")),
    "absolute": (entry("made", "folder"), entry("/etc/evil")),
    "empty name": (entry("made", "folder"), entry("made//evil")),
    "another part": (entry("other"),),
    "without its folder": (entry("made/sub/evil"),),
    "a file as folder": (entry("made"), entry("made/evil")),
    "twice": (entry("made", "folder"), entry("made/a"), entry("made/a")),
    "a folder twice": (entry("made", "folder"), entry("made", "folder")),
    "link out": (entry("made", "folder"), link("made/a", "../../etc")),
    "absolute link": (entry("made", "folder"), link("made/a", "/proc/self/environ")),
    "through another link": (
        entry("made", "folder"),
        entry("made/d", "folder"),
        entry("made/d/e", "folder"),
        link("made/d/x", ".."),
        link("made/d/e/y", "../x/../.."),
    ),
    "write through a link": (entry("made", "folder"), link("made/a", "."), entry("made/a/evil")),
    "the part itself a link": (link("made", "/etc"),),
    "a device": (entry("made", "device"),),
    "negative": (entry("made", size_bytes=-1),),
    "a boolean as size": (entry("made", size_bytes=True),),
    "unknown keys": (entry("made", "folder", surprise=1),),
    "no JSON": (b"\0\0\0\4[[[[",),
    "a long header": (b"\0\1\0\0" + b"x" * 70000,),
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE)
def test_what_belongs_elsewhere_is_refused(tmp_path: Path, entries: tuple[bytes, ...]) -> None:
    with pytest.raises((UntrustedInput, OSError)):
        unpacked(tmp_path, *entries)
    assert not list(tmp_path.rglob("evil"))


CUT: dict[str, Callable[[bytes], bytes]] = {
    "the end": lambda whole: whole[:-4],
    "a length": lambda whole: whole[:-2],
    "content": lambda whole: whole[:-6],
    "everything": lambda whole: b"",
}


@pytest.mark.parametrize("cut", CUT.values(), ids=CUT)
def test_what_is_cut_off_is_refused(tmp_path: Path, cut: Callable[[bytes], bytes]) -> None:
    whole = cut(entry("made", "folder") + entry("made/a", content=b"four") + b"\0\0\0\0")
    with pytest.raises(UntrustedInput, match="cut off"):
        unpacked(tmp_path, whole, end=b"")


def test_links_to_the_interpreter_are_kept(tmp_path: Path) -> None:
    write_files(tmp_path / "python", {"bin/python3": ""})
    target = str(tmp_path / "python/bin/python3")
    made = unpacked(tmp_path, entry("made", "folder"), link("made/python", target), link("made/python3", "python"))
    assert (made / "python3").resolve() == Path(target).resolve()


@pytest.mark.parametrize("limits", [Limits(size_bytes=150), Limits(entries=1)])
def test_too_much_is_refused_on_both_sides(tmp_path: Path, limits: Limits) -> None:
    with pytest.raises(UntrustedInput, match="more than"):
        unpacked(tmp_path, entry("made", "folder"), entry("made/a", content=b"x" * 100), limits=limits)
    tree = write_files(tmp_path / "tree", {"a": "x" * 100})
    with pytest.raises(UntrustedInput, match="more than"):
        pack({"made": tree}, tmp_path / "one", limits)


def test_a_pipe_that_somebody_left_is_told_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    os.mkfifo(tmp_path / "tree" / "pipe")
    with pytest.raises(UntrustedInput, match="pipe"):
        pack({"made": tmp_path / "tree"}, tmp_path / "one")
