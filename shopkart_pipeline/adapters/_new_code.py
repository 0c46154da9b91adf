"""New code: lines that the base of the release did not have, in files that ship.

Coverage of new code counts the lines that the coverage report calls runnable. A new file of the service that the
report does not know counts as not covered, statement by statement: otherwise code that no test even imports would
pass. For shared folders the report decides alone, since their own tests may belong to another service.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters._coverage import Coverage
from shopkart_pipeline.adapters._service_paths import is_below, is_python, is_test_code, roots_of
from shopkart_pipeline.domain.declaration import Source
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline.ports.scm import SourceControl

Lines = Mapping[str, frozenset[int]]


@dataclass(frozen=True)
class NewCoverage:
    """How much of the new code the tests ran."""

    coverable: int
    covered: int
    unknown: tuple[str, ...]
    """New files of the service that the coverage report does not know."""

    @property
    def percent(self) -> float:
        return 100.0 * self.covered / self.coverable if self.coverable else 100.0

    @property
    def notes(self) -> tuple[str, ...]:
        notes: list[str] = []
        if not self.coverable:
            notes.append("No new line can be run: there is nothing new to cover.")
        if self.unknown:
            names = ", ".join(self.unknown[:5]) + (" and others" if len(self.unknown) > 5 else "")
            notes.append(f"New code that the coverage report does not know counts as not covered: {names}.")
        return tuple(notes)


def new_lines(scm: SourceControl, request: ScanRequest) -> Lines | EvidenceMissing:
    """New lines of the service's Python code, tests left out, by path."""
    try:
        changed = scm.changed_lines(request.service.source, request.base_commit, request.release.sha)
    except PipelineError as error:
        return EvidenceMissing(f"what is new can't be told: {error.what}")
    roots = roots_of(request.service.source, request.tree)
    return {
        path: lines
        for path, lines in changed.items()
        if is_python(path) and not is_test_code(path) and any(is_below(path, root) for root in roots)
    }


def new_coverage(lines: Lines, coverage: Coverage, tree: Path, source: Source) -> NewCoverage:
    """What the tests ran of the new lines."""
    coverable = covered = 0
    unknown: list[str] = []
    for path, numbers in sorted(lines.items()):
        known = coverage.lines.get(path)
        if known is not None:
            fresh = [hit for number, hit in known.items() if number in numbers]
            coverable += len(fresh)
            covered += sum(fresh)
        elif is_below(path, source.path):
            missed = len(_statements(tree / path) & numbers)
            coverable += missed
            unknown += [path] if missed else []
    return NewCoverage(coverable, covered, tuple(unknown))


def _statements(file: Path) -> set[int]:
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
