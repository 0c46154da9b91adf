"""Backups and drills as declared: which keys go with which kind, and whether a drill can show what it is for.

A database's address is a secret and stands nowhere in the declaration: it is the embedded platform's, or a setting.
"""

from collections.abc import Mapping
from pathlib import Path

from shopkart_pipeline.domain.backup import PIPELINE, BackedUp, BackupPlace, Recovery, StoreKind
from shopkart_pipeline.domain.declaration import Environment, Service
from shopkart_pipeline.domain.retention import Retention
from shopkart_pipeline.spec.encryption import check_encrypted
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.recovery import BackedUpSpec, BackupStoreSpec, RecoverySpec
from shopkart_pipeline.spec.placeholders import fill, unknown_placeholder

_OF_S3 = ("bucket", "prefix", "region", "endpoint")
_DATABASE_URL = "{database_url}"


def compile_recovery(
    spec: RecoverySpec,
    environments: Mapping[str, Environment],
    services: Mapping[str, Service],
    places: tuple[Path, Path],
    faults: Faults,
) -> Recovery:
    """The declared backups; faults go to `faults`.

    Args:
        spec: the section.
        environments: as declared.
        services: those without faults.
        places: the declaration's folder, and the pipeline's home.
        faults: gets every fault.
    """
    retention = spec.retention.model_dump(exclude_none=True) if spec.retention else {}
    return Recovery(
        place=_place(spec.store or BackupStoreSpec(), places, faults),
        retention=Retention(**retention),
        databases={
            name: _database(name, each or BackedUpSpec(), environments, services, faults)
            for name, each in (spec.databases or {}).items()
        },
    )


def _place(spec: BackupStoreSpec, places: tuple[Path, Path], faults: Faults) -> BackupPlace:
    where = ("recovery", "store")
    if faults.covers((*where, "kind")):
        return BackupPlace()
    kind = StoreKind(spec.kind or StoreKind.DISK)
    for key in _OF_S3 if kind is StoreKind.DISK else ("folder",):
        if getattr(spec, key) is not None:
            faults.add_meaning((*where, key), f"a store of kind {kind} does not have this key")
    if kind is StoreKind.S3:
        if spec.bucket is None:
            faults.add_missing((*where, "bucket"), "say which bucket keeps the backups")
        if spec.region is None:
            faults.add_missing((*where, "region"), "say in which AWS region the bucket is, such as eu-central-1")
        check_encrypted((*where, "endpoint"), spec.endpoint, "S3", faults)
    endpoint = spec.endpoint and spec.endpoint.rstrip("/")
    return BackupPlace(kind, _folder(spec, places, faults), spec.bucket or "", spec.prefix or "", spec.region, endpoint)


def _folder(spec: BackupStoreSpec, places: tuple[Path, Path], faults: Faults) -> Path | None:
    if spec.folder is None:
        return None
    beside, home = places
    values = {"home": str(home.absolute())}
    problem = unknown_placeholder(spec.folder, values)
    if problem:
        faults.add_meaning(("recovery", "store", "folder"), problem)
    return beside / fill(spec.folder, values)


def _database(
    name: str,
    spec: BackedUpSpec,
    environments: Mapping[str, Environment],
    services: Mapping[str, Service],
    faults: Faults,
) -> BackedUp:
    where = ("recovery", "databases", name)
    if name == PIPELINE:
        for key in ("environment", "service", "smoke"):
            if getattr(spec, key) is not None:
                faults.add_meaning((*where, key), "these are the pipeline's own stores, which no environment has")
    elif spec.environment is not None:
        _check_environment((*where, "environment"), name, spec.environment, environments, faults)
    _check_service(where, spec, services, faults)
    durations = {"maximum_age_seconds": spec.rpo, "recovery_seconds": spec.rto, "timeout_seconds": spec.timeout}
    said = {key: value for key, value in durations.items() if value is not None}
    return BackedUp(name, spec.environment, spec.service, tuple(spec.smoke or ()), **said)


def _check_environment(
    path: tuple[str, ...], name: str, written: str, environments: Mapping[str, Environment], faults: Faults
) -> None:
    environment = environments.get(written)
    if environment is None:
        faults.add_meaning(path, f"no environment {written} is declared")
    elif environment.platform != "local":
        variable = f"SHOPKART_DATABASE_{name.upper().replace('-', '_')}"
        message = f"only the embedded platform knows its databases' addresses; take this away and set {variable}"
        faults.add_meaning(path, message)


def _check_service(where: tuple[str, ...], spec: BackedUpSpec, services: Mapping[str, Service], faults: Faults) -> None:
    if spec.service is None:
        if spec.smoke is not None:
            faults.add_missing((*where, "service"), "say which service answers these paths")
        return
    service = services.get(spec.service)
    if service is None:
        if not faults.covers(("services", spec.service)):
            faults.add_meaning((*where, "service"), f"no service {spec.service} is declared")
    elif not any(_DATABASE_URL in value for value in service.workload.variables.values()):
        message = f"none of {spec.service}'s variables holds {_DATABASE_URL}, so it would not use what was restored"
        faults.add_meaning((*where, "service"), message)
    if spec.smoke is None:
        faults.add_missing((*where, "smoke"), "say which paths the service has to answer, such as /catalogue")
