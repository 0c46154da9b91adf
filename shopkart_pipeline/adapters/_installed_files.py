"""What installers of packages leave in a folder: which packages, how much, and what must go.

Installers write down where a package came from, when and by which interpreter. None of that belongs into an image:
it would differ between two builds of one commit and tell about the machine that built it.
"""

import csv
import io
import re
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

_TRACES = frozenset({"direct_url.json", "INSTALLER", "REQUESTED", "uv_build.json", "uv_cache.json"})
_LAUNCHER = re.compile(rb"\A#!/bin/sh\n'''exec'[^\n]*\n' '''\n|\A#![^\n]*\n")
_PORTABLE = b"#!/usr/bin/env python3\n"


def packages_of(folder: Path) -> list[str]:
    """`name==version` of every package installed below `folder`, sorted; what packages bundle is left out."""
    found: set[str] = set()
    for metadata in folder.rglob("*.dist-info/METADATA"):
        if "_vendor" in metadata.parts:
            continue
        fields = HeaderParser().parsestr(metadata.read_text(encoding="utf-8", errors="replace"), headersonly=True)
        found.add(f"{fields['Name']}=={fields['Version']}")
    return sorted(found, key=str.lower)


def node_manifests(folder: Path) -> Iterator[Path]:
    """`package.json` of every package that lies in a `node_modules` below `folder`; links are not followed."""
    for manifest in folder.rglob("package.json"):
        holder = manifest.parent.parent
        if holder.name.startswith("@"):
            holder = holder.parent
        if holder.name == "node_modules" and manifest.is_file() and not manifest.is_symlink():
            yield manifest


def size_of(folder: Path) -> tuple[int, int]:
    """Number of files below `folder`, and their size in bytes."""
    sizes = [file.lstat().st_size for file in _files(folder)]
    return len(sizes), sum(sizes)


def make_reproducible(folder: Path) -> None:
    """Take out what tells about the build, and give every file one of two modes."""
    for file in list(_files(folder)):
        if _is_trace(file, folder):
            file.unlink()
    for record in folder.rglob("*.dist-info/RECORD"):
        _forget_traces(record)
    for script in folder.glob("*/bin/*"):
        _make_portable(script)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
    folder.chmod(0o755)


def _is_trace(file: Path, folder: Path) -> bool:
    in_metadata = file.parent.name.endswith(".dist-info")
    installers_lock = file.name == ".lock" and file.parent.parent == folder
    return (in_metadata and file.name in _TRACES) or installers_lock or file.suffix == ".pyc"


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def _forget_traces(record: Path) -> None:
    """Drop the lines of files that are gone, and the hashes of launchers, which are rewritten."""
    rows = csv.reader(io.StringIO(record.read_text(encoding="utf-8")))
    kept: list[list[str]] = []
    for row in rows:
        name = Path(row[0]).name
        if name in _TRACES or name.endswith(".pyc"):
            continue
        is_script = Path(row[0]).parent.name == "bin"
        kept.append([row[0], "", ""] if is_script else row)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(sorted(kept))
    record.write_text(out.getvalue(), encoding="utf-8")


def _make_portable(script: Path) -> None:
    """A launcher names the interpreter that installed it; in the image another one is found in `PATH`."""
    content = script.read_bytes()
    if content.startswith(b"#!") and b"python" in content.partition(b"\n' '''")[0][:500]:
        script.write_bytes(_LAUNCHER.sub(_PORTABLE, content, count=1))
