"""The bench's numbers: medians, limits, ratios, and the table in a file that people wrote."""

from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.cli.bench.measures import Measure, Measurement, percentile
from shopkart_pipeline.cli.bench.report import BEGIN, END, figure, markdown, rows, write_between_marks
from shopkart_pipeline.domain.errors import PipelineError

OWN = Measure("shopkart", "POST to first stage", "s", (0.3, 0.2, 0.9), 0.4)
PEER = Measure("Buildbot", "POST to first stage", "s", (0.4, 0.6, 0.5))
MEASUREMENT = Measurement("webhook", "From a webhook", (OWN, PEER), ("The machine was busy.",))


def _document() -> dict[str, Any]:
    return {
        "command": "shopkart bench",
        "began_at": "2026-11-27T10:00:00+00:00",
        "seconds": 61.4,
        "machine": {
            "cores": 2,
            "memory_bytes": 24 * 2**30,
            "processor": "a processor",
            "system": "Linux 6",
            "python": "3.11.7",
            "packages": {"dagster": "1.13.27"},
        },
        "load_before": {"load_1_minute": 0.1},
        "load_after": {"load_1_minute": 1.9},
        "measurements": [MEASUREMENT.as_json()],
    }


def test_a_limit_is_kept_by_the_median_and_not_by_the_best_sample() -> None:
    assert OWN.is_reached is True
    assert Measure("shopkart", "x", "s", (0.1, 0.5, 0.6), 0.4).is_reached is False
    assert PEER.is_reached is None


def test_ratios_compare_equal_quantities() -> None:
    (ratio,) = MEASUREMENT.ratios()

    assert ratio == {"quantity": "POST to first stage", "peer": "Buildbot", "shopkart_over_peer": pytest.approx(0.6)}


def test_a_percentile_is_one_of_the_samples() -> None:
    samples = [float(number) for number in range(1, 101)]

    assert (percentile(samples, 50), percentile(samples, 99), percentile([7.0], 99)) == (50.0, 99.0, 7.0)


def test_the_table_says_whether_a_limit_was_missed() -> None:
    missed = Measurement("x", "X", (Measure("shopkart", "q", "s", (2.0,), 1.5),)).as_json()

    assert rows(MEASUREMENT.as_json())[0][5] == "0.4 s, kept"
    assert rows(missed)[0][5] == "1.5 s, missed"


def test_figures_have_three_digits() -> None:
    assert [figure(value) for value in (0.01234, 1.5, 12.345, 1234.5)] == ["0.0123", "1.5", "12.3", "1234"]


def test_what_stands_around_the_marks_stays(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"# Before\n{BEGIN}\nold numbers\n{END}\nafter\n")

    write_between_marks(page, markdown(_document()))

    text = page.read_text()
    assert text.startswith(f"# Before\n{BEGIN}\n`shopkart bench`, 2026-11-27 10:00 UTC, 61 s.")
    assert text.endswith(f"{END}\nafter\n")
    assert "old numbers" not in text
    assert "| POST to first stage | Buildbot | 0.5 s | 0.6 s | 3 |  | 0.60 |" in text
    assert "- The machine was busy." in text


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("prose")

    with pytest.raises(PipelineError):
        write_between_marks(page, "table")

    assert page.read_text() == "prose"
