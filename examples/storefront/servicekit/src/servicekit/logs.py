"""Structured logs: one JSON object a line on standard output.

A line names what failed by signature (exception type and the innermost function of our own code), which is
the same for the same fault in every replica. Exception messages are left out on purpose: they quote what was
being read, and neither a customer's data nor a credential belongs in a log.
"""

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import IO, cast

from servicekit.settings import Identity

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that this task is answering; empty outside of one."""

SHELL_PACKAGE = __name__.partition(".")[0]


def with_fields(**fields: object) -> dict[str, Mapping[str, object]]:
    """The `extra` argument of a logging call that adds these fields to the line."""
    return {"fields": fields}


def signature_of(error: BaseException, packages: tuple[str, ...]) -> str:
    """Names a failure: `type@module.function` with the innermost frame that belongs to one of `packages`.

    Args:
        error: the exception, with its traceback.
        packages: top-level names of our own packages.

    Returns:
        A text without any value of the request; `type@unknown` where no frame is ours.
    """
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    ours = own_frames(error.__traceback__, packages)
    return f"{name}@{ours[-1] if ours else 'unknown'}"


def own_frames(traceback: TracebackType | None, packages: tuple[str, ...]) -> list[str]:
    """The functions of `packages` that a traceback went through, outermost first."""
    frames: list[str] = []
    while traceback is not None:
        module = str(traceback.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in packages:
            frames.append(f"{module}.{traceback.tb_frame.f_code.co_qualname}")
        traceback = traceback.tb_next
    return frames


class JsonLines(logging.Formatter):
    """Formats a record as one JSON object that says who wrote it."""

    def __init__(self, identity: Identity, packages: tuple[str, ...]) -> None:
        super().__init__()
        self._packages = packages
        self._identity = {
            "service": identity.service,
            "version": identity.version,
            "track": identity.track,
            "environment": identity.environment,
        }

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "logger": record.name,
            **self._identity,
        }
        if current := request_id.get():
            line["request_id"] = current
        if record.exc_info and record.exc_info[1] is not None:
            line["error_signature"] = signature_of(record.exc_info[1], self._packages)
            line["frames"] = own_frames(record.exc_info[2], self._packages)
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            line.update(cast("Mapping[str, object]", fields))
        return json.dumps(line, default=str)


def configure(identity: Identity, *, package: str, stream: IO[str] | None = None) -> None:
    """Sends every logger of this process to `stream` (standard output where not given) as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonLines(identity, (package, SHELL_PACKAGE)))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for noisy in ("uvicorn", "uvicorn.error", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
