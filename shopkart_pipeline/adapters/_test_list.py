"""The list of a stage's tests as a raw report: what the next release is compared with.

A name is there once, with the worst way in which it ended. The list is bounded; what is left out is counted, so that a
list that was cut short can be seen, and what it holds can still be missed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from shopkart_pipeline.adapters._report_limits import why
from shopkart_pipeline.adapters._test_files import TestFiles
from shopkart_pipeline.adapters.junit import Outcome, TestCase
from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.ports.scanner import TEST_LIST

MAXIMUM_TESTS = 50_000
_MAXIMUM_CHARACTERS = 1000


@dataclass(frozen=True)
class ListedTest:
    """One name."""

    name: str
    outcome: Outcome
    file: str | None
    """Its file, or for Go its folder, relative to the root of the repository; None where that can't be told."""


@dataclass(frozen=True)
class TestList:
    """All tests of one stage of a release."""

    __test__ = False

    commit: str
    tests: tuple[ListedTest, ...]
    left_out: int = 0


class _Test(BaseModel):
    name: str
    outcome: Outcome
    file: str | None = None


class _Document(BaseModel):
    commit: str
    tests: list[_Test]
    left_out: int = 0


def list_tests(cases: Sequence[TestCase], files: TestFiles, commit: str) -> TestList:
    """The list of these tests, sorted by name."""
    rank = (Outcome.SKIPPED, Outcome.PASSED, Outcome.FLAKY, Outcome.FAILED, Outcome.ERROR)
    known: dict[str, ListedTest] = {}
    for case in cases:
        name = case.name[:_MAXIMUM_CHARACTERS]
        if name not in known or rank.index(case.outcome) > rank.index(known[name].outcome):
            known[name] = ListedTest(name, case.outcome, files.of(case))
    return TestList(commit, tuple(known[name] for name in sorted(known)))


def write(tests: TestList) -> RawReport:
    """The list as a raw report."""
    document = {
        "commit": tests.commit,
        "left_out": max(0, len(tests.tests) - MAXIMUM_TESTS),
        "tests": [
            {"name": test.name, "outcome": test.outcome.value, "file": test.file}
            for test in tests.tests[:MAXIMUM_TESTS]
        ],
    }
    return RawReport(TEST_LIST, "application/json", json.dumps(document).encode())


def read(content: bytes) -> TestList:
    """Read what `write` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        document = _Document.model_validate_json(content)
    except ValidationError as error:
        raise ValueError(f"the earlier list of tests can't be read: {why(error)}") from error
    tests = tuple(ListedTest(test.name, test.outcome, test.file) for test in document.tests)
    return TestList(document.commit, tests, document.left_out)
