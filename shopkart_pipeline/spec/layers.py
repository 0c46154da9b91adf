"""What the declaration says after merging: one section for everybody, and one for each service.

The order is: what is shipped, then `defaults`, then the service. Declared environments replace the shipped ones as a
whole; what is shipped for `staging` and `production` holds for every environment of that phase.
"""

from collections.abc import Iterator, Mapping

from shopkart_pipeline.domain.declaration import Environment, Phase
from shopkart_pipeline.spec.compile_health import compile_health
from shopkart_pipeline.spec.compile_telemetry import compile_log_source, compile_telemetry
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.declaration import DeclarationSpec, EnvironmentSpec, ServiceSpec
from shopkart_pipeline.spec.scope import Scope
from shopkart_pipeline.spec.shipped import Layer, merge, section, shipped

_DEFAULT_PLATFORM = "local"
_DEPLOYED = (Phase.STAGING, Phase.PRODUCTION)


def common_settings(document: Layer) -> DeclarationSpec:
    """Everything but `services` and `defaults`."""
    base = {key: value for key, value in shipped().items() if key != "defaults"}
    if section(document, "environments"):
        del base["environments"]
    declared = {key: value for key, value in document.items() if key not in ("defaults", "services")}
    return DeclarationSpec.model_validate(merge(base, declared))


def environments(settings: DeclarationSpec, faults: Faults) -> dict[str, Environment]:
    """The environments by name, one of each phase; faults are left out."""
    found: dict[Phase, Environment] = {}
    for name, written in (settings.environments or {}).items():
        spec = written or EnvironmentSpec()
        said = spec.phase or (name if name in _DEPLOYED else None)
        if said is None:
            message = "say what the environment is for: `phase: staging` or `phase: production`"
            faults.add_missing(("environments", name, "phase"), message)
            continue
        platform = spec.platform or _DEFAULT_PLATFORM
        telemetry = compile_telemetry(name, platform, spec.telemetry, faults)
        watch = compile_health(name, spec.health, faults)
        logs = compile_log_source(name, spec.telemetry, faults)
        environment = Environment(name, Phase(said), platform, spec.options or {}, telemetry, watch, logs)
        first = found.setdefault(environment.phase, environment)
        if first is not environment:
            message = f"{first.name} is of phase {said} already; there is one environment of each phase"
            faults.add_meaning(("environments", name), message)
    for phase in _DEPLOYED:
        if phase not in found:
            message = f"no environment is of phase {phase}; declare one, or leave `environments` out"
            faults.add_missing(("environments",), message)
    return {environment.name: environment for environment in found.values()}


def teams(settings: DeclarationSpec, faults: Faults) -> dict[str, tuple[str, ...]]:
    """Members by name of the team; a team without any is a fault."""
    found = {name: tuple(members or ()) for name, members in (settings.teams or {}).items()}
    for name, members in found.items():
        if not members:
            faults.add_missing(("teams", name), "the team has no members; name them, or take the team away")
    return found


def merged_services(document: Layer, around: Mapping[str, Environment], faults: Faults) -> Iterator[Scope]:
    """Every service with all that it inherits, one at a time."""
    by_phase = section(shipped(), "defaults", "environments")
    deployments = {name: by_phase[environment.phase] for name, environment in around.items()}
    base = merge({**section(shipped(), "defaults"), "environments": deployments}, section(document, "defaults"))
    for name in section(document, "services"):
        merged = merge(base, section(document, "services", name))
        yield Scope(name, faults, ServiceSpec.model_validate(merged))
