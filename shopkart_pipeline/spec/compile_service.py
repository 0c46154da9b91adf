"""One service to domain: its source and workload here, its stages, gates and deployments next door."""

from collections.abc import Mapping

from shopkart_pipeline.domain.companion import companion_name
from shopkart_pipeline.domain.declaration import Service, Source, StageKind, Workload
from shopkart_pipeline.spec.compile_deployments import Surroundings, compile_deployments
from shopkart_pipeline.spec.compile_gates import compile_gates
from shopkart_pipeline.spec.compile_load_test import absent_load_test, load_gates
from shopkart_pipeline.spec.compile_migrations import absent_migrations, with_migrations
from shopkart_pipeline.spec.compile_pod import check_manifests, compile_pod
from shopkart_pipeline.spec.compile_stages import compile_stages
from shopkart_pipeline.spec.faults import Faults, nearest
from shopkart_pipeline.spec.graph import cycles
from shopkart_pipeline.spec.models.declaration import SourceSpec
from shopkart_pipeline.spec.models.delivery import HealthSpec, WorkloadSpec
from shopkart_pipeline.spec.placeholders import fill, placeholders, unknown_placeholder
from shopkart_pipeline.spec.scope import Scope, Where

_ENVIRONMENT_GIVES = ("redis_url", "database_url")
_DEFAULT_PORT = 8080


def compile_service(scope: Scope, home: str, around: Surroundings) -> Service:
    """Compile one service; faults go to the scope, and then the result is of no use.

    Args:
        scope: the service, merged.
        home: what `{home}` stands for, absolute.
        around: environments and people that deployments refer to.
    """
    without_manifests = () if _has_manifests(scope, around) else (StageKind.MANIFESTS.value,)
    absent = (*without_manifests, *absent_migrations(scope), *absent_load_test(scope))
    stages, without_stages = compile_stages(scope, absent)
    gates, without_gates = compile_gates(scope, [*absent, *(left_out.stage for left_out in without_stages)])
    owners = tuple(scope.spec.owners or ())
    if not owners:
        scope.missing("say who answers for the service, such as [team:shop], here or in `defaults`", "owners")
    return Service(
        name=scope.service,
        owners=owners,
        source=_source(scope, home),
        stages=with_migrations(scope, stages),
        gates=(*gates, *load_gates(stages, gates, without_gates)),
        workload=_workload(scope),
        deployments=compile_deployments(scope, around),
        depends_on=tuple(scope.spec.depends_on or ()),
        left_out=(*without_stages, *without_gates),
    )


def _has_manifests(scope: Scope, around: Surroundings) -> bool:
    """Whether there is something that Kubernetes would be told, or somebody asks for the stage that checks it."""
    if scope.says("stages", StageKind.MANIFESTS.value):
        return True
    own = scope.spec.workload is not None and scope.spec.workload.manifests is not None
    return own or any(environment.platform == "kubernetes" for environment in around.environments.values())


def _source(scope: Scope, home: str) -> Source:
    spec = scope.spec.source or SourceSpec()
    if not spec.repository:
        message = "say which repository it is, such as shopkart/storefront, here or in `defaults`"
        scope.missing(message, "source", "repository")
    of_service = {"service": scope.service}
    of_remote = {**of_service, "home": home, "repository": spec.repository or ""}
    shared = spec.shared_paths or []
    return Source(
        repository=spec.repository or "",
        remote=_filled(scope, spec.remote, of_remote, "source", "remote"),
        branch=spec.branch or "",
        path=_filled(scope, spec.path, of_service, "source", "path").rstrip("/"),
        shared_paths=tuple(
            _filled(scope, path, of_service, "source", "shared_paths", index).rstrip("/")
            for index, path in enumerate(shared)
        ),
    )


def _filled(scope: Scope, text: str | None, values: Mapping[str, str], *keys: str | int) -> str:
    """The text with its placeholders filled in; unknown ones are faults."""
    _check_placeholders(scope, text or "", values, *keys)
    return fill(text or "", values)


def _workload(scope: Scope) -> Workload:
    spec = scope.spec.workload or WorkloadSpec()
    health = spec.health or HealthSpec()
    if not spec.command:
        message = "say how the service starts, such as [python, -m, storefront_backend]"
        scope.missing(message, "workload", "command")
    for name, value in (spec.variables or {}).items():
        known = [placeholder for placeholder in placeholders(value) if placeholder.startswith("url:")]
        _check_placeholders(
            scope, value, dict.fromkeys((*_ENVIRONMENT_GIVES, *known), ""), "workload", "variables", name
        )
    check_manifests(scope, spec.manifests)
    values = {"service": scope.service}
    port = spec.port or _DEFAULT_PORT
    return Workload(
        command=tuple(fill(argument, values) for argument in spec.command or ()),
        startup_path=health.startup or "",
        readiness_path=health.readiness or "",
        liveness_path=health.liveness or "",
        metrics_path=spec.metrics or "",
        startup_deadline_seconds=spec.startup_deadline or 0.0,
        drain_seconds=spec.drain or 0.0,
        port=port,
        variables=spec.variables or {},
        base_image=spec.base_image,
        pod=compile_pod(scope, spec, port),
        manifests=spec.manifests,
    )


def _check_placeholders(scope: Scope, text: str, known: Mapping[str, str], *keys: str | int) -> None:
    problem = unknown_placeholder(text, known)
    if problem:
        scope.fault(problem, *keys)


def check_between_services(services: Mapping[str, Service], faults: Faults) -> None:
    """Faults in what services say about each other."""
    for service in services.values():
        if faults.full:
            return
        where = Where(service.name, faults)
        for index, name in enumerate(service.depends_on):
            _check_service(where, name, services, "depends_on", index)
        _check_companion(where, service, services)
        for variable, value in service.workload.variables.items():
            for placeholder in placeholders(value) if "{url:" in value else ():
                kind, _, name = placeholder.partition(":")
                if kind == "url":
                    _check_service(where, name, services, "workload", "variables", variable)
    known = {name: [need for need in service.depends_on if need in services] for name, service in services.items()}
    for cycle in cycles(known):
        message = f"services depend on each other: {' -> '.join(cycle)}; take one of these dependencies away"
        Where(cycle[0], faults).fault(message, "depends_on")


def _check_companion(where: Where, service: Service, services: Mapping[str, Service]) -> None:
    companion = companion_name(service.name)
    if companion in services and any(stage.kind is StageKind.COMPATIBILITY for stage in service.stages):
        message = f"{companion} is what the running version of {service.name} is called beside the new one; rename it"
        where.fault(message, "stages", StageKind.COMPATIBILITY.value)


def _check_service(where: Where, name: str, services: Mapping[str, Service], *keys: str | int) -> None:
    if name not in services:
        where.fault(f"there is no service {name[:40]}; {nearest(name, services)}", *keys)
