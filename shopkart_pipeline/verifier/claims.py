"""What a claim comes to: proved, missing or false, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PROVED, MISSING, FALSE = "proved", "missing", "false"


class Fault(Exception):
    """Why a claim is not proved."""

    def __init__(self, reason: str, state: str = FALSE) -> None:
        super().__init__(reason)
        self.reason, self.state = reason, state


@dataclass(frozen=True)
class Claim:
    """One thing that a bundle claims, and how it came out."""

    name: str
    state: str
    """`proved`, `missing` or `false`."""
    reason: str


def all_proved(claims: Iterable[Claim]) -> bool:
    """Whether there are claims, and none of them is anything but proved."""
    states = [claim.state for claim in claims]
    return bool(states) and all(state == PROVED for state in states)


def told(claims: Sequence[Claim]) -> str:
    """The claims for people, one a line, and what they come to."""
    width = max(len(claim.name) for claim in claims)
    lines = [f"{claim.state:<8} {_shown(claim.name):<{width}}  {_shown(claim.reason)}" for claim in claims]
    counts = ", ".join(f"{sum(each.state == state for each in claims)} {state}" for state in (PROVED, MISSING, FALSE))
    return "\n".join([*lines, "", f"{counts}: {'all is proved' if all_proved(claims) else 'NOT proved'}"])


def _shown(text: str) -> str:
    """What a bundle says may hold anything; what steers a terminal is not shown."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
