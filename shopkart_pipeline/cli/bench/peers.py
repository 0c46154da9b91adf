"""What the pipeline is compared with: somebody else who is told of a push by a signed webhook."""

import contextlib
import hashlib
import hmac
import socket
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx

from shopkart_pipeline.adapters._process import Background
from shopkart_pipeline.adapters.github import signature_of
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.errors import ToolUnavailable

NEEDS: dict[str, tuple[str, ...]] = {
    "source": (),
    "dependencies": ("source",),
    "lint": ("source",),
    "secret_scan": ("source",),
    "dependency_scan": ("source",),
    "unit_tests": ("dependencies",),
    "application": ("dependencies",),
    "quality": ("unit_tests",),
    "image": ("application", "lint", "quality", "secret_scan", "dependency_scan"),
    "image_scan": ("image",),
    "published_image": ("image_scan",),
}
"""The graph of the eleven shipped stages, which peers that know graphs are given."""


_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class Timing:
    """Seconds from the moment before the webhook is sent."""

    first_stage: float
    finished: float


class Peer(ABC):
    """One peer, started; `sample` may be called any number of times."""

    name: str
    version: str

    @abstractmethod
    def sample(self) -> Timing:
        """Post a webhook and wait until everything is over. Raises `ToolUnavailable`."""


def post(url: str, body: bytes, secret: str) -> float:
    """Post a push, signed both ways that GitHub signs; returns when it was sent, in seconds since the epoch."""
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": str(uuid4()),
        "X-Hub-Signature-256": signature_of(body, secret),
        "X-Hub-Signature": f"sha1={hmac.new(secret.encode(), body, hashlib.sha1).hexdigest()}",
    }
    at = SystemClock().now().timestamp()
    try:
        status = httpx.post(url, content=body, headers=headers, timeout=10).status_code
    except httpx.HTTPError as error:
        raise ToolUnavailable(f"{url} does not answer: {error}.", "See the peer's log.") from error
    if status >= 300:
        raise ToolUnavailable(f"{url} answered {status}.", "See the peer's log.")
    return at


def await_end(mark: Path, timeout_seconds: float = 120.0) -> float:
    """Wait for the file in which a peer writes when it was through, and with which code; returns when."""
    deadline = time.monotonic() + timeout_seconds
    while not mark.exists():
        if time.monotonic() > deadline:
            raise ToolUnavailable(f"{mark} did not come to be.", "See the peer's log.")
        time.sleep(_LOOK_SECONDS)
    ended_at, code = mark.read_text().split()
    if code != "0":
        raise ToolUnavailable(f"The peer ended with {code}.", "See the peer's log.")
    return float(ended_at)


def await_port(port: int, process: Background, timeout_seconds: float) -> None:
    """Wait until a process listens."""
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline and process.exit_code is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(_LOOK_SECONDS)
    raise ToolUnavailable(f"{process.name} does not listen on port {port}.", f"See {process.log}.")
