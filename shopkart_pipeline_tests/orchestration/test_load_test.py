"""A load test in Dagster: its checks name objective and multiple, and its asset shows numbers and pictures."""

from dataclasses import replace
from pathlib import Path

from dagster import AssetKey, MarkdownMetadataValue, TableMetadataValue

from shopkart_pipeline.defs.display import check_result
from shopkart_pipeline.defs.load_test import load_metadata
from shopkart_pipeline.defs.stages import build_stages
from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Report, StageRecord, Tool
from shopkart_pipeline.domain.load_test import LoadObjective, LoadRequest, LoadTest
from shopkart_pipeline.domain.verdict import evaluate_stage
from shopkart_pipeline.services.plot_vitals import plot
from shopkart_pipeline.spec.compile_load_test import load_gates
from shopkart_pipeline_tests.fakes.world import World

KEY = AssetKey(["backend", "load_test"])
LOAD = LoadTest((1.0, 2.0), 0.0, 3.0, (LoadRequest("/"),), (LoadObjective("latency_p99_seconds", 0.3),), 40.0)
STAGE = Stage("load_test", StageKind.LOAD_TEST, Phase.STAGING, ("staging",), timeout_seconds=60.0, load=LOAD)
GATES = load_gates([STAGE], (), ())
SLOW = Evidence(Tool("open-loop", "1"), "x1 and x2", {"x1_latency_p99_seconds": 0.2, "x2_latency_p99_seconds": 1.25})


def recorded(world: World, result: Evidence | EvidenceMissing) -> StageRecord:
    now = world.clock.now()
    return StageRecord("backend", "r1", "load_test", "run-1", now, now, "c0ffee", "sha256:1", result)


def test_every_objective_has_a_check_at_every_multiple(tmp_path: Path) -> None:
    service = World(tmp_path).pipeline.services["backend"]
    declared = replace(service, stages=(*service.stages, STAGE), gates=(*service.gates, *GATES))

    [asset] = [each for each in build_stages(declared) if each.key == KEY]  # pyright: ignore

    names = {spec.name for spec in asset.check_specs}  # pyright: ignore
    assert {"x1_latency_p99_seconds", "x2_latency_p99_seconds", "x2_sent_ratio", "restarts"} <= names


def test_a_check_shows_value_and_limit() -> None:
    [gate] = [each for each in evaluate_stage("load_test", GATES, SLOW) if each.gate == "x2_latency_p99_seconds"]
    shown = check_result(KEY, gate)
    assert not shown.passed
    assert (shown.metadata["value"].value, shown.metadata["limit"].value) == (1.25, 0.3)


def test_the_asset_shows_a_row_for_each_multiple_and_the_pictures(tmp_path: Path) -> None:
    world = World(tmp_path)
    reports = world.evidence.put_reports((RawReport("load-latency.png", "image/png", plot((), "Latency")),))

    shown = load_metadata(world.platform, STAGE, recorded(world, replace(SLOW, reports=reports)))

    table = shown["multiples"]
    assert isinstance(table, TableMetadataValue)
    rows = [record.data for record in table.records]
    assert [(row["multiple"], row["latency_p99_seconds"]) for row in rows] == [("1", "0.2"), ("2", "1.25")]
    assert rows[0]["error_ratio"] == "missing", "never a zero"
    picture = shown["load-latency"]
    assert isinstance(picture, MarkdownMetadataValue)
    assert "data:image/png;base64," in (picture.md_str or "")


def test_a_picture_that_is_gone_or_too_large_is_told_and_breaks_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    gone = Report("load-latency.png", "image/png", f"sha256:{'0' * 64}", 100)
    large = replace(gone, name="load-requests.png", size_bytes=10**7)
    missing = EvidenceMissing("the generator could not send 80/s: 61/s", reports=(gone, large))

    shown = load_metadata(world.platform, STAGE, recorded(world, missing))

    assert set(shown) == {"load-latency", "load-requests"}
    assert all(str(each.value).startswith("not shown: ") for each in shown.values())


def test_other_stages_show_nothing_of_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert load_metadata(world.platform, replace(STAGE, load=None), recorded(world, SLOW)) == {}
