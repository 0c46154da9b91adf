"""JUnit XML as pytest and most other test runners write it.

A test that is named twice counts twice (pytest names one again whose teardown failed). A suite that says it ran more
tests than the report holds was cut off, and is not read.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException, ElementTree

_PLACE = re.compile(r"^([^\s:]+\.\w+):(\d+): ", re.MULTILINE)


class Outcome(StrEnum):
    """How a test ended. `ERROR` is a test that could not be run or cleaned up after."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class TestCase:
    """One test."""

    __test__ = False

    name: str
    """`class::name`."""
    outcome: Outcome
    duration_seconds: float
    message: str = ""
    """First line of what went wrong."""
    file: str | None = None
    """As the runner names it, mostly relative to the folder that it ran in."""
    line: int | None = None


def parse(report: bytes) -> tuple[TestCase, ...]:
    """Read a report.

    Raises:
        ValueError: it is not JUnit XML, or it was cut off.
    """
    try:
        root: Element = ElementTree.fromstring(report)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise ValueError(f"not readable as XML: {error!r}") from error
    if root.tag not in ("testsuites", "testsuite"):
        raise ValueError(f"not JUnit XML, but <{root.tag[:60]}>")
    cases = tuple(_case(element) for element in root.iter("testcase"))
    claimed = sum(int(suite.get("tests", "0")) for suite in root.iter("testsuite") if suite.find("testsuite") is None)
    if claimed > len(cases):
        raise ValueError(f"{claimed} tests are announced, but only {len(cases)} reported")
    return cases


def _case(element: Element) -> TestCase:
    outcome, problem = Outcome.PASSED, None
    for tag, meaning in (("error", Outcome.ERROR), ("failure", Outcome.FAILED), ("skipped", Outcome.SKIPPED)):
        problem = element.find(tag)
        if problem is not None:
            outcome = meaning
            break
    details = (problem.text or "") if problem is not None else ""
    said = ((problem.get("message") or details).strip() if problem is not None else "").partition("\n")[0]
    file, line = element.get("file"), _number(element.get("line"))
    if outcome in (Outcome.FAILED, Outcome.ERROR) and (places := _PLACE.findall(details)):
        file, line = places[-1][0], int(places[-1][1])
    return TestCase(
        name="::".join(part for part in (element.get("classname"), element.get("name")) if part) or "unnamed",
        outcome=outcome,
        duration_seconds=float((element.get("time") or "0").replace(",", "")),
        message=said,
        file=file,
        line=line,
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
