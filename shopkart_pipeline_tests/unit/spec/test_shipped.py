"""What is shipped: the base of every declaration, the storefront's declaration, schema and key reference."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shopkart_pipeline.domain.declaration import Pipeline, StageKind
from shopkart_pipeline.spec.compile_stages import compile_stages
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.layers import merged_services
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline.spec.models.declaration import DeclarationSpec
from shopkart_pipeline.spec.models.stages import SHIPPED_STAGES
from shopkart_pipeline.spec.reference import REFERENCE_FILE, with_reference
from shopkart_pipeline.spec.schema import SCHEMA_FILE, schema_text, to_json_schema
from shopkart_pipeline.spec.shipped import merge, section, shipped
from shopkart_pipeline.spec.waivers import YamlWaivers
from shopkart_pipeline.spec.yaml_document import parse_document
from shopkart_pipeline_tests.scan_requests import write_files
from shopkart_pipeline_tests.unit.spec.declarations import HOME, SMALLEST, faults_of, pipeline_of, service_of
from shopkart_pipeline_tests.unit.spec.test_form import FORMS

ROOT = Path(__file__).resolve().parents[3]
STOREFRONT = ROOT / "shopkart.yaml"
REGENERATE = "run: python -m shopkart_pipeline.spec.schema"


@pytest.fixture(scope="module")
def storefront() -> Pipeline:
    return load(STOREFRONT, home=HOME)


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = to_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def _plain(file: Path) -> Any:
    return parse_document(file.read_text(), Faults(file.name)).value


def test_what_is_shipped_is_in_form() -> None:
    assert DeclarationSpec.model_validate(shipped())


def test_every_kind_of_stage_but_commands_is_shipped_with_timeout_and_needs() -> None:
    stages = section(shipped(), "defaults", "stages")
    assert set(stages) == set(SHIPPED_STAGES) == {kind.value for kind in StageKind} - {"command"}
    for name in stages:
        assert {"timeout", "needs"} <= set(section(stages, name))


def test_what_is_shipped_has_no_fault_of_its_own() -> None:
    faults = Faults("shipped.yaml")
    [scope] = merged_services({"services": {"example": None}}, {}, faults)
    assert len(compile_stages(scope, ["load_test"])[0]) == 22
    assert len(compile_stages(scope, ["load_test", "manifests"])[0]) == 21
    assert not faults


def test_mappings_merge_and_lists_and_plain_values_replace() -> None:
    base = {"a": {"b": 1, "c": [1, 2]}, "d": 1, "e": {"f": 1}}
    over = {"a": {"c": [3]}, "d": 2, "e": None, "g": None}
    assert merge(base, over) == {"a": {"b": 1, "c": [3]}, "d": 2, "e": {"f": 1}, "g": None}
    assert base == {"a": {"b": 1, "c": [1, 2]}, "d": 1, "e": {"f": 1}}


def test_the_storefront_has_its_two_services(storefront: Pipeline) -> None:
    assert list(storefront.services) == ["backend", "frontend"]
    backend, frontend = storefront.services.values()
    assert backend.source.repository == frontend.source.repository == "shopkart/storefront"
    assert backend.source.remote == str(HOME / "git/shopkart/storefront.git")
    assert [service.source.path for service in storefront.services.values()] == ["backend", "frontend"]
    assert backend.source.shared_paths == ("servicekit", "advisories")
    assert set(backend.workload.variables) == {"REDIS_URL", "DATABASE_URL"}
    assert frontend.workload.variables == {"BACKEND_URL": "{url:backend}"}
    assert frontend.depends_on == ("backend",)


def test_the_storefront_goes_to_production_by_a_short_canary_after_one_approval(storefront: Pipeline) -> None:
    for service in storefront.services.values():
        staging, production = service.deployments["staging"], service.deployments["production"]
        assert (staging.replicas, staging.steps, staging.approvals) == (1, (), None)
        assert [(step.weight_percent, step.bake_seconds) for step in production.steps] == [(10, 3.0), (40, 3.0)]
        assert production.replicas == 2
        assert production.approvals is not None
        assert (production.approvals.required, production.approvals.four_eyes) == (1, True)
        assert "maya@shopkart.example" in production.approvals.approvers


def test_the_storefronts_folders_exist(storefront: Pipeline) -> None:
    for service in storefront.services.values():
        assert (ROOT / "examples" / "storefront" / service.source.path).is_dir()


def test_the_shipped_schema_is_current() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), REGENERATE


def test_the_key_reference_is_current() -> None:
    page = REFERENCE_FILE.read_text(encoding="utf-8")
    assert with_reference(page) == page, REGENERATE


def test_every_key_of_the_schema_is_described() -> None:
    schema = to_json_schema()
    for name, definition in {**schema["$defs"], "top": schema}.items():
        for key, content in definition["properties"].items():
            assert content.get("description"), f"{name}.{key}"


def test_the_storefront_names_a_schema_that_exists() -> None:
    named = re.search(r"\$schema=(\S+)", STOREFRONT.read_text())
    assert named is not None
    assert json.loads((ROOT / named[1]).read_text()) == to_json_schema()


@pytest.mark.parametrize("file", [STOREFRONT, ROOT / "shopkart_pipeline/spec/shipped.yaml"], ids=lambda file: file.name)
def test_shipped_declarations_are_valid_by_the_schema(validator: Any, file: Path) -> None:
    assert list(validator.iter_errors(_plain(file))) == []


@pytest.mark.parametrize("more", [more for more, path, _ in FORMS if path != "stages.lint.timeout"])
def test_the_schema_finds_what_is_out_of_form(tmp_path: Path, validator: Any, more: str) -> None:
    file = tmp_path / "shopkart.yaml"
    file.write_text(SMALLEST + more)
    assert not validator.is_valid(_plain(file))


@pytest.mark.parametrize(("file", "count"), [(REFERENCE_FILE, 10), (ROOT / "docs/dependencies.md", 4)])
def test_the_examples_of_the_documentation_are_valid(tmp_path: Path, file: Path, count: int) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", file.read_text(), flags=re.DOTALL)
    assert len(blocks) == count
    for block in blocks:
        if "waivers:" in block:
            service = service_of(tmp_path)
            write_files(tmp_path / service.source.path, {"waivers.yaml": block})
            assert YamlWaivers().read(tmp_path, service, datetime(2026, 1, 1, tzinfo=UTC))
        elif "version: 1" in block:
            assert pipeline_of(tmp_path, block).services
        else:
            of_service = "".join(f"    {line}\n" for line in block.splitlines())
            assert faults_of(tmp_path, SMALLEST + of_service) == (), block
