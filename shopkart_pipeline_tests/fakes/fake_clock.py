"""A clock that moves only when somebody sleeps."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from shopkart_pipeline.ports.clock import Clock

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)


class FakeClock(Clock):
    """Starts at `start` and stops a test that would wait for ever.

    Args:
        start: the first time it tells.
        patience_seconds: how long everybody may sleep in all.
    """

    def __init__(self, start: datetime = NOON, patience_seconds: float = 4 * 3600.0) -> None:
        self._now = start
        self._patience_seconds = patience_seconds
        self.slept_seconds = 0.0
        self.meanwhile: Callable[[], object] | None = None
        """What happens during the next sleep, once."""

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.slept_seconds += seconds
        if self.slept_seconds > self._patience_seconds:
            raise AssertionError(f"somebody waits for ever: {self.slept_seconds:.0f} s have passed")
        self.advance(seconds)
        happens, self.meanwhile = self.meanwhile, None
        if happens is not None:
            happens()

    def advance(self, seconds: float) -> None:
        """Let time pass without anybody waiting."""
        self._now += timedelta(seconds=seconds)
