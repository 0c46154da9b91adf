"""What a person means by a name, and what is told about pull requests and services that were not affected."""

import argparse
import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from shopkart_pipeline.cli import releases, show
from shopkart_pipeline.cli.arguments import find_not_affected, find_release
from shopkart_pipeline.cli.report import is_settled, not_affected_report, release_report, verdict_of
from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.release import Person, PullRequest
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.pull_requests import CANCELLED
from shopkart_pipeline.services.rerun_stages import ask_for_rerun
from shopkart_pipeline_tests.fakes.fake_scanner import FakeScanner
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def shown(world: World, name: str) -> str:
    console = Console(file=io.StringIO(), width=200, soft_wrap=True)
    show.print_report(console, release_report(world.platform, find_release(world.platform, name)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_release_that_integration_stopped_waits_for_no_stage_of_staging(world: World) -> None:
    """Also not for one that needs nothing but the source: a phase begins when the one before is through."""
    early = Stage("early", StageKind.COMMAND, Phase.STAGING, ("source",), timeout_seconds=60.0)
    world.declare("backend", lambda service: replace(service, stages=(*service.stages, early)))
    world.scanners[StageKind.LINT] = FakeScanner(result=EvidenceMissing("it crashed"))
    release = world.merge()

    world.run(release, Phase.CI)
    world.run(release, Phase.CI, ["unit_tests", "application"])

    assert is_settled(world.platform, release)


def test_a_service_alone_means_its_newest_merge_and_never_a_pull_request(world: World) -> None:
    merged = world.merge()
    proposed = world.proposed()

    assert find_release(world.platform, "backend") == merged
    assert find_release(world.platform, "backend#7") == proposed
    assert find_release(world.platform, f"backend@{proposed.key}") == proposed


def test_a_number_does_not_mean_a_group_of_the_merge_queue(world: World) -> None:
    world.commit()
    proposed = world.proposed()
    group = PullRequest(7, proposed.sha, from_fork=False, merge_group="refs/heads/gh-readonly-queue/main/pr-7-x")
    world.evidence.add_release(replace(proposed, key="mg-0123456789ab", pull_request=group))

    assert find_release(world.platform, "backend#7") == proposed
    assert f"merge group up to pull request 7, measured against {proposed.sha[:12]}" in shown(world, "backend@mg-")


def test_a_number_means_the_newest_head_of_that_pull_request(world: World) -> None:
    world.merge()
    world.proposed(77)
    world.proposed()
    newest = world.proposed(action="synchronize")

    assert find_release(world.platform, "backend#7") == newest
    with pytest.raises(NotFound, match="nothing of pull request 8"):
        find_release(world.platform, "backend#8")


def test_a_pull_request_is_passed_when_what_applies_is(world: World) -> None:
    world.merge()
    release = world.proposed()
    assert (verdict_of(world.platform, release), is_settled(world.platform, release)) == ("under_way", False)

    world.run(release, Phase.CI)

    assert (verdict_of(world.platform, release), is_settled(world.platform, release)) == ("passed", True)
    stages = [stage["stage"] for stage in release_report(world.platform, release)["stages"]]
    assert stages[-1] == "image_scan"


def test_a_pull_request_that_fails_is_stopped_and_one_that_moved_on_is_cancelled(world: World) -> None:
    world.merge()
    first, second = world.proposed(), world.proposed(action="synchronize")
    world.scanners[StageKind.LINT].result = EvidenceMissing("ruff crashed")
    world.run(second, Phase.CI)

    assert verdict_of(world.platform, first) == "cancelled"
    assert verdict_of(world.platform, second) == "stopped"


def test_what_a_cancelled_run_left_behind_is_no_failure_of_its_head(world: World) -> None:
    world.merge()
    first = world.proposed()
    world.stage(first, "source")
    world.scanners[StageKind.LINT].result = EvidenceMissing("ruff was cancelled")
    world.stage(first, "lint")
    assert verdict_of(world.platform, first) == "stopped"

    world.proposed(action="synchronize")
    world.evidence.note(Note("backend", first.key, world.clock.now(), CANCELLED, "run x: superseded", {}))

    assert verdict_of(world.platform, first) == "cancelled"


def test_a_pull_request_says_that_nothing_is_pushed_and_where_it_is_from(world: World) -> None:
    base = world.merge()
    world.proposed(head={"sha": world.propose(), "repo": None})

    assert f"pull request 7 from a fork, without secrets, measured against {base.sha[:12]}" in shown(world, "backend#7")


def test_names_of_strangers_are_shown_as_they_are(world: World) -> None:
    world.merge(author=Person("[/red] Mallory", "mallory@elsewhere.example"), message="[/bold] change")

    assert "[/bold] change ([/red] Mallory)" in shown(world, "backend")


def test_who_ran_what_again_is_shown(world: World) -> None:
    release = world.merge()
    ask_for_rerun(world.platform, release, "image_scan", actor="maya", no_reuse=False)

    assert "run again image_scan by maya" in shown(world, "backend")


def test_a_key_that_is_no_release_of_a_service_says_why(world: World) -> None:
    world.commit()
    release = world.merge()

    note = find_not_affected(world.platform, f"frontend@{release.key[:15]}")

    assert note is not None
    report = not_affected_report(note)
    assert (report["service"], report["verdict"], report["commit"]) == ("frontend", "not_affected", release.sha)
    assert "lies in frontend or servicekit" in report["reason"]
    assert find_not_affected(world.platform, f"backend@{release.key}") is None
    assert find_not_affected(world.platform, "frontend") is None


def test_releases_and_what_was_not_affected_are_one_list(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.commit()
    first = world.merge()
    world.clock.advance(60)
    world.push(world.commit({"README.md": "x"}), first.sha)
    world.drain()
    monkeypatch.setattr(releases, "open_platform", lambda: world.platform)
    monkeypatch.setenv("COLUMNS", "200")
    parser = argparse.ArgumentParser()
    releases.add_arguments(parser)

    releases.run(parser.parse_args([]))

    lines = [line for line in capsys.readouterr().out.splitlines() if "@" in line]
    assert "backend, frontend" in lines[0]
    assert first.name in "".join(lines[1:])
    assert f"frontend@{first.key}" in "".join(lines[1:])
