"""Folders and files as one file, and back.

Whoever packs may be hostile: in what comes back nothing may lie outside of where it belongs, nothing may be larger than
agreed, and no link may lead to what the pipeline keeps. The format is our own, as what reads tar archives understands
far more than is needed: devices, hard links, sparse files, headers of any size. It is a sequence of entries, each a
header of JSON behind its length in four bytes, and the content; a length of zero ends it, and without that end it is
cut off. Entries are in the order of their paths, so equal folders give equal bytes. Times are kept to the second,
because compiled Python is stale without them; of the mode only whether a file can be run.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from shopkart_pipeline.domain.errors import UntrustedInput

_HEADER_LIMIT_BYTES = 16 * 1024
_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """How much one file may hold."""

    size_bytes: int = 4 * 1024**3
    entries: int = 500_000


@dataclass(frozen=True)
class _Entry:
    path: str
    kind: str
    """`file`, `folder` or `link`."""
    size_bytes: int = 0
    executable: bool = False
    modified_at: int = 0
    target: str = ""


def pack(parts: Mapping[str, Path], target: Path, limits: Limits | None = None) -> str:
    """Write parts, each a file or a folder under its name, into `target`; returns `sha256:` over it.

    Raises:
        UntrustedInput: it is more than `limits`, or something in it is no file, folder or link.
        OSError: it can't be read.
    """
    limits = limits or Limits()
    digest, size_bytes = hashlib.sha256(), 0
    with target.open("wb") as stream:

        def write(piece: bytes) -> None:
            nonlocal size_bytes
            size_bytes += len(piece)
            if size_bytes > limits.size_bytes:
                raise _too_much(limits)
            digest.update(piece)
            stream.write(piece)

        count = 0
        for name in sorted(parts):
            for path, file in _walked(name, parts[name]):
                count += 1
                if count > limits.entries:
                    raise _too_much(limits)
                _write_entry(write, path, file)
        write(b"\0\0\0\0")
    return f"sha256:{digest.hexdigest()}"


def _walked(name: str, root: Path) -> Generator[tuple[str, Path]]:
    yield name, root
    if root.is_dir() and not root.is_symlink():
        for child in sorted(root.iterdir(), key=lambda each: each.name):
            yield from _walked(f"{name}/{child.name}", child)


def _write_entry(write: Callable[[bytes], None], path: str, file: Path) -> None:
    status = file.lstat()
    common: dict[str, Any] = {"path": os.fsencode(path).hex(), "modified_at": int(status.st_mtime)}
    match stat.S_IFMT(status.st_mode):
        case stat.S_IFDIR:
            write(_header({**common, "kind": "folder"}))
        case stat.S_IFLNK:
            write(_header({**common, "kind": "link", "target": os.fsencode(file.readlink()).hex()}))
        case stat.S_IFREG:
            about = {"kind": "file", "size_bytes": status.st_size, "executable": bool(status.st_mode & 0o100)}
            write(_header({**common, **about}))
            _write_content(write, file, status.st_size)
        case _:
            raise UntrustedInput(f"{file.name!r} is no file, folder or link.", "Leave no sockets or pipes behind.")


def _write_content(write: Callable[[bytes], None], file: Path, size_bytes: int) -> None:
    with file.open("rb") as content:
        left_bytes = size_bytes
        while left_bytes:
            piece = content.read(min(left_bytes, _PIECE_BYTES))
            if not piece:
                raise UntrustedInput(f"{file.name!r} changed while it was read.", "Leave nothing running behind.")
            left_bytes -= len(piece)
            write(piece)


def _header(about: Mapping[str, Any]) -> bytes:
    text = json.dumps(about, sort_keys=True, separators=(",", ":")).encode()
    return len(text).to_bytes(4, "big") + text


def unpack(
    source: Path, places: Mapping[str, Path], limits: Limits | None = None, *, links_to: Path | None = None
) -> frozenset[str]:
    """Bring parts to their places, which must not exist, but whose parents must; returns the names that there were.

    Args:
        source: what `pack` wrote, or who knows.
        places: where each part goes; one of another name is refused.
        limits: how much it may be.
        links_to: a folder outside into which absolute links may lead beside the part itself, such as that of the
            interpreter; None for packages that are our own, whose links lead where they like.

    Raises:
        UntrustedInput: it is cut off, malformed, too much, or has something in it that belongs elsewhere.
    """
    limits, folders, links = limits or Limits(), set[Path](), list[tuple[Path, Path, str]]()
    found: set[str] = set()
    with source.open("rb") as stream:
        for count, entry in enumerate(_entries(stream)):
            if count >= limits.entries or stream.tell() + entry.size_bytes > limits.size_bytes:
                raise _too_much(limits)
            name, *inside = _parts(entry.path)
            if name not in places:
                raise _malformed(f"there is a part {name[:40]!r} that nobody asked for")
            place = places[name]
            file = place.joinpath(*inside)
            if inside and file.parent not in folders:
                raise _malformed(f"{entry.path[:200]!r} comes before its folder")
            found.add(name)
            match entry.kind:
                case "folder":
                    file.mkdir(mode=0o755)
                    folders.add(file)
                case "link" if inside:
                    links.append((place, file, entry.target))
                case "file":
                    _read_content(stream, file, entry)
                case _:
                    raise _malformed(f"{entry.path[:200]!r} is of no known kind")
    # Last, so that nothing is ever written through one.
    for _, link, target in links:
        _make_link(link, target)
    if links_to is not None:
        for place, link, _ in links:
            _check_link(place, link, links_to)
    return frozenset(found)


def _entries(stream: IO[bytes]) -> Generator[_Entry]:
    while True:
        length = int.from_bytes(_exactly(stream, 4), "big")
        if not length:
            return
        if length > _HEADER_LIMIT_BYTES:
            raise _malformed("a header is too long")
        try:
            about: dict[str, Any] = json.loads(_exactly(stream, length))
            about |= {"path": _text(about["path"]), "target": _text(about.get("target", ""))}
            entry = _Entry(**about)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise _malformed("a header can't be read") from None
        numbers = entry.size_bytes, entry.modified_at
        if not all(type(each) is int and 0 <= each < 2**62 for each in numbers) or type(entry.executable) is not bool:
            raise _malformed("a header has impossible numbers")
        yield entry


def _text(written: object) -> str:
    if not isinstance(written, str):
        raise TypeError(written)
    return os.fsdecode(bytes.fromhex(written))


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise _malformed(f"{path[:200]!r} is no path")
    return parts


def _read_content(stream: IO[bytes], file: Path, entry: _Entry) -> None:
    try:
        mode = 0o755 if entry.executable else 0o644
        target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    except FileExistsError:
        raise _malformed(f"{entry.path[:200]!r} is there twice") from None
    with open(target, "wb") as content:
        left_bytes = entry.size_bytes
        while left_bytes:
            piece = _exactly(stream, min(left_bytes, _PIECE_BYTES))
            left_bytes -= len(piece)
            content.write(piece)
        os.fchmod(content.fileno(), mode)
    os.utime(file, (entry.modified_at, entry.modified_at))


def _make_link(link: Path, target: str) -> None:
    try:
        link.symlink_to(target)
    except (OSError, ValueError):
        raise _malformed(f"a link {link.name[:100]!r} can't be made") from None


def _check_link(place: Path, link: Path, links_to: Path) -> None:
    """By where it leads once all are there: words alone don't tell what `..` means behind another link."""
    led = Path(os.path.realpath(link))
    if not any(led.is_relative_to(os.path.realpath(each)) for each in (place, links_to)):
        raise UntrustedInput(
            f"A link {link.name[:100]!r} leads out of what was made.", "Have the build leave no such links behind."
        )


def _exactly(stream: IO[bytes], count: int) -> bytes:
    content = stream.read(count)
    if len(content) != count:
        raise UntrustedInput("It is cut off.", "Run the stage again.")
    return content


def _too_much(limits: Limits) -> UntrustedInput:
    return UntrustedInput(
        f"It is more than {limits.size_bytes} bytes or {limits.entries} files.", "Have the stage leave less behind."
    )


def _malformed(why: str) -> UntrustedInput:
    return UntrustedInput(f"It is malformed: {why}.", "Look into what packed it.")
