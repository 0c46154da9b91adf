"""The workflow for those who fork the repository: nothing in it is more than it needs. zizmor judges it, too."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopkart_pipeline.cli.main import _COMMANDS

FILE = Path(__file__).parents[2] / ".github" / "workflows" / "check.yml"
RELEASE = FILE.with_name("release.yml")


@pytest.fixture(scope="module")
def jobs() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))["jobs"]


def test_it_runs_what_the_project_is_checked_by(jobs: dict[str, Any]) -> None:
    ran = " ".join(step.get("run", "") for job in jobs.values() for step in job["steps"])

    commands = re.findall(r"\./shopkart (\S+(?: --cluster)?)", ran)
    assert commands == ["lint", "test", "test --cluster"]
    assert {each.split()[0] for each in commands} <= set(_COMMANDS)


def test_every_action_is_pinned_by_its_commit(jobs: dict[str, Any]) -> None:
    used = [step["uses"] for job in jobs.values() for step in job["steps"] if "uses" in step]

    assert used
    assert [each for each in used if not re.fullmatch(r"actions/checkout@[0-9a-f]{40}", each)] == []


def test_no_job_may_write_and_each_ends_in_time(jobs: dict[str, Any]) -> None:
    text = FILE.read_text(encoding="utf-8")

    assert "\npermissions: {}\n" in text
    assert {tuple(job["permissions"].items()) for job in jobs.values()} == {(("contents", "read"),)}
    assert all(job["timeout-minutes"] <= 120 for job in jobs.values())
    assert "secrets." not in text
    assert "pull_request_target" not in text


def test_what_publishes_compares_the_version_and_gives_its_token_to_one_step() -> None:
    text = RELEASE.read_text(encoding="utf-8")
    (job,) = yaml.safe_load(text)["jobs"].values()
    ran = [step.get("run", "") for step in job["steps"]]

    commands = re.findall(r"\./shopkart (\S+)", " ".join(ran))
    assert commands == ['--version)"', "release-notes"]
    assert [step["name"] for step in job["steps"] if "env" in step] == ["Publish"]
    assert text.count("github.token") == 1
    assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", job["steps"][0]["uses"])
    assert "--verify-tag" in ran[-1]
