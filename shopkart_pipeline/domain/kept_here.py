"""What a declaration keeps on the machine that it runs on: on Kubernetes it would be gone with the pod, and no other
pod would see it. Decides by the declaration alone; what the settings say is judged where they are read.
"""

from collections.abc import Iterable
from pathlib import Path

from shopkart_pipeline.domain.backup import StoreKind
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.registry import RegistryKind


def kept_here(pipeline: Pipeline, home: Path) -> tuple[str, ...]:
    """One sentence for each thing, which says what to declare in its place. `home` is the pipeline's own folder."""
    return tuple(dict.fromkeys(_kept(pipeline, home)))


def _kept(pipeline: Pipeline, home: Path) -> Iterable[str]:
    if pipeline.registry.kind is RegistryKind.DISK:
        yield "Images are in a registry of kind disk; declare `registry: {kind: ecr}`, or oci."
    for name, environment in pipeline.environments.items():
        if environment.platform == "local":
            yield f"Environment {name} is of platform local; declare a cluster for it (`platform: kubernetes`)."
    for service in pipeline.services.values():
        remote = service.source.remote
        if remote.startswith(("/", "file:")):
            yield f"The remote of {service.source.repository} is a folder; declare the address of its server."
    if pipeline.recovery.place.kind is StoreKind.DISK and "backup" in pipeline.schedules:
        yield "Backups are in a folder; declare `recovery: {store: {kind: s3}}`."
    signers = pipeline.allowed_signers
    if signers is not None and signers.is_relative_to(home):
        yield (
            f"Approvals are verified by {signers}; put that file into the ConfigMap shopkart-trust, and declare"
            " `trust: {allowed_signers: /etc/shopkart/trust/allowed_signers}`."
        )
