"""What a declared linter found, in SARIF or checkstyle XML, and what of it is new.

To tell new from old, the same command is run on the base of the release. That is done only where it found something,
and only for the stages whose command looks at the source alone (lint and quality): one that looks at an image, at a
deployment or at what is installed would find the same again, and call it old. Where the base was not or could not be
looked at, everything counts as new. What a search for secrets reports is critical, whatever level it gives: gitleaks
gives none in SARIF, which would mean a mere warning.

Measures: `findings`, `violations` (the same number, by the name that linters use), `new_violations`, `suppressed`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from shopkart_pipeline.adapters import checkstyle, sarif
from shopkart_pipeline.adapters._attempt import CHECKSTYLE, SARIF, Attempt, unexplained
from shopkart_pipeline.adapters._findings import Located, findings_of, fingerprints
from shopkart_pipeline.adapters._service_paths import find_place
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Finding, Severity
from shopkart_pipeline.ports.scanner import ScanRequest

_Parsed = TypeVar("_Parsed")
_LOOKS_AT_SOURCE = frozenset({StageKind.LINT, StageKind.QUALITY})


@dataclass
class Found:
    """What the reports of one tree say."""

    said: list[Located] = field(default_factory=list[Located])
    suppressed: int = 0
    tools: list[str] = field(default_factory=list[str])
    findings: tuple[Finding, ...] = ()
    notes: list[str] = field(default_factory=list[str])

    @property
    def new(self) -> int:
        return sum(finding.is_new for finding in self.findings)

    @property
    def measures(self) -> Mapping[str, float]:
        total = float(len(self.findings))
        numbers = {"findings": total, "violations": total, "new_violations": float(self.new)}
        return numbers | {"suppressed": float(self.suppressed)}

    @property
    def summary(self) -> str:
        return f"{', '.join(self.tools)}: {len(self.findings)} findings ({self.new} new)"


def read_findings(attempt: Attempt, request: ScanRequest, run_on_base: Callable[[], Attempt]) -> Found:
    """The findings of an attempt, each with whether it is new.

    Args:
        attempt: what the command wrote about the release.
        request: what was asked for.
        run_on_base: runs the same command on the base of the release.

    Raises:
        ValueError: a declared report is not there or can't be read.
    """
    found = _read(attempt, request, request.tree)
    known = _known(found, request, run_on_base)
    found.findings = findings_of(found.said, request.tree, known)
    if found.suppressed:
        found.notes.append(f"{found.suppressed} findings are suppressed where they stand, and don't count.")
    return found


def _known(found: Found, request: ScanRequest, run_on_base: Callable[[], Attempt]) -> frozenset[str]:
    """Fingerprints that the base had."""
    base = request.base_tree
    if not found.said or base is None:
        return frozenset()
    if request.stage.kind not in _LOOKS_AT_SOURCE:
        found.notes.append("Everything counts as new: the command may look at more than the source.")
        return frozenset()
    try:
        attempt = run_on_base()
        if attempt.problem:
            raise ValueError(attempt.problem)
        before = _read(attempt, request, base)
        if failure := unexplained(attempt.done, len(before.said)):
            raise ValueError(failure)
    except (ValueError, OSError) as error:
        found.notes.append(f"Everything counts as new: the base could not be looked at ({error}).")
        return frozenset()
    return fingerprints(findings_of(before.said, base))


def _read(attempt: Attempt, request: ScanRequest, tree: Path) -> Found:
    stage, found = request.stage, Found()
    if stage.sarif:
        log = _parsed(sarif.parse, attempt.content(SARIF, stage.sarif), stage.sarif)
        found.said += log.said
        found.suppressed += log.suppressed
        found.tools.append(f"{log.tool.name} {log.tool.version}")
    if stage.checkstyle:
        found.said += _parsed(checkstyle.parse, attempt.content(CHECKSTYLE, stage.checkstyle), stage.checkstyle)
        found.tools.append("checkstyle report")
    folders = (request.service.source.path, ".")
    found.said = [replace(one, path=find_place(one.path, folders, tree) or one.path) for one in found.said]
    if stage.kind is StageKind.SECRET_SCAN:
        found.said = [replace(one, severity=Severity.CRITICAL) for one in found.said]
    return found


def _parsed(parse: Callable[[bytes], _Parsed], content: bytes, path: str) -> _Parsed:
    try:
        return parse(content)
    except ValueError as error:
        raise ValueError(f"{path} can't be read: {error}") from error
