"""Sources, workloads, deployments and what services say about each other."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.analysis import Analysis, Objective
from shopkart_pipeline.domain.declaration import Approvals, Concurrency, Environment, Phase, Source
from shopkart_pipeline.domain.rollout import RolloutStep
from shopkart_pipeline_tests.unit.spec.declarations import SMALLEST, faults_of, one_fault_of, pipeline_of, service_of

SHOP = """\
version: 1
defaults:
  owners: [team:shop]
  source: {repository: shopkart/shop, path: "services/{service}", remote: "{home}/git/{repository}.git"}
  workload: {command: [python, -m, "{service}"]}
  environments: {production: {approvals: {approvers: ["team:captains", maya@shopkart.example]}}}
teams: {captains: [maya@shopkart.example, jonas@shopkart.example]}
services:
  catalog:
  web:
    workload: {variables: {CATALOG_URL: "{url:catalog}/v1", JSON: '{"a": 1}'}}
    depends_on: [catalog]
"""


def test_a_service_may_consist_of_its_name(tmp_path: Path) -> None:
    catalog = pipeline_of(tmp_path, SHOP).services["catalog"]
    assert catalog.source == Source(
        repository="shopkart/shop",
        remote="/srv/shopkart/git/shopkart/shop.git",
        branch="main",
        path="services/catalog",
    )
    assert catalog.workload.command == ("python", "-m", "catalog")
    assert catalog.workload.startup_path == "/health/startup"
    assert catalog.workload.port == 8080


def test_what_the_environment_fills_in_stays_as_it_is(tmp_path: Path) -> None:
    web = pipeline_of(tmp_path, SHOP).services["web"]
    assert web.workload.variables == {"CATALOG_URL": "{url:catalog}/v1", "JSON": '{"a": 1}'}
    assert web.depends_on == ("catalog",)


def test_production_is_approved_and_has_a_canary_unless_it_says_otherwise(tmp_path: Path) -> None:
    production = pipeline_of(tmp_path, SHOP).services["web"].deployments["production"]
    assert production.replicas == 2
    assert production.steps == (RolloutStep(10, 300.0), RolloutStep(50, 300.0))
    assert production.analysis == Analysis()
    assert production.objectives == (Objective("error_ratio", 0.01, 300.0),)
    assert production.approvals == Approvals(
        required=1,
        approvers=("maya@shopkart.example", "jonas@shopkart.example"),
        allowed_signers=Path("/srv/shopkart/trust/allowed_signers"),
        expires_after_seconds=86400.0,
        four_eyes=True,
    )


def test_staging_is_a_rolling_update_without_approval(tmp_path: Path) -> None:
    staging = service_of(tmp_path).deployments["staging"]
    assert (staging.replicas, staging.steps, staging.approvals) == (1, (), None)


def test_a_service_overrides_defaults_key_by_key_and_replaces_lists(tmp_path: Path) -> None:
    text = SHOP + "    environments: {production: {replicas: 5, canary: [{weight: 5, bake: 1m}]}}\n"
    production = pipeline_of(tmp_path, text).services["web"].deployments["production"]
    assert (production.replicas, production.steps) == (5, (RolloutStep(5, 60.0),))
    assert production.approvals is not None
    assert pipeline_of(tmp_path, text).services["catalog"].deployments["production"].replicas == 2


def test_part_of_the_analysis_may_be_said(tmp_path: Path) -> None:
    text = SHOP + "    environments: {production: {analysis: {minimum_effect: 3}}}\n"
    production = pipeline_of(tmp_path, text).services["web"].deployments["production"]
    assert production.analysis == Analysis(minimum_effect=3.0)


def test_nobody_is_asked_where_no_approval_is_required(tmp_path: Path) -> None:
    text = SHOP + "    environments: {production: {approvals: {required: 0}}}\n"
    assert pipeline_of(tmp_path, text).services["web"].deployments["production"].approvals is None


def test_the_allowed_signers_file_is_not_looked_at_and_is_relative_to_the_declaration(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path, SHOP + "trust: {allowed_signers: trust/people}\n")
    approvals = pipeline.services["web"].deployments["production"].approvals
    assert approvals is not None
    assert approvals.allowed_signers == tmp_path / "trust" / "people"
    assert not approvals.allowed_signers.exists()


def test_declared_environments_replace_the_shipped_ones(tmp_path: Path) -> None:
    text = SMALLEST.replace("production:", "live:") + (
        "environments:\n  test: {phase: staging}\n  live: {phase: production, platform: kubernetes, options: {a: b}}\n"
    )
    pipeline = pipeline_of(tmp_path, text)
    assert pipeline.environments == {
        "test": Environment("test", Phase.STAGING, "local"),
        "live": Environment("live", Phase.PRODUCTION, "kubernetes", {"a": "b"}),
    }
    assert pipeline.services["catalog"].deployments["live"].steps


def test_what_nobody_declares_is_shipped(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path, SMALLEST)
    assert pipeline.schedules == {
        "reconcile": "*/5 * * * *",
        "branch_protection": "23 * * * *",
        "backup": "30 2 * * *",
        "rescan": "0 3 * * *",
        "recovery_drill": "15 4 * * *",
        "delivery_measures": "45 5 * * *",
    }
    assert pipeline.live_releases == 1000
    assert pipeline.concurrency == Concurrency(runs=6, pull_requests=3)
    assert [environment.phase for environment in pipeline.environments.values()] == [Phase.STAGING, Phase.PRODUCTION]
    assert pipeline.digest.startswith("sha256:")


def test_limits_of_runs_are_for_services_and_environments_that_there_are(tmp_path: Path) -> None:
    said = "concurrency: {runs: 8, per_service: 2, environments: {production: 1}}\n"
    found = pipeline_of(tmp_path, SMALLEST + said).concurrency
    assert found == Concurrency(runs=8, per_service=2, environments={"production": 1})

    fault = one_fault_of(tmp_path, SMALLEST + said.replace("production", "prodcution"))
    assert fault.path == "concurrency.environments.prodcution"
    assert "did you mean production?" in fault.message


FAULTS = [
    (
        "team:captains",
        "team:captians",
        6,
        "approvals.approvers[0]",
        "no team captians in `teams`; did you mean captains?",
    ),
    ("{url:catalog}", "{url:catalogue}", 11, "variables.CATALOG_URL", "no service catalogue; did you mean catalog?"),
    ("{url:catalog}", "{redis}", 11, "variables.CATALOG_URL", "{redis} is not known here; did you mean redis_url?"),
    ("services/{service}", "{home}/{service}", 4, "source.path", "{home} is not known here"),
    ("{repository}", "{repo}", 4, "source.remote", "{repo} is not known here"),
    ("depends_on: [catalog]", "depends_on: [catalog, wbe]", 12, "web.depends_on[1]", "did you mean web?"),
    ("depends_on: [catalog]", "depends_on: [web]", 12, "web.depends_on", "web -> web"),
    ("  catalog:\n", "  catalog: {depends_on: [web]}\n", 9, "catalog.depends_on", "catalog -> web -> catalog"),
    ("[maya@shopkart.example, jonas@shopkart.example]", "[]", 7, "teams.captains", "the team has no members"),
    ("production: {", "prodcution: {", 6, "defaults.environments.prodcution", "did you mean production?"),
]


@pytest.mark.parametrize(("old", "new", "line", "path", "words"), FAULTS)
def test_names_that_nobody_declared_are_faults(
    tmp_path: Path, old: str, new: str, line: int, path: str, words: str
) -> None:
    found = faults_of(tmp_path, SHOP.replace(old, new))
    assert any(fault.line == line and path in fault.path and words in fault.message for fault in found), found


def test_a_fault_in_defaults_is_told_once_however_many_services_inherit_it(tmp_path: Path) -> None:
    text = SHOP.replace("  workload: {command", "  gates: {qualtiy: {}}\n  workload: {command")
    assert one_fault_of(tmp_path, text).path == "defaults.gates.qualtiy"


@pytest.mark.parametrize(
    ("old", "path", "words"),
    [
        ("    owners: [team:shop]\n", "services.catalog.owners", "say who answers for the service"),
        ("    source: {repository: shopkart/catalog}\n", "services.catalog.source.repository", "say which repository"),
        (
            "    workload: {command: [python, -m, catalog]}\n",
            "services.catalog.workload.command",
            "say how the service starts",
        ),
    ],
)
def test_what_has_to_be_said_is_asked_for_at_the_service(tmp_path: Path, old: str, path: str, words: str) -> None:
    fault = one_fault_of(tmp_path, SMALLEST.replace(old, ""))
    assert (fault.line, fault.path) == (3, path)
    assert words in fault.message


def test_more_approvals_than_approvers_can_never_be_given(tmp_path: Path) -> None:
    fault = one_fault_of(tmp_path, SMALLEST.replace("{approvers: [maya", "{required: 2, approvers: [maya"))
    assert fault.path == "services.catalog.environments.production.approvals.approvers"
    assert "production needs 2 approvals and has 1 approver" in fault.message


def test_a_canary_that_does_not_grow_is_a_fault(tmp_path: Path) -> None:
    text = SMALLEST + "      staging: {canary: [{weight: 10, bake: 1}, {weight: 10, bake: 1}]}\n"
    fault = one_fault_of(tmp_path, text)
    assert fault.path == "services.catalog.environments.staging.canary[1].weight"
    assert "10 comes after 10" in fault.message


@pytest.mark.parametrize(
    ("environments", "line", "path", "words"),
    [
        ("{staging: }", 9, "environments", "no environment is of phase production"),
        ("{staging: , production: , live: {}}", 9, "environments.live.phase", "phase: staging"),
        (
            "{staging: , production: , live: {phase: production}}",
            9,
            "environments.live",
            "production is of phase production already",
        ),
    ],
)
def test_there_is_one_environment_of_each_phase(
    tmp_path: Path, environments: str, line: int, path: str, words: str
) -> None:
    text = SMALLEST.replace("production: {approvals: {approvers: [maya@shopkart.example]}}", "{}")
    text = text.replace("    environments:\n      {}\n", "    environments: {}\n") + f"environments: {environments}\n"
    found = faults_of(tmp_path, text)
    assert any((fault.path, words in fault.message) == (path, True) for fault in found), (line, found)


@pytest.mark.parametrize("services", ["", "services:\n", "services: {}\n"])
def test_a_declaration_without_services_is_a_fault(tmp_path: Path, services: str) -> None:
    fault = one_fault_of(tmp_path, "version: 1\n" + services)
    assert (fault.path, "no service is declared" in fault.message) == ("services", True)


def test_hundreds_of_cycles_end_soon(tmp_path: Path) -> None:
    names = [f"s{number}" for number in range(60)]
    everyone = "".join(f"  {name}: {{depends_on: [{', '.join(names)}]}}\n" for name in names)
    text = SHOP[: SHOP.index("services:")] + "services:\n" + everyone
    assert 1 <= len(faults_of(tmp_path, text)) <= 20
