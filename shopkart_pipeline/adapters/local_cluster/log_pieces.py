"""What was written into a replica's log since it was read last, also where it was cut meanwhile.

A log that grows too large is copied and cut (see `log_files`), so a file is known by its first bytes, not by its name:
what is read goes on in the older half where the known file has gone there. What was cut twice meanwhile is lost.
Only whole lines are read; the last one is read when it ends.
"""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters._log_lines import LogReader, Written
from shopkart_pipeline.adapters.local_cluster.log_files import older
from shopkart_pipeline.adapters.local_cluster.log_index import Position
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogLine

HEAD_BYTES = 256
PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Piece:
    """What was read of a file."""

    lines: tuple[LogLine, ...]
    before: Position | None
    """Where it begins, as it was known; None: at the beginning of what there is."""
    after: Position
    lost: bool = False
    """Whether something that was written before it is gone."""


def new_pieces(path: Path, known: Position | None) -> Generator[Piece]:
    """Everything that was written since a position, in order, a piece at a time; None: since the beginning.

    Raises:
        OSError: it can't be read.
    """
    position = known
    for part, start, lost in _parts(path, known):
        offset = start
        while content := _whole_lines(part, offset):
            reader = _reader(path, position)
            lines = tuple(reader.read(Written(line) for line in content.decode(errors="replace").split("\n")))
            offset += len(content)
            after = _position(part, offset, reader)
            yield Piece(lines, position, after, lost)
            position, lost = after, False


def _parts(path: Path, known: Position | None) -> list[tuple[Path, int, bool]]:
    """Files to read, with where to begin and whether something before is gone."""
    if known is not None and _is(path, known):
        return [(path, known.offset, False)]
    before = older(path)
    if known is not None and _is(before, known):
        return [(before, known.offset, False), (path, 0, False)]
    lost = known is not None and known.offset > 0
    return [(before, 0, lost), (path, 0, False)] if before.exists() else [(path, 0, lost)]


def _is(path: Path, known: Position) -> bool:
    try:
        return path.stat().st_size >= known.offset and _head(path, known.head_bytes) == known.head
    except FileNotFoundError:
        return False


def _head(path: Path, size: int) -> str:
    with path.open("rb") as log:
        return hashlib.sha256(log.read(size)).hexdigest()


def _position(path: Path, offset: int, reader: LogReader) -> Position:
    head_bytes = min(offset, HEAD_BYTES)
    return Position(offset, head_bytes, _head(path, head_bytes), reader.at, reader.release_key, reader.in_traceback)


def _reader(path: Path, position: Position | None) -> LogReader:
    track = Track(path.stem.partition("-")[0])
    if position is None:
        return LogReader(track, path.stem)
    return LogReader(track, path.stem, position.release_key, position.at, position.in_traceback)


def _whole_lines(path: Path, offset: int) -> bytes:
    """Whole lines from there on, about `PIECE_BYTES` of them; a line that is longer than that is cut."""
    with path.open("rb") as log:
        log.seek(offset)
        content = log.read(PIECE_BYTES)
    end = content.rfind(b"\n") + 1
    return content[:end] if end or len(content) < PIECE_BYTES else content
