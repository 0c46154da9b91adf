"""The bench's pieces at the smallest size. Nothing here asserts a time: a busy machine is no defect."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from shopkart_pipeline.cli.bench.run import take_measurements
from shopkart_pipeline.cli.bench.surroundings import Surroundings
from shopkart_pipeline.settings import from_environment

FACTS = ("began_at", "seconds", "command", "repeats", "peers", "machine", "load_before", "load_after")


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(from_environment({"SHOPKART_HOME": str(tmp_path)}), repeats=1, peers=("make",))


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
