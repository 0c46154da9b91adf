"""Results of tests that were run more than once: what they come to, test by test.

A test that failed and passed is flaky, in whichever order. One that failed and never passed has failed, also if a later
attempt no longer knows it or skips it. Tests that only a later attempt reports are taken in as that attempt tells.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from shopkart_pipeline.adapters.junit import Outcome, TestCase


def merge(attempts: Mapping[int, Sequence[TestCase]], most: int) -> tuple[TestCase, ...]:
    """The tests as they stand after all attempts.

    Args:
        attempts: what each attempt reported, by its number from 1.
        most: how many attempts were allowed.
    """
    outcomes = {number: _by_name(cases) for number, cases in attempts.items()}
    merged: list[TestCase] = []
    seen: set[str] = set()
    for number, cases in attempts.items():
        merged += [_merged(case, number, outcomes, most) for case in cases if case.name not in seen]
        seen.update(case.name for case in cases)
    return tuple(merged)


def _by_name(cases: Iterable[TestCase]) -> dict[str, Outcome]:
    """How each name came out; where it is there twice, the worst of it."""
    rank = (Outcome.SKIPPED, Outcome.PASSED, Outcome.FLAKY, Outcome.FAILED, Outcome.ERROR)
    found: dict[str, Outcome] = {}
    for case in cases:
        known = found.get(case.name, Outcome.SKIPPED)
        found[case.name] = max(known, case.outcome, key=rank.index)
    return found


def _merged(case: TestCase, first: int, outcomes: Mapping[int, Mapping[str, Outcome]], most: int) -> TestCase:
    by_attempt = {number: known[case.name] for number, known in outcomes.items() if case.name in known}
    at_first, later = by_attempt[first], {number: known for number, known in by_attempt.items() if number != first}
    failed = next((number for number, outcome in later.items() if outcome.is_failure), None)
    passed = next((number for number, outcome in later.items() if outcome in (Outcome.PASSED, Outcome.FLAKY)), None)
    if case.outcome.is_failure and passed is not None:
        return replace(case, outcome=Outcome.FLAKY, message=f"passed on attempt {passed} of {most}")
    if at_first is Outcome.PASSED and failed is not None:
        how = f"failed on attempt {failed} of {most}, after it had passed"
        return replace(case, outcome=Outcome.FLAKY, message=how)
    if at_first is Outcome.SKIPPED and failed is not None:
        return replace(case, outcome=Outcome.FAILED, message=f"failed on attempt {failed} of {most}")
    return case
