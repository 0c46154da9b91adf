"""The page of how many builds an hour there are says what the function says, for the recorded inputs."""

import json
from pathlib import Path

import pytest
import yaml

from shopkart_pipeline.cli.capacity import INPUTS, KUBERNETES, ONE_MACHINE, capacity, cores, read, row
from shopkart_pipeline.cli.main import main
from shopkart_pipeline.domain.capacity import Tools
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline_tests.pipeline_installation import ROOT, files, objects, pipeline

PAGE = ROOT / "docs" / "capacity.md"
SIZES = ROOT / "deploy" / "terraform" / "production" / "sizes.auto.tfvars.json"


def _rows(title: str) -> list[str]:
    """The lines of the table below a headline of the page."""
    _, found, rest = PAGE.read_text(encoding="utf-8").partition(f"### {title}\n")
    assert found, title
    lines = [line for line in rest.partition("\n#")[0].splitlines() if line.startswith("|")]
    return lines[2:]


@pytest.mark.parametrize("seconds", [0, 300])
@pytest.mark.parametrize("where", [ONE_MACHINE, KUBERNETES])
def test_the_page_has_the_numbers_of_the_shipped_declaration(where: str, seconds: int) -> None:
    limits = capacity(read(INPUTS), pipeline(), Tools(seconds, 1.0))[where]

    title = f"{where}, {f'{seconds} s of tools' if seconds else 'without tools'}"
    assert _rows(title) == [f"| {' | '.join(row(limit))} |" for limit in limits]


def test_the_page_names_each_input_and_where_it_is_from() -> None:
    inputs = json.loads(INPUTS.read_text(encoding="utf-8"))

    assert _rows("Inputs") == [
        f"| `{name}` | {each['value']:,} {each['unit']} | {each['from']} |" for name, each in inputs.items()
    ]


def test_inputs_that_are_declared_elsewhere_are_what_is_declared_there() -> None:
    inputs, sizes = read(INPUTS), json.loads(SIZES.read_text())
    coordinator = yaml.safe_load(files()["dagster.yaml"])["run_coordinator"]["config"]

    assert inputs["dequeue_seconds"] == coordinator["dequeue_interval_seconds"]
    assert inputs["receiver_pods"] == objects("Deployment")["shopkart-receiver"]["spec"]["replicas"]
    assert inputs["cluster_cores"] == sizes["cluster"]["karpenter"]["cores"]
    assert sizes["database"]["instance_class"] == "db.m7g.large"
    assert sizes["database"]["gigabytes"] < 400


def test_the_command_names_the_bottleneck(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["capacity", "--tools", "300"])

    assert ended.value.code == 0
    assert "bottleneck: a queue for each service" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"written_rows": 3}', '{"written_rows": {"value": 0}}'])
def test_inputs_that_say_nothing_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "inputs.json").write_text(text)

    with pytest.raises(PipelineError) as refused:
        capacity(read(tmp_path / "inputs.json"), pipeline(), Tools(0.0, 1.0))

    assert str(INPUTS) in refused.value.fix or "Measure" in refused.value.fix


def test_quantities_are_cores() -> None:
    assert [cores("500m"), cores("2"), cores("0.25")] == [0.5, 2.0, 0.25]
