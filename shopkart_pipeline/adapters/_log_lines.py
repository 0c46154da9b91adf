"""Lines of a replica's log, the same wherever it is kept, and the errors among them.

A structured line is a JSON object with `time`, `level` and `message`, and for an error its kind as `signature` or
`error_signature`. Other lines have no level. Of an uncaught exception one line is made, with the exception's type as
its signature, and without its message, which may quote what a customer sent. The time of lines that aren't structured
is the one that the platform wrote before the line, else that of the structured line before it.

Services log secrets by mistake. They are masked here, so that none reaches a store, a screen or an incident, and two
lines that differ in a token alone are of one kind.
"""

import json
import re
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, cast

from shopkart_pipeline.domain.secret_shapes import without_secrets
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogLine

ERROR_LEVELS = frozenset({"error", "critical", "fatal"})
LONGEST_CHARACTERS = 8192
"""More of a message is left out."""
_TRACEBACK = "Traceback (most recent call last):"
_EXCEPTION = re.compile(r"(?P<type>[A-Za-z_][\w.]*)(: .*)?")
NEVER = datetime.min.replace(tzinfo=UTC)


class Written(NamedTuple):
    """A line as it was written."""

    text: str
    at: datetime | None = None
    """When the platform saw it; None where it does not say so."""


@dataclass
class LogReader:
    """Reads a replica's log piece by piece; what it knows goes from one piece to the next.

    Args:
        track: of the replica.
        replica: its name.
        release_key: of the release that it is known to run; a structured line that says another is believed.
    """

    track: Track
    replica: str
    release_key: str = ""
    at: datetime = NEVER
    """The time of the line before."""
    in_traceback: bool = False

    def read(self, lines: Iterable[Written]) -> Generator[LogLine]:
        """Everything that the lines say, in their order; empty ones and what stands inside a traceback are passed
        over."""
        for line, seen_at in lines:
            self.at = seen_at or self.at
            structured, text = _structured(line), line.rstrip()
            if structured is not None:
                self.in_traceback = False
                self.at = structured.at
                self.release_key = _text(structured.fields, "version") or self.release_key
                yield self._of(structured.fields)
            elif line.startswith(_TRACEBACK):
                self.in_traceback = True
            elif self.in_traceback and text:
                if not line[0].isspace():
                    self.in_traceback = False
                    yield from self._uncaught(text)
            elif text:
                yield self._line("", text[:LONGEST_CHARACTERS])

    def _of(self, fields: Mapping[str, object]) -> LogLine:
        level = _text(fields, "level").lower()
        kind = _text(fields, "signature") or _text(fields, "error_signature")
        return self._line(level, _text(fields, "message"), kind or None if level in ERROR_LEVELS else None)

    def _uncaught(self, text: str) -> Generator[LogLine]:
        match = _EXCEPTION.fullmatch(text)
        if match is not None:
            name = match["type"]
            yield self._line("error", f"uncaught exception {name}", name)

    def _line(self, level: str, message: str, signature: str | None = None) -> LogLine:
        kind = without_secrets(signature) if signature else None
        return LogLine(self.at, self.track, self.replica, self.release_key, level, without_secrets(message), kind)


def parse_errors(lines: Iterable[Written], track: Track, replica: str, release_key: str = "") -> Generator[LogLine]:
    """The errors in a replica's log, in its own order; see `LogReader`."""
    read = LogReader(track, replica, release_key).read(lines)
    return (line for line in read if is_error(line))


def is_error(line: LogLine) -> bool:
    """Whether a line tells of an error."""
    return line.level in ERROR_LEVELS


def has_text(message: str, text: str) -> bool:
    """Whether a message has a text in it, whatever its letters' case."""
    return text.casefold() in message.casefold()


def newest_matching(lines: Iterable[LogLine], since: datetime, until: datetime, text: str, limit: int) -> list[LogLine]:
    """The newest lines of a window with a text in their message; oldest first."""
    found = (line for line in lines if since <= line.at <= until and has_text(line.message, text))
    return sorted(found, key=lambda line: line.at)[-limit:]


class _Structured(NamedTuple):
    at: datetime
    fields: Mapping[str, object]


def _text(fields: Mapping[str, object], name: str) -> str:
    """A field as text that every store can hold: JSON may have halves of characters."""
    value = fields.get(name)
    text = "" if value is None else str(value)[:LONGEST_CHARACTERS]
    return text if text.isascii() else text.encode(errors="replace").decode()


def _structured(line: str) -> _Structured | None:
    if not line.startswith("{"):
        return None
    try:
        document: object = json.loads(line)
        if not isinstance(document, dict):
            return None
        fields = cast("dict[str, object]", document)
        at = datetime.fromisoformat(str(fields["time"]))
        return _Structured(at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC), fields)
    except (ValueError, KeyError, RecursionError, OverflowError):
        return None
