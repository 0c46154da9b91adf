"""Errors among the lines of a replica's log, the same wherever it is kept.

A structured line is a JSON object with `time`, `level` and `message`, and for an error its kind as `signature` or
`error_signature`. Of lines that aren't structured only an uncaught exception says something: it becomes one line with
the exception's type as its signature, and without its message, which may quote what a customer sent. Its time is the
one that the platform wrote before the line, else that of the structured line before it.
"""

import json
import re
from collections.abc import Generator, Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple, cast

from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogLine

_ERRORS = frozenset({"error", "critical", "fatal"})
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(: .*)?")
_NEVER = datetime.min.replace(tzinfo=UTC)


class Written(NamedTuple):
    """A line as it was written."""

    text: str
    at: datetime | None = None
    """When the platform saw it; None where it does not say so."""


def parse_errors(lines: Iterable[Written], track: Track, replica: str, release_key: str = "") -> Generator[LogLine]:
    """The errors in a replica's log, in its own order; what can't be understood is passed over.

    Args:
        lines: of the log, oldest first.
        track: of the replica.
        replica: its name.
        release_key: of the release that it is known to run; a structured line that says another is believed.
    """
    at, in_traceback = _NEVER, False
    for line, seen_at in lines:
        at = seen_at or at
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


class _Structured(NamedTuple):
    at: datetime
    fields: Mapping[str, object]


def _structured(line: str) -> _Structured | None:
    if not line.startswith("{"):
        return None
    try:
        document: object = json.loads(line)
        if not isinstance(document, dict):
            return None
        fields = cast("dict[str, object]", document)
        at = datetime.fromisoformat(str(fields["time"]))
    except (ValueError, KeyError, RecursionError):
        return None
    return _Structured(at if at.tzinfo else at.replace(tzinfo=UTC), fields)
