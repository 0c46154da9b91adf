"""Finds the first difference between two images, in the words of a person who asks why a rebuild is another image.

Layers are compared by what they unpack to, the lowest first, because a difference in a lower layer is the cause of
those above it; then the configurations, key by key. Images that differ in neither are compressed differently.
"""

import contextlib
import itertools
import tarfile
from collections.abc import Generator
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from shopkart_pipeline.adapters._oci import open_layer, read_config, read_manifest, verify_blob
from shopkart_pipeline.adapters._oci_documents import Descriptor, Manifest, blob_path

_JSON = TypeAdapter[dict[str, JsonValue]](dict[str, JsonValue])
_LONGEST_VALUE = 120


def first_difference(recorded: Path, rebuilt: Path) -> str | None:
    """What differs first between the images of two layouts; None where they are the same, byte for byte.

    Raises `UntrustedInput` for a layout that is broken, `NotFound` for one that is not there.
    """
    first, second = read_manifest(recorded), read_manifest(rebuilt)
    if first.digest == second.digest:
        return None
    plain_first = read_config(recorded, first).rootfs.diff_ids
    plain_second = read_config(rebuilt, second).rootfs.diff_ids
    for number, (one, other) in enumerate(zip(plain_first, plain_second, strict=False)):
        if one != other:
            pair = _layer(recorded, first.layers[number]), _layer(rebuilt, second.layers[number])
            return f"layer {number + 1} of {len(plain_first)}: {_first_entry(*pair)}"
    if len(plain_first) != len(plain_second):
        return f"the recorded image has {len(plain_first)} layers, the rebuilt one {len(plain_second)}"
    if first.config.digest != second.config.digest:
        one, other = _config(recorded, first), _config(rebuilt, second)
        return f"the configuration: {_first_key(one, other)}"
    return "nothing but the compression: both hold the same files and the same configuration"


def _config(layout: Path, manifest: Manifest) -> dict[str, JsonValue]:
    return _JSON.validate_json(blob_path(layout, manifest.config.digest).read_bytes())


def _layer(layout: Path, blob: Descriptor) -> tuple[Path, str]:
    verify_blob(layout, blob)
    return blob_path(layout, blob.digest), blob.media_type


def _first_entry(first: tuple[Path, str], second: tuple[Path, str]) -> str:
    with _archive(*first) as one, _archive(*second) as other:
        for mine, theirs in itertools.zip_longest(one, other):
            if mine is None or theirs is None:
                left, which = (mine, "recorded") if mine is not None else (theirs, "rebuilt")
                return f"only the {which} image has {left.name if left is not None else 'more'}"
            if mine.name != theirs.name:
                return f"the recorded image has {mine.name} where the rebuilt one has {theirs.name}"
            for key in ("type", "mode", "uid", "gid", "uname", "gname", "mtime", "size", "linkname"):
                if getattr(mine, key) != getattr(theirs, key):
                    return f"{mine.name}: {key} {_show(getattr(mine, key))} is now {_show(getattr(theirs, key))}"
            if mine.isreg() and not _same_content(one, mine, other, theirs):
                return f"{mine.name}: the content differs"
    return "the same files, archived differently"


def _same_content(one: tarfile.TarFile, mine: tarfile.TarInfo, other: tarfile.TarFile, theirs: tarfile.TarInfo) -> bool:
    first, second = one.extractfile(mine), other.extractfile(theirs)
    if first is None or second is None:
        return False
    while piece := first.read(1 << 20):
        if piece != second.read(len(piece)):
            return False
    return True


@contextlib.contextmanager
def _archive(path: Path, media_type: str) -> Generator[tarfile.TarFile]:
    with open_layer(path, media_type) as plain, tarfile.open(fileobj=plain, mode="r:") as archive:
        yield archive


def _first_key(one: JsonValue, other: JsonValue, place: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if one.get(key) != other.get(key):
                return _first_key(one.get(key), other.get(key), f"{place}.{key}".lstrip("."))
    if isinstance(one, list) and isinstance(other, list):
        for number, (mine, theirs) in enumerate(itertools.zip_longest(one, other)):
            if mine != theirs:
                return _first_key(mine, theirs, f"{place}[{number}]")
    return f"{place} {_show(one)} is now {_show(other)}"


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
