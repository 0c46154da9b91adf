"""The whole pipeline, connected to a GitHub: a signed push in, and what GitHub shows of it out.

Engine, daemon, receiver and code location are the real ones, as processes; the tools do nothing. GitHub is the tests'
own, over real HTTP, with an App's JWT and installation tokens.
"""

import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.adapters.github_app import EVENTS, PERMISSIONS
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.cli.bench.surroundings import RunningPipeline, running_pipeline
from shopkart_pipeline.cli.bench.webhook import NO_OP, NO_OP_DEFINITIONS, REPOSITORY
from shopkart_pipeline_tests.fakes.github_server import GitHubWorld, Repository, Trouble, running_github

_DEADLINE_SECONDS = 600.0


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[tuple[Repository, str, GitHubWorld]]:
    """A GitHub that knows the App, whose credentials the pipeline's processes inherit."""
    world = GitHubWorld(SystemClock(), installed_for={REPOSITORY.partition("/")[0]})
    world.app.permissions = {name: needed.level for name, needed in PERMISSIONS.items()}
    world.app.events = list(EVENTS)
    key = tmp_path / "app.pem"
    key.write_text(world.app.new_key())
    monkeypatch.setenv("SHOPKART_GITHUB_APP_ID", str(world.app.id))
    monkeypatch.setenv("SHOPKART_GITHUB_PRIVATE_KEY_FILE", str(key))
    monkeypatch.setenv("SHOPKART_PUBLIC_URL", "https://pipeline.example")
    with running_github(world) as api:
        yield world.add(REPOSITORY), api, world


@pytest.fixture
def pipeline(tmp_path: Path, github: tuple[Repository, str, GitHubWorld]) -> Generator[RunningPipeline]:
    declaration = tmp_path / "shopkart.yaml"
    declaration.write_text(f"{NO_OP.read_text()}\ngithub: {{api: '{github[1]}'}}\n")
    with running_pipeline(tmp_path / "home", declaration, REPOSITORY, NO_OP_DEFINITIONS) as running:
        yield running


def _completed(repository: Repository, names: set[str]) -> list[dict[str, Any]]:
    """All check runs, once those of these names are completed."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while time.monotonic() < deadline:
        if names <= {run["name"] for run in repository.check_runs if run["status"] == "completed"}:
            return repository.check_runs
        time.sleep(0.2)
    raise AssertionError(f"GitHub shows only {[(run['name'], run['status']) for run in repository.check_runs]}")


def test_a_push_comes_in_and_its_checks_go_out_although_github_is_away_for_a_moment(
    pipeline: RunningPipeline, github: tuple[Repository, str, GitHubWorld]
) -> None:
    repository, _, world = github
    world.troubles.make(Trouble(times=2, status=502), Trouble(after=5, status=429, headers={"Retry-After": "1"}))
    pushed = pipeline.repository.push("A change", {"graph/app.txt": "1\n"})
    repository.commits.add(pushed.sha)
    told = pipeline.release("graph", pushed, _DEADLINE_SECONDS)

    names = {"shopkart", *(f"shopkart / graph / {stage}" for stage in told.records)}
    runs = _completed(repository, names)

    assert Counter(run["name"] for run in runs) == Counter(names)
    assert {(run["head_sha"], run["conclusion"]) for run in runs} == {(pushed.sha, "success")}
    links = {run["details_url"] for run in runs}
    assert links == {"https://pipeline.example", f"https://pipeline.example/runs/{told.run_id}"}
    assert {502, 429} <= {seen.status for seen in world.requests}
