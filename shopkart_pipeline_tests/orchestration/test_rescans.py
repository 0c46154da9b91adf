"""Rescans in Dagster: the running digest's checks turn red, and the release's own stay what they were."""

from dataclasses import replace

from dagster import AssetKey, DagsterInstance, ExecuteInProcessResult

from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.domain.declaration import StageKind
from shopkart_pipeline.domain.evidence import Evidence, Finding, Severity
from shopkart_pipeline.services.describe_image import image_sbom
from shopkart_pipeline_tests.advisory_snapshots import an_advisory, snapshot_files
from shopkart_pipeline_tests.fakes.fake_scanner import FAKE_TOOL
from shopkart_pipeline_tests.fakes.world import World

KEY, AFFECTED = AssetKey(["backend", "rescan"]), AssetKey(["affected"])


def execute(world: World, instance: DagsterInstance) -> ExecuteInProcessResult:
    job = build_definitions(world.platform).resolve_job_def("rescan")
    return job.execute_in_process(instance=instance, raise_on_error=False)


def checks(result: ExecuteInProcessResult, key: AssetKey = KEY) -> dict[str, bool]:
    found = result.get_asset_check_evaluations()
    return {each.check_name: each.passed for each in found if each.asset_key == key}


def test_a_new_finding_turns_the_running_digests_check_red(world: World, instance: DagsterInstance) -> None:
    release = world.released()
    before = execute(world, instance)
    assert checks(before) == {"running": True, "image_scan_vulnerabilities": True}
    assert checks(before, AFFECTED) == {"bills": False, "advisories": False}
    image_sbom(world.platform, release, world.digest(release))
    world.commit({"backend/app.py": "1", **snapshot_files(an_advisory())})
    finding = Finding("CVE-1", Severity.CRITICAL, "bad", "f1", package="h11", fixed_in="2")
    world.scanners[StageKind.IMAGE_SCAN].result = Evidence(FAKE_TOOL, "found", {"packages": 1.0}, (finding,))

    result = execute(world, instance)

    assert result.success
    assert checks(result) == {"running": True, "image_scan_vulnerabilities": False}
    newest = instance.fetch_materializations(KEY, limit=1).records[0].asset_materialization
    assert newest is not None
    assert newest.metadata["image"].value == world.digest(release)
    assert newest.metadata["opened"].value == 1
    assert checks(result, AFFECTED) == {"bills": True, "advisories": True}
    affected = instance.fetch_materializations(AFFECTED, limit=1).records[0].asset_materialization
    assert affected is not None
    assert affected.metadata["summary"].value == "1 advisories concern what runs"


def test_a_service_with_a_hyphen_in_its_name_loads(world: World) -> None:
    backend = world.pipeline.services["backend"]
    named = replace(backend, name="catalog-search")
    world.pipeline = replace(world.pipeline, services={"catalog-search": named})

    graph = build_definitions(world.platform).get_repository_def().asset_graph

    assert graph.get(AssetKey(["catalog-search", "rescan"])).group_name == "catalog_search"


def test_it_has_its_schedule(world: World) -> None:
    world.pipeline = replace(world.pipeline, schedules={"rescan": "0 3 * * *"})

    repository = build_definitions(world.platform).get_repository_def()

    assert [each.name for each in repository.schedule_defs] == ["rescan"]
