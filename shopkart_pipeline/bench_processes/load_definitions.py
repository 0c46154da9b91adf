"""`python -m shopkart_pipeline.bench_processes.load_definitions`: how long the declaration of this environment takes to
become definitions, and its sensors to look when there is nothing to do; seconds, as one JSON object.

- `load_seconds`             from the declaration's file to a repository with its asset graph
- `import_and_load_seconds`  the same, with the import of Dagster and the pipeline's modules
- `jobs_seconds`             further: every job resolved, as a code server does before it answers
- `describe_seconds`         further: the description of all of it that a code server hands to the web interface
- `tick_seconds`             one tick of every sensor, on an instance of its own
"""

import json
import time

_began = time.monotonic()

from dagster import DagsterInstance, build_sensor_context  # noqa: E402 # What is imported is measured.
from dagster._core.definitions.repository_definition import RepositoryDefinition  # noqa: E402 # Not exported.
from dagster._core.remote_representation.external_data import RepositorySnap  # noqa: E402 # Not exported.

from shopkart_pipeline.defs.build import build_definitions  # noqa: E402
from shopkart_pipeline.engine import collector  # noqa: E402
from shopkart_pipeline.engine.instance import open_instance  # noqa: E402
from shopkart_pipeline.services.platform import Platform  # noqa: E402
from shopkart_pipeline.settings import from_environment  # noqa: E402
from shopkart_pipeline.wiring import build_platform  # noqa: E402


def measure() -> dict[str, float]:
    """All of it, once."""
    imported, settings = time.monotonic(), from_environment()
    with collector.paused():
        platform = build_platform(settings)
        repository = build_definitions(platform).get_repository_def()
        assert repository.asset_graph.get_all_asset_keys()  # noqa: S101 # The graph is made when it is asked for.
    loaded = time.monotonic()
    repository.load_all_definitions()
    resolved = time.monotonic()
    RepositorySnap.from_def(repository)
    described = time.monotonic()
    with open_instance(settings.dagster_home) as instance:
        _tick(repository, instance, platform)
        began_tick = time.monotonic()
        _tick(repository, instance, platform)
        ticked = time.monotonic()
    return {
        "load_seconds": loaded - imported,
        "import_and_load_seconds": loaded - _began,
        "jobs_seconds": resolved - loaded,
        "describe_seconds": described - resolved,
        "tick_seconds": ticked - began_tick,
    }


def _tick(repository: RepositoryDefinition, instance: DagsterInstance, platform: Platform) -> None:
    for sensor in repository.sensor_defs:
        sensor.evaluate_tick(build_sensor_context(instance=instance, resources={"platform": platform}))


if __name__ == "__main__":
    print(json.dumps(measure()))
