"""Time, read at the edge alone."""

from abc import ABC, abstractmethod
from datetime import datetime


class Clock(ABC):
    """What time it is."""

    @abstractmethod
    def now(self) -> datetime:
        """The time, aware, in UTC."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Wait."""
