"""`shopkart plan`."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from shopkart_pipeline.cli.plan import plan_of, print_plan
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline_tests.unit.spec.declarations import HOME, SMALLEST

STOREFRONT = Path(__file__).resolve().parents[3] / "shopkart.yaml"


@pytest.fixture(scope="module")
def storefront() -> Pipeline:
    return load(STOREFRONT, home=HOME)


def _names(document: dict[str, Any]) -> list[str]:
    return [service["service"] for service in document["services"]]


def test_services_come_in_the_order_in_which_they_depend_on_each_other(tmp_path: Path) -> None:
    text = STOREFRONT.read_text().replace(
        "  backend:\n", "  admin:\n    workload: {command: [x]}\n    depends_on: [frontend]\n  backend:\n"
    )
    file = tmp_path / "shopkart.yaml"
    file.write_text(text)
    assert _names(plan_of(load(file, home=HOME))) == ["backend", "frontend", "admin"]


@pytest.mark.parametrize(
    ("changed", "affected", "not_affected"),
    [
        ([], ["backend", "frontend"], []),
        (["backend/src/app.py"], ["backend"], ["frontend"]),
        (["./frontend/x.html", "README.md"], ["frontend"], ["backend"]),
        (["servicekit/setup.py"], ["backend", "frontend"], []),
        (["README.md"], [], ["backend", "frontend"]),
        (["backend-notes.md"], [], ["backend", "frontend"]),
    ],
)
def test_a_change_concerns_the_services_whose_paths_it_touches(
    storefront: Pipeline, changed: list[str], affected: list[str], not_affected: list[str]
) -> None:
    document = plan_of(storefront, changed=changed)
    assert (_names(document), document["not_affected"]) == (affected, not_affected)


def test_only_the_services_that_are_asked_for_are_shown(storefront: Pipeline) -> None:
    document = plan_of(storefront, services=["frontend"])
    assert (_names(document), document["not_affected"]) == (["frontend"], [])


def test_an_unknown_service_is_refused_with_the_nearest_name(storefront: Pipeline) -> None:
    with pytest.raises(NotFound, match="did you mean backend"):
        plan_of(storefront, services=["bakend"])


def test_stages_of_a_step_run_at_the_same_time(storefront: Pipeline) -> None:
    [backend] = plan_of(storefront, services=["backend"])["services"]
    ci, staging, production = ([[s["stage"] for s in step] for step in phase["steps"]] for phase in backend["phases"])
    assert ci == [
        ["source"],
        ["dependencies", "lint", "secret_scan", "dependency_scan"],
        ["unit_tests", "application", "process_tests"],
        ["quality"],
        ["image"],
        ["image_scan"],
        ["published_image"],
        ["attestations"],
    ]
    assert staging == [
        ["code_review", "staging"],
        ["integration_tests", "acceptance_tests", "compatibility"],
        ["staging_attestations"],
    ]
    assert production == [["production"]]


def test_the_plan_says_how_production_is_reached(storefront: Pipeline) -> None:
    [backend] = plan_of(storefront, services=["backend"])["services"]
    [production] = [each for each in backend["environments"] if each["environment"] == "production"]
    assert production["canary"] == [
        {"weight_percent": 10, "bake_seconds": 3.0},
        {"weight_percent": 40, "bake_seconds": 3.0},
    ]
    assert production["approvals"]["approvers"] == ["maya@shopkart.example", "jonas@shopkart.example"]


def test_people_read_gates_limits_steps_and_what_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / "shopkart.yaml"
    file.write_text(
        STOREFRONT.read_text().replace(
            "  backend:\n    stages:\n",
            "  backend:\n    stages:\n      acceptance_tests: {disabled: 'see [SHOP-1]'}\n",
        )
    )
    output = io.StringIO()
    print_plan(Console(file=output, width=400), plan_of(load(file, home=HOME), changed=["backend/x"]))
    text = output.getvalue()
    for words in (
        "3 unit_tests {python} -m pytest tests/unit",
        "new_coverage_percent >= 80 (exempt while new_lines < 20)",
        "2 replicas on local; canary 10 % for 3s, 40 % for 3s; deadline 1m",
        "1 of maya@shopkart.example, jonas@shopkart.example must approve, four eyes, valid 1d",
        "left out acceptance_tests: see [SHOP-1]",
        "frontend: not affected",
        "registry disk, repositories SERVICE, its own scan off (a registry on disk does not scan)",
    ):
        assert words in text


def test_the_plan_says_how_long_a_release_soaks(tmp_path: Path) -> None:
    file = tmp_path / "shopkart.yaml"
    file.write_text(SMALLEST + "      staging: {soak: 2h}\n")
    text = io.StringIO()

    print_plan(Console(file=text, width=400), plan_of(load(file, home=HOME)))

    assert "soaks for 2h before production" in text.getvalue()


def test_the_plan_says_when_the_database_is_contracted_where_it_is(tmp_path: Path) -> None:
    file, text = tmp_path / "shopkart.yaml", io.StringIO()
    file.write_text(SMALLEST.replace("catalog]}", "catalog], migrations: {contract: [contract]}}"))
    print_plan(Console(file=text, width=400), plan_of(load(file, home=HOME)))
    file.write_text(SMALLEST)
    print_plan(Console(file=text, width=400), plan_of(load(file, home=HOME)))

    assert text.getvalue().count("the database is contracted 1d after") == 1


def test_the_plan_says_when_production_is_frozen(tmp_path: Path) -> None:
    file, text = tmp_path / "shopkart.yaml", io.StringIO()
    windows = (
        "{name: sale, time_zone: Europe/Berlin, begins: 2026-11-26T18:00, ends: 2026-12-01T08:00}, "
        "{name: weekend, time_zone: Europe/Berlin, days: [sun, sat]}"
    )
    file.write_text(SMALLEST.replace("production: {", f"production: {{freeze: [{windows}], "))

    print_plan(Console(file=text, width=400), plan_of(load(file, home=HOME)))

    assert "frozen sale: 2026-11-26T18:00+01:00 to 2026-12-01T08:00+01:00" in text.getvalue()
    assert "frozen weekend: Sat, Sun (Europe/Berlin)" in text.getvalue()


def test_the_plan_says_where_images_and_evidence_go(tmp_path: Path) -> None:
    file = tmp_path / "shopkart.yaml"
    registry = "registry: {kind: ecr, region: eu-central-1, account: '123456789012', prefix: shop/}\n"
    evidence = "evidence: {bucket: shop-evidence, region: eu-central-1, prefix: pipeline/}\n"
    file.write_text(STOREFRONT.read_text() + registry + evidence)
    document, output = plan_of(load(file, home=HOME)), io.StringIO()
    print_plan(Console(file=output, width=400), document)

    assert document["registry"]["scan"] == "required"
    assert "registry ecr eu-central-1 123456789012, repositories shop/SERVICE, its own scan required" in (
        output.getvalue()
    )
    assert "evidence s3://shop-evidence/pipeline/ in eu-central-1, locked for 400 days (compliance)" in (
        output.getvalue()
    )


def test_the_plan_says_who_may_command_at_github(tmp_path: Path) -> None:
    file = tmp_path / "shopkart.yaml"
    people = "people: {maya-shop: maya@shopkart.example}, commands: {approve: [maya@shopkart.example]}"
    file.write_text(f"{STOREFRONT.read_text()}github: {{{people}, branch_protection: {{required_checks: [build]}}}}\n")
    document, output = plan_of(load(file, home=HOME)), io.StringIO()
    print_plan(Console(file=output, width=400), document)

    assert document["github"]["people"] == {"maya-shop": "maya@shopkart.example"}
    assert "github https://api.github.com; /approve by maya@shopkart.example; /rollback by nobody" in output.getvalue()
    assert "up_to_date true, required_checks build" in output.getvalue()
