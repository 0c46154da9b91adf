"""What trivy's scanners share: each needs the program and its database, and says which of them can't be had."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shopkart_pipeline.adapters._trivy_database import TrivyDatabase
from shopkart_pipeline.adapters._trivy_program import TrivyProgram, trivy_executable, trivy_inputs
from shopkart_pipeline.domain.evidence import EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest

_ABSENT = "trivy is not installed"
_UNKNOWN = Tool("trivy", "unknown")
"""Trivy before it has told its version."""


class TrivyScanner(Scanner):
    """Scans with trivy."""

    def __init__(self, cache: Path, clock: Clock) -> None:
        """
        Args:
            cache: folder for trivy's vulnerability database, the same for all of its scanners.
            clock: tells how old the database is.
        """
        self._database = TrivyDatabase(cache, clock)

    def unavailable(self) -> str | None:
        return None if trivy_executable() else _ABSENT

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        return trivy_inputs(request, self._database)

    def trouble(self, request: ScanRequest) -> str | None:
        """Why it can judge nothing, as far as that is known without fetching a database."""
        return self.unavailable() or self._database.trouble(request)

    def prepare(self, request: ScanRequest) -> str | None:
        """Fetch the database if it is due; why there is none of use, or None."""
        executable = trivy_executable()
        if executable is None:
            return _ABSENT
        try:
            with self._database.ready(executable, request) as state:
                return state.reason if isinstance(state, EvidenceMissing) else None
        except OSError as error:
            return _unusable(error)

    def scan(self, request: ScanRequest) -> ToolRun:
        executable = trivy_executable()
        if executable is None:
            return ToolRun(EvidenceMissing(_ABSENT))
        try:
            with self._database.ready(executable, request) as state:
                if isinstance(state, EvidenceMissing):
                    return ToolRun(replace(state, tool=_UNKNOWN))
                run = self.judge(TrivyProgram(executable, self._database, state, request))
        except OSError as error:
            return ToolRun(EvidenceMissing(_unusable(error), _UNKNOWN))
        if isinstance(run.result, EvidenceMissing) and run.result.tool is None:
            return replace(run, result=replace(run.result, tool=_UNKNOWN))
        return run

    @abstractmethod
    def judge(self, trivy: TrivyProgram) -> ToolRun:
        """Make evidence of what trivy reports."""


def _unusable(error: OSError) -> str:
    return f"trivy's folders can't be used: {error.strerror}"
