"""The log port on the replicas' own log files; what counts as an error among their lines is in `_log_lines`."""

from collections.abc import Generator
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters._log_lines import Written, parse_errors
from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.log_files import older
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogLine, Logs, LogsMissing


class LocalLogs(Logs):
    """The logs of the replicas of one home, those of replicas long gone included.

    Args:
        home: the product's home.
    """

    def __init__(self, home: Path) -> None:
        self._folders = Folders(home)

    def errors(
        self, environment: str, service: str, since: datetime, until: datetime, limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        folder = self._folders.logs_of(environment, service)
        if not folder.is_dir():
            return LogsMissing(f"{service} has never written a log in {environment}")
        found: list[LogLine] = []
        try:
            for path in sorted(folder.glob("*.log")):
                if path.stat().st_mtime >= since.timestamp():
                    found += (line for line in _errors_of(path) if since <= line.at <= until)
        except OSError as error:
            return LogsMissing(f"a log can't be read: {error}")
        return tuple(sorted(found, key=lambda line: line.at)[:limit])


def _errors_of(path: Path) -> Generator[LogLine]:
    track, _, _ = path.stem.partition("-")
    yield from parse_errors(_lines(path), Track(track), path.stem)


def _lines(path: Path) -> Generator[Written]:
    for part in (older(path), path):
        if part.exists():
            with part.open(encoding="utf-8", errors="replace") as log:
                yield from map(Written, log)
