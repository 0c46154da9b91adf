"""What the reports of a declared command come to: JUnit XML, SARIF and Cobertura XML, and its exit code.

Reports and exit code have to agree, and where there is a JUnit report at least one test must have been executed. A
command that failed although no test did, or the other way round, leaves no evidence. Where tests failed the coverage
may be absent: the failures are what has to be seen.

Measures: `tests`, `passed`, `failed` (also those that broke before or after the test proper, which `errors` counts
apart), `skipped`, `duration_seconds` (JUnit); `line_coverage_percent`, `new_coverage_percent`, `new_lines` that could
be covered (Cobertura); `findings`, `suppressed` (SARIF).
"""

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from shopkart_pipeline.adapters import cobertura, junit, sarif
from shopkart_pipeline.adapters._findings import findings_of
from shopkart_pipeline.adapters._new_code import new_coverage, new_lines
from shopkart_pipeline.adapters._process import Completed
from shopkart_pipeline.domain.evidence import EvidenceMissing, Finding, RawReport, Severity, fingerprint_of
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline.ports.scm import SourceControl


@dataclass
class Said:
    """What the reports said so far."""

    measures: dict[str, float] = field(default_factory=dict[str, float])
    findings: list[Finding] = field(default_factory=list[Finding])
    notes: list[str] = field(default_factory=list[str])
    summary: list[str] = field(default_factory=list[str])

    @property
    def failed(self) -> float:
        return self.measures.get("failed", 0.0)


def read_reports(
    raw: Mapping[str, RawReport], done: Completed, request: ScanRequest, scm: SourceControl
) -> Said | EvidenceMissing:
    """Read the reports `junit.xml`, `results.sarif` and `coverage.xml`, as far as the stage declares them.

    Args:
        raw: the reports that the command wrote, by name.
        done: how the command ended.
        request: what was asked for.
        scm: tells which lines are new.
    """
    if done.timed_out or done.cancelled:
        return EvidenceMissing(done.failure("the command") or "")
    said, stage = Said(), request.stage
    try:
        if stage.junit:
            _read_junit(said, _content(raw, "junit.xml", stage.junit), request)
        if stage.sarif:
            _read_sarif(said, _content(raw, "results.sarif", stage.sarif), request)
        if stage.coverage:
            _read_coverage(said, raw, stage.coverage, request, scm)
    except ValueError as error:
        failure = done.failure("the command")
        return EvidenceMissing(str(error) + (f"; {failure}" if failure else ""))
    return _disagreement(said, done, request) or said


def _content(raw: Mapping[str, RawReport], name: str, path: str) -> bytes:
    if name not in raw:
        raise ValueError(f"the command wrote no {path}")
    return raw[name].content


def _read_junit(said: Said, content: bytes, request: ScanRequest) -> None:
    try:
        cases = junit.parse(content)
    except ValueError as error:
        raise ValueError(f"{request.stage.junit} can't be read: {error}") from error
    counts = Counter(case.outcome for case in cases)
    failed = [case for case in cases if case.outcome in (junit.Outcome.FAILED, junit.Outcome.ERROR)]
    executed = len(cases) - counts[junit.Outcome.SKIPPED]
    if not executed:
        raise ValueError(f"no test was executed ({len(cases)} skipped)")
    said.measures |= {
        "tests": float(len(cases)),
        "passed": float(counts[junit.Outcome.PASSED]),
        "failed": float(len(failed)),
        "errors": float(counts[junit.Outcome.ERROR]),
        "skipped": float(counts[junit.Outcome.SKIPPED]),
        "duration_seconds": sum(case.duration_seconds for case in cases),
    }
    said.findings += [_failure(case, request) for case in failed]
    said.summary.append(f"{counts[junit.Outcome.PASSED]} of {len(cases)} tests passed, {len(failed)} failed")


def _failure(case: junit.TestCase, request: ScanRequest) -> Finding:
    rule = "failed-test" if case.outcome is junit.Outcome.FAILED else "broken-test"
    path = _place(case.file, request) if case.file else None
    return Finding(
        rule=rule,
        severity=Severity.HIGH,
        message=f"{case.name}: {case.message}"[:500],
        fingerprint=fingerprint_of(rule, path, case.name),
        path=path,
        line=case.line if path else None,
    )


def _place(name: str, request: ScanRequest) -> str | None:
    """A file as tools name it, relative to the folder that they ran in or to the root, as path of the repository."""
    root = os.path.realpath(request.tree)
    for folder in (request.service.source.path, "."):
        place = os.path.realpath(os.path.join(root, folder, name))
        if place.startswith(root + os.sep) and os.path.isfile(place):
            return os.path.relpath(place, root)
    return None


def _read_sarif(said: Said, content: bytes, request: ScanRequest) -> None:
    try:
        log = sarif.parse(content)
    except ValueError as error:
        raise ValueError(f"{request.stage.sarif} can't be read: {error}") from error
    placed = [replace(one, path=_place(one.path, request) or one.path) for one in log.said]
    said.findings += findings_of(placed, request.tree)
    said.measures |= {"findings": float(len(log.said)), "suppressed": float(log.suppressed)}
    said.summary.append(f"{log.tool.name} {log.tool.version}: {len(log.said)} findings")
    if log.suppressed:
        said.notes.append(f"{log.suppressed} findings are suppressed where they stand, and don't count.")


def _read_coverage(
    said: Said, raw: Mapping[str, RawReport], path: str, request: ScanRequest, scm: SourceControl
) -> None:
    try:
        _measure_coverage(said, _content(raw, "coverage.xml", path), request, scm)
    except ValueError as error:
        if not said.failed:
            raise
        said.notes.append(f"Coverage is unknown: {error}.")


def _measure_coverage(said: Said, content: bytes, request: ScanRequest, scm: SourceControl) -> None:
    source = request.service.source
    coverage = cobertura.parse(content, request.tree, source.path)
    if not coverage.coverable:
        raise ValueError("the coverage report knows no line of the service that can be run")
    lines = new_lines(scm, request)
    if isinstance(lines, EvidenceMissing):
        raise ValueError(lines.reason)
    percent = 100.0 * coverage.covered / coverage.coverable
    fresh = new_coverage(lines, coverage, request.tree, source)
    said.measures |= {
        "line_coverage_percent": percent,
        "new_coverage_percent": fresh.percent,
        "new_lines": float(fresh.coverable),
    }
    said.summary.append(f"{percent:.1f} % of lines covered, {fresh.percent:.1f} % of {fresh.coverable} new ones")
    said.notes += fresh.notes


def _disagreement(said: Said, done: Completed, request: ScanRequest) -> EvidenceMissing | None:
    """Why exit code and reports can't both be true; None if they can."""
    if done.exit_code == 0 and said.failed:
        return EvidenceMissing(f"the command ended with exit code 0, but its report has {said.failed:g} failed tests")
    found = said.failed if request.stage.junit else len(said.findings)
    if done.exit_code > 0 and found:
        return None
    if failure := done.failure("the command"):
        return EvidenceMissing(failure + (", but no test failed" if request.stage.junit else ""))
    return None
