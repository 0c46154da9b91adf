"""A clock that runs faster than this machine's, for what takes a cluster many seconds."""

import time
from datetime import UTC, datetime, timedelta

from shopkart_pipeline.ports.clock import Clock


class FastClock(Clock):
    """Shows this machine's time when it is made, and `factor` seconds more for each that passes."""

    def __init__(self, factor: float) -> None:
        self.factor = factor
        self._began, self._since = datetime.now(UTC), time.monotonic()

    def now(self) -> datetime:
        return self._began + timedelta(seconds=self.factor * (time.monotonic() - self._since))

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.factor)
