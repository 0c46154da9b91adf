"""The embedded quality analysis: the conditions of "Sonar way" on new code, without a server.

| measure | what it is |
| --- | --- |
| `new_violations` | issues of our rules that the base did not have |
| `new_coverage_percent` | runnable new lines that the unit tests ran; from the report of the unit tests |
| `new_duplicated_lines_percent` | new lines that stand elsewhere in the service's code, too (`_duplication`) |
| `new_security_hotspots_reviewed_percent` | new hotspots that somebody has looked at; 100 where there is none |
| `new_lines` | changed lines of Python and JavaScript that ship; below 20 the gates exempt coverage and duplication |

Rules and hotspots are those of `_quality_rules`, the same for every service. Without a readable coverage report there
is no `new_coverage_percent`: a gate that needs it is missing its evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters import _coverage_report as coverage_report
from shopkart_pipeline.adapters import _quality_rules as quality
from shopkart_pipeline.adapters import _ruff_check as ruff
from shopkart_pipeline.adapters._duplication import duplicated_lines
from shopkart_pipeline.adapters._findings import Located, SourceLines, findings_of, fingerprints
from shopkart_pipeline.adapters._new_code import Lines, NewCoverage, new_coverage, new_lines, report_of_unit_tests
from shopkart_pipeline.adapters._service_paths import files_of, is_python, is_test_code, roots_of
from shopkart_pipeline.adapters._tool_identity import identity_of
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, RawReport, Severity, Tool, ToolRun
from shopkart_pipeline.ports.scanner import Scanner, ScanRequest
from shopkart_pipeline.ports.scm import SourceControl


@dataclass(frozen=True)
class _Looked:
    """What ruff says about one tree."""

    violations: tuple[Located, ...]
    hotspots: tuple[Located, ...]
    raw: tuple[RawReport, ...]


@dataclass(frozen=True)
class _Judged:
    """Findings about one tree, with what the base had marked as known."""

    violations: tuple[Finding, ...]
    hotspots: tuple[Finding, ...]
    unreviewed: tuple[Finding, ...]
    """New hotspots that nobody has looked at."""

    @property
    def new_violations(self) -> int:
        return sum(finding.is_new for finding in self.violations)

    @property
    def reviewed_percent(self) -> float:
        new = sum(finding.is_new for finding in self.hotspots)
        return 100.0 * (new - len(self.unreviewed)) / new if new else 100.0


class NewCodeQuality(Scanner):
    """Judges new code with ruff, the unit tests' coverage and a search for copies."""

    name = "new-code"

    def __init__(self, scm: SourceControl) -> None:
        """
        Args:
            scm: tells which lines are new.
        """
        self._scm = scm

    def unavailable(self) -> str | None:
        return None if ruff.ruff_executable() else "ruff is not installed"

    def inputs(self, request: ScanRequest) -> Mapping[str, str] | None:
        known = identity_of(ruff.ruff_executable())
        return None if known is None else {**known, "rules": quality.DESCRIPTION}

    def scan(self, request: ScanRequest) -> ToolRun:
        executable = ruff.ruff_executable()
        if executable is None:
            return ToolRun(EvidenceMissing("ruff is not installed"))
        tool = ruff.ruff_tool(executable, request, quality.DESCRIPTION)
        tool = Tool("new-code", f"ruff {tool.version}", tool.rules)
        lines = new_lines(self._scm, request)
        if isinstance(lines, EvidenceMissing):
            return ToolRun(EvidenceMissing(lines.reason, tool))
        looked = _look(executable, request.tree, request)
        if isinstance(looked, EvidenceMissing):
            return ToolRun(EvidenceMissing(looked.reason, tool))
        clean = not looked.violations and not looked.hotspots
        base = None if clean or request.base_tree is None else _look(executable, request.base_tree, request)
        return ToolRun(_evidence(tool, request, lines, looked, base), looked.raw)


