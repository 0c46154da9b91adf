"""`load`: from a file to a pipeline, or to every fault that the file has.

Order: bytes, YAML, form, meaning. A file that is no YAML has that fault alone; faults in form and in meaning come
together. Nothing but the file itself is read: the allowed-signers file, remotes and tools may come to be later.
"""

from pathlib import Path

from shopkart_pipeline.domain.declaration import Pipeline, Service
from shopkart_pipeline.spec.compile_alerting import compile_alerting
from shopkart_pipeline.spec.compile_code_host import approvers_of, compile_code_host
from shopkart_pipeline.spec.compile_concurrency import compile_concurrency
from shopkart_pipeline.spec.compile_deployments import Surroundings
from shopkart_pipeline.spec.compile_evidence import compile_evidence
from shopkart_pipeline.spec.compile_health import check_watched
from shopkart_pipeline.spec.compile_incidents import compile_incidents
from shopkart_pipeline.spec.compile_notifications import compile_notifications
from shopkart_pipeline.spec.compile_recovery import compile_recovery
from shopkart_pipeline.spec.compile_registry import compile_registry
from shopkart_pipeline.spec.compile_roles import check_commands, compile_roles
from shopkart_pipeline.spec.compile_run_pods import compile_run_pods, compile_step_pod
from shopkart_pipeline.spec.compile_service import check_between_services, compile_service
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.form import check_form
from shopkart_pipeline.spec.layers import common_settings, environments, merged_services, teams
from shopkart_pipeline.spec.load_targets import check_load_targets
from shopkart_pipeline.spec.models.declaration import DeclarationSpec
from shopkart_pipeline.spec.models.recovery import RecoverySpec
from shopkart_pipeline.spec.models.registry import RegistrySpec
from shopkart_pipeline.spec.placeholders import fill, unknown_placeholder
from shopkart_pipeline.spec.shipped import Layer
from shopkart_pipeline.spec.source_file import read_source
from shopkart_pipeline.spec.yaml_document import parse_document


def load(file: Path, *, home: Path) -> Pipeline:
    """The pipeline that a declaration describes.

    Args:
        file: the declaration, such as `shopkart.yaml`; faults name it as it is given here.
        home: the pipeline's home, which `{home}` stands for.

    Raises:
        DeclarationError: the declaration can't be used; with all its faults.
    """
    faults = Faults(str(file))
    source = read_source(file, faults)
    document = parse_document(source.text, faults)
    faults.located_in(document.place)
    check_form(document.value, faults)
    settings = common_settings(document.value)
    around = Surroundings(
        environments=environments(settings, faults),
        teams=teams(settings, faults),
        allowed_signers=_allowed_signers(settings, file, home, faults),
    )
    registry = compile_registry(settings.registry or RegistrySpec(), faults)
    services = _services(document.value, around, home, faults)
    check_watched(around.environments, services.values(), faults)
    alerting = compile_alerting(settings.alerting, faults)
    approvers = None if faults else approvers_of(services.values())
    code_host = compile_code_host(settings.github, around.teams, approvers, faults) if settings.github else None
    roles = compile_roles(settings.roles, around.teams, approvers, faults)
    check_commands(roles, code_host.commands if code_host else {}, faults)
    told = settings.notifications
    notifications = compile_notifications(told, home, settings.github is not None, faults) if told else None
    places = file.absolute().parent, home
    recovery = compile_recovery(settings.recovery or RecoverySpec(), around.environments, services, places, faults)
    evidence_bucket = compile_evidence(settings.evidence, faults)
    concurrency = compile_concurrency(settings.concurrency, around.environments, faults)
    run_pods = compile_run_pods(settings.run_pods, faults)
    step_pod = compile_step_pod(settings.run_pods.steps if settings.run_pods else None, faults)
    if faults:
        raise faults.error()
    schedules = settings.schedules.model_dump(exclude_none=True) if settings.schedules else {}
    live_releases = settings.retention.live_releases if settings.retention else None
    return Pipeline(
        file=file,
        digest=source.digest,
        services=services,
        environments=around.environments,
        schedules=schedules,
        live_releases=live_releases or Pipeline.live_releases,
        registry=registry,
        concurrency=concurrency,
        run_pods=run_pods,
        step_pod=step_pod,
        code_host=code_host,
        notifications=notifications,
        alerting=alerting,
        incidents=compile_incidents(settings.incidents),
        recovery=recovery,
        evidence_bucket=evidence_bucket,
        roles=roles,
        allowed_signers=around.allowed_signers,
    )


def _services(document: Layer, around: Surroundings, home: Path, faults: Faults) -> dict[str, Service]:
    compiled = {
        scope.service: compile_service(scope, str(home.absolute()), around)
        for scope in merged_services(document, around.environments, faults)
    }
    if not compiled:
        message = "no service is declared; write its name under `services`, with its `workload: {command: [...]}`"
        faults.add_missing(("services",), message)
    check_between_services(compiled, faults)
    check_load_targets(compiled, around.environments, faults)
    return compiled


def _allowed_signers(settings: DeclarationSpec, file: Path, home: Path, faults: Faults) -> Path | None:
    """Where the allowed-signers file is, or will be: nobody looks before there is an approval to verify."""
    written = settings.trust.allowed_signers if settings.trust else None
    if not written:
        return None
    values = {"home": str(home.absolute())}
    problem = unknown_placeholder(written, values)
    if problem:
        faults.add_meaning(("trust", "allowed_signers"), problem)
    return file.absolute().parent / fill(written, values)
