"""The log port on the replicas' own log files.

A structured line is a JSON object with `time`, `level` and `message`, and for an error its kind as `signature` or
`error_signature`. Of lines that aren't structured only an uncaught exception says something: it becomes one line with
the exception's type as its signature, and without its message, which may quote what a customer sent. Its time is that
of the structured line before it.
"""

import json
import re
from collections.abc import Generator, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.log_files import older
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogLine, Logs, LogsMissing

_ERRORS = frozenset({"error", "critical", "fatal"})
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(: .*)?")


class LocalLogs(Logs):
    """The logs of the replicas of one home, those of replicas long gone included.

    Args:
        home: the product's home.
    """

    def __init__(self, home: Path) -> None:
        self._folders = Folders(home)

    def errors(
        self, environment: str, service: str, since: datetime, until: datetime, limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        folder = self._folders.logs_of(environment, service)
        if not folder.is_dir():
            return LogsMissing(f"{service} has never written a log in {environment}")
        found: list[LogLine] = []
        try:
            for path in sorted(folder.glob("*.log")):
                if path.stat().st_mtime >= since.timestamp():
                    found += (line for line in _errors_of(path) if since <= line.at <= until)
        except OSError as error:
            return LogsMissing(f"a log can't be read: {error}")
        return tuple(sorted(found, key=lambda line: line.at)[:limit])


def _errors_of(path: Path) -> Generator[LogLine]:
    track, _, _ = path.stem.partition("-")
    yield from parse_errors(_lines(path), Track(track), path.stem)


def _lines(path: Path) -> Generator[str]:
    for part in (older(path), path):
        if part.exists():
            with part.open(encoding="utf-8", errors="replace") as log:
                yield from log


def parse_errors(lines: Iterable[str], track: Track, replica: str) -> Generator[LogLine]:
    """The errors in a replica's log, in its own order; what can't be understood is passed over."""
    at, release_key, in_traceback = datetime.min.replace(tzinfo=UTC), "", False
    for line in lines:
        structured = _structured(line)
        if structured is not None:
            at, release_key = structured.at, str(structured.fields.get("version", release_key))
            in_traceback = False
            level = str(structured.fields.get("level", "")).lower()
            if level in _ERRORS:
                signature = structured.fields.get("signature") or structured.fields.get("error_signature")
                message = str(structured.fields.get("message", ""))
                yield LogLine(
                    at, track, replica, release_key, level, message, None if signature is None else str(signature)
                )
        elif line.startswith(_TRACEBACK):
            in_traceback = True
        elif in_traceback and line.strip() and not line[0].isspace():
            in_traceback = False
            match = _EXCEPTION.fullmatch(line.strip())
            if match is not None:
                name = match["type"]
                yield LogLine(at, track, replica, release_key, "error", f"uncaught exception {name}", name)


class _Structured:
    def __init__(self, at: datetime, fields: Mapping[str, object]) -> None:
        self.at = at
        self.fields = fields


def _structured(line: str) -> _Structured | None:
    if not line.startswith("{"):
        return None
    try:
        document: object = json.loads(line)
        if not isinstance(document, dict):
            return None
        fields = cast("dict[str, object]", document)
        at = datetime.fromisoformat(str(fields["time"]))
    except (ValueError, KeyError):
        return None
    return _Structured(at if at.tzinfo else at.replace(tzinfo=UTC), fields)
