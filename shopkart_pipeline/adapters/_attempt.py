"""One run of a declared command: how it ended, what it wrote, and which tests it reports.

Reports and exit code have to agree, and where there is a JUnit report at least one test must have been executed. A
command that failed although no test did, or the other way round, proves nothing. Only reports that this run wrote are
read, without the place of the copy that it ran in and without the secrets that it was given; of a search for secrets
also without the pieces of source that it quotes.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shopkart_pipeline.adapters import junit, sarif
from shopkart_pipeline.adapters._coverage_report import LCOV_NAME, XML_NAME, is_xml
from shopkart_pipeline.adapters._process import Completed
from shopkart_pipeline.adapters._report_limits import read_report
from shopkart_pipeline.adapters.junit import Outcome, TestCase
from shopkart_pipeline.domain.declaration import Stage, StageKind
from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.ports.scanner import ScanRequest

JUNIT, SARIF, CHECKSTYLE = "junit.xml", "results.sarif", "checkstyle.xml"
_SECRET_NAMES = ("PASSWORD", "TOKEN", "SECRET", "KEY")


@dataclass(frozen=True)
class Attempt:
    """One run."""

    number: int
    done: Completed
    raw: Mapping[str, RawReport]
    """What it wrote, by the name that the report has in the evidence."""
    refused: Mapping[str, str]
    """Why a report that it wrote is not read, by the same name."""
    tests: tuple[TestCase, ...] = ()
    properties: tuple[str, ...] = ()
    """What the tests' report says of how they were run."""
    problem: str = ""
    """Why it proves nothing; empty where it does."""

    def content(self, name: str, path: str) -> bytes:
        """A report that the stage declares at `path`. Raises `ValueError` if it is not there."""
        if name in self.refused:
            raise ValueError(f"{path} can't be read: {self.refused[name]}")
        if name not in self.raw:
            raise ValueError(f"the command wrote no {path}")
        return self.raw[name].content


def look(number: int, done: Completed, request: ScanRequest, work: Path) -> Attempt:
    """What a run left behind in its copy `work`."""
    bare = Attempt(number, done, *_collect(request, work))
    if done.timed_out or done.cancelled:
        return replace(bare, problem=done.failure("the command") or "")
    if not request.stage.junit:
        return bare
    try:
        tests = _tests(bare, request.stage)
        bare = replace(bare, properties=junit.told_properties(bare.content(JUNIT, request.stage.junit)))
    except ValueError as error:
        failure = done.failure("the command")
        return replace(bare, problem=str(error) + (f"; {failure}" if failure else ""))
    failed = sum(case.outcome.is_failure for case in tests)
    return replace(bare, tests=tests, problem=_disagreement(done, failed))


def unexplained(done: Completed, found: int) -> str:
    """Why the exit code is a failure that what was found does not explain; empty where it is none."""
    return "" if done.exit_code > 0 and found else done.failure("the command") or ""


def _disagreement(done: Completed, failed: int) -> str:
    """Why exit code and tests can't both be true; empty if they can."""
    if done.exit_code == 0 and failed:
        return f"the command ended with exit code 0, but its report has {failed} failed tests"
    failure = unexplained(done, failed)
    return failure if failed or not failure else f"{failure}, but no test failed"


def _tests(attempt: Attempt, stage: Stage) -> tuple[TestCase, ...]:
    content = attempt.content(JUNIT, stage.junit or "")
    try:
        cases = junit.parse(content)
    except ValueError as error:
        raise ValueError(f"{stage.junit} can't be read: {error}") from error
    if all(case.outcome is Outcome.SKIPPED for case in cases):
        raise ValueError(f"no test was executed ({len(cases)} skipped)")
    return cases


def _collect(request: ScanRequest, work: Path) -> tuple[dict[str, RawReport], dict[str, str]]:
    """The reports that can be read, and why others can't."""
    stage = request.stage
    kinds = (
        (JUNIT, "application/xml", stage.junit),
        (XML_NAME, "application/xml", stage.coverage),
        (SARIF, "application/sarif+json", stage.sarif),
        (CHECKSTYLE, "application/xml", stage.checkstyle),
    )
    reports, refused = dict[str, RawReport](), dict[str, str]()
    for name, media_type, path in kinds:
        file = work / request.service.source.path / path if path else None
        if file is None or not os.path.lexists(file):
            continue
        try:
            content = _cleaned(read_report(file), request, work)
            if name == SARIF and stage.kind is StageKind.SECRET_SCAN:
                content = sarif.without_snippets(content)
        except (ValueError, OSError) as error:
            refused[name] = str(error)
            continue
        if name == XML_NAME and not is_xml(content):
            name, media_type = LCOV_NAME, "text/plain"
        reports[name] = RawReport(name, media_type, content)
    return reports, refused


def _cleaned(content: bytes, request: ScanRequest, work: Path) -> bytes:
    place = f"{work}/"
    for text in (f"file://{place}", place, place.replace("/", ".")):
        content = content.replace(text.encode(), b"")
    content = content.replace(str(work).encode(), b".")
    for name, value in request.variables.items():
        if len(value) >= 4 and any(word in name.upper() for word in _SECRET_NAMES):
            content = content.replace(value.encode(), b"***")
    return content