def _evidence(
    tool: Tool, request: ScanRequest, lines: Lines, looked: _Looked, base: _Looked | EvidenceMissing | None
) -> Evidence:
    judged = _judge(looked, base, request)
    copies = _copies(request, lines)
    total = sum(len(numbers) for numbers in lines.values())
    python = sum(len(numbers) for path, numbers in lines.items() if is_python(path))
    copied = sum(len(numbers) for numbers in copies.values())
    measures = {
        "new_violations": float(judged.new_violations),
        "violations": float(len(judged.violations)),
        "new_duplicated_lines_percent": 100.0 * copied / python if python else 0.0,
        "new_security_hotspots_reviewed_percent": judged.reviewed_percent,
        "new_lines": float(total),
    }
    notes: list[str] = []
    if python < total:
        notes.append(f"Rules and copies are looked for in Python alone: {total - python} new lines are JavaScript.")
    if isinstance(base, EvidenceMissing):
        notes.append(f"Everything counts as new: the base could not be looked at ({base.reason}).")
    coverage = _coverage(request, lines)
    if isinstance(coverage, NewCoverage):
        measures["new_coverage_percent"] = coverage.percent
        notes += coverage.notes
    else:
        notes.append(f"The coverage of new code is unknown: {coverage.reason}.")
    said = [f"{judged.new_violations} new violations", f"{measures['new_duplicated_lines_percent']:.1f} % copies"]
    said += [f"{coverage.percent:.1f} % covered"] if isinstance(coverage, NewCoverage) else []
    findings = (*judged.violations, *judged.unreviewed, *findings_of(_copy_findings(copies), request.tree))
    return Evidence(tool, f"{total} new lines: {', '.join(said)}", measures, findings, notes=tuple(notes))


def _look(executable: str, tree: Path, request: ScanRequest) -> _Looked | EvidenceMissing:
    roots = roots_of(request.service.source, tree)
    listed = ruff.checked_files(executable, tree, roots, ["--isolated"], request) if roots else ()
    if isinstance(listed, EvidenceMissing):
        return listed
    if not listed:
        return EvidenceMissing("the service's paths hold no Python")
    violations = ruff.check(executable, tree, roots, quality.VIOLATION_OPTIONS, request)
    hotspots = ruff.check(executable, tree, roots, quality.HOTSPOT_OPTIONS, request)
    if isinstance(violations, EvidenceMissing):
        return violations
    if isinstance(hotspots, EvidenceMissing):
        return hotspots
    reports = (("violations.json", violations.raw), ("hotspots.json", hotspots.raw))
    raw = tuple(RawReport(name, "application/json", content) for name, content in reports)
    return _Looked(violations.said, tuple(one for one in hotspots.said if one.rule in quality.HOTSPOTS), raw)


def _judge(looked: _Looked, base: _Looked | EvidenceMissing | None, request: ScanRequest) -> _Judged:
    known: frozenset[str] = frozenset()
    if isinstance(base, _Looked) and request.base_tree is not None:
        known = fingerprints(findings_of((*base.violations, *base.hotspots), request.base_tree))
    source = SourceLines(request.tree)
    hotspots = findings_of(looked.hotspots, request.tree, known)
    reviewed = {
        (one.path, one.line, one.rule)
        for one in looked.hotspots
        if quality.is_reviewed(one.rule, source.text(one.path, one.remark_line or one.line))
    }
    unreviewed = [one for one in hotspots if one.is_new and (one.path, one.line, one.rule) not in reviewed]
    return _Judged(findings_of(looked.violations, request.tree, known), hotspots, tuple(unreviewed))


def _copies(request: ScanRequest, lines: Lines) -> dict[str, frozenset[int]]:
    """New lines that stand somewhere else, too, by path."""
    files = files_of(request.service.source, request.tree, is_python)
    code = {path: (request.tree / path).read_text("utf-8", "replace") for path in files if not is_test_code(path)}
    found = duplicated_lines(code)
    return {path: fresh for path in lines if (fresh := lines[path] & found.get(path, set[int]()))}


def _copy_findings(copies: dict[str, frozenset[int]]) -> Sequence[Located]:
    return [
        Located("duplicated-lines", Severity.LOW, f"{len(numbers)} new lines are copies", path, min(numbers))
        for path, numbers in sorted(copies.items())
    ]


def _coverage(request: ScanRequest, lines: Lines) -> NewCoverage | EvidenceMissing:
    report = report_of_unit_tests(request, *coverage_report.NAMES)
    if report is None:
        return EvidenceMissing("the unit tests left no coverage report")
    try:
        coverage = coverage_report.read(report.read_bytes(), request.tree, request.service.source.path)
    except (OSError, ValueError) as error:
        return EvidenceMissing(f"the coverage report can't be read: {error}")
    if not coverage.coverable:
        return EvidenceMissing("the coverage report knows no line of the service")
    return new_coverage(lines, coverage, request.tree, request.service.source)
