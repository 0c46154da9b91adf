"""What clients and the warm server say to each other: one JSON line each way, then the connection is closed."""

import json
import re
from dataclasses import asdict, dataclass
from typing import Any, cast

from shopkart_pipeline.domain.errors import UntrustedInput

LONGEST_REQUEST_BYTES = 64 * 1024
_RUN_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NO_RUN = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Launch:
    """Execute a run that the instance knows; asking again for the same run changes nothing."""

    run_id: str
    job_name: str
    queue: str = ""
    group: str = ""
    """See `places`."""


@dataclass(frozen=True)
class Call:
    """Call a function with the instance, soon: `module:function`, or `:function` of the definitions' own module."""

    target: str


@dataclass(frozen=True)
class Terminate:
    """End the worker of a run, or take the run off the queue."""

    run_id: str


@dataclass(frozen=True)
class Status:
    """Tell what runs and waits."""


@dataclass(frozen=True)
class Ping:
    """Answer when ready."""


@dataclass(frozen=True)
class Shutdown:
    """Stop serving."""

    stop_runs: bool = False
    """End all workers too; otherwise they go on, and the next server takes them over."""


Request = Launch | Call | Terminate | Status | Ping | Shutdown
_REQUESTS: dict[str, type[Any]] = {
    kind.__name__.lower(): kind for kind in (Launch, Call, Terminate, Status, Ping, Shutdown)
}


@dataclass(frozen=True)
class Answer:
    """The server did what was asked; `data` depends on the request."""

    data: dict[str, Any]


@dataclass(frozen=True)
class Refusal:
    """The server did not."""

    what: str
    fix: str


Reply = Answer | Refusal


def encode_request(request: Request) -> bytes:
    """A request as it goes over the socket."""
    return _line({"verb": type(request).__name__.lower(), **asdict(request)})


def decode_request(line: bytes) -> Request:
    """Read a request.

    Raises:
        UntrustedInput: it is none.
    """
    try:
        content = cast("dict[str, Any]", json.loads(line))
        request = _REQUESTS[content.pop("verb")](**content)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UntrustedInput(f"This is no request: {error!r}.", "Use WarmClient of the same version.") from error
    values = asdict(request)
    if not all(isinstance(value, str | bool) for value in values.values()):
        raise UntrustedInput("A request has a value of a wrong type.", "Use WarmClient of the same version.")
    if not _RUN_ID.fullmatch(values.get("run_id", _NO_RUN)):  # It becomes part of a file name.
        raise UntrustedInput("This is no run id.", "Name a run by its UUID.")
    return request


def encode_reply(reply: Reply) -> bytes:
    """A reply as it goes over the socket."""
    match reply:
        case Answer(data):
            return _line({"ok": True, "data": data})
        case Refusal(what, fix):
            return _line({"ok": False, "what": what, "fix": fix})


def decode_reply(line: bytes) -> Reply:
    """Read a reply. Raises ValueError or KeyError when it is none."""
    content = json.loads(line)
    return Answer(content["data"]) if content["ok"] else Refusal(content["what"], content["fix"])


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"
