"""Locked packages compared with a dated snapshot of advisories in OSV format: works without any network.

A snapshot that holds no advisory at all for an ecosystem can't judge a lock of it. Options of the stage:
`advisories` and `maximum_age_days` (`_snapshot`), `lock` (`_dependency_data`).

Measures: `vulnerabilities`, `new_vulnerabilities`, `packages`, `advisories`, `snapshot_age_days`.
"""

from collections.abc import Mapping

from shopkart_pipeline.adapters._advisories import vulnerabilities
from shopkart_pipeline.adapters._dependency_data import known_vulnerabilities, read_locks
from shopkart_pipeline.adapters._snapshot import advisory_inputs, read_snapshot, snapshot_measures, snapshot_notes
from shopkart_pipeline.adapters._vulnerability_evidence import evidence_of, findings_of, packages_report
from shopkart_pipeline.domain.evidence import EvidenceMissing, ToolRun
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest


class OsvSnapshot(Scanner):
    """Judges locks by a snapshot."""

    name = "osv-snapshot"

    def __init__(self, clock: Clock) -> None:
        """
        Args:
            clock: tells how old the snapshot is.
        """
        self._clock = clock

    def unavailable(self) -> str | None:
        return None

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        return {"version": "1", **advisory_inputs(request, self._clock.now())}

    def scan(self, request: ScanRequest) -> ToolRun:
        now = self._clock.now()
        snapshot = read_snapshot(request, now)
        if isinstance(snapshot, EvidenceMissing):
            return ToolRun(snapshot)
        locked = read_locks(request)
        if isinstance(locked, EvidenceMissing):
            return ToolRun(EvidenceMissing(locked.reason, snapshot.tool))
        if unknown := sorted(locked.ecosystems - snapshot.ecosystems):
            reason = f"the advisory snapshot holds nothing about packages of {', '.join(unknown)}"
            return ToolRun(EvidenceMissing(reason, snapshot.tool))
        try:
            found = vulnerabilities(snapshot.index, locked.packages)
        except ValueError as error:
            return ToolRun(EvidenceMissing(str(error), snapshot.tool))
        known, notes = known_vulnerabilities(request, snapshot.index)
        evidence = evidence_of(
            snapshot.tool,
            findings_of(found, known),
            locked.packages,
            (*snapshot_notes(snapshot, request), *locked.notes, *notes),
            snapshot_measures(snapshot, now),
        )
        return ToolRun(evidence, (packages_report(locked.packages),))
