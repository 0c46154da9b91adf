"""Log stores to run one suite on, and how services write into them."""

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters.local_cluster.logs import LocalLogs
from shopkart_pipeline.adapters.loki import LokiLogs
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.log_source import LokiSource
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogLine, Logs
from shopkart_pipeline_tests.fakes.fake_cluster import FakeLogs
from shopkart_pipeline_tests.fakes.loki_server import FakeLoki, running_loki

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RELEASE = "20260301-abc"


class LogWorld(ABC):
    """A log store."""

    logs: Logs

    def a_service(self) -> str:
        """A name that no other test uses."""
        return f"shop-{uuid.uuid4().hex[:8]}"

    def write(
        self,
        service: str,
        message: str,
        at: datetime = NOW,
        level: str = "info",
        signature: str | None = None,
        track: Track = Track.STABLE,
    ) -> None:
        """Have a service write a line in production."""
        self.keep(service, LogLine(at, track, f"{track.value}-1", RELEASE, level, message, signature))

    @abstractmethod
    def keep(self, service: str, line: LogLine) -> None:
        """Put a line where the service's lines are."""


class FakeLogWorld(LogWorld):
    """In memory."""

    def __init__(self) -> None:
        self.logs = self.fake = FakeLogs()

    def keep(self, service: str, line: LogLine) -> None:
        self.fake.lines.setdefault(("production", service), []).append(line)


class LocalLogWorld(LogWorld):
    """Files of replicas; indexed after each line, after some, or never."""

    def __init__(self, home: Path, index_each: int) -> None:
        self._home, self._index_each, self._written = home, index_each, 0
        self.logs = LocalLogs(home)

    def keep(self, service: str, line: LogLine) -> None:
        path = self._home / "cluster" / "logs" / "production" / service / f"{line.replica}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as log:
            log.write(_written(line) + "\n")
        self._written += 1
        if self._index_each and self._written % self._index_each == 0:
            assert self.logs.keep_up(NOW + timedelta(hours=1)) == ()


class LokiWorld(LogWorld):
    """A Loki that really listens, and gives three lines at once."""

    def __init__(self, address: str, loki: FakeLoki) -> None:
        self.loki = loki
        self.logs = self.adapter = LokiLogs(LokiSource(address), ServerAccess(), SystemClock(), page_lines=3)

    def keep(self, service: str, line: LogLine) -> None:
        labels = {"environment": "production", "service": service, "track": line.track.value, "pod": line.replica}
        microseconds = (line.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        self.loki.push(labels, microseconds * 1000, _written(line))


def _written(line: LogLine) -> str:
    told = {"time": line.at.isoformat(), "level": line.level, "message": line.message, "version": line.release_key}
    return json.dumps(told | ({"signature": line.signature} if line.signature else {}))


@contextmanager
def a_log_world(kind: str, folder: Path) -> Generator[LogWorld]:
    """One of each kind."""
    match kind:
        case "fake":
            yield FakeLogWorld()
        case "loki":
            loki = FakeLoki()
            with running_loki(loki) as address:
                world = LokiWorld(address, loki)
                yield world
                world.adapter.close()
        case _:
            yield LocalLogWorld(folder, {"files": 0, "indexed": 1, "half-indexed": 2}[kind])
