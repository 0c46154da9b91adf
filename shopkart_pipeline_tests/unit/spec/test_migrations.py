"""Migrations as they are declared: which stages come of them, in which order, and what is at fault."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.declaration import MIGRATIONS, Phase, Service
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, one_fault_of, pipeline_of, service_of

BOTH = "migrations: {expand: [python, -m, '{service}.expand'], contract: [contract]}"


def declared(folder: Path, workload: str = BOTH, more: str = "") -> Service:
    return pipeline_of(folder, text(workload, more)).services["catalog"]


def text(workload: str, more: str = "") -> str:
    return SMALLEST.replace("{command: [python, -m, catalog]}", f"{{command: [catalog], {workload}}}") + more


def names(service: Service, phase: Phase) -> list[str]:
    return [stage.name for stage in service.stages_of(phase)]


def test_without_migrations_there_are_no_stages_and_no_gates_for_them(tmp_path: Path) -> None:
    service = service_of(tmp_path)
    assert not [stage for stage in service.stages if stage.kind in MIGRATIONS]
    assert not [gate for gate in service.gates if gate.stage in MIGRATIONS]
    assert not [left.stage for left in service.left_out if left.stage in MIGRATIONS]


def test_both_environments_expand_before_the_deployment_and_to_contract_comes_last(tmp_path: Path) -> None:
    service = declared(tmp_path)
    staging, production = names(service, Phase.STAGING), names(service, Phase.PRODUCTION)
    assert staging.index("staging_expand") < staging.index("staging")
    assert production == ["production_expand", "production", "contract"]
    assert service.stage("staging").needs == ("attestations", "staging_expand")
    assert {"integration_tests", "acceptance_tests"} <= set(service.stage("staging_attestations").needs)
    assert "staging_attestations" in service.stage("production_expand").needs
    assert "production_expand" in service.stage("production").needs
    assert service.stage("contract").needs == ("production",)
    assert {gate.stage for gate in service.gates if gate.name == "completed"} == {"staging_expand", "production_expand"}


def test_a_stage_runs_the_declared_command_and_has_a_time_of_its_own(tmp_path: Path) -> None:
    service = declared(tmp_path, more="    stages: {production_expand: {timeout: 1h}}\n")
    expand = service.stage("production_expand")
    assert (expand.command, expand.timeout_seconds) == (("python", "-m", "catalog.expand"), 3600.0)
    assert service.stage("staging_expand").timeout_seconds == 600.0
    assert service.stage("contract").command == ("contract",)


def test_one_of_the_two_may_be_declared_alone(tmp_path: Path) -> None:
    service = declared(tmp_path, "migrations: {contract: [contract]}")
    assert names(service, Phase.PRODUCTION) == ["production", "contract"]
    assert "staging_expand" not in names(service, Phase.STAGING)


def test_stages_of_ones_own_are_not_passed_by(tmp_path: Path) -> None:
    own = "    stages: {smoke: {phase: staging, command: [smoke]}, sign: {needs: [published_image], command: [sign]}}\n"
    service = declared(tmp_path, more=own)
    assert "smoke" in service.stage("staging_attestations").needs
    assert "sign" in service.stage("attestations").needs


def test_production_is_contracted_a_day_after_unless_said_otherwise(tmp_path: Path) -> None:
    assert declared(tmp_path).deployments["production"].contract_after_seconds == 86_400
    assert declared(tmp_path).deployments["staging"].contract_after_seconds == 0
    later = text(BOTH).replace("production: {", "production: {contract_after: 7d, ")
    assert pipeline_of(tmp_path, later).services["catalog"].deployments["production"].contract_after_seconds == 604_800


@pytest.mark.parametrize(
    ("workload", "more", "path", "message"),
    [
        ("migrations: {}", "", "workload.migrations", "say what is to run: `expand`, `contract` or both"),
        ("migrations: {expand: []}", "", "workload.migrations.expand", "the list is empty"),
        ("migrations: {expnd: [x]}", "", "workload.migrations.expnd", "did you mean expand?"),
        (
            "migrations: {expand: [x]}",
            "    stages: {contract: {timeout: 1h}}\n",
            "workload.migrations.contract",
            "contract has nothing to run; say the command",
        ),
    ],
)
def test_what_can_not_be_run_is_a_fault(tmp_path: Path, workload: str, more: str, path: str, message: str) -> None:
    fault = one_fault_of(tmp_path, text(workload, more))
    assert fault.path == f"services.catalog.{path}"
    assert message in fault.message


def test_staging_does_not_wait_before_it_contracts(tmp_path: Path) -> None:
    waiting = text(BOTH).replace("environments:\n", "environments:\n      staging: {contract_after: 1h}\n")
    fault = one_fault_of(tmp_path, waiting)
    assert fault.path == "services.catalog.environments.staging.contract_after"
