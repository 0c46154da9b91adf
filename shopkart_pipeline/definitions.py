"""The Dagster code location. Merges what the rooms below define; nothing else."""

from importlib import import_module

from dagster import DagsterInstance

from shopkart_pipeline import masked_output
from shopkart_pipeline.adapters import _open_loop, _process
from shopkart_pipeline.defs.build import build_definitions
from shopkart_pipeline.defs.dispatch import drain
from shopkart_pipeline.defs.run_limits import run_limits
from shopkart_pipeline.engine import cancellation, collector
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.wiring import build_platform

masked_output.install()
import_module("shopkart_pipeline.adapters._cyclonedx_document")
"""Every run that signs writes bills of materials: forked from here, it has their library from its first moment."""
settings = from_environment()
WATCHED_FILES = (settings.declaration,)
"""When one of them changes, the warm server loads the definitions afresh."""
with collector.paused():
    platform = build_platform(settings)
    # What else would be chosen, and imported, by each run for itself, and told to nobody where it can't be used.
    for chosen in (platform.sites, platform.scanners, platform.image_builders, platform.notifiers):
        len(chosen)
    defs = build_definitions(platform)
    defs.get_repository_def()  # Dagster asks for it next, and it is kept.
RUN_LIMITS = run_limits(platform.pipeline)
"""How many runs the warm server lets be at work."""
cancellation.on_cancel(_process.stop_all)
cancellation.on_cancel(_open_loop.stop_all)


def drain_inbox(instance: DagsterInstance) -> None:
    """What the warm worker calls, in a process of its own, when somebody rings."""
    drain(instance, platform)
