"""Whether commands of the project's code are kept away from what the pipeline keeps for itself."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Confined:
    """They can't reach it."""

    how: str


@dataclass(frozen=True)
class NotConfined:
    """They can, or nobody knows."""

    reason: str
