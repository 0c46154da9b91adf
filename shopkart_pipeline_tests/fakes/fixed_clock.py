"""A clock that stands still until it is moved."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shopkart_pipeline.ports.clock import Clock


@dataclass
class FixedClock(Clock):
    """Shows `time`; sleeping moves it."""

    time: datetime

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
