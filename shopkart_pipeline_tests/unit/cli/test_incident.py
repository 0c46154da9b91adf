"""The commands of whoever is on call."""

from collections.abc import Callable
from pathlib import Path

import pytest

from shopkart_pipeline.cli import incident as command
from shopkart_pipeline.cli import incidents
from shopkart_pipeline.cli.main import main
from shopkart_pipeline.ports.incident_store import POSTMORTEM
from shopkart_pipeline_tests.fakes.world import World

Say = Callable[..., int]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def say(world: World, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Types a command, and returns its exit code."""
    monkeypatch.setattr(command, "open_platform", lambda: world.platform)

    def typed(*arguments: str) -> int:
        with pytest.raises(SystemExit) as end:
            main(["incident", *arguments])
        return int(str(end.value.code))

    return typed


def test_an_incident_goes_from_open_to_closed(world: World, say: Say, capsys: pytest.CaptureFixture[str]) -> None:
    world.released()
    assert say("open", "backend", "--reason", "customers can't pay") == 0
    [incident] = world.incidents.list()

    for step in ("ack", "investigate", "logs"):
        assert say(incident.id, step) == 0
    assert say(incident.id, "cause", "--text", "an expired certificate") == 0
    assert say(incident.id, "verify") == 0
    assert say(incident.id, "close") == 0

    shown = capsys.readouterr().out
    assert "cause identified     an expired certificate" in shown
    assert "critical, closed" in shown
    assert not world.incidents.get(incident.id).is_open


def test_part_of_an_id_is_enough_while_it_is_clear(world: World, say: Say) -> None:
    say("open", "backend", "--reason", "one")
    assert say("backend", "ack") == 0

    world.clock.advance(5)
    say("open", "backend", "--reason", "two")

    assert say("backend", "ack") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("open",),
        ("open", "backend"),
        ("open", "backend", "--reason", "x", "--environment", "moon"),
        ("open", "nobody", "--reason", "x"),
        ("nobody",),
    ],
)
def test_what_names_nothing_is_refused(say: Say, world: World, arguments: tuple[str, ...]) -> None:
    assert say(*arguments) == 1
    assert world.incidents.list() == ()


def test_a_step_that_there_is_not_is_refused(say: Say, capsys: pytest.CaptureFixture[str]) -> None:
    say("open", "backend", "--reason", "one")

    assert say("backend", "dance") == 1
    assert "ack, investigate" in capsys.readouterr().err


def test_nobody_sees_a_recovery_where_nothing_runs(say: Say, capsys: pytest.CaptureFixture[str]) -> None:
    say("open", "backend", "--reason", "one")

    assert say("backend", "verify") == 1
    assert "was never deployed" in capsys.readouterr().out


def test_the_postmortem_is_written_for_a_pull_request(world: World, say: Say, tmp_path: Path) -> None:
    say("open", "backend", "--reason", "one")
    [incident] = world.incidents.list()
    out = tmp_path / "docs" / "postmortems" / "it.md"
    assert say(incident.id, "postmortem", "--out", str(out)) == 1

    world.incidents.attach(incident.id, POSTMORTEM, b"# Postmortem\n![Error ratio](error_ratio.png)\n")
    world.incidents.attach(incident.id, "error_ratio.png", b"\x89PNG")

    assert say(incident.id, "postmortem", "--out", str(out)) == 0
    assert out.read_text() == f"# Postmortem\n![Error ratio]({incident.id}/error_ratio.png)\n"
    assert (out.parent / incident.id / "error_ratio.png").read_bytes() == b"\x89PNG"


def test_the_postmortem_of_an_id_that_is_cut_short_is_shown(
    world: World, say: Say, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(incidents, "open_platform", lambda: world.platform)
    say("open", "backend", "--reason", "one \x1b[2J")
    say("backend", "close", "--override", "a drill")

    with pytest.raises(SystemExit) as end:
        main(["incidents", "backend"])
    with pytest.raises(SystemExit):
        main(["incidents"])

    shown = capsys.readouterr().out
    assert end.value.code == 0
    assert "Postmortem (draft)" in shown
    assert "\x1b" not in shown
