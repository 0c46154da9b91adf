"""Runs trivy over an image or a folder, and makes evidence of what it reports.

Trivy 0.67 or newer. It reports every severity and fails nothing by itself; the gates decide. It keeps nothing but its
database between scans (its own cache of scans can be open in one process alone), tells nobody that it ran, and reads no
configuration of the repository but what is named here (`_trivy_suppressions`).
"""

import os
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shopkart_pipeline.adapters._dependency_data import more_is_new
from shopkart_pipeline.adapters._process import Command, find_executable, run
from shopkart_pipeline.adapters._report_limits import read_report, why
from shopkart_pipeline.adapters._tool_identity import identity_of
from shopkart_pipeline.adapters._trivy_database import DatabaseState, TrivyDatabase
from shopkart_pipeline.adapters._trivy_report import TrivyReport, stored_report, suppression_notes
from shopkart_pipeline.adapters._trivy_suppressions import Suppressions, prepare_suppressions, suppression_inputs
from shopkart_pipeline.adapters._vulnerability_evidence import vulnerability_measures, vulnerability_summary
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, RawReport, Tool, ToolRun
from shopkart_pipeline.ports.scanner import ScanRequest

_ASKING_SECONDS = 30.0
_QUIET = {"TRIVY_DISABLE_TELEMETRY": "true", "TRIVY_SKIP_VERSION_CHECK": "true"}


@dataclass(frozen=True)
class Looked:
    """What trivy reported."""

    report: TrivyReport
    content: bytes
    suppressions: Suppressions


def trivy_executable() -> str | None:
    """Trivy beside the running interpreter, else in `PATH`."""
    return find_executable("trivy", Path(sys.executable).parent)


def trivy_inputs(request: ScanRequest, database: TrivyDatabase) -> Mapping[str, str] | None:
    """What a result depends on; None where the database will be fetched anew first."""
    program, taken_at = identity_of(trivy_executable()), database.taken_at()
    if program is None or taken_at is None:
        return None
    day = f"{database.now():%Y-%m-%d}"
    return {**program, "database": taken_at.isoformat(), "day": day, "suppressions": suppression_inputs(request)}


@dataclass(frozen=True)
class TrivyProgram:
    """Trivy with a database, for one request."""

    executable: str
    database: TrivyDatabase
    state: DatabaseState
    request: ScanRequest

    def image(self, layout: Path) -> Looked | EvidenceMissing:
        """What it reports about an image."""
        # By a link, because the report names what it looked at.
        link = self.request.scratch / "trivy-image" / "image"
        link.parent.mkdir()
        link.symlink_to(layout.absolute())
        return self._look("image", ["image", "--input", link.name], self.request.tree, None)

    def folder(self, tree: Path, *, is_base: bool = False) -> Looked | EvidenceMissing:
        """What it reports about the service's folder.

        Args:
            tree: root of the repository.
            is_base: whether it is the base, where everything that is suppressed counts as suppressed.
        """
        source = self.request.service.source.path
        patterns = [
            f"--file-patterns=pip:^{re.escape(name).replace(',', '.')}$" for name in _python_locks(self.request)
        ]
        words = ["filesystem", str(tree / source), "--include-dev-deps", *patterns]
        return self._look("base" if is_base else "folder", words, tree, source, is_base=is_base)

    def known(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """Fingerprints of what the locks of the base had; and a note where they can't be judged."""
        if self.request.base_tree is None:
            return frozenset(), ()
        looked = self.folder(self.request.base_tree, is_base=True)
        if isinstance(looked, EvidenceMissing):
            return frozenset(), (more_is_new(looked.reason),)
        return looked.report.fingerprints(), ()

    def evidence(
        self,
        looked: Looked,
        findings: Sequence[Finding],
        artifact: str,
        place: str = "",
        notes: Sequence[str] = (),
        more: Sequence[Finding] = (),
    ) -> ToolRun:
        """The evidence, with the report that it rests on.

        Args:
            looked: what trivy reported.
            findings: what of it counts.
            artifact: what was looked at, as the report is to say.
            place: the same in the words of the summary.
            notes: what else is to be known.
            more: findings that are no vulnerabilities.
        """
        report, sources = looked.report, looked.suppressions.sources
        suppressed = report.suppressed(sources)
        measures = vulnerability_measures(findings, report.packages)
        evidence = Evidence(
            tool=self.tool(report),
            summary=vulnerability_summary(measures, place),
            measures={**measures, "suppressed": float(len(suppressed)), "snapshot_age_days": self.state.age_days},
            findings=(*findings, *more),
            notes=(
                f"Judged by trivy's vulnerability database of {self.state.updated_at:%Y-%m-%d}.",
                *(*self.state.notes, *looked.suppressions.notes, *suppression_notes(suppressed), *notes),
            ),
        )
        return ToolRun(evidence, (self.raw(looked, artifact),))

    def tool(self, report: TrivyReport) -> Tool:
        """Trivy, as evidence names it."""
        rules = f"trivy's vulnerability database of {self.state.updated_at:%Y-%m-%dT%H:%M:%SZ}"
        return Tool("trivy", report.version or self._version(), rules)

    def raw(self, looked: Looked, artifact: str) -> RawReport:
        """The report, as it may be kept."""
        content = stored_report(looked.content, artifact, looked.suppressions.sources)
        return RawReport("trivy.json", "application/json", content)

    def _version(self) -> str:
        request = self.request
        asked = Command([self.executable, "version"], request.scratch, _ASKING_SECONDS, log=request.log, capture=True)
        told = re.match(rb"Version: (\S+)", run(asked).stdout)
        return told[1].decode(errors="replace") if told else "unknown"

    def _look(
        self, name: str, words: Sequence[str], tree: Path, scanned: str | None, *, is_base: bool = False
    ) -> Looked | EvidenceMissing:
        folder = self.request.scratch / f"trivy-{name}"
        folder.mkdir(exist_ok=True)
        now: datetime | None = None if is_base else self.database.now()
        try:
            suppressions = prepare_suppressions(self.request, tree, folder, scanned=scanned, now=now)
        except ValueError as error:
            return EvidenceMissing(str(error))
        output = folder / "report.json"
        seconds = self.request.stage.timeout_seconds
        done = run(
            Command(
                [
                    *(self.executable, *words, "--scanners", "vuln", "--list-all-pkgs", "--show-suppressed"),
                    *("--format", "json", "--output", str(output), "--quiet", "--timeout", f"{seconds:.0f}s"),
                    *("--cache-dir", str(self.database.cache), "--cache-backend", "memory", "--skip-db-update"),
                    *suppressions.arguments,
                ],
                folder,
                seconds,
                variables={"HOME": str(self.request.scratch), **_QUIET},
                network=True,
                log=self.request.log,
            )
        )
        if reason := done.failure("trivy"):
            return EvidenceMissing(reason)
        try:
            content = read_report(output)
            return Looked(
                TrivyReport(content, None if scanned is None else _targets(self.request)), content, suppressions
            )
        except (OSError, ValueError) as error:
            detail = why(error) if isinstance(error, ValueError) else error.strerror
            return EvidenceMissing(f"trivy left no readable report: {detail}")


def _targets(request: ScanRequest) -> Collection[str] | None:
    """The locks that the stage names, as trivy calls them; None where it names none and all of them count."""
    return {os.path.normpath(name) for name in request.stage.options.get("lock", "").split()} or None


def _python_locks(request: ScanRequest) -> Iterator[str]:
    """Locks in the format of `requirements.txt` that trivy does not know by their names."""
    return (name for name in sorted(_targets(request) or {"requirements.lock"}) if not name.endswith(".json"))
