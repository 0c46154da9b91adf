"""What a declared command comes to, over all its attempts: JUnit XML, SARIF, checkstyle XML, Cobertura XML and LCOV.

The first attempt has to be usable (`_attempt`); a later one that is not proves nothing, and is told. Tests are merged
over all usable attempts (`_test_results`); findings and coverage are those of the last usable one. Where tests failed
the coverage may be absent: the failures are what has to be seen.

Measures: `tests`, `passed`, `failed` (also those that broke before or after the test proper, which `errors` counts
apart), `skipped`, `flaky`, `vanished`, `removed_tests`, `duration_seconds` (JUnit); `line_coverage_percent`,
`new_coverage_percent`, `new_lines` that could be covered (coverage); those of `_command_findings` (SARIF, checkstyle).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from shopkart_pipeline.adapters import _coverage_report as coverage_report
from shopkart_pipeline.adapters import _test_list as test_list
from shopkart_pipeline.adapters._attempt import JUNIT, Attempt, unexplained
from shopkart_pipeline.adapters._command_findings import read_findings
from shopkart_pipeline.adapters._new_code import new_coverage, new_lines
from shopkart_pipeline.adapters._service_paths import find_place
from shopkart_pipeline.adapters._test_files import TestFiles
from shopkart_pipeline.adapters._test_results import merge
from shopkart_pipeline.adapters._vanished_tests import compare
from shopkart_pipeline.adapters.junit import Outcome, TestCase
from shopkart_pipeline.domain.evidence import EvidenceMissing, Finding, RawReport, Severity, fingerprint_of
from shopkart_pipeline.domain.flaky_test import flaky_finding
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline.ports.scm import SourceControl

_NAMED = 5


@dataclass
class Said:
    """What the reports said so far."""

    measures: dict[str, float] = field(default_factory=dict[str, float])
    findings: list[Finding] = field(default_factory=list[Finding])
    notes: list[str] = field(default_factory=list[str])
    summary: list[str] = field(default_factory=list[str])
    raw: list[RawReport] = field(default_factory=list[RawReport])
    """Reports of our own."""

    @property
    def failed(self) -> float:
        return self.measures.get("failed", 0.0)


def merged_tests(attempts: Sequence[Attempt], request: ScanRequest) -> tuple[TestCase, ...]:
    """The tests as they stand after the usable ones of these attempts."""
    usable = {attempt.number: attempt.tests for attempt in attempts if not attempt.problem}
    return merge(usable, request.stage.retries + 1)


def raw_reports(attempts: Sequence[Attempt]) -> tuple[RawReport, ...]:
    """Every attempt's JUnit report, the later ones numbered, and what else the last usable attempt wrote."""
    last = _last_usable(attempts)
    return tuple(
        report if attempt.number == 1 or name != JUNIT else _numbered(report, attempt.number)
        for attempt in attempts
        for name, report in attempt.raw.items()
        if attempt is last or name == JUNIT
    )


def read_reports(
    attempts: Sequence[Attempt], request: ScanRequest, scm: SourceControl, run_on_base: Callable[[], Attempt]
) -> Said | EvidenceMissing:
    """Read what the attempts wrote, as far as the stage declares it.

    Args:
        attempts: at least one, in order.
        request: what was asked for.
        scm: tells which lines are new and which files were changed.
        run_on_base: runs the same command on the base of the release.
    """
    if attempts[0].problem:
        return EvidenceMissing(attempts[0].problem)
    said, stage, last = Said(), request.stage, _last_usable(attempts)
    try:
        if stage.junit:
            _read_tests(said, attempts, request, scm)
        if stage.sarif or stage.checkstyle:
            found = read_findings(last, request, run_on_base)
            said.measures |= found.measures
            said.findings += found.findings
            said.notes += found.notes
            said.summary.append(found.summary)
        if stage.coverage:
            _read_coverage(said, last, request, scm)
    except ValueError as error:
        failure = last.done.failure("the command")
        return EvidenceMissing(str(error) + (f"; {failure}" if failure else ""))
    if not stage.junit and (failure := unexplained(last.done, len(said.findings))):
        return EvidenceMissing(failure)
    return said


