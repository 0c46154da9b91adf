"""What every log store promises: one suite over the fake, over files (indexed, half indexed or not), and over Loki."""

from collections.abc import Generator
from datetime import datetime, timedelta

import pytest

from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogLine, LogsMissing
from shopkart_pipeline_tests.contract.log_worlds import NOW, RELEASE, LogWorld, a_log_world

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", params=["fake", "files", "indexed", "half-indexed", "loki"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[LogWorld]:
    with a_log_world(request.param, tmp_path_factory.mktemp("logs")) as world:
        yield world


@pytest.fixture
def service(world: LogWorld) -> str:
    return world.a_service()


def _found(
    world: LogWorld,
    service: str,
    text: str = "",
    limit: int = 100,
    *,
    since: datetime = NOW - HOUR,
    until: datetime = NOW + HOUR,
) -> list[str]:
    lines = world.logs.search("production", service, since, until, text=text, limit=limit)
    assert not isinstance(lines, LogsMissing), lines
    return [line.message for line in lines]


def test_a_line_comes_back_as_it_was_written(world: LogWorld, service: str) -> None:
    world.write(service, 'a "ü" \\ line', NOW, "error", "KeyError@cart", Track.CANARY)
    expected = (LogLine(NOW, Track.CANARY, "canary-1", RELEASE, "error", 'a "ü" \\ line', "KeyError@cart"),)

    assert world.logs.search("production", service, NOW, NOW, limit=10) == expected
    assert world.logs.errors("production", service, NOW, NOW, 10) == expected


def test_the_newest_lines_of_a_window_come_oldest_first(world: LogWorld, service: str) -> None:
    for number in range(10):
        world.write(service, f"line {number}", NOW + number * SECOND)

    assert _found(world, service, limit=4) == ["line 6", "line 7", "line 8", "line 9"]
    window = _found(world, service, limit=2, since=NOW + SECOND, until=NOW + 3 * SECOND)
    assert window == ["line 2", "line 3"]
    assert _found(world, service, "LINE") == [f"line {number}" for number in range(10)]


def test_the_oldest_errors_of_a_window_come_oldest_first(world: LogWorld, service: str) -> None:
    for number in range(12):
        level = ("error", "info", "CRITICAL", "warning")[number % 4]
        world.write(service, f"an error? {number}", NOW + number * SECOND, level.lower())

    lines = world.logs.errors("production", service, NOW + SECOND, NOW + HOUR, 4)

    assert not isinstance(lines, LogsMissing)
    assert [line.message for line in lines] == [f"an error? {number}" for number in (2, 4, 6, 8)]


def test_lines_of_both_tracks_are_in_order(world: LogWorld, service: str) -> None:
    for number in range(6):
        track = Track.CANARY if number % 2 else Track.STABLE
        world.write(service, f"line {number}", NOW + number * SECOND, track=track)

    assert _found(world, service) == [f"line {number}" for number in range(6)]


def test_lines_of_one_moment_are_all_found(world: LogWorld, service: str) -> None:
    for name in ("one", "two"):
        world.write(service, name)
    world.write(service, "three", NOW + SECOND)

    assert sorted(_found(world, service)) == ["one", "three", "two"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CART 7", ["cart 7 is gone"]),
        ("gö", ['gönn "dir" 100% a_b']),
        ('"DIR" 100%', ['gönn "dir" 100% a_b']),
        ("a_b", ['gönn "dir" 100% a_b']),
        ("Ö", ['gönn "dir" 100% a_b']),
        ("c:\\new", ["at c:\\new\tline"]),
        ("\tl", ["at c:\\new\tline"]),
        (".*", []),
        ("a.b", []),
        ("cart_7", []),
        ('" OR message MATCH "cart', []),
        ('"} |= `cart`', []),
        ("') OR 1=1 --", []),
        ("%cart%", []),
        ("level", []),
        ("cart\0", []),
    ],
)
def test_a_text_is_a_text_and_nothing_else(world: LogWorld, service: str, text: str, expected: list[str]) -> None:
    for number, message in enumerate(("cart 7 is gone", 'gönn "dir" 100% a_b', "at c:\\new\tline", "axb", "cart-7")):
        world.write(service, message, NOW + number * SECOND)

    assert _found(world, service, text) == expected


def test_no_line_with_a_text_is_an_answer(world: LogWorld, service: str) -> None:
    world.write(service, "fine")

    assert _found(world, service, "order") == []
    assert world.logs.errors("production", service, NOW - HOUR, NOW + HOUR, 10) == ()


def test_a_service_that_nobody_collects_is_missing_rather_than_silent(world: LogWorld, service: str) -> None:
    assert isinstance(world.logs.errors("production", service, NOW - HOUR, NOW, 10), LogsMissing)
    assert isinstance(world.logs.search("production", service, NOW - HOUR, NOW, limit=10), LogsMissing)


@pytest.mark.parametrize("hostile", ['x"} |= "', "x\\", 'x", service="y', "../staging/x", "x' OR '1'='1"])
def test_a_name_is_a_name_and_nothing_else(world: LogWorld, service: str, hostile: str) -> None:
    world.write(service, "fine")

    assert isinstance(world.logs.search("production", hostile, NOW - HOUR, NOW + HOUR, limit=10), LogsMissing)
    assert isinstance(world.logs.search(hostile, service, NOW - HOUR, NOW + HOUR, limit=10), LogsMissing)
