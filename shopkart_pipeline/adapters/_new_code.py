"""New code: lines that the base of the release did not have, in files that ship.

Coverage of new code counts the lines that the coverage report calls runnable. A new file of the service that the
report does not know counts as not covered, statement by statement (JavaScript: line by line, but for comments and lone
brackets): otherwise code that no test even imports would pass. For shared folders the report decides alone, since their
own tests may belong to another service. JavaScript is left out, and named, where the report measures none at all: then
it is of tests in another language.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters._coverage import Coverage
from shopkart_pipeline.adapters._service_paths import (
    is_below,
    is_javascript,
    is_python,
    is_test_code,
    is_tool_configuration,
    roots_of,
)
from shopkart_pipeline.domain.declaration import Source, StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline.ports.scm import SourceControl

_NO_STATEMENT = re.compile(r"(//.*|/?\*.*|[\[\](){};,]*)")
Lines = Mapping[str, frozenset[int]]


@dataclass(frozen=True)
class NewCoverage:
    """How much of the new code the tests ran."""

    coverable: int
    covered: int
    unknown: tuple[str, ...]
    """New files of the service that the coverage report does not know."""
    unmeasured: tuple[str, ...] = ()
    """New files in a language that the coverage report does not measure."""

    @property
    def percent(self) -> float:
        return 100.0 * self.covered / self.coverable if self.coverable else 100.0

    @property
    def notes(self) -> tuple[str, ...]:
        notes: list[str] = []
        if not self.coverable:
            notes.append("No new line can be run: there is nothing new to cover.")
        if self.unknown:
            notes.append(
                f"New code that the coverage report does not know counts as not covered: {_names(self.unknown)}."
            )
        if self.unmeasured:
            notes.append(f"The coverage report measures no JavaScript, so this is left out: {_names(self.unmeasured)}.")
        return tuple(notes)


def report_of_unit_tests(request: ScanRequest, *names: str) -> Path | None:
    """The first raw report of the unit tests of this release that has one of these names; None where they left none."""
    stages = [stage.name for stage in request.service.stages if stage.kind is StageKind.UNIT_TESTS] or ["unit_tests"]
    wanted = [f"{stage}/{name}" for stage in stages for name in names]
    return next((file for name in wanted if (file := request.reports.get(name))), None)


def new_lines(scm: SourceControl, request: ScanRequest) -> Lines | EvidenceMissing:
    """New lines of the service's code in Python and JavaScript, tests left out, by path."""
    try:
        changed = scm.changed_lines(request.service.source, request.base_commit, request.release.sha)
    except PipelineError as error:
        return EvidenceMissing(f"what is new can't be told: {error.what}")
    roots = roots_of(request.service.source, request.tree)
    return {
        path: lines for path, lines in changed.items() if _ships(path) and any(is_below(path, root) for root in roots)
    }


def _ships(path: str) -> bool:
    if is_javascript(path):
        return not is_test_code(path) and not is_tool_configuration(path)
    return is_python(path) and not is_test_code(path)


def new_coverage(lines: Lines, coverage: Coverage, tree: Path, source: Source) -> NewCoverage:
    """What the tests ran of the new lines."""
    coverable = covered = 0
    unknown: list[str] = []
    unmeasured: list[str] = []
    measures_javascript = any(is_javascript(path) for path in coverage.lines)
    for path, numbers in sorted(lines.items()):
        known = coverage.lines.get(path)
        if known is not None:
            fresh = [hit for number, hit in known.items() if number in numbers]
            coverable += len(fresh)
            covered += sum(fresh)
        elif is_below(path, source.path):
            missed = len(_statements(tree / path) & numbers)
            if is_javascript(path) and not measures_javascript:
                unmeasured += [path] if missed else []
                continue
            coverable += missed
            unknown += [path] if missed else []
    return NewCoverage(coverable, covered, tuple(unknown), tuple(unmeasured))


def _names(paths: Sequence[str]) -> str:
    return ", ".join(paths[:5]) + (" and others" if len(paths) > 5 else "")


def _statements(file: Path) -> set[int]:
    return _javascript_lines(file) if is_javascript(file.name) else _python_statements(file)


def _javascript_lines(file: Path) -> set[int]:
    """Lines that hold more than a comment or brackets; none where the file can't be read."""
    try:
        lines = file.read_text("utf-8", "replace").split("\n")
    except OSError:
        return set()
    return {number for number, line in enumerate(lines, start=1) if not _NO_STATEMENT.fullmatch(line.strip())}


def _python_statements(file: Path) -> set[int]:
    """First lines of the statements of a Python file, docstrings left out; none where it can't be parsed."""
    try:
        module = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()
    return {
        node.lineno
        for node in ast.walk(module)
        if isinstance(node, ast.stmt) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
    }
