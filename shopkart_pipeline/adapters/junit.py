"""JUnit XML as pytest, surefire, jest-junit, mocha, gotestsum, CTest, GoogleTest and Node's own runner write it.

There is no standard, so what differs is read with care. A test that is named twice counts twice (pytest names one again
whose teardown failed). A suite that says it ran more tests than the report holds was cut off, and is not read; skipped
ones may be announced and left out (mocha). A test that was not run for want of its program is an error and not a skip
(CTest), one that is switched off is a skip though nothing below it says so (CTest, GoogleTest), and one that its runner
repeated by itself until it passed is flaky (surefire's `flakyFailure` and `flakyError`). In which browser tests ran is
the property `browser` of their suite.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from xml.etree.ElementTree import Element

from shopkart_pipeline.adapters._xml import root_of

_PLACE = re.compile(r"^([^\s:]+\.\w+):(\d+): ", re.MULTILINE)
_THOUSANDS = re.compile(r"[1-9]\d{0,2}(,\d{3})+")
NODE_CLASS = "test"
"""What Node's own runner calls the class of every test."""
TOLD_PROPERTIES = frozenset({"browser"})
"""Properties that are shown. Others are not: surefire writes all of its surroundings into a report."""
_LONGEST_PROPERTY, _MOST_PROPERTIES = 200, 5
_SWITCHED_OFF = frozenset({"disabled", "notrun"})


class Outcome(StrEnum):
    """How a test ended. `ERROR` is a test that could not be run or cleaned up after; `FLAKY` failed and passed."""

    PASSED = "passed"
    FLAKY = "flaky"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"

    @property
    def is_failure(self) -> bool:
        return self in (Outcome.FAILED, Outcome.ERROR)


@dataclass(frozen=True)
class TestCase:
    """One test."""

    __test__ = False

    name: str
    """`class::name`; for Node's own runner, which gives every test the same class, `suite::suite::name`."""
    outcome: Outcome
    duration_seconds: float
    message: str = ""
    """First line of what went wrong; how it went where it is flaky."""
    file: str | None = None
    """Where it went wrong, else where the runner says that it stands; mostly relative to the folder that it ran in."""
    line: int | None = None
    class_name: str = ""
    own_file: str | None = None
    """Where the runner says that it stands, however it went."""


@dataclass(frozen=True)
class _Suite:
    """What the suites around a test say."""

    names: tuple[str, ...] = ()
    file: str | None = None

    def inside(self, element: Element) -> "_Suite":
        name = element.get("name")
        is_suite = element.tag == "testsuite" and name
        return replace(
            self, names=(*self.names, name) if is_suite and name else self.names, file=element.get("file") or self.file
        )


def parse(report: bytes) -> tuple[TestCase, ...]:
    """Read a report.

    Raises:
        ValueError: it is not JUnit XML, or it was cut off.
    """
    root = root_of(report)
    if root.tag not in ("testsuites", "testsuite"):
        raise ValueError(f"not JUnit XML, but <{root.tag[:60]}>")
    cases = tuple(_case(element, suite) for element, suite in _elements(root))
    _check_whole(root, cases)
    return cases


def told_properties(report: bytes) -> tuple[str, ...]:
    """What the report's suites say of how they were run, `name: value`: each of `TOLD_PROPERTIES` once.

    Raises:
        ValueError: it is not XML, or it was cut off.
    """
    found: dict[str, None] = {}
    if b"<property" in report:
        suites = root_of(report).iter("testsuite")
        for each in (each for suite in suites for each in suite.iterfind("properties/property")):
            name, value = each.get("name") or "", each.get("value") or each.text or ""
            if name in TOLD_PROPERTIES and value.strip():
                found[f"{name}: {' '.join(value.split())[:_LONGEST_PROPERTY]}"] = None
    return tuple(found)[:_MOST_PROPERTIES]


def _elements(root: Element) -> Iterator[tuple[Element, _Suite]]:
    """The tests in their order, with what is said around them."""
    pending = [(root, _Suite())]
    while pending:
        element, suite = pending.pop()
        if element.tag == "testcase":
            yield element, suite
        else:
            inner = suite.inside(element)
            pending += [(child, inner) for child in reversed(element) if child.tag in ("testsuite", "testcase")]


def _check_whole(root: Element, cases: tuple[TestCase, ...]) -> None:
    leaves = [suite for suite in root.iter("testsuite") if suite.find("testsuite") is None]
    announced = sum(_count(suite, "tests") for suite in leaves)
    skips = max(_count(root, "skipped"), sum(_count(suite, "skipped") for suite in leaves))
    left_out = max(0, skips - sum(case.outcome is Outcome.SKIPPED for case in cases))
    if announced > len(cases) + left_out:
        raise ValueError(f"{announced} tests are announced, but only {len(cases)} reported")


def _count(element: Element, name: str) -> int:
    return int(element.get(name) or 0)


def _case(element: Element, suite: _Suite) -> TestCase:
    outcome, problem = _outcome(element)
    details = (problem.text or "") if problem is not None else ""
    said = ((problem.get("message") or details).strip() if problem is not None else "").partition("\n")[0]
    own_file = element.get("file") or suite.file
    file, line = own_file, _number(element.get("line"))
    if outcome.is_failure and (places := _PLACE.findall(details)):
        file, line = places[-1][0], int(places[-1][1])
    class_name, name = element.get("classname") or "", element.get("name")
    around = suite.names if class_name == NODE_CLASS and suite.names else (class_name,)
    return TestCase(
        name="::".join(part for part in (*around, name) if part) or "unnamed",
        outcome=outcome,
        duration_seconds=_seconds(element.get("time")),
        message=_repeated(element) if outcome is Outcome.FLAKY else said,
        file=file,
        line=line,
        class_name=class_name,
        own_file=own_file,
    )


def _outcome(element: Element) -> tuple[Outcome, Element | None]:
    for tag, outcome in (("error", Outcome.ERROR), ("failure", Outcome.FAILED), ("skipped", Outcome.SKIPPED)):
        problem = element.find(tag)
        if problem is not None:
            return (Outcome.ERROR if _could_not_run(element, problem) else outcome), problem
    if element.find("flakyFailure") is not None or element.find("flakyError") is not None:
        return Outcome.FLAKY, None
    off = element.get("status") in _SWITCHED_OFF or element.get("result") == "suppressed"
    return (Outcome.SKIPPED if off else Outcome.PASSED), None


def _could_not_run(element: Element, problem: Element) -> bool:
    """CTest calls "skipped" what it can't find, too, and counts it as failed; what it skips is marked `SKIP_…`."""
    said = problem.get("message") or ""
    return problem.tag == "skipped" and element.get("status") == "notrun" and not said.startswith("SKIP_")


def _repeated(element: Element) -> str:
    failures = len(element.findall("flakyFailure")) + len(element.findall("flakyError"))
    return f"passed on attempt {failures + 1} of its runner"


def _seconds(text: str | None) -> float:
    """A duration, with a comma for thousands or, in some languages, for decimals; 0 where it is no number."""
    plain = (text or "").strip()
    if plain.rfind(",") > plain.rfind(".") and not _THOUSANDS.fullmatch(plain):
        plain = plain.replace(".", "").replace(",", ".")
    try:
        seconds = float(plain.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
