"""The shipped declaration as Dagster sees it: names, lineage, checks, jobs. A change here is one for every user."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dagster import AssetsDefinition, AssetSpec, Definitions, RepositoryDefinition

from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.spec.loader import load

ROOT = Path(__file__).parents[2]
NO_STAGES = ("approval", "rescan", "running")
"""Assets of a service that are no stage of a release."""
SNAPSHOT = Path(__file__).parent / "asset_graph.json"


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> Definitions:
    pipeline = load(ROOT / "shopkart.yaml", home=tmp_path_factory.mktemp("home"))
    return build_definitions(cast(Platform, SimpleNamespace(pipeline=pipeline)))


@pytest.fixture(scope="module")
def repository(definitions: Definitions) -> RepositoryDefinition:
    return definitions.get_repository_def()


def _graph(repository: RepositoryDefinition) -> dict[str, Any]:
    graph = repository.asset_graph
    return {
        "assets": {
            key.to_user_string(): {
                "needs": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
                "group": graph.get(key).group_name,
                "checks": sorted(check.name for check in graph.get(key).check_keys),
            }
            for key in sorted(graph.get_all_asset_keys())
        },
        "jobs": sorted(job.name for job in repository.get_all_jobs() if not job.name.startswith("__")),
        "sensors": sorted(sensor.name for sensor in repository.sensor_defs),
        "schedules": sorted(schedule.name for schedule in repository.schedule_defs),
    }


def test_the_asset_graph_is_the_one_that_was_agreed(repository: RepositoryDefinition) -> None:
    """After a wanted change: `python -m shopkart_pipeline_tests.orchestration.test_asset_graph` writes it anew."""
    assert _graph(repository) == json.loads(SNAPSHOT.read_text())


def test_every_asset_has_group_owners_kinds_and_a_description(definitions: Definitions) -> None:
    specs = [
        spec
        for item in definitions.assets or ()
        for spec in ([item] if isinstance(item, AssetSpec) else cast(AssetsDefinition, item).specs)
    ]

    assert len(specs) == 61
    lacking = [spec.key for spec in specs if not (spec.group_name and spec.owners and spec.kinds and spec.description)]
    assert lacking == []


def test_every_stage_has_a_blocking_check_per_gate_for_each_release(repository: RepositoryDefinition) -> None:
    graph = repository.asset_graph
    keys = graph.get_all_asset_keys()
    stages = [key for key in keys if key.path[0] in ("backend", "frontend") and key.path[-1] not in NO_STAGES]

    assert all(graph.get(key).check_keys for key in stages)
    for check in (check for key in stages for check in graph.get(key).check_keys):
        spec = graph.get_check_spec(check)
        assert spec.blocking is not check.name.startswith("skipped_")
        assert spec.description
        assert spec.partitions_def is not None


def test_lineage_leads_from_production_back_to_the_commit(repository: RepositoryDefinition) -> None:
    graph = repository.asset_graph
    for service in ("backend", "frontend"):
        pending, seen = [f"{service}/health/production", f"{service}/running"], set[str]()
        by_name = {key.to_user_string(): key for key in graph.get_all_asset_keys()}
        while pending:
            name = pending.pop()
            seen.add(name)
            pending += [parent.to_user_string() for parent in graph.get(by_name[name]).parent_keys]
        assert seen == {name for name in by_name if name.startswith(f"{service}/") and name != f"{service}/rescan"}


def _write_snapshot() -> None:
    pipeline = load(ROOT / "shopkart.yaml", home=ROOT)
    repository = build_definitions(cast(Platform, SimpleNamespace(pipeline=pipeline))).get_repository_def()
    SNAPSHOT.write_text(json.dumps(_graph(repository), indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    _write_snapshot()
