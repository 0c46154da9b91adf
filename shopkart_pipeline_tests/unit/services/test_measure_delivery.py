"""The measures of delivery, from a ledger, incidents and commits."""

import argparse
import json
from datetime import timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.cli import metrics
from shopkart_pipeline.domain.delivery import Measures
from shopkart_pipeline.domain.errors import NotFound, PipelineError, ToolUnavailable
from shopkart_pipeline.domain.incident import Incident, IncidentStep, Suspect, TimelineEntry
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.services.measure_delivery import measure_delivery, services_of, teams_of
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def a_release(world: World, title: str = "change") -> Release:
    world.clock.advance(600)
    return world.merge(message=title)


def happens(world: World, release: Release, verb: str, environment: str = "production", **body: str) -> None:
    """The ledger tells of it, a moment later."""
    world.clock.advance(3600)
    told = {"environment": environment, "commit": release.sha, **body}
    world.ledger.append(Act(world.clock.now(), "pipeline", verb, release.service, release.key, "sha256:1", told))


def measured(world: World, days: float = 30, **chosen: str) -> Measures:
    now = world.clock.now() + timedelta(seconds=1)
    names = services_of(world.platform, **chosen)
    return measure_delivery(world.platform, names, now - timedelta(days=days), now)


def test_every_commit_since_the_release_before_has_a_lead_time(world: World) -> None:
    present = a_release(world)
    happens(world, present, "bootstrap")
    world.commit()
    world.clock.advance(7200)
    release = a_release(world)
    happens(world, release, "promote")
    figure = measured(world).lead_time_seconds
    hours = [
        each.committed_at
        for each in world.scm.commits(world.platform.service("backend").source, present.sha, release.sha)
    ]
    now = world.clock.now()
    assert len(hours) == 2
    assert figure.value == sum((now - each).total_seconds() for each in hours) / 2
    assert figure.releases == (release.name,)


def test_staging_is_no_deployment_and_a_rollback_is_none_either(world: World) -> None:
    first, second = a_release(world), a_release(world)
    happens(world, first, "promote", "staging")
    happens(world, first, "promote")
    happens(world, second, "promote")
    happens(world, second, "turn_back")
    happens(world, first, "roll_back")
    measures = measured(world)
    assert measures.deployments_per_day.releases == (first.name, second.name)
    assert measures.change_failure_ratio.releases == (second.name,)
    assert measures.recovery_time_seconds.value == 3600


def test_what_happened_before_the_time_tells_of_what_comes_first_in_it(world: World) -> None:
    first, bad, fix = a_release(world), a_release(world), a_release(world)
    happens(world, first, "promote")
    happens(world, bad, "turn_back")
    world.clock.advance(2 * 86_400)
    happens(world, fix, "promote")
    measures = measured(world, days=1)
    assert measures.deployments_per_day.releases == (fix.name,)
    assert measures.rework_ratio.value == 1


def test_a_release_that_hurt_another_service_has_failed(world: World) -> None:
    release = a_release(world)
    happens(world, release, "promote")
    now = world.clock.now()
    suspect = Suspect("backend", release.key, "sha256:1", now, (), 3)
    opened = (TimelineEntry(now, IncidentStep.OPENED, "opened by an alert"),)
    told = Incident("hurt", "frontend", "production", release.key, "sha256:1", "", 0, 0, opened, suspects=(suspect,))
    world.incidents.keep(lambda _: told)
    figure = measured(world).change_failure_ratio
    assert (figure.value, figure.releases, figure.incidents) == (1, (release.name,), ("hurt",))


def test_a_revert_is_known_by_its_title(world: World) -> None:
    first, second = a_release(world), a_release(world, 'Revert "change"')
    happens(world, first, "promote")
    happens(world, second, "promote")
    assert measured(world).rework_ratio.releases == (second.name,)


def test_without_the_repository_there_is_no_lead_time_and_all_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = a_release(world)
    happens(world, release, "promote")

    def away(*_: object) -> None:
        raise ToolUnavailable("The mirror is gone.", "")

    monkeypatch.setattr(world.scm, "commit", away)
    measures = measured(world)
    assert measures.lead_time_seconds.value is None
    assert measures.lead_time_seconds.missing.endswith("it is known which commits it brought")
    assert measures.deployments_per_day.value is not None


def test_teams_own_services(world: World) -> None:
    assert teams_of(world.platform) == {"shop": ("backend", "frontend")}
    assert services_of(world.platform, team="shop") == ("backend", "frontend")
    with pytest.raises(NotFound, match="No team 'moon'"):
        services_of(world.platform, team="moon")
    with pytest.raises(NotFound):
        services_of(world.platform, service="moon")


def called(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    monkeypatch.setattr(metrics, "open_platform", lambda: world.platform)
    parser = argparse.ArgumentParser()
    metrics.add_arguments(parser)
    world.clock.advance(1)
    assert metrics.run(parser.parse_args(words)) == 0
    return capsys.readouterr().out


def test_a_time_that_ends_before_it_begins_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(PipelineError, match="ends before it begins"):
        called(world, monkeypatch, capsys, "--since", "3d", "--until", "7d")


def test_the_command_tells_of_no_data_and_of_what_figures_are_from(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no data" in called(world, monkeypatch, capsys, "--service", "frontend")
    release = a_release(world)
    happens(world, release, "promote")
    document = json.loads(called(world, monkeypatch, capsys, "--json", "--since", "7d", "--team", "shop"))
    assert document["services"] == ["backend", "frontend"]
    frequency = document["measures"]["deployments_per_day"]
    assert frequency == {"value": 1 / 7, "missing": "", "releases": [release.name], "incidents": []}
    assert document["measures"]["recovery_time_seconds"]["value"] is None
    assert "one in 30.0 days" in called(world, monkeypatch, capsys)
