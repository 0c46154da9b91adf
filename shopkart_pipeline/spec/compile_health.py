"""How releases of an environment are watched."""

from collections.abc import Iterable, Mapping

from shopkart_pipeline.domain.declaration import Environment, Service
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


def check_watched(environments: Mapping[str, Environment], services: Iterable[Service], faults: Faults) -> None:
    """Faults where an environment is watched in which nothing is promised: nobody would look."""
    promised = {name for service in services for name, each in service.deployments.items() if each.objectives}
    for name, environment in environments.items():
        if environment.health is not None and name not in promised:
            message = f"no service promises anything in {name}; declare `objectives` for one, or take `health` away"
            faults.add_meaning(("environments", name, "health"), message)
