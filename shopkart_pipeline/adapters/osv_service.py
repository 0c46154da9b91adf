"""Locked packages judged by a live advisory service in OSV's protocol, of every ecosystem that locks are read of.

Option of the stage: `lock` (`_dependency_data`).

Measures: `vulnerabilities`, `new_vulnerabilities`, `packages`, `snapshot_age_days` (0: the advisories are of now).
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from shopkart_pipeline.adapters._dependency_data import more_is_new, read_base_locks, read_locks
from shopkart_pipeline.adapters._osv_client import OsvClient
from shopkart_pipeline.adapters._report_limits import why
from shopkart_pipeline.adapters._vulnerability_evidence import (
    findings_of,
    fingerprints,
    live_evidence,
    live_rules,
    packages_report,
)
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest


class OsvService(Scanner):
    """Judges locks by a live service."""

    name = "osv"

    def __init__(self, address: str, cache: Path) -> None:
        """
        Args:
            address: base address of the service, such as `https://api.osv.dev`.
            cache: folder where advisories are kept; made when first needed.
        """
        self.address = address
        self._cache = cache

    def unavailable(self) -> str | None:
        return None

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        """None: what the service knows changes at any time. `DependencyScan` decides how long an answer may stand."""
        return None

    def scan(self, request: ScanRequest) -> ToolRun:
        tool = Tool("osv", "1", live_rules(self.address))
        locked = read_locks(request)
        if isinstance(locked, EvidenceMissing):
            return ToolRun(EvidenceMissing(locked.reason, tool))
        try:
            with contextlib.closing(OsvClient(self.address, self._cache, request.stage.timeout_seconds)) as service:
                found = service.vulnerabilities(locked.packages)
                known, notes = _known(service, request) if found else (frozenset[str](), ())
        except (PipelineError, ValueError) as error:
            return ToolRun(EvidenceMissing(_reason(error), tool))
        evidence = live_evidence(tool, findings_of(found, known), locked.packages, (*locked.notes, *notes))
        return ToolRun(evidence, (packages_report(locked.packages),))


def _known(service: OsvClient, request: ScanRequest) -> tuple[frozenset[str], tuple[str, ...]]:
    base = read_base_locks(request)
    if not base.packages:
        return frozenset(), base.notes
    try:
        return fingerprints(service.vulnerabilities(base.packages)), base.notes
    except (PipelineError, ValueError) as error:
        return frozenset(), (*base.notes, more_is_new(_reason(error)))


def _reason(error: PipelineError | ValueError) -> str:
    return error.what.rstrip(".") if isinstance(error, PipelineError) else why(error)
