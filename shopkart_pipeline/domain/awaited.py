"""What a release waits for before production: time, or other people's work, and nothing that is wrong with it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Awaited:
    """One thing that is awaited."""

    line: str
    """In words, as refusals and the interface say it."""
    over_at: datetime | None = None
    """When it will be over; None where nobody knows."""
    passes: bool = True
    """Whether it is over by itself one day; otherwise somebody has to do something for the release."""
