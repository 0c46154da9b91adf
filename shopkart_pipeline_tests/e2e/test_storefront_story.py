"""The story of four releases: its diffs apply in order to the storefront, and its page says what they are.

Cheap on purpose: nothing is installed or run here. That the story ends as it says is the demo's own test.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
STORY = EXAMPLES / "story"
STOREFRONT = EXAMPLES / "storefront"
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".venv", ".coverage", ".ruff_cache", "reports")
GIT_VARIABLES = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Story",
    "GIT_AUTHOR_EMAIL": "story@shopkart.example",
    "GIT_COMMITTER_NAME": "Story",
    "GIT_COMMITTER_EMAIL": "story@shopkart.example",
}


@pytest.fixture(scope="module")
def story() -> Mapping[str, Any]:
    return yaml.safe_load((STORY / "story.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The storefront as a repository with one commit."""
    folder = tmp_path / "storefront"
    shutil.copytree(STOREFRONT, folder, ignore=NOT_COPIED)
    git(folder, "init", "--quiet")
    commit(folder, "Import the storefront")
    return folder


def git(folder: Path, *arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **GIT_VARIABLES},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(folder: Path, message: str) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def texts_after_each_change(folder: Path, story: Mapping[str, Any]) -> dict[int, dict[str, str]]:
    """Plays the story; the text of the backend's files after each pull request."""
    merged: dict[int, str] = {}
    texts: dict[int, dict[str, str]] = {}
    for change in story["changes"]:
        if "reverts" in change:
            git(folder, "revert", "--no-edit", merged[change["reverts"]])
        git(folder, "apply", "--whitespace=error-all", "-", given=(STORY / change["diff"]).read_text())
        merged[change["pull_request"]] = commit(folder, change["title"])
        files = [each for each in (folder / "backend").rglob("*") if each.is_file()]
        texts[change["pull_request"]] = {str(each.relative_to(folder)): each.read_text() for each in files}
    return texts


def test_the_diffs_apply_cleanly_in_the_order_of_the_story(repository: Path, story: Mapping[str, Any]) -> None:
    texts = texts_after_each_change(repository, story)

    search, prices, compact, both_forms = (texts[change["pull_request"]] for change in story["changes"])
    format_file, prices_file = "cart_format.py", "supplier_prices.py"
    source = "backend/src/storefront_backend/"
    assert "def query_of(" in search[f"{source}answers.py"]
    assert f"{source}{prices_file}" in prices
    assert f"{source}{prices_file}" not in compact, "the third change takes the second one back first"
    assert "zlib.compress" in compact[f"{source}{format_file}"]
    assert "zlib.compress" not in both_forms[f"{source}{format_file}"], "the fix writes what the running version reads"
    assert "zlib.decompress" in both_forms[f"{source}{format_file}"], "and reads what the bad version has written"
    assert "backend/tests/compatibility/test_carts.py" in both_forms


def test_only_the_backend_is_changed(story: Mapping[str, Any]) -> None:
    for change in story["changes"]:
        paths = re.findall(r"^diff --git a/(\S+) b/(\S+)$", (STORY / change["diff"]).read_text(), re.MULTILINE)
        assert paths
        assert all(path.startswith("backend/") for pair in paths for path in pair)


def test_the_vulnerable_dependency_is_locked_with_hashes(repository: Path, story: Mapping[str, Any]) -> None:
    prices = texts_after_each_change(repository, story)[story["changes"][1]["pull_request"]]

    for lock in ("backend/requirements.lock", "backend/requirements-dev.lock"):
        assert re.search(r"^urllib3==1\.26\.4 \\\n    --hash=sha256:[0-9a-f]{64}", prices[lock], re.MULTILINE)


def test_credentials_are_placeholders_and_each_stands_in_one_diff(story: Mapping[str, Any]) -> None:
    diffs = {change["diff"]: (STORY / change["diff"]).read_text() for change in story["changes"]}

    for placeholder in story["placeholders"]:
        assert [name for name, text in diffs.items() if placeholder in text] == [story["changes"][1]["diff"]]
    assert not any(re.search(r"AKIA[A-Z0-9]{16}", text) for text in diffs.values())


def test_the_page_is_consistent(story: Mapping[str, Any]) -> None:
    changes = story["changes"]
    numbers = [change["pull_request"] for change in changes]

    assert [change["expected"] for change in changes] == ["released", "stopped", "rolled_back", "released"]
    assert numbers == sorted(set(numbers))
    assert {change["diff"] for change in changes} == {path.name for path in STORY.glob("*.diff")}
    assert len({change["branch"] for change in changes}) == len(changes)
    for change in changes:
        assert change["title"]
        assert change["message"].strip()
        assert change["author"]["email"] != change["reviewer"], "nobody reviews their own change"
        assert change.get("reverts", numbers[0]) in numbers


def test_the_advisory_snapshot_is_dated_and_complete() -> None:
    folder = STOREFRONT / "advisories"
    snapshot = yaml.safe_load((folder / "snapshot.json").read_text())
    advisories = [yaml.safe_load(path.read_text()) for path in folder.glob("GHSA-*.json")]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", snapshot["taken_at"])
    assert snapshot["source"]
    assert len(advisories) == snapshot["count"]
    for advisory in advisories:
        assert {"id", "modified", "summary", "affected", "database_specific"} <= set(advisory)
        assert all(affected["package"]["ecosystem"] == "PyPI" for affected in advisory["affected"])
