"""How containers behave, by image and command."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Behaviour:
    """What a container does."""

    start_seconds: float = 0.6
    """From the pod's assignment to a node to the running process."""
    ready_seconds: float = 0.02
    """From the running process to the first readiness probe that passes."""
    ready: bool = True
    """Whether readiness probes pass at all; looked up on every step, so it can change under a running pod."""
    pull_error: str = ""
    """Why its image can't be pulled; empty: it is there."""
    exit_code: int | None = None
    """It ends by itself with this, over and over."""
    exit_seconds: float = 0.2
    """After that long."""
    log: str = "listening on 8080\n"
    stop_seconds: float | None = 0.1
    """From SIGTERM to its end; None: it doesn't care and is killed at the end of the grace period."""
    listens_after_term: bool = False
    """Whether it takes new connections after SIGTERM, until its end."""
    status: int = 200
    """What its requests are answered with."""
    failing_share: float = 0.0
    """The share of requests that are answered with 500 instead."""
    latency_seconds: float = 0.0


@dataclass
class Behaviours:
    """Rules; the newest that fits decides, and whatever none fits gets ready."""

    rules: list[tuple[str, str, Behaviour]] = field(default_factory=list[tuple[str, str, Behaviour]])
    usual: Behaviour = field(default_factory=Behaviour)

    def set(self, behaviour: Behaviour, image: str, command: str) -> None:
        self.rules.append((image, command, behaviour))

    def of(self, container: Mapping[str, Any]) -> Behaviour:
        words = " ".join([*container.get("command", []), *container.get("args", [])])
        for image, command, behaviour in reversed(self.rules):
            if image in container["image"] and command in words:
                return behaviour
        return self.usual
