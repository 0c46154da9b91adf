"""Many assets of one operation behave as if each had been made by the decorator, and jobs see what they need."""

import dagster as dg
import pytest
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from shopkart_pipeline.engine.asset_shapes import NarrowJob, of_shape

GREETING = dg.ResourceDefinition.hardcoded_resource("hello")


@dg.asset(
    key=["any", "second"], deps=[["any", "first"]], check_specs=[dg.AssetCheckSpec("gate", asset=["any", "second"])]
)
def template(context: dg.AssetExecutionContext, greeting: dg.ResourceParam[str]) -> dg.MaterializeResult:
    service = context.asset_key.path[0]
    return dg.MaterializeResult(
        metadata={"said": f"{greeting} {service}"},
        check_results=[dg.AssetCheckResult(check_name="gate", passed=service != "bad")],
    )


def made_for(service: str) -> dg.AssetsDefinition:
    spec = dg.AssetSpec([service, "second"], deps=[[service, "first"]], group_name=service)
    checks = [dg.AssetCheckSpec("gate", asset=[service, "second"], blocking=True)]
    return of_shape(template, f"{service}__second", spec, checks, lambda key: dg.AssetKey([service, key.path[-1]]))


def first_of(service: str) -> dg.AssetsDefinition:
    @dg.asset(key=[service, "first"])
    def first() -> None: ...

    return first


def job_of(service: str) -> UnresolvedAssetJobDefinition:
    selection = dg.AssetSelection.assets([service, "first"], [service, "second"])
    return dg.define_asset_job(service, selection, tags={"of": service})


@pytest.fixture
def definitions() -> dg.Definitions:
    services = ("good", "bad")
    return dg.Definitions(
        assets=[each for service in services for each in (first_of(service), made_for(service))],
        jobs=[NarrowJob.of(job_of(service)) for service in services],
        resources={"greeting": GREETING},
    )


@pytest.mark.parametrize("service", ["good", "bad"])
def test_each_asset_works_for_itself(definitions: dg.Definitions, service: str) -> None:
    result = definitions.resolve_job_def(service).execute_in_process(raise_on_error=False)

    [event] = result.asset_materializations_for_node(f"{service}__second")
    assert event.asset_key == dg.AssetKey([service, "second"])
    assert event.metadata["said"].value == f"hello {service}"
    [gate] = result.get_asset_check_evaluations()
    assert (gate.asset_key, gate.passed) == (event.asset_key, service == "good")


def test_a_step_has_the_name_of_its_own_asset(definitions: dg.Definitions) -> None:
    job = definitions.resolve_job_def("good")

    assert {node.name for node in job.nodes} == {"good__first", "good__second"}
    assert template.op.name == "any__second"


def test_a_narrow_job_is_what_the_wide_one_would_be(definitions: dg.Definitions) -> None:
    wide = dg.Definitions(
        assets=definitions.assets, jobs=[job_of("good"), job_of("bad")], resources={"greeting": GREETING}
    )

    for service in ("good", "bad"):
        narrow = definitions.resolve_job_def(service)
        assert narrow.get_job_snapshot() == wide.resolve_job_def(service).get_job_snapshot()
        assert narrow.tags == {"of": service}


def test_a_part_of_a_narrow_job_can_be_selected(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()

    part = repository.get_maybe_subset_job_def("good", asset_selection={dg.AssetKey(["good", "second"])})

    assert {node.name for node in part.nodes} == {"good__second"}
