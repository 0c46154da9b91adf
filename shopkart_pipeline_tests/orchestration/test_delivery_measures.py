"""The measures of delivery in Dagster: an asset with a table, what is behind each figure, and a picture."""

import base64
from pathlib import Path
from typing import Any

from dagster import DagsterInstance, TableMetadataValue

from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline_tests.fakes.world import World


def made(world: World, instance: DagsterInstance) -> Any:
    job = build_definitions(world.platform).resolve_job_def("measure_delivery")
    result = job.execute_in_process(instance=instance)
    [event] = result.asset_materializations_for_node("delivery_measures")
    return event.metadata


def test_every_figure_stands_beside_what_it_is_from(tmp_path: Path, instance: DagsterInstance) -> None:
    world = World(tmp_path)
    release = world.released()
    world.clock.advance(60)
    metadata = made(world, instance)
    table = metadata["measures"]
    assert isinstance(table, TableMetadataValue)
    by_name = {row.data["of"]: row.data for row in table.records}
    assert set(by_name) == {"all services", "backend", "frontend", "team shop"}
    assert by_name["backend"]["Change failure rate"] == "0 %"
    assert by_name["frontend"]["Change failure rate"] == "no data"
    assert by_name["frontend"]["missing"] == "nothing was deployed to production in that time"
    assert release.name in metadata["behind: team shop, Lead time for changes"].value
    picture = metadata["deployments"].value.rpartition("base64,")[2].removesuffix(")")
    assert base64.b64decode(picture).startswith(b"\x89PNG")
