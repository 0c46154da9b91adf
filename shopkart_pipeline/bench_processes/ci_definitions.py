"""The code location of the bench's storefront: the pipeline as it is, up to the end of continuous integration."""

from dagster import DagsterInstance

from shopkart_pipeline.adapters import _process
from shopkart_pipeline.bench_processes.ends_with_ci import ends_with_ci
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.dispatch import drain
from shopkart_pipeline.engine import cancellation
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.wiring import build_platform

settings = from_environment()
WATCHED_FILES = (settings.declaration,)
platform = ends_with_ci(build_platform(settings))
cancellation.on_cancel(_process.stop_all)
defs = build_definitions(platform)


def drain_inbox(instance: DagsterInstance) -> None:
    """As the pipeline's own."""
    drain(instance, platform)
