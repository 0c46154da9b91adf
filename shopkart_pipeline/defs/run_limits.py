"""How many runs may be at work at the same time, as the declaration says it, for the engine."""

from shopkart_pipeline.defs.keys import PULL_REQUESTS
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.engine.places import RunLimits, environment_group, service_group


def run_limits(pipeline: Pipeline) -> RunLimits:
    """The limits of `concurrency`, by group."""
    said = pipeline.concurrency
    groups = {environment_group(name): limit for name, limit in said.environments.items()}
    if said.per_service is not None:
        groups |= {service_group(name): said.per_service for name in pipeline.services}
    return RunLimits(said.runs, {PULL_REQUESTS: said.pull_requests, **groups})
