"""The declarations in docs/tools.md can be declared, and do what is said there."""

import re
from pathlib import Path

import pytest

from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.evidence import Evidence, Tool
from shopkart_pipeline.domain.verdict import GateResult, Outcome, evaluate_stage
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, pipeline_of

TOOLS = Path(__file__).parents[3] / "docs" / "tools.md"


@pytest.fixture
def service(tmp_path: Path) -> Service:
    [example] = re.findall(r"^```yaml\n(.*?)^```$", TOOLS.read_text(), re.DOTALL | re.MULTILINE)
    return pipeline_of(tmp_path, SMALLEST + example).services["catalog"]


def server_gate(service: Service, measures: dict[str, float]) -> GateResult:
    gates = [gate for gate in service.gates if gate.stage == "quality"]
    results = evaluate_stage("quality", gates, Evidence(Tool("sonarqube", "2025.1"), "judged", measures))
    return next(result for result in results if result.gate == "quality_gate_ok")


def test_the_server_is_the_stages(service: Service) -> None:
    assert service.stage("quality").options == {"server": "https://sonarqube.shopkart.example"}
    assert service.stage("quality").tool == "auto"


def test_the_shipped_gates_stay(service: Service) -> None:
    names = {gate.name for gate in service.gates if gate.stage == "quality"}

    assert names >= {"quality_gate_ok", "new_violations", "new_coverage_percent", "new_duplicated_lines_percent"}


def test_a_server_whose_gate_fails_or_is_not_told_blocks(service: Service) -> None:
    assert server_gate(service, {"quality_gate_ok": 1}).outcome is Outcome.PASS
    assert server_gate(service, {"quality_gate_ok": 0}).outcome is Outcome.FAIL
    assert server_gate(service, {}).outcome is Outcome.MISSING


def test_where_the_server_was_not_asked_its_gate_is_shown_as_exempt(service: Service) -> None:
    result = server_gate(service, {"sonarqube_asked": 0})

    assert (result.outcome, result.exempted) == (Outcome.PASS, True)
    assert result.reason.startswith("exempt: sonarqube_asked 0 < 1")
