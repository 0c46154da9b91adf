"""Coverage, whatever tool measured it."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Coverage:
    """Which lines could be run, and which were."""

    lines: Mapping[str, Mapping[int, bool]]
    """By path, relative to the root of the repository: line number to whether a test ran it."""
    strange: tuple[str, ...] = ()
    """Files in the report that are not in the repository."""

    @property
    def coverable(self) -> int:
        return sum(len(lines) for lines in self.lines.values())

    @property
    def covered(self) -> int:
        return sum(sum(lines.values()) for lines in self.lines.values())
