"""The registry: which keys go with which kind, and what is filled in.

Only ECR scans what it keeps, so only there can a scan be asked for. See `encryption` for addresses without it.
"""

from shopkart_pipeline.domain.registry import Registry, RegistryKind, RegistryScanning
from shopkart_pipeline.spec.encryption import check_encrypted
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.registry import RegistrySpec

_OWNERS = {
    "address": RegistryKind.OCI,
    "region": RegistryKind.ECR,
    "account": RegistryKind.ECR,
    "endpoint": RegistryKind.ECR,
}
_NEEDED = {
    RegistryKind.OCI: ("address", "say where the registry is, such as https://registry.example"),
    RegistryKind.ECR: ("region", "say in which AWS region the registry is, such as eu-central-1"),
}
_NO_SCANNER = {
    RegistryKind.DISK: "a registry on disk does not scan",
    RegistryKind.OCI: "the distribution protocol knows no scans",
}


def compile_registry(spec: RegistrySpec, faults: Faults) -> Registry:
    """The declared registry; its faults go to `faults`. What follows from a faulty kind is not looked at."""
    if faults.covers(("registry", "kind")):
        return Registry()
    kind = RegistryKind(spec.kind or RegistryKind.DISK)
    for key, owner in _OWNERS.items():
        if owner is not kind and getattr(spec, key) is not None:
            faults.add_meaning(("registry", key), f"only a registry of kind {owner} has this key, not {kind}")
    if kind in _NEEDED:
        key, message = _NEEDED[kind]
        if getattr(spec, key) is None:
            faults.add_missing(("registry", key), message)
    for key in ("address", "endpoint"):
        check_encrypted(("registry", key), getattr(spec, key), "a registry", faults)
    scanning, reason = _scanning(spec, kind, faults)
    return Registry(
        kind=kind,
        address=(spec.address or "").rstrip("/"),
        region=spec.region,
        account=spec.account,
        endpoint=spec.endpoint and spec.endpoint.rstrip("/"),
        prefix=spec.prefix or "",
        scanning=scanning,
        scanning_reason=reason,
    )


def _scanning(spec: RegistrySpec, kind: RegistryKind, faults: Faults) -> tuple[RegistryScanning, str]:
    default = RegistryScanning.OFF if kind in _NO_SCANNER else RegistryScanning.REQUIRED
    scanning = RegistryScanning(spec.scan or default)
    off = scanning is RegistryScanning.OFF
    if kind in _NO_SCANNER and not off:
        message = f"{_NO_SCANNER[kind]}; take `scan` away: the stage image_scan looks at every image"
        faults.add_meaning(("registry", "scan"), message)
    if spec.reason is not None and not off:
        faults.add_meaning(("registry", "reason"), "this says why `scan` is `off`, and it is not")
    if spec.reason is None and off and kind not in _NO_SCANNER:
        faults.add_missing(("registry", "reason"), "say why the registry's scan is left out")
    return scanning, (spec.reason or _NO_SCANNER.get(kind, "")) if off else ""
