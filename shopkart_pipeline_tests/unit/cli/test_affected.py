"""`shopkart affected` and `shopkart gate replay`, as people and programs read them."""

import argparse
import json
from datetime import UTC, datetime

import pytest

from shopkart_pipeline.cli import affected, gate
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.describe_image import image_sbom
from shopkart_pipeline.services.production_history import PROMOTE, Placed, record_placement
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

NOON = datetime(2025, 3, 4, 12, tzinfo=UTC)


def options(module: object, *arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    getattr(module, "add_arguments")(parser)  # noqa: B009 # Both modules have it.
    return parser.parse_args(arguments)


def in_production(world: World) -> Release:
    release = world.merge()
    world.run(release, Phase.CI)
    digest = world.digest(release)
    image_sbom(world.platform, release, digest)
    unit = Placed(world.clock.now(), release.key, digest, release.sha, PROMOTE)
    record_placement(world.platform, PROMOTE, "backend", PRODUCTION, unit, "pipeline", "it passed")
    return release


def test_people_read_what_runs_and_what_nobody_can_tell(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    release = in_production(world)
    without_bill = world.merge()
    code = affected.show_affected(world.platform, options(affected, "--package", "starlette", "--all"))
    told = capsys.readouterr().out
    assert code == 1
    assert "affected" in told
    assert f"{release.key}  {world.digest(release)}  starlette 0.37.2" in told
    assert "backend: nobody can tell of 1 releases" in told
    assert without_bill.key not in told


def test_programs_read_everything(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    in_production(world)
    given = options(affected, "--package", "starlette", "--version", "<0.30", "--json")
    assert affected.show_affected(world.platform, given) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["is_clear"] is True
    assert {each["effect"] for each in told["running"]} == {"clear", "empty"}


@pytest.mark.parametrize("given", [(), ("CVE-1", "--package", "x"), ("CVE-1", "--version", "<2")])
def test_a_question_that_is_none_is_refused(world: World, given: tuple[str, ...]) -> None:
    with pytest.raises(UntrustedInput, match="Nothing was asked for"):
        affected.show_affected(world.platform, options(affected, *given))


def test_the_index_is_rebuilt_on_demand(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    in_production(world)
    world.components.replace([])
    assert affected.show_affected(world.platform, options(affected, "--rebuild")) == 0
    assert "The index knows 1 releases." in capsys.readouterr().err


def test_a_replay_tells_which_gates_would_have_stopped_what(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    release = in_production(world)
    given = options(gate, "replay", "--since", "1d", "--advisories", "then")
    assert gate.show_replay(world.platform, given) == 0
    told = capsys.readouterr().out
    assert "0 same, 1 would be blocked, 0 would have passed" in told
    assert "staging.released is missing in 1" in told
    assert release.name in told


def test_programs_read_a_replay_whole(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    release = in_production(world)
    gate.show_replay(world.platform, options(gate, "replay", "--since", "2025-01-01", "--json"))
    told = json.loads(capsys.readouterr().out)
    [one] = told["releases"]
    assert (one["release"], one["change"]) == (release.key, "would be blocked")
    assert any("can't be repeated: today's advisories can't be read" in line for line in one["blocking"])


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2025-01-01", datetime(2025, 1, 1, tzinfo=UTC)),
        ("2025-01-01T12:00+02:00", datetime(2025, 1, 1, 10, tzinfo=UTC)),
        ("2d", datetime(2025, 3, 2, 12, tzinfo=UTC)),
    ],
)
def test_a_moment_is_a_date_or_how_long_ago_it_was(text: str, moment: datetime) -> None:
    assert gate.since_of(text, NOON) == moment


def test_what_is_no_moment_is_refused() -> None:
    with pytest.raises(UntrustedInput, match="no date and no duration"):
        gate.since_of("yesterday", NOON)
