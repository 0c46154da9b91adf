"""The code location of a home in which things are killed: the shipped definitions over `killed_platform`."""

from dagster import DagsterInstance

from shopkart_pipeline.adapters import _process
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.dispatch import drain
from shopkart_pipeline.engine import cancellation
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline_tests.orchestration.killed_platform import killed_platform

settings = from_environment()
WATCHED_FILES = (settings.declaration,)
platform = killed_platform(settings.home)
cancellation.on_cancel(_process.stop_all)
defs = build_definitions(platform)


def drain_inbox(instance: DagsterInstance) -> None:
    """As the pipeline's own."""
    drain(instance, platform)
