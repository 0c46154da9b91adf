"""Which release is looked at first, and why; and which one production leaves by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shopkart_pipeline.domain.incident import (
    ErrorSignature,
    Incident,
    IncidentSeverity,
    IncidentStep,
    TimelineEntry,
)
from shopkart_pipeline.domain.incident_policy import IncidentPolicy, Undecided, due_rollback
from shopkart_pipeline.domain.suspicion import Arrival, most_suspicious, weigh

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def arrival(key: str, minutes_before: float, **details: object) -> Arrival:
    at = NOON - timedelta(minutes=minutes_before)
    return replace(Arrival("backend", key, f"sha256:{key}", at, paths=("backend/app.py",)), **details)


def own(key: str, before: int | None = 0) -> ErrorSignature:
    return ErrorSignature("CartFormatError", 12, "cart 1", key, before)


def keys(*arrivals: Arrival, signatures: tuple[ErrorSignature, ...] = ()) -> list[str]:
    return [each.release_key for each in weigh("backend", arrivals, signatures, NOON, DAY)]


def test_releases_inside_the_window_are_listed_newest_first() -> None:
    assert keys(arrival("old", 2000), arrival("first", 300), arrival("second", 5)) == ["second", "first"]


def test_what_came_after_the_trouble_began_did_not_cause_it() -> None:
    assert keys(arrival("later", -1), arrival("clocks-differ", -0.05)) == ["clocks-differ"]


def test_what_had_left_before_the_trouble_began_did_not_cause_it() -> None:
    gone, leaves = (
        arrival("gone", 30, left_at=NOON - timedelta(minutes=20)),
        arrival("leaves", 30, left_at=NOON + timedelta(seconds=9)),
    )

    assert keys(gone, leaves) == ["leaves"]


def test_the_newest_release_is_suspected_where_nothing_else_tells() -> None:
    suspect = most_suspicious(weigh("backend", [arrival("first", 300), arrival("second", 30)], (), NOON, DAY))

    assert suspect is not None
    assert (suspect.release_key, suspect.reasons[0]) == ("second", "it got traffic 30 min before it began")


def test_errors_that_come_from_one_release_alone_outweigh_the_time() -> None:
    arrivals = [arrival("first", 300), arrival("second", 1)]

    suspect = most_suspicious(weigh("backend", arrivals, [own("first")], NOON, DAY))

    assert suspect is not None
    assert suspect.release_key == "first"
    assert "12 errors of the kind 'CartFormatError' come from it alone, and there was none before" in suspect.reasons


@pytest.mark.parametrize("signatures", [[own("first"), own("second")], [own("first", before=3)]])
def test_errors_that_others_have_too_or_that_were_there_before_blame_nobody(signatures: list[ErrorSignature]) -> None:
    suspect = most_suspicious(weigh("backend", [arrival("first", 300), arrival("second", 1)], signatures, NOON, DAY))

    assert suspect is not None
    assert suspect.release_key == "second"


def test_what_a_release_changed_is_among_the_reasons() -> None:
    paths = tuple(f"backend/{number}.py" for number in range(7))
    changed = arrival("a", 1, paths=paths, configuration=("variables.MODE",), migrations=("production_expand",))

    [suspect] = weigh("backend", [changed], (), NOON, DAY)

    assert suspect.reasons[1:] == (
        "it changed the database (production_expand)",
        "it is configured otherwise (variables.MODE)",
        "it changed backend/0.py, backend/1.py, backend/2.py, backend/3.py, backend/4.py and 2 more",
    )


def test_what_nobody_could_tell_is_said() -> None:
    [suspect] = weigh("backend", [arrival("a", 1, paths=None)], (), NOON, DAY)

    assert "what it changed in the repository is not known" in suspect.reasons


def test_a_service_that_it_depends_on_is_looked_at_after_its_own() -> None:
    arrivals = [arrival("other", 1, service="database"), arrival("own", 2)]

    suspects = weigh("backend", arrivals, (), NOON, DAY)

    assert [each.service for each in suspects] == ["database", "backend"]
    assert most_suspicious(suspects) == suspects[1]


def test_without_a_release_nothing_is_suspected() -> None:
    assert most_suspicious(weigh("backend", [], (), NOON, DAY)) is None


# Rollback without a person.

POLICY = IncidentPolicy(auto_rollback=True)


def incident(*arrivals: Arrival, step: IncidentStep | None = None) -> Incident:
    suspects = weigh("backend", arrivals or (arrival("bad", 5),), (), NOON, DAY)
    entries = (TimelineEntry(NOON, IncidentStep.DETECTED, "errors"),)
    if step is not None:
        entries = (*entries, TimelineEntry(NOON + timedelta(seconds=30), step, "done"))
    found = most_suspicious(suspects)
    name = found.release_key if found else ""
    return Incident("i", "backend", "production", name, "", "errors", 0, 0, entries, suspects=suspects)


def reason(found: object) -> str:
    assert isinstance(found, Undecided)
    return found.reason


def test_the_clear_case_goes_back_by_itself() -> None:
    found = due_rollback(incident(), POLICY)

    assert not isinstance(found, Undecided)
    assert found.release_key == "bad"


def test_nothing_goes_back_by_itself_unless_that_is_declared() -> None:
    assert reason(due_rollback(incident(), IncidentPolicy())) == "the declaration leaves it to people"


@pytest.mark.parametrize("step", [IncidentStep.ROLLED_BACK, IncidentStep.RECOVERED, IncidentStep.CLOSED])
def test_what_is_over_is_left_alone(step: IncidentStep) -> None:
    assert "nothing left" in reason(due_rollback(incident(step=step), POLICY))


def test_a_rollback_that_failed_is_for_a_person() -> None:
    assert "tried and failed" in reason(due_rollback(incident(step=IncidentStep.ROLLBACK_FAILED), POLICY))


def test_what_does_not_hurt_much_is_for_a_person() -> None:
    mild = replace(incident(), severity=IncidentSeverity.WARNING)

    assert reason(due_rollback(mild, POLICY)) == "its severity is warning"


def test_a_release_that_came_long_before_is_for_a_person() -> None:
    assert "came longer than 1800 s before" in reason(due_rollback(incident(arrival("a", 31)), POLICY))


def test_two_that_are_equally_suspicious_are_for_a_person() -> None:
    assert (
        reason(due_rollback(incident(arrival("a", 3), arrival("b", 5)), POLICY)) == "another release is as suspicious"
    )


def test_without_a_suspect_there_is_nothing_to_take_back() -> None:
    assert reason(due_rollback(incident(arrival("a", 9999)), POLICY)) == "no release is suspected"


def test_another_services_release_is_for_a_person() -> None:
    other = incident(arrival("a", 3, service="frontend"))

    assert reason(due_rollback(other, POLICY)) == "the suspected release is one of frontend"
