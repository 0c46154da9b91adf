"""How releases of an environment are watched."""

from shopkart_pipeline.domain.health_watch import HealthWatch
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.declaration import HealthWatchSpec


def compile_health(environment: str, spec: HealthWatchSpec | None, faults: Faults) -> HealthWatch | None:
    """The declared watch; None where none is. Faults go to `faults`."""
    if spec is None:
        return None
    watch = HealthWatch(spec.bake, spec.every or HealthWatch.every_seconds)
    if watch.every_seconds > watch.bake_seconds:
        message = f"a look every {watch.every_seconds:g} s never comes within {watch.bake_seconds:g} s; bake for longer"
        faults.add_meaning(("environments", environment, "health", "bake"), message)
    return watch
