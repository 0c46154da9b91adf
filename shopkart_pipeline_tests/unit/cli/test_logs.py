"""`shopkart logs`: lines of a window, and errors by kind."""

import argparse
from datetime import timedelta

import pytest

from shopkart_pipeline.cli import logs
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogLine
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World


@pytest.fixture(autouse=True)
def platform(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "open_platform", lambda: world.platform)


def _line(world: World, minutes: int, message: str, level: str = "error", signature: str | None = None) -> None:
    at = world.clock.now() - timedelta(minutes=minutes)
    line = LogLine(at, Track.STABLE, "stable-1", "abc", level, message, signature)
    world.logs.lines.setdefault((PRODUCTION, "backend"), []).append(line)


def _run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    logs.add_arguments(parser)
    return logs.run(parser.parse_args(["backend", *arguments]))


def test_lines_of_the_last_minutes_are_shown(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _line(world, 20, "long ago")
    _line(world, 5, "[a] \x1b[2Jcart", "info")
    _line(world, 1, "broken", signature="KeyError@cart")

    assert _run() == 0

    first, second = capsys.readouterr().out.splitlines()
    assert first == "2025-03-04 11:55:00.000000 info     stable-1 abc [a] \N{REPLACEMENT CHARACTER}[2Jcart"
    assert second.endswith("error    stable-1 abc broken (KeyError@cart)")


def test_errors_are_shown_by_kind_against_the_time_before(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _line(world, 20, "timeout after 1 s")
    _line(world, 2, "timeout after 2 s")
    _line(world, 2, "fine", "info")
    _line(world, 1, "broken", signature="KeyError@cart")

    assert _run("--errors", "--match", "BROK") == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "broken" in lines[0]
    assert lines[1].startswith("new: 1x KeyError@cart, 0 in a time as long before; first seen in abc")
    assert lines[2].startswith("as before: 1x timeout after <number> s")


def test_logs_that_are_missing_are_no_empty_logs(capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("--environment", "staging") == 1

    assert "There is nothing to show: backend has never written a log in staging" in capsys.readouterr().out


def test_no_such_line_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    _line(world, 5, "cart")

    assert _run("--match", "order", "--since", "1h") == 0

    assert capsys.readouterr().out == "backend wrote no such line in production since 2025-03-04 11:00:00 UTC.\n"


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(NotFound, match="staging, production"):
        _run("--environment", "moon")
    with pytest.raises(PipelineError, match="is not a duration"):
        _run("--since", "yesterday")
