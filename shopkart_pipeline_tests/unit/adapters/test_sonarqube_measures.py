"""What the server gives no value for: it counts as nothing found only where the server says that nothing is there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.adapters._sonarqube_answers import MeasuresAnswer, Task
from shopkart_pipeline.adapters._sonarqube_measures import Measured, measured

PERIOD = {"mode": "PREVIOUS_VERSION", "date": "2025-03-03T09:00:00+0000", "parameter": "base-0000"}
NEW = {
    "new_violations": "0",
    "new_coverage": "90.0",
    "new_lines_to_cover": "50",
    "new_duplicated_lines_density": "0.0",
    "new_security_hotspots_reviewed": "100.0",
    "new_security_hotspots": "0",
    "new_lines": "70",
}
OVERALL = {
    "violations": "40",
    "coverage": "12.0",
    "lines_to_cover": "900",
    "duplicated_lines_density": "8.0",
    "security_hotspots": "2",
    "security_hotspots_reviewed": "50.0",
    "lines": "3000",
}


def answer(
    new: dict[str, str | None] | None = None,
    overall: dict[str, str | None] | None = None,
    period: dict[str, str] | None = PERIOD,
    shape: str = "period",
) -> MeasuresAnswer:
    """An answer with these values; None takes a metric away."""
    measures: list[dict[str, Any]] = []
    for metric, value in {**NEW, **(new or {})}.items():
        if value is not None:
            held = {"index": 1, "value": value}
            measures.append({"metric": metric, shape: held if shape == "period" else [held]})
    for metric, value in {**OVERALL, **(overall or {})}.items():
        if value is not None:
            measures.append({"metric": metric, "value": value})
    return MeasuresAnswer.model_validate({"component": {"measures": measures}, "period": period})


def read(*, coverage_imported: bool = True, **details: Any) -> Measured:
    return measured(answer(**details), coverage_imported=coverage_imported)


@pytest.mark.parametrize("shape", ["period", "periods"])
def test_values_of_new_code_are_found_where_servers_of_any_age_put_them(shape: str) -> None:
    found = read(shape=shape)

    assert found.values == {
        "new_violations": 0,
        "new_coverage_percent": 90,
        "new_duplicated_lines_percent": 0,
        "new_security_hotspots_reviewed_percent": 100,
        "new_lines": 70,
        "violations": 40,
    }
    assert found.notes == []


def test_no_new_line_to_cover_counts_as_covered_and_says_so() -> None:
    found = read(new={"new_coverage": None, "new_lines_to_cover": "0"})

    assert found.values["new_coverage_percent"] == 100
    assert found.notes == [
        "SonarQube gives no new_coverage_percent, because there is no new line to cover: it counts as 100."
    ]


def test_without_an_imported_report_lines_to_cover_say_nothing() -> None:
    found = read(new={"new_coverage": None, "new_lines_to_cover": "0"}, coverage_imported=False)

    assert "new_coverage_percent" not in found.values


@pytest.mark.parametrize("lines_to_cover", [None, "12"])
def test_coverage_that_is_just_absent_is_missing(lines_to_cover: str | None) -> None:
    found = read(new={"new_coverage": None, "new_lines_to_cover": lines_to_cover})

    assert "new_coverage_percent" not in found.values


def test_no_new_line_at_all_is_neither_uncovered_nor_a_copy() -> None:
    nothing = {"new_lines": "0", "new_coverage": None, "new_lines_to_cover": None, "new_duplicated_lines_density": None}

    found = read(new=nothing, coverage_imported=False)

    assert (found.values["new_coverage_percent"], found.values["new_duplicated_lines_percent"]) == (100, 0)
    assert len(found.notes) == 2


def test_duplication_that_is_absent_although_there_are_new_lines_is_missing() -> None:
    assert "new_duplicated_lines_percent" not in read(new={"new_duplicated_lines_density": None}).values


def test_without_a_new_hotspot_all_are_reviewed() -> None:
    found = read(new={"new_security_hotspots_reviewed": None})

    assert found.values["new_security_hotspots_reviewed_percent"] == 100
    assert "no new security hotspot" in found.notes[0]


@pytest.mark.parametrize("count", [None, "1"])
def test_hotspots_of_which_nobody_knows_are_missing(count: str | None) -> None:
    found = read(new={"new_security_hotspots_reviewed": None, "new_security_hotspots": count})

    assert "new_security_hotspots_reviewed_percent" not in found.values


@pytest.mark.parametrize("period", [None, {"mode": "PREVIOUS_VERSION", "date": "2025-03-03T09:00:00+0000"}])
def test_where_the_server_knows_no_earlier_version_all_code_is_new(period: dict[str, str] | None) -> None:
    found = read(period=period, new=dict.fromkeys(NEW, "0"))

    assert found.all_is_new
    assert found.values == {
        "new_violations": 40,
        "new_coverage_percent": 12,
        "new_duplicated_lines_percent": 8,
        "new_security_hotspots_reviewed_percent": 50,
        "new_lines": 3000,
        "violations": 40,
    }
    assert found.notes == ["SonarQube knows no earlier version of this project: all code counts as new."]


@pytest.mark.parametrize("mode", ["NUMBER_OF_DAYS", "SPECIFIC_ANALYSIS", "REFERENCE_BRANCH"])
def test_other_periods_of_new_code_are_the_servers_own(mode: str) -> None:
    assert not read(period={"mode": mode}).all_is_new


@given(absent=st.sets(st.sampled_from(sorted([*NEW, *OVERALL]))), imported=st.booleans())
def test_taking_values_away_never_makes_a_measure_better(absent: set[str], imported: bool) -> None:
    bad: dict[str, str | None] = {
        "new_violations": "3",
        "new_coverage": "10.0",
        "new_duplicated_lines_density": "50.0",
        "new_security_hotspots": "1",
        "new_security_hotspots_reviewed": "0.0",
    }
    gone: dict[str, str | None] = dict.fromkeys(absent)

    found = read(new={**bad, **gone}, overall=gone, coverage_imported=imported).values

    assert found.get("new_violations", 3) == 3
    assert found.get("new_coverage_percent", 10) == 10
    assert found.get("new_duplicated_lines_percent", 50) == 50
    assert found.get("new_security_hotspots_reviewed_percent", 0) == 0


def test_a_task_in_a_state_that_nobody_documented_can_not_be_read() -> None:
    with pytest.raises(ValueError, match="status"):
        Task.model_validate({"id": "1", "status": "DONE"})
