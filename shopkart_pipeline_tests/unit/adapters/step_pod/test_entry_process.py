"""The entry of a step's pod as the process that it is, with the environment that the pod's manifest gives it."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from dagster_pipes import DAGSTER_PIPES_CONTEXT_ENV_VAR, DAGSTER_PIPES_MESSAGES_ENV_VAR, encode_param

from shopkart_pipeline.adapters.kubernetes.pipeline_pods import HOME
from shopkart_pipeline.adapters.kubernetes.step_pod import step_pod_spec
from shopkart_pipeline.domain.step_pods import StepPodOrder
from shopkart_pipeline.ports.step_pods import StepPods
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline_tests.fakes.local_step_pods import ANY_PORT, PLACE
from shopkart_pipeline_tests.step_lint import found_by_lint


class EntryProcess(StepPods):
    """Runs what a pod's container runs, in a home and a folder for temporary files of its own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.temporary, self.said = folder / "home", folder / "tmp", ""
        for each in (self.home, self.temporary):
            each.mkdir(parents=True)
            each.chmod(0o777)

    def run(self, order: StepPodOrder, log: Path) -> str | None:
        [container] = step_pod_spec(PLACE, order)["containers"]
        variables: dict[str, str] = {each["name"]: each["value"] for each in container["env"]}
        here = {HOME: str(self.home), "/tmp": str(self.temporary)}
        variables = {name: here.get(value, value) for name, value in variables.items()}
        variables |= {
            "SHOPKART_DECLARATION": str(SHIPPED_DECLARATION),
            "TMPDIR": str(self.temporary),
            "PATH": os.environ["PATH"],
            DAGSTER_PIPES_CONTEXT_ENV_VAR: encode_param({"data": self.context(order)}),
            DAGSTER_PIPES_MESSAGES_ENV_VAR: encode_param({"stdio": "stderr"}),
        }
        program, *arguments = container["command"]
        assert program == "python"
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=SHIPPED_DECLARATION.parent,
            env=variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        self.said = done.stdout + done.stderr
        return None if done.returncode == 0 else f"it ended with exit code {done.returncode}: {self.said[-2000:]}"

    def context(self, order: StepPodOrder) -> dict[str, object]:
        names = ("asset_keys", "code_version_by_asset_key", "provenance_by_asset_key", "partition_key")
        others = ("partition_key_range", "partition_time_window", "job_name", "retry_number")
        unknown = dict.fromkeys((*names, *others))
        return {**unknown, "run_id": "1", "retry_number": 0, "extras": dict(order.extras)}


@pytest.mark.thorough
def test_a_whole_entry_fetches_its_work_and_brings_back_what_it_found(tmp_path: Path) -> None:
    entry = EntryProcess(tmp_path / "pod")
    assert "F401" in found_by_lint(entry, replace(PLACE, address="127.0.0.1"), tmp_path, ANY_PORT)
    assert "Nothing says" not in entry.said
    assert not any((entry.home / "work" / "step").iterdir())


@pytest.mark.thorough
def test_a_whole_entry_that_is_told_nothing_of_a_run_that_is_there_ends_badly_and_says_so(tmp_path: Path) -> None:
    entry = EntryProcess(tmp_path / "pod")
    order = StepPodOrder("scan-1", PLACE.pod, 60.0, {"address": "http://127.0.0.1:9", "word": "sesame", "package": "-"})
    reason = entry.run(order, tmp_path / "log")
    assert str(reason).startswith("it ended with exit code 1")
    assert "sesame" not in entry.said
