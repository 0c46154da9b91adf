"""Reads what git prints: commits, trees, patches, batches of objects. Pure, and the same for every git since 2.36.

Paths come as git has them: bytes that are nearly always UTF-8. Others are kept by surrogate escapes, so a file
with an odd name is scanned like any other.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shopkart_pipeline.domain.release import Commit, Person

COMMIT_FORMAT = "%H%x00%ct%x00%an%x00%ae%x00%cn%x00%ce%x00%B"
"""For `git log -z`: seven fields a commit, each ended by NUL."""
RAW_FORMAT = "%x01%H"
"""For `git log -z --raw`: tells the commits from the files that they changed."""

_FIELDS = 7
_HUNK = re.compile(rb"^@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)")
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


@dataclass(frozen=True)
class TreeEntry:
    """One line of `git ls-tree -r -z`."""

    mode: str
    object_id: str
    path: str


@dataclass(frozen=True)
class ChangedBlob:
    """A file that one commit added or changed."""

    commit: str
    object_id: str
    path: str


def path_of(raw: bytes) -> str:
    """A path of git's as text."""
    return raw.decode("utf-8", "surrogateescape")


def parse_commits(output: bytes) -> tuple[Commit, ...]:
    """Commits of `git log -z --format=COMMIT_FORMAT`, in the order printed."""
    fields = [field.decode("utf-8", "replace") for field in output.split(b"\0")]
    records = (fields[start : start + _FIELDS] for start in range(0, len(fields) - _FIELDS + 1, _FIELDS))
    return tuple(
        Commit(
            sha=sha,
            committed_at=datetime.fromtimestamp(int(seconds), UTC),
            author=Person(author, author_email),
            committer=Person(committer, committer_email),
            message=message.strip("\n"),
        )
        for sha, seconds, author, author_email, committer, committer_email, message in records
    )


def parse_tree(output: bytes) -> tuple[TreeEntry, ...]:
    """Entries of `git ls-tree -r -z`."""
    entries: list[TreeEntry] = []
    for record in output.split(b"\0"):
        if record:
            about, _, path = record.partition(b"\t")
            mode, _, object_id = about.decode().split()
            entries.append(TreeEntry(mode, object_id, path_of(path)))
    return tuple(entries)


def parse_changed_blobs(output: bytes) -> Iterator[ChangedBlob]:
    """Files of `git log -z --raw -c --format=RAW_FORMAT`, each once by path and content, in the order printed.

    A merge names a file only where it differs from every parent; links and submodules hold no content of their own.
    """
    commit, seen = "", set[tuple[str, bytes]]()
    records = iter(output.split(b"\0"))
    for record in records:
        record = record.lstrip(b"\n")
        if record.startswith(b"\x01"):
            commit = record[1:].decode()
        elif record.startswith(b":"):
            parents = len(record) - len(record.lstrip(b":"))
            columns = record[parents:].decode().split()
            mode, object_id, path = columns[parents], columns[2 * parents + 1], next(records)
            if mode.startswith("100") and (object_id, path) not in seen:
                seen.add((object_id, path))
                yield ChangedBlob(commit, object_id, path_of(path))


def parse_batch(output: bytes, count: int) -> list[bytes]:
    """Contents of `git cat-file --batch`, in the order asked for.

    Raises:
        ValueError: an object is missing, or the output does not hold `count` of them.
    """
    contents: list[bytes] = []
    position = 0
    while position < len(output):
        end = output.index(b"\n", position)
        header = output[position:end].split()
        if len(header) != 3:
            raise ValueError(output[position:end].decode(errors="replace"))
        start = end + 1
        position = start + int(header[2]) + 1
        contents.append(output[start : position - 1])
    if position != len(output) or len(contents) != count:
        raise ValueError(f"{len(contents)} of {count} objects could be read")
    return contents


def parse_added_lines(patch: bytes) -> dict[str, frozenset[int]]:
    """Line numbers, from 1, that a patch with `--unified=0` adds, by path as the new side names it."""
    added: dict[str, set[int]] = {}
    path, skip = "", 0
    for line in patch.split(b"\n"):
        if skip and not line.startswith(b"\\"):
            skip -= 1
        elif line.startswith(b"+++ "):
            path = _new_path(line[4:])
        elif (hunk := _HUNK.match(line)) is not None:
            removed, start, count = (int(number) if number is not None else 1 for number in hunk.groups())
            skip = removed + count
            added.setdefault(path, set()).update(range(start, start + count))
    return {name: frozenset(lines) for name, lines in added.items() if lines}


def _new_path(header: bytes) -> str:
    name = header.removesuffix(b"\t")
    if name.startswith(b'"') and name.endswith(b'"'):
        name = _ESCAPE.sub(_unescaped, name[1:-1])
    return path_of(name.removeprefix(b"b/"))


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match.group(1)
    return bytes([int(code, 8)]) if len(code) == 3 else _ESCAPED.get(code, code)


def batches(blobs: Sequence[ChangedBlob], sizes: Sequence[int], limit_bytes: int) -> Iterator[list[ChangedBlob]]:
    """Blobs in groups that fit into memory together; a bigger one comes alone."""
    batch: list[ChangedBlob] = []
    batch_bytes = 0
    for blob, size_bytes in zip(blobs, sizes, strict=True):
        if batch and batch_bytes + size_bytes > limit_bytes:
            yield batch
            batch, batch_bytes = [], 0
        batch.append(blob)
        batch_bytes += size_bytes
    if batch:
        yield batch
