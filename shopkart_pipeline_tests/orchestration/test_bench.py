"""The bench's pieces at the smallest size. Nothing here asserts a time: a busy machine is no defect."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from shopkart_pipeline.cli.bench.repository import BenchRepository, Pushed
from shopkart_pipeline.cli.bench.run import take_measurements
from shopkart_pipeline.cli.bench.storefront import SCRIPT
from shopkart_pipeline.cli.bench.surroundings import Surroundings
from shopkart_pipeline.cli.demo.story import STOREFRONT
from shopkart_pipeline.settings import from_environment

pytestmark = pytest.mark.bench


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(
        from_environment({"SHOPKART_HOME": str(tmp_path)}),
        repeats=1,
        peers=("make",),
        service_counts=(1, 2),
        release_counts=(3, 5),
        receiver_seconds=0.2,
    )


def _measured(around: Surroundings, name: str) -> dict[str, Any]:
    document = take_measurements(around, [name], Console(quiet=True))
    return json.loads(json.dumps(document))


def test_a_signed_webhook_is_measured_beside_a_peer(around: Surroundings) -> None:
    document = _measured(around, "webhook")

    assert {"began_at", "seconds", "command", "repeats", "peers", "machine", "load_before", "load_after"} < set(
        document
    )
    (webhook,) = document["measurements"]
    measured = {(each["subject"], each["quantity"]): each for each in webhook["measures"]}
    for subject in ("shopkart", "make -j2"):
        first = measured[subject, "POST to first stage started"]["median"]
        assert 0 < first <= measured[subject, "POST to eleven stages finished"]["median"]
    assert measured["shopkart", "POST to first stage started"]["limit"] == 0.4
    assert len(webhook["ratios"]) == 2
    assert not list((around.settings.home / "bench").iterdir())


def test_transitions_are_measured_between_tools(around: Surroundings) -> None:
    (transitions,) = _measured(around, "transitions")["measurements"]

    (between, _) = transitions["measures"]
    assert between["limit"] == 60
    assert len(between["samples"]) == 6
    assert min(between["samples"]) > 0


def test_the_receiver_answers_every_request(around: Surroundings) -> None:
    (receiver,) = _measured(around, "receiver")["measurements"]

    answers = ["answer, 50th percentile", "answer, 99th percentile"]
    alone = [f"{each}, receiver alone" for each in answers]
    assert [each["quantity"] for each in receiver["measures"]] == alone + answers
    assert [len(each["samples"]) for each in receiver["measures"]] == [3] * 4
    assert "40 requests" in receiver["notes"][0]


def test_loading_is_measured_at_growing_sizes(around: Surroundings) -> None:
    (services,) = _measured(around, "services")["measurements"]

    loads = [each for each in services["measures"] if each["quantity"].startswith("definitions load, ")]
    assert [each["quantity"] for each in loads] == ["definitions load, 1 services", "definitions load, 2 services"]
    assert all(each["median"] > 0 for each in services["measures"])


def test_launches_and_the_page_are_measured_over_a_growing_history(around: Surroundings) -> None:
    (releases,) = _measured(around, "releases")["measurements"]

    quantities = [each["quantity"] for each in releases["measures"]]
    assert quantities == [
        "POST to first stage started, 3 releases",
        "POST to first stage started, 5 releases",
        "the asset page's query, 3 releases",
        "the asset page's query, 5 releases",
        "launch latency at 5 releases over that at 3",
    ]


def test_questions_about_the_past_are_measured_over_a_growing_store(around: Surroundings) -> None:
    (past,) = _measured(around, "past")["measurements"]

    assert [each["quantity"] for each in past["measures"]] == [
        "affected by an advisory, 3 releases",
        "affected by an advisory, 5 releases",
        "affected by a package, 3 releases",
        "affected by a package, 5 releases",
        "gates replayed, today's advisories, 3 releases",
        "gates replayed, today's advisories, 5 releases",
    ]


def test_the_script_checks_what_the_pipeline_checks(tmp_path: Path) -> None:
    """Every tool of the script runs on the storefront as it is, and a broken test fails it."""
    clone, bare, cache = tmp_path / "clone", tmp_path / "bare.git", tmp_path / "cache"
    repository = BenchRepository(bare, clone, "shopkart/storefront")
    shutil.copytree(STOREFRONT, clone, dirs_exist_ok=True)
    first = repository.push("As it is")
    broken = repository.push("Broken", {"backend/tests/unit/test_broken.py": "def test_it():\n    assert 1 == 2\n"})

    assert _run_script(bare, first, first, tmp_path / "good", cache) == 0
    assert _run_script(bare, broken, first, tmp_path / "bad", cache) != 0
    assert (tmp_path / "good" / "registry" / "confirmed").read_text().count(".tar.gz") == 2
    assert not (tmp_path / "bad" / "registry").exists()


def _run_script(bare: Path, commit: Pushed, base: Pushed, work: Path, cache: Path) -> int:
    work.mkdir()
    tools = Path(sys.executable).parent
    arguments = ["sh", str(SCRIPT), str(bare), commit.sha, base.sha, str(work), str(cache), str(tools)]
    return subprocess.run(arguments, cwd=work, capture_output=True, timeout=600, check=False).returncode
