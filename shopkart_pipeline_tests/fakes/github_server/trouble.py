"""Failures on demand: the next requests that fit are answered badly, too late, or not at all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Drop(Enum):
    """When a connection is dropped."""

    BEFORE = "before anything happened"
    AFTER = "after it happened, before it was answered"


@dataclass
class Trouble:
    """One kind of failure.

    Either `status` (with `headers` and `message`), or `drop`, or `delay_seconds` before the right answer.
    """

    times: int = 1
    method: str = ""
    """Empty: any."""
    path_end: str = ""
    writing: bool = False
    """Whether only what is no GET gets into it."""
    after: int = 0
    """How many fitting requests go well before."""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    message: str = "Server Error"
    drop: Drop | None = None
    delay_seconds: float = 0.0

    @classmethod
    def secondary_limit(cls, times: int = 1) -> "Trouble":
        """The secondary limit as GitHub tells it without `Retry-After`."""
        words = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        return cls(times, status=403, message=words)


@dataclass
class Troubles:
    """What is about to go wrong."""

    coming: list[Trouble] = field(default_factory=list[Trouble])

    def make(self, *troubles: Trouble) -> None:
        self.coming += troubles

    def next_for(self, method: str, path: str) -> Trouble | None:
        """The trouble that this request gets into; it is used up by that."""
        for trouble in self.coming:
            fits = trouble.method in ("", method) and path.endswith(trouble.path_end)
            if trouble.times and fits and not (trouble.writing and method == "GET"):
                if trouble.after:
                    trouble.after -= 1
                    continue
                trouble.times -= 1
                return trouble
        return None
