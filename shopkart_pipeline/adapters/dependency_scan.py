"""The live advisory service where it answers, the dated snapshot where it does not.

Whether the service can be reached is asked with a short limit, and remembered for ten minutes, so that not every
release waits for a service that is away. The evidence of the snapshot says why the service was not asked. Where
neither gives evidence there is none, with both reasons.
"""

import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ValidationError

from shopkart_pipeline.adapters._dependency_data import has_lock_to_read
from shopkart_pipeline.adapters._http import Ask, HttpClient
from shopkart_pipeline.adapters._stand_in import stood_in
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, ToolRun
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

_PROBE_PATH = "/v1/vulns/PYSEC-2018-28"
"""A small advisory that has been there for years."""
_REQUEST_TIMEOUT_SECONDS = 4.0
_WAIT_SECONDS = 5.0
_REMEMBERED = timedelta(minutes=10)


class _Remembered(BaseModel):
    asked_at: AwareDatetime
    unreachable: str | None


@dataclass(frozen=True)
class Reachability:
    """Whether a service answers; remembered in a file."""

    probe: Callable[[], str | None]
    """Asks the service: why it can't be reached, or None."""
    memory: Path
    clock: Clock

    def unreachable(self) -> str | None:
        """Why the service can't be reached, or None; as of at most ten minutes ago."""
        now = self.clock.now()
        with suppress(OSError, ValidationError):
            last = _Remembered.model_validate_json(self.memory.read_bytes())
            if timedelta(0) <= now - last.asked_at < _REMEMBERED:
                return last.unreachable
        reason = self.probe()
        with suppress(OSError):
            self._remember(_Remembered(asked_at=now, unreachable=reason))
        return reason

    def _remember(self, answer: _Remembered) -> None:
        self.memory.parent.mkdir(parents=True, exist_ok=True)
        descriptor, fresh = tempfile.mkstemp(dir=self.memory.parent)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(answer.model_dump_json())
        Path(fresh).replace(self.memory)


def probe_service(address: str) -> str | None:
    """Ask an advisory service in OSV's protocol for one advisory: why that does not work, or None.

    Waits five seconds at most, also for a name that is never resolved.
    """
    answers: list[str | None] = []

    def ask() -> None:
        client = HttpClient(
            "the advisory service",
            address,
            timeout_seconds=_REQUEST_TIMEOUT_SECONDS,
            environment=True,
            pause=lambda _: None,
        )
        try:
            client.ask(Ask("GET", _PROBE_PATH, accept=(200, 404), once=True))
            answers.append(None)
        except PipelineError as error:
            answers.append(error.what.rstrip("."))
        finally:
            client.close()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_WAIT_SECONDS)
    return answers[0] if answers else "the advisory service does not answer in time"


class DependencyScan(Scanner):
    """Live first, the snapshot otherwise."""

    name = "advisories"

    def __init__(self, live: Scanner, snapshot: Scanner, reachability: Reachability) -> None:
        """
        Args:
            live: asks the service.
            snapshot: needs no network.
            reachability: tells whether the service answers.
        """
        self._live = live
        self._snapshot = snapshot
        self._reachability = reachability

    def unavailable(self) -> str | None:
        live, snapshot = self._live.unavailable(), self._snapshot.unavailable()
        return f"{live}; {snapshot}" if live and snapshot else None

    def trouble(self, request: ScanRequest) -> str | None:
        """Why it can judge nothing: there is no lock that it reads."""
        return None if has_lock_to_read(request) else f"{request.service.source.path} has no lock that it reads"

    def prepare(self, request: ScanRequest) -> str | None:
        """The same: it needs nothing else."""
        return self.trouble(request)

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        """Whether the service answers, and the day: live advisories are asked for again on the next one."""
        snapshot, reason = self._snapshot.inputs(request), self._live.unavailable() or self._reachability.unreachable()
        if snapshot is None:
            return None
        return {**snapshot, "live": "asked" if reason is None else "away"}

    def scan(self, request: ScanRequest) -> ToolRun:
        reason = self._live.unavailable() or self._reachability.unreachable()
        if reason is None:
            run = self._live.scan(request)
            if isinstance(run.result, Evidence):
                return run
            reason = run.result.reason
        return stood_in(self._snapshot.scan(request), "no advisory service answered", reason)
