"""What is declared about incidents."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.errors import DeclarationError
from shopkart_pipeline.domain.incident_policy import IncidentPolicy
from shopkart_pipeline.spec.compile_incidents import compile_incidents
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline.spec.models.incidents import IncidentsSpec

SHIPPED = Path(__file__).parents[3] / "shopkart.yaml"


def declared(tmp_path: Path, text: str) -> IncidentPolicy:
    file = tmp_path / "shopkart.yaml"
    file.write_text(f"{SHIPPED.read_text()}\n{text}\n")
    return load(file, home=tmp_path).incidents


def test_without_a_word_nothing_goes_back_by_itself(tmp_path: Path) -> None:
    assert declared(tmp_path, "") == IncidentPolicy()
    assert IncidentPolicy().auto_rollback is False


def test_all_of_it_can_be_declared(tmp_path: Path) -> None:
    policy = declared(
        tmp_path,
        "incidents: {auto_rollback: suspected, suspected_within: 10m, window: 2h,"
        " drill_detected_within: 30s, drill_recovered_within: 90s}",
    )

    assert policy == IncidentPolicy(True, 600.0, 7200.0, 30.0, 90.0)


@pytest.mark.parametrize("text", ["{auto_rollback: always}", "{suspected_within: 0s}", "{unknown: 1}"])
def test_what_there_is_not_is_a_fault_at_its_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(DeclarationError, match=r"shopkart\.yaml:\d+: incidents"):
        declared(tmp_path, f"incidents: {text}")


def test_never_is_what_is_there_without_it() -> None:
    assert compile_incidents(IncidentsSpec(auto_rollback="never")) == compile_incidents(None)
