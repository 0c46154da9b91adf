"""Locked packages compared with a dated snapshot of advisories in OSV format: works without any network.

Options of the stage: `advisories`, the snapshot's folder relative to the repository's root (default `advisories`);
`lock`, relative to the service's path (default `requirements.lock`).

Measures: `vulnerabilities`, `new_vulnerabilities`, `packages`, `advisories`, `snapshot_age_days`.
"""

import json
from collections.abc import Mapping

from shopkart_pipeline.adapters._advisories import vulnerabilities
from shopkart_pipeline.adapters._dependency_data import (
    advisory_inputs,
    known_vulnerabilities,
    lock_path,
    read_lock,
    read_snapshot,
    snapshot_tool,
)
from shopkart_pipeline.adapters._vulnerability_evidence import findings_of, snapshot_measures, snapshot_notes
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, ToolRun
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest


class OsvSnapshot(Scanner):
    """Judges a lock by a snapshot."""

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
        snapshot = read_snapshot(request)
        if isinstance(snapshot, EvidenceMissing):
            return ToolRun(snapshot)
        tool = snapshot_tool(snapshot)
        packages = read_lock(request, request.tree)
        if isinstance(packages, EvidenceMissing):
            return ToolRun(EvidenceMissing(packages.reason, tool))
        try:
            found = vulnerabilities(snapshot, packages)
        except ValueError as error:
            return ToolRun(EvidenceMissing(str(error), tool))
        known, notes = known_vulnerabilities(request, snapshot)
        findings = findings_of(found, known, lock_path(request))
        new = sum(finding.is_new for finding in findings)
        measures = {
            "vulnerabilities": float(len(findings)),
            "new_vulnerabilities": float(new),
            "packages": float(len(packages)),
            **snapshot_measures(snapshot, self._clock.now()),
        }
        summary = f"{len(findings)} vulnerabilities ({new} new) in {len(packages)} packages"
        listing = [{"name": package.name, "version": package.version} for package in packages]
        raw = RawReport("packages.json", "application/json", json.dumps(listing, indent=1).encode())
        notes = (*snapshot_notes(snapshot), *notes)
        return ToolRun(Evidence(tool, summary, measures, findings, notes=notes), (raw,))
