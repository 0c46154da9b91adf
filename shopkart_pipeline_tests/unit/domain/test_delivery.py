"""The measures of delivery: definitions by example, and laws that hold for any history."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.delivery import Change, Happened, ProductionEvent, changes_of, measure
from shopkart_pipeline.domain.incident import Incident, IncidentSeverity, IncidentStep, Suspect, TimelineEntry

START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(days=30)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def promoted(key: str, hours: float) -> ProductionEvent:
    return ProductionEvent(at(hours), "backend", key, Happened.PROMOTED)


def turned_back(key: str, hours: float) -> ProductionEvent:
    return ProductionEvent(at(hours), "backend", key, Happened.TURNED_BACK)


def an_incident(suspected: str, *steps: tuple[IncidentStep, float]) -> Incident:
    timeline = tuple(TimelineEntry(at(hours), step, step.value) for step, hours in steps)
    return Incident(f"incident-{suspected}", "backend", "production", suspected, "sha256:1", "errors", 3, 100, timeline)


def test_nothing_deployed_is_no_data_and_not_zero() -> None:
    measures = measure((), START, END)
    assert {figure.value for figure in measures.figures.values()} == {None}
    assert {figure.missing for figure in measures.figures.values()} == {
        "nothing was deployed to production in that time"
    }


def test_a_quiet_month_with_one_release() -> None:
    [change] = changes_of([promoted("one", 10)], ())
    measures = measure([replace(change, committed_at=(at(4), at(8)))], START, END)
    assert measures.deployments_per_day.value == pytest.approx(1 / 30)
    assert measures.lead_time_seconds.value == 4 * 3600
    assert measures.change_failure_ratio.value == 0
    assert measures.rework_ratio.value == 0
    assert measures.recovery_time_seconds.value is None
    assert measures.recovery_time_seconds.missing == "no deployment failed in that time"
    assert measures.deployments_per_day.releases == ("backend@one",)


def test_a_canary_that_was_turned_back_failed_and_what_comes_next_is_rework() -> None:
    incident = an_incident("bad", (IncidentStep.INTRODUCED, 20), (IncidentStep.RECOVERED, 20.5))
    events = [promoted("good", 10), turned_back("bad", 20.25), promoted("fix", 30)]
    measures = measure(changes_of(events, [incident]), START, END)
    assert measures.change_failure_ratio.value == pytest.approx(1 / 3)
    assert measures.change_failure_ratio.releases == ("backend@bad",)
    assert measures.change_failure_ratio.incidents == ("incident-bad",)
    assert measures.recovery_time_seconds.value == 1800
    assert measures.rework_ratio.releases == ("backend@fix",)


def test_an_incident_blames_the_service_whose_release_it_suspects() -> None:
    """Releases of one commit have the same key, and a service may be hurt by one that it depends on."""
    incident = an_incident("one", (IncidentStep.DETECTED, 2), (IncidentStep.OPENED, 2), (IncidentStep.RECOVERED, 3))
    suspect = Suspect("frontend", "one", "sha256:1", at(1), (), 3)
    incident = replace(incident, suspects=(suspect,))
    [own] = changes_of([promoted("one", 1)], [incident])
    [other] = changes_of([replace(promoted("one", 1), service="frontend")], [incident])
    assert (own.failed, other.failed, other.recovery_seconds) == (False, True, 3600)


def test_what_waits_for_working_hours_is_no_failed_deployment() -> None:
    incident = replace(an_incident("one", (IncidentStep.OPENED, 2)), severity=IncidentSeverity.WARNING)
    [one, two] = changes_of([promoted("one", 1), promoted("two", 3)], [incident])
    assert (one.failed, two.is_rework) == (False, True)
    of_canary = replace(incident, suspected_release="two")
    [_, two] = changes_of([promoted("one", 1), promoted("two", 3)], [of_canary])
    assert (two.failed, two.is_rework) == (False, False)


def test_what_was_taken_back_later_failed_then_and_is_one_deployment() -> None:
    """The ledger tells of a rollback that the release left, and that another one took its place."""
    changes = changes_of([promoted("good", 10), promoted("bad", 20), turned_back("bad", 23)], ())
    assert [(change.release_key, change.failed) for change in changes] == [("good", False), ("bad", True)]
    assert measure(changes, START, END).recovery_time_seconds.value == 3 * 3600


def test_a_release_that_comes_again_after_it_was_taken_back_is_another_deployment() -> None:
    changes = changes_of([promoted("one", 1), turned_back("one", 2), promoted("one", 3)], ())
    assert [(change.at, change.failed, change.is_rework) for change in changes] == [
        (at(1), True, False),
        (at(3), False, True),
    ]


def test_an_incident_is_about_the_last_time_that_its_release_came() -> None:
    incident = an_incident("one", (IncidentStep.OPENED, 4), (IncidentStep.RECOVERED, 5))
    changes = changes_of([promoted("one", 1), turned_back("one", 2), promoted("one", 3)], [incident])
    assert [change.incidents for change in changes] == [(), (incident,)]


def test_a_release_that_an_incident_suspects_failed_though_nobody_took_it_back() -> None:
    incident = an_incident("one", (IncidentStep.DETECTED, 12), (IncidentStep.OPENED, 13))
    measures = measure(changes_of([promoted("one", 10), promoted("two", 14)], [incident]), START, END)
    assert measures.change_failure_ratio.releases == ("backend@one",)
    assert measures.rework_ratio.releases == ("backend@two",)
    assert measures.recovery_time_seconds.value is None
    assert measures.recovery_time_seconds.missing == "of 1 of 1 failures nobody saw the end"


def test_an_incident_that_suspects_no_release_makes_rework_and_no_failure() -> None:
    incident = an_incident("", (IncidentStep.OPENED, 12))
    measures = measure(changes_of([promoted("one", 10), promoted("two", 14)], [incident]), START, END)
    assert measures.change_failure_ratio.value == 0
    assert measures.rework_ratio.releases == ("backend@two",)


def test_a_revert_is_rework_though_nobody_told_of_a_failure() -> None:
    changes = changes_of([promoted("one", 1), promoted("two", 2)], (), frozenset({"two"}))
    assert [change.is_rework for change in changes] == [False, True]


def test_a_release_of_unknown_commits_is_left_out_and_that_is_said() -> None:
    known, unknown = changes_of([promoted("one", 5), promoted("two", 9)], ())
    figure = measure([replace(known, committed_at=(at(4),)), unknown], START, END).lead_time_seconds
    assert (figure.value, figure.releases) == (3600, ("backend@one",))
    assert figure.missing == "the commits of 1 of 2 releases are not known"


def test_a_time_that_is_empty_is_refused() -> None:
    with pytest.raises(ValueError, match="begins before it ends"):
        measure((), END, END)


_EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(Happened), st.integers(0, 24 * 30)), max_size=12
).map(lambda drawn: [ProductionEvent(at(hours), "backend", key, what) for key, what, hours in drawn])
_INCIDENTS = st.lists(st.tuples(st.sampled_from("abcx"), st.integers(0, 24 * 30), st.none() | st.integers(0, 48))).map(
    lambda drawn: [
        an_incident(
            key,
            (IncidentStep.INTRODUCED, begin),
            *([] if lasted is None else [(IncidentStep.RECOVERED, begin + lasted)]),
        )
        for key, begin, lasted in drawn
    ]
)


@given(_EVENTS, _INCIDENTS)
def test_ratios_are_ratios_and_times_do_not_run_backwards(
    events: list[ProductionEvent], incidents: list[Incident]
) -> None:
    changes = changes_of(events, incidents)
    figures = measure(changes, START, END + timedelta(days=1)).figures
    for name, figure in figures.items():
        assert figure.value is None or figure.value >= 0
        assert figure.value is None or not name.endswith("_ratio") or figure.value <= 1
        assert figure.value is not None or figure.missing
        assert set(figure.releases) <= {change.name for change in changes}
    assert (figures["change_failure_ratio"].value == 0) == (bool(changes) and not any(each.failed for each in changes))


@given(_EVENTS, _INCIDENTS, st.integers(1, 24 * 30 - 1))
def test_two_times_side_by_side_hold_what_the_whole_holds(
    events: list[ProductionEvent], incidents: list[Incident], hours: int
) -> None:
    changes, end = changes_of(events, incidents), END + timedelta(hours=1)
    parts = [measure(changes, START, at(hours)), measure(changes, at(hours), end)]
    whole = measure(changes, START, end)
    for name in ("deployments_per_day", "change_failure_ratio", "rework_ratio", "recovery_time_seconds"):
        assert sum((part.figures[name].releases for part in parts), ()) == whole.figures[name].releases
    days = [(part.until - part.since).total_seconds() / 86_400 for part in parts]
    told = [part.deployments_per_day.value or 0 for part in parts]
    counted = sum(each * length for each, length in zip(told, days, strict=True))
    assert isclose(counted, len(whole.deployments_per_day.releases), abs_tol=1e-6)


@given(_EVENTS, st.sampled_from("abc"))
def test_one_incident_more_never_makes_fewer_failures(events: list[ProductionEvent], key: str) -> None:
    def failed(changes: tuple[Change, ...]) -> int:
        return sum(change.failed for change in changes)

    assert failed(changes_of(events, [an_incident(key, (IncidentStep.OPENED, 1))])) >= failed(changes_of(events, ()))
