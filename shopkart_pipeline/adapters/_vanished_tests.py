"""Tests that an earlier release executed and that are no longer reported, though nobody changed them.

A suite can shrink without a failure: a file that is no longer collected, a filter in a configuration, a runner that
stops early. So every test that the earlier release executed has to be there again, by its full name. It may be gone if
the change touches its file; then it counts as removed, and is told. Where the file of a test can't be told, a change
to any test code explains it. A parametrised test that has as many new names as it lost was renamed by its data. Tests
that ran before and are skipped now are told.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from shopkart_pipeline.adapters import _test_list as test_list
from shopkart_pipeline.adapters._service_paths import is_below, is_test_code
from shopkart_pipeline.adapters._test_files import GO_TEST
from shopkart_pipeline.adapters._test_list import ListedTest, TestList
from shopkart_pipeline.adapters.junit import Outcome
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Finding, Severity, fingerprint_of
from shopkart_pipeline.ports.scanner import EARLIER_TESTS, ScanRequest
from shopkart_pipeline.ports.scm import SourceControl

VANISHED_TEST = "vanished-test"
_MAXIMUM_FINDINGS = 100
_NAMED = 5


@dataclass
class Comparison:
    """What the comparison came to. Measures: `vanished`, `removed_tests`."""

    vanished: list[ListedTest] = field(default_factory=list[ListedTest])
    removed: list[ListedTest] = field(default_factory=list[ListedTest])
    notes: list[str] = field(default_factory=list[str])

    @property
    def measures(self) -> Mapping[str, float]:
        return {"vanished": float(len(self.vanished)), "removed_tests": float(len(self.removed))}

    @property
    def findings(self) -> Sequence[Finding]:
        return [
            Finding(
                rule=VANISHED_TEST,
                severity=Severity.HIGH,
                message=f"{test.name[:400]} ran before, is gone, and its file was not changed",
                fingerprint=fingerprint_of(VANISHED_TEST, test.file, test.name),
                path=test.file,
            )
            for test in self.vanished[:_MAXIMUM_FINDINGS]
        ]


def compare(now: TestList, request: ScanRequest, scm: SourceControl) -> Comparison:
    """Compare with the list that the request brings.

    Args:
        now: the tests of this release.
        request: brings the earlier list as `EARLIER_TESTS`.
        scm: tells which files were changed since then.

    Raises:
        ValueError: the earlier list can't be read.
    """
    file = request.reports.get(EARLIER_TESTS)
    if file is None:
        return Comparison(notes=["There is no earlier list of tests: whether some vanished can't be told."])
    before = test_list.read(file.read_bytes())
    found = Comparison()
    outcomes = {test.name: test.outcome for test in now.tests}
    executed = [test for test in before.tests if test.outcome is not Outcome.SKIPPED]
    skipped = [test for test in executed if outcomes.get(test.name) is Outcome.SKIPPED]
    missed = [test for test in executed if test.name not in outcomes]
    gone = _without_renamed(missed, before, now)
    if gone:
        _explain(gone, found, before.commit, request, scm)
    if len(gone) < len(missed):
        found.notes.append(f"{len(missed) - len(gone)} parametrised tests run under other names than before.")
    if found.removed:
        found.notes.append(
            f"{_tests(found.removed)} of {before.commit[:12]} no longer exist, and the change touches where they were:"
            f" {_names(found.removed)}."
        )
    if skipped:
        found.notes.append(f"{_tests(skipped)} ran at {before.commit[:12]} and are skipped now: {_names(skipped)}.")
    if before.left_out:
        found.notes.append(f"{before.left_out} tests of {before.commit[:12]} are not on its list, and can't be missed.")
    return found


def _explain(
    gone: Sequence[ListedTest], found: Comparison, commit: str, request: ScanRequest, scm: SourceControl
) -> None:
    """Sort what is gone into removed and vanished."""
    source = request.service.source
    try:
        scm.fetch(source, commit)
        changed = scm.changed_paths(source, commit, request.release.sha)
    except PipelineError as error:
        found.notes.append(f"What was changed since {commit[:12]} can't be told, so it explains nothing: {error.what}")
        changed = ()
    for test in gone:
        (found.removed if _is_touched(test, changed) else found.vanished).append(test)


def _is_touched(test: ListedTest, changed: Collection[str]) -> bool:
    if test.file is None:
        return any(is_test_code(path) for path in changed)
    return any(path == test.file or (is_below(path, test.file) and path.endswith(GO_TEST)) for path in changed)


def _without_renamed(gone: Sequence[ListedTest], before: TestList, now: TestList) -> list[ListedTest]:
    """Without as many names of each parametrised test as it has new ones."""
    known = {test.name for test in before.tests}
    fresh = Counter(_function(test.name) for test in now.tests if "[" in test.name and test.name not in known)
    left: list[ListedTest] = []
    for test in gone:
        if "[" in test.name and fresh[_function(test.name)]:
            fresh[_function(test.name)] -= 1
        else:
            left.append(test)
    return left


def _function(name: str) -> str:
    return name.partition("[")[0]


def _tests(tests: Sequence[ListedTest]) -> str:
    return f"{len(tests)} test{'' if len(tests) == 1 else 's'}"


def _names(tests: Sequence[ListedTest]) -> str:
    more = f" and {len(tests) - _NAMED} others" if len(tests) > _NAMED else ""
    return ", ".join(test.name for test in tests[:_NAMED]) + more
