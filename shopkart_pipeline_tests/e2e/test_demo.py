"""The demo's story, asserted on its JSON: what README's first command promises is what this file pins.

One run serves all tests of a runtime. Replicas run as processes, which needs no Docker Engine, no cluster and no cloud;
and once more as containers, where an engine answers or can be started.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline_tests.docker_base import engine_for_tests, make_base_image, running_engine

ROOT = Path(__file__).parents[2]
CI = (
    "source", "dependencies", "lint", "unit_tests", "quality", "secret_scan", "dependency_scan",
    "application", "image", "image_scan", "published_image", "attestations",
)  # fmt: skip
CD = (
    "code_review", "staging", "integration_tests", "acceptance_tests", "compatibility", "staging_attestations",
    "production",
)  # fmt: skip

pytestmark = pytest.mark.e2e


IN_AN_ENGINE = [pytest.param("docker", marks=pytest.mark.thorough)] if engine_for_tests() else []
"""The same story, three minutes more; every run has one look at an engine (`contract/test_container_image.py`)."""


@pytest.fixture(scope="module", params=["process", *IN_AN_ENGINE])
def runtime(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def home(runtime: str) -> Iterator[Path]:
    """Not below pytest's own folder: the storefront's PostgreSQL runs as another user, and every start of pytest
    closes that folder to others."""
    with tempfile.TemporaryDirectory(prefix=f"shopkart-{runtime}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "home"


@pytest.fixture(scope="module")
def story(runtime: str, home: Path) -> dict[str, Any]:
    if runtime == "process":
        return _play(home, {"SHOPKART_RUNTIME": "process"})
    engine = engine_for_tests()
    with contextlib.ExitStack() as stack:
        host = engine if engine != "startable" else stack.enter_context(running_engine(home.parent / "engine"))
        declaration = home.parent / "shopkart.yaml"
        base_image = f"defaults:\n  workload: {{base_image: '{make_base_image(str(host))}'}}\n"
        declaration.write_text((ROOT / "shopkart.yaml").read_text().replace("defaults:\n", base_image, 1))
        return _play(home, {"DOCKER_HOST": str(host), "SHOPKART_DECLARATION": str(declaration)})


def _play(home: Path, variables: dict[str, str]) -> dict[str, Any]:
    """Run the demo as a person would, and return what it writes."""
    report = home.parent / "report.json"
    done = subprocess.run(
        [str(Path(sys.executable).parent / "shopkart"), "demo", "--json", str(report)],
        env={**os.environ, "SHOPKART_HOME": str(home), **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return json.loads(report.read_text())


def _stages(release: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {stage["stage"]: stage for stage in release["stages"]}


def test_the_story_ends_as_it_should(story: dict[str, Any]) -> None:
    assert [release["verdict"] for release in story["releases"]] == ["released", "stopped", "rolled_back", "released"]
    assert story["faults"] == []


def test_a_good_release_passes_every_stage_and_is_approved(story: dict[str, Any]) -> None:
    for release in (story["releases"][0], story["releases"][3]):
        stages = _stages(release)
        assert set(stages) >= {*CI, *CD}
        assert {stage["status"] for stage in stages.values()} == {"passed"}
        assert release["approvers"]
        assert release["author"] not in release["approvers"]
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", release["digest"])


def test_every_gate_shows_value_and_limit(story: dict[str, Any]) -> None:
    gates = [gate for stage in story["releases"][0]["stages"] for gate in stage["gates"] if gate["comparison"]]

    assert len(gates) >= 10
    assert all(gate["value"] is not None and gate["limit"] is not None for gate in gates)


def test_a_credential_and_a_vulnerable_dependency_stop_a_release_before_an_image_exists(story: dict[str, Any]) -> None:
    release = story["releases"][1]
    stages = _stages(release)

    assert release["digest"] is None
    not_reached = ("image", "image_scan", "published_image", "attestations", *CD)
    assert {stages[name]["status"] for name in not_reached} == {"not_run"}
    failed = {name for name, stage in stages.items() if stage["status"] == "failed"}
    assert failed == {"secret_scan", "dependency_scan"}
    secret = stages["secret_scan"]["findings"][0]
    assert secret["path"]
    assert secret["line"]
    vulnerable = [finding for finding in stages["dependency_scan"]["findings"] if finding["new"]]
    assert {finding["package"] for finding in vulnerable} == {"urllib3"}
    assert any(finding["fixed_in"] for finding in vulnerable)


def test_the_advisories_that_judged_are_named_with_their_date(story: dict[str, Any]) -> None:
    scan = _stages(story["releases"][1])["dependency_scan"]

    assert scan["tool"]
    assert scan["notes"] or "osv" in scan["tool"]


def test_a_bad_canary_goes_back_by_itself_and_leaves_an_incident(story: dict[str, Any]) -> None:
    good, bad = story["releases"][0], story["releases"][2]
    (incident,) = story["incidents"]
    times = {name: datetime.fromisoformat(at) for name, at in incident["times"].items() if at}

    assert _stages(bad)["production"]["status"] == "failed"
    assert incident["release"] == bad["release"]
    assert times["introduced"] < times["detected"] <= times["rolled_back"] < times["recovered"]
    assert incident["failed_requests"] > 0
    assert incident["signatures"][0]["release_key"] == bad["release"]
    postmortem = Path(incident["postmortem"]).read_text()
    assert bad["release"] in postmortem
    assert bad["author"] not in postmortem
    assert good["digest"] in postmortem


def test_somebody_on_call_goes_through_every_step_until_it_is_closed(story: dict[str, Any], home: Path) -> None:
    (incident,) = story["incidents"]
    times = {name: datetime.fromisoformat(at) for name, at in incident["times"].items() if at}

    steps = ("acknowledged", "investigated", "cause_identified", "closed", "postmortem_drafted")
    assert [times[step] for step in steps[:-1]] == sorted(times[step] for step in steps[:-1])
    assert all(times["detected"] < times[step] for step in steps)
    assert incident["suspects"][0]["release"].endswith(story["releases"][2]["release"])
    beside = {path.name for path in (home / "incidents" / incident["id"]).iterdir()}
    assert {"error_ratio.png", "snapshot.json", "errors.log", "postmortem.md"} <= beside


def test_traffic_weights_follow_the_declared_steps(story: dict[str, Any]) -> None:
    weights = [
        step["weight_percent"] for step in story["releases"][0]["rollout"] if step.get("weight_percent") is not None
    ]

    assert weights[-1] == 0
    assert weights[:-1] == sorted(weights[:-1])
    assert all(0 <= weight <= 100 for weight in weights)


def test_production_lost_no_request_but_those_that_the_bad_canary_answered(story: dict[str, Any]) -> None:
    traffic, bad = story["traffic"], story["releases"][2]["release"]

    assert traffic["sent"] > 1000
    assert traffic["lost"] == {}
    assert traffic["unexpected"] == {}
    assert set(traffic["server_errors"]) <= {bad}
    assert traffic["server_errors"] == traffic["server_errors_of_canary"]


def test_the_ledger_holds_who_agreed_and_is_whole(story: dict[str, Any]) -> None:
    assert story["ledger"] == "whole"


def test_the_planted_secret_is_nowhere_but_in_the_source(story: dict[str, Any], home: Path) -> None:
    bare = home / "git" / "shopkart" / "storefront.git"
    history = subprocess.run(
        ["git", "-C", str(bare), "log", "--all", "-p"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    (access_key,) = set(re.findall(r"AKIA[0-9A-Z]{16}", history))
    source = {home / "git", home / "demo" / "clone", home / "work", home / "mirrors"}

    holding = [
        path
        for path in home.rglob("*")
        if path.is_file() and not source & set(path.parents) and access_key.encode() in path.read_bytes()
    ]

    assert holding == []
    assert access_key not in json.dumps(story)


def test_the_runtime_is_the_one_that_was_there(story: dict[str, Any], runtime: str) -> None:
    tool = _stages(story["releases"][0])["image"]["tool"]

    assert tool.startswith({"process": "oci_layout", "docker": "docker"}[runtime])


def test_building_a_release_once_more_gives_the_same_image(story: dict[str, Any], runtime: str, home: Path) -> None:
    """The embedded builder promises it bit for bit; an engine's image is left to that engine."""
    first = story["releases"][0]
    declaration = home.parent / "shopkart.yaml"
    given = {"SHOPKART_DECLARATION": str(declaration)} if declaration.exists() else {}
    done = subprocess.run(
        [str(Path(sys.executable).parent / "shopkart"), "rebuild", f"{first['service']}@{first['release']}"],
        env={**os.environ, "SHOPKART_HOME": str(home), "SHOPKART_RUNTIME": "process", **given},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    if runtime == "process":
        assert (done.returncode, done.stdout.split()[0]) == (0, "same"), done.stdout + done.stderr
        assert done.stdout.count(first["digest"]) == 2
    else:
        # Its engine is another runtime's: nothing else stands in for it.
        assert "was built by docker, which can't build here" in done.stderr
