"""The machine's clock: the one place where the package reads time."""

import time
from datetime import UTC, datetime

from shopkart_pipeline.ports.clock import Clock


class SystemClock(Clock):
    """Wall-clock time of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)
