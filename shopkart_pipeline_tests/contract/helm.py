"""Helm itself, as a library in an environment of its own: what it makes of the pipeline's chart."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ASKED = """
import json, sys
import helm_python as helm

def rendered(chart, asked):
    try:
        chart.validate_schema(asked["values"])
        return {"files": chart.render(asked["values"], name="pipeline", **asked["options"])}
    except helm.HelmError as error:
        return {"refused": str(error)}

asked = json.load(sys.stdin)
with helm.Chart.load(asked["chart"]) as chart:
    answers = [rendered(chart, each) for each in asked["asked"]]
findings = helm.lint(asked["chart"], strict=True, namespace="shopkart-pipeline")
print(json.dumps({"version": helm.helm_sdk_version(), "lint": findings, "answers": answers}))
"""


@dataclass(frozen=True)
class Asked:
    """A rendering, as `helm template` or an upgrade would do it."""

    values: Mapping[str, Any]
    namespace: str = "shopkart-pipeline"
    upgrade: bool = False


def helm_python() -> Path | None:
    """A Python that has Helm; None where none of the tests' tools has one."""
    for folder in filter(None, os.environ.get("SHOPKART_TEST_TOOLS", "").split(os.pathsep)):
        if any(Path(folder).parent.glob("lib/python*/site-packages/helm_python")):
            return Path(folder) / "python"
    return None


def ask_helm(python: Path, chart: Path, asked: Sequence[Asked]) -> dict[str, Any]:
    """Helm's version, what it finds wrong with the chart, and the files of each rendering or why it was refused."""
    question = {
        "chart": str(chart),
        "asked": [
            {"values": each.values, "options": {"namespace": each.namespace, "is_upgrade": each.upgrade}}
            for each in asked
        ],
    }
    done = subprocess.run(
        [str(python), "-c", _ASKED], input=json.dumps(question), capture_output=True, text=True, timeout=120, check=True
    )
    answered: dict[str, Any] = json.loads(done.stdout)
    return answered
