"""The workflow before zizmor, which knows how workflows are attacked; the validators of `.ci/run` include it."""

import subprocess
from pathlib import Path

import pytest

from shopkart_pipeline_tests.unit.test_workflow import FILE, RELEASE

CARELESS = """\
name: careless
on: pull_request_target
jobs:
  build:
    runs-on: ubuntu-24.04
    steps:
      - uses: actions/checkout@v4
      - run: echo ${{ github.event.pull_request.title }}
"""


def _zizmor(file: Path) -> "subprocess.CompletedProcess[str]":
    options = ["--offline", "--persona", "auditor", "--strict-collection", "--no-progress"]
    return subprocess.run(["zizmor", *options, str(file)], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("file", [FILE, RELEASE], ids=lambda file: file.name)
def test_zizmor_finds_nothing(file: Path) -> None:
    done = _zizmor(file)

    assert (done.returncode, done.stdout) == (0, done.stdout), done.stdout + done.stderr
    assert "No findings to report" in done.stdout


@pytest.mark.parametrize("rule", ["dangerous-triggers", "template-injection", "unpinned-uses", "excessive-permissions"])
def test_zizmor_would_find_a_careless_one(tmp_path: Path, rule: str) -> None:
    file = tmp_path / "careless.yml"
    file.write_text(CARELESS, encoding="utf-8")

    done = _zizmor(file)

    assert done.returncode != 0
    assert rule in done.stdout
