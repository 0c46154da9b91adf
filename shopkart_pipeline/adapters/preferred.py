"""One tool where what it needs can be had, another one where it can't.

A tool that is installed may still lack its data, such as a database that no registry gives out here, or something that
it can read. That is found out before the tool looks at anything: only then the other one takes its place, and the
evidence says why. A tool that looked and failed is not replaced, so nothing that it looks at can choose a milder judge.
"""

from collections.abc import Mapping
from typing import Protocol

from shopkart_pipeline.adapters._stand_in import stood_in
from shopkart_pipeline.domain.evidence import ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest


class Prepared(Protocol):
    """A scanner that needs something that may not be to be had."""

    name: str

    def unavailable(self) -> str | None: ...

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None: ...

    def scan(self, request: ScanRequest) -> ToolRun: ...

    def trouble(self, request: ScanRequest) -> str | None:
        """Why it can judge nothing, as far as that is known without running anything."""
        ...

    def prepare(self, request: ScanRequest) -> str | None:
        """Get what it needs; why that can't be had, or None."""
        ...


class Preferred(Scanner):
    """Runs the first tool, or the second where the first lacks what it needs."""

    def __init__(self, first: Prepared, second: Scanner) -> None:
        """
        Args:
            first: the tool that is preferred.
            second: what stands in for it.
        """
        self._first = first
        self._second = second
        self.name = f"{first.name}-or-{second.name}"

    def unavailable(self) -> str | None:
        first, second = self._first.unavailable(), self._second.unavailable()
        return f"{first}; {second}" if first and second else None

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        if self._first.unavailable() is None and self._first.trouble(request) is None:
            return self._first.inputs(request)
        second = self._second.inputs(request)
        return None if second is None else {**second, "in place of": self._first.name}

    def scan(self, request: ScanRequest) -> ToolRun:
        absent = self._first.unavailable()
        reason = absent or self._first.prepare(request)
        if reason is None:
            return self._first.scan(request)
        run = self._second.scan(request)
        return run if absent else stood_in(run, f"{self._first.name} could not be asked", reason)
