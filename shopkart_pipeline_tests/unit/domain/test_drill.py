"""A drill is scored by what was measured; what nobody measured is missed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from shopkart_pipeline.domain.drill import Score, score
from shopkart_pipeline.domain.incident import ErrorSignature, Incident, IncidentStep, TimelineEntry
from shopkart_pipeline.domain.incident_policy import IncidentPolicy

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
SECONDS = {
    IncidentStep.INTRODUCED: 0,
    IncidentStep.DETECTED: 4,
    IncidentStep.ROLLED_BACK: 5,
    IncidentStep.RECOVERED: 8,
    IncidentStep.CAUSE_IDENTIFIED: 20,
    IncidentStep.CLOSED: 25,
    IncidentStep.POSTMORTEM_DRAFTED: 26,
}


def drilled(*without: IncidentStep, **later: int) -> Incident:
    entries = tuple(
        TimelineEntry(NOON + timedelta(seconds=later.get(step.value, after)), step, step.value)
        for step, after in SECONDS.items()
        if step not in without
    )
    own = ErrorSignature("CartFormatError", 12, "cart 1", "bad")
    return Incident("i", "backend", "production", "bad", "sha256:1", "errors", 12, 20, entries, (own,))


def missed(incident: Incident) -> list[Score]:
    return [each for each in score(incident, IncidentPolicy()) if not each.passed]


def test_what_is_found_and_mended_in_time_is_passed() -> None:
    assert missed(drilled()) == []
    assert [each.measured for each in score(drilled(), IncidentPolicy())][:2] == ["after 4.0 s", "after 8.0 s"]


def test_what_is_found_too_late_is_missed_with_its_target() -> None:
    assert missed(drilled(detected=61)) == [
        Score("detected", passed=False, measured="after 61.0 s", target="within 60 s")
    ]


def test_what_nobody_measured_is_missed() -> None:
    lines = {each.what: each.measured for each in missed(drilled(IncidentStep.RECOVERED))}

    assert lines == {"recovered": "not measured", "closed with a verified recovery": "it did not happen"}


def test_errors_of_others_are_nothing_that_was_found() -> None:
    other = replace(drilled(), suspected_release="another")

    assert [each.what for each in missed(other)] == ["found in the logs"]
