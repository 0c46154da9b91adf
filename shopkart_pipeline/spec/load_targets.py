"""That load for staging can't reach production, whatever else is declared.

The load goes to staging's own address. That it is production's too can only be declared by mistake: one host for both,
or one namespace of one cluster. So both are faults where a service has a load test.
"""

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from shopkart_pipeline.domain.declaration import Deployment, Environment, Phase, Service, StageKind
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.scope import Where

_CLUSTER = ("access", "kubeconfig", "context", "cluster", "region")


def check_load_targets(
    services: Mapping[str, Service], environments: Mapping[str, Environment], faults: Faults
) -> None:
    """Faults in where load would go."""
    by_phase = {environment.phase: environment for environment in environments.values()}
    staging, production = by_phase.get(Phase.STAGING), by_phase.get(Phase.PRODUCTION)
    tested = [service for service in services.values() if service.stage_of(StageKind.LOAD_TEST) is not None]
    if not tested or staging is None or production is None:
        return
    if _is_one_place(staging, production):
        message = f"{production.name} is there as well, so the load test of {tested[0].name} would meet it"
        faults.add_meaning(("environments", staging.name, "options", "namespace"), message)
    taken = {
        host: service.name for service in services.values() for host in _hosts(service.deployments.get(production.name))
    }
    for service in tested:
        host = service.deployments[staging.name].route.host
        if host is not None and host.lower() in taken:
            message = f"{host} is {taken[host.lower()]} in {production.name}: the load test would meet it"
            Where(service.name, faults).fault(message, "environments", staging.name, "route", "host")


def _is_one_place(staging: Environment, production: Environment) -> bool:
    if staging.platform != "kubernetes" or production.platform != staging.platform:
        return False
    here, there = staging.options, production.options
    same_cluster = all(here.get(name) == there.get(name) for name in _CLUSTER)
    return same_cluster and here.get("namespace", staging.name) == there.get("namespace", production.name)


def _hosts(deployment: Deployment | None) -> Iterator[str]:
    if deployment is not None:
        found = (deployment.route.host, urlsplit(deployment.url or "").hostname)
        yield from (host.lower() for host in found if host)