def _last_usable(attempts: Sequence[Attempt]) -> Attempt:
    return next((attempt for attempt in reversed(attempts) if not attempt.problem), attempts[0])


def _numbered(report: RawReport, number: int) -> RawReport:
    stem, _, suffix = report.name.rpartition(".")
    return RawReport(f"{stem}-{number}.{suffix}", report.media_type, report.content)


def _read_tests(said: Said, attempts: Sequence[Attempt], request: ScanRequest, scm: SourceControl) -> None:
    cases = merged_tests(attempts, request)
    counts = Counter(case.outcome for case in cases)
    failed = [case for case in cases if case.outcome.is_failure]
    flaky = [case for case in cases if case.outcome is Outcome.FLAKY]
    files = TestFiles(request.service.source, request.tree)
    said.measures |= {
        "tests": float(len(cases)),
        "passed": float(counts[Outcome.PASSED]),
        "failed": float(len(failed)),
        "errors": float(counts[Outcome.ERROR]),
        "skipped": float(counts[Outcome.SKIPPED]),
        "flaky": float(len(flaky)),
        "duration_seconds": sum(case.duration_seconds for case in attempts[0].tests),
    }
    said.findings += [_failure(case, request) for case in failed]
    said.findings += [flaky_finding(case.name, files.of(case), case.message) for case in flaky]
    said.notes += dict.fromkeys(each for attempt in attempts for each in attempt.properties)
    said.notes += _attempt_notes(attempts, flaky, request)
    words = [f"{counts[Outcome.PASSED]} of {len(cases)} tests passed", f"{len(failed)} failed"]
    words += [f"{len(flaky)} flaky"] if flaky else []
    now = test_list.list_tests(cases, files, request.release.sha)
    compared = compare(now, request, scm)
    said.measures |= compared.measures
    said.findings += compared.findings
    said.notes += compared.notes
    words += [f"{len(compared.vanished)} vanished"] if compared.vanished else []
    said.summary.append(", ".join(words))
    said.raw.append(test_list.write(now))


def _attempt_notes(attempts: Sequence[Attempt], flaky: Sequence[TestCase], request: ScanRequest) -> list[str]:
    notes: list[str] = []
    if len(attempts) > 1:
        notes.append(f"The command ran {len(attempts)} times of at most {request.stage.retries + 1}, as tests failed.")
    notes += [f"Attempt {each.number} proves nothing: {each.problem}." for each in attempts if each.problem]
    if flaky:
        names = ", ".join(case.name for case in flaky[:_NAMED]) + (" and others" if len(flaky) > _NAMED else "")
        notes.append(f"{len(flaky)} tests failed and passed, and count neither as passed nor as failed: {names}.")
    return notes


def _failure(case: TestCase, request: ScanRequest) -> Finding:
    rule = "failed-test" if case.outcome is Outcome.FAILED else "broken-test"
    path = find_place(case.file, (request.service.source.path, "."), request.tree) if case.file else None
    return Finding(
        rule=rule,
        severity=Severity.HIGH,
        message=f"{case.name}: {case.message}"[:500],
        fingerprint=fingerprint_of(rule, path, case.name),
        path=path,
        line=case.line if path else None,
    )


def _read_coverage(said: Said, attempt: Attempt, request: ScanRequest, scm: SourceControl) -> None:
    name = next((name for name in coverage_report.NAMES if name in attempt.raw), coverage_report.XML_NAME)
    try:
        _measure_coverage(said, attempt.content(name, request.stage.coverage or ""), request, scm)
    except ValueError as error:
        if not said.failed:
            raise
        said.notes.append(f"Coverage is unknown: {error}.")


def _measure_coverage(said: Said, content: bytes, request: ScanRequest, scm: SourceControl) -> None:
    source = request.service.source
    coverage = coverage_report.read(content, request.tree, source.path)
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
