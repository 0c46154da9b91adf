"""What is told of a service's errors against the time before, and of what could not be looked at."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shopkart_pipeline.domain.error_clusters import Trend
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogLine, LogsMissing
from shopkart_pipeline.services import error_signatures
from shopkart_pipeline.services.error_signatures import errors_against_before, signatures_of
from shopkart_pipeline_tests.fakes.fake_clock import NOON
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

MINUTE = timedelta(minutes=1)


def _line(at: datetime, message: str, signature: str | None = None, release: str = "old") -> LogLine:
    return LogLine(at, Track.STABLE, "stable-1", release, "error", message, signature)


@pytest.fixture
def lines(world: World) -> list[LogLine]:
    return world.logs.lines.setdefault((PRODUCTION, "backend"), [])


def _report(world: World) -> error_signatures.ErrorReport:
    site = world.platform.sites[PRODUCTION]
    return errors_against_before(site, PRODUCTION, "backend", NOON, NOON + 10 * MINUTE)


def test_lines_that_differ_in_numbers_alone_are_one_kind() -> None:
    lines = tuple(_line(NOON, f"cart {number} is gone") for number in range(3))

    [signature] = signatures_of(lines)

    assert (signature.signature, signature.count, signature.example) == ("cart <number> is gone", 3, "cart 0 is gone")


def test_new_errors_come_first_with_how_many_of_the_others_there_were_before(
    world: World, lines: list[LogLine]
) -> None:
    lines += [_line(NOON - number * MINUTE, "timeout after 3 s") for number in range(1, 13)]
    lines += [_line(NOON + number * MINUTE, "timeout after 4 s") for number in range(2)]
    lines += [_line(NOON + MINUTE, "bad cart", "CartFormatError", "new")]

    report = _report(world)

    assert [(each.kind, each.trend) for each in report.clusters] == [
        ("CartFormatError", Trend.NEW),
        ("timeout after <number> s", Trend.AS_BEFORE),
    ]
    assert [(each.signature, each.count, each.release_key, each.before) for each in report.signatures] == [
        ("CartFormatError", 1, "new", 0),
        ("timeout after <number> s", 2, "old", 2),
    ]
    assert report.missing == ()


def test_logs_that_can_not_be_read_are_no_logs_without_errors(world: World) -> None:
    world.logs.missing = "the disk is gone"

    report = _report(world)

    assert (report.clusters, report.missing) == ((), ("Log lines could not be read: the disk is gone.",))


def test_where_the_time_before_can_not_be_read_nothing_is_new(
    world: World, lines: list[LogLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines.append(_line(NOON + MINUTE, "bad cart", "CartFormatError", "new"))
    read = world.logs.errors

    def errors(
        environment: str, service: str, since: datetime, until: datetime, limit: int
    ) -> tuple[LogLine, ...] | LogsMissing:
        return LogsMissing("gone") if since < NOON else read(environment, service, since, until, limit)

    monkeypatch.setattr(world.logs, "errors", errors)

    report = _report(world)

    assert [each.trend for each in report.clusters] == [Trend.UNKNOWN]
    assert [each.before for each in report.signatures] == [None]
    assert report.missing == ("Log lines of the time before could not be read: gone.",)


def test_a_time_that_was_not_looked_at_whole_counts_for_as_long_as_it_was(
    world: World, lines: list[LogLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """60 errors a minute before and during, but there is room for 30 lines of each."""
    monkeypatch.setattr(error_signatures, "LOG_LINES", 30)
    lines += [_line(NOON + timedelta(seconds=second), "timeout") for second in range(-3600, 600)]

    report = _report(world)

    assert [(each.count, each.trend) for each in report.clusters] == [(30, Trend.AS_BEFORE)]
    assert report.missing == ("Of the error lines only the first 30 were looked at.",)


def test_more_errors_of_one_moment_than_there_is_room_for_are_not_new_for_that(
    world: World, lines: list[LogLine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stores that keep seconds alone have a storm begin in one moment."""
    monkeypatch.setattr(error_signatures, "LOG_LINES", 30)
    lines += [_line(NOON - number * MINUTE, "timeout") for number in range(1, 20)]
    lines += [_line(NOON, "timeout") for _ in range(40)]

    [signature] = _report(world).signatures

    assert signature.before, "there were some before"


def test_logs_without_any_line_of_the_time_before_do_not_make_an_error_new(world: World, lines: list[LogLine]) -> None:
    lines.append(_line(NOON + MINUTE, "bad cart", "CartFormatError", "new"))

    report = _report(world)
    lines.append(replace(_line(NOON - MINUTE, "fine"), level="info"))
    again = _report(world)

    assert [each.trend for each in report.clusters] == [Trend.UNKNOWN]
    assert report.missing == ("Log lines of the time before could not be read: they hold no line of it at all.",)
    assert [each.trend for each in again.clusters] == [Trend.NEW]
    assert again.missing == ()
