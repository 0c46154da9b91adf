"""Variables of a replica: plain ones in a ConfigMap, secret ones by reference, and those that the platform gives.

A ConfigMap never changes: its name holds a hash of its content, and a release that goes back finds the one that it had.
The same holds for the Secret that an external store fills, as far as the store keeps versions: it is filled once. The
addresses of datastores have passwords in them, so they come out of a Secret of the environment.

Sources: Kubernetes, "Immutable ConfigMaps"; External Secrets Operator, `external-secrets.io/v1` ExternalSecret.
"""

import re
from collections.abc import Mapping

from shopkart_pipeline.adapters.kubernetes.names import DATASTORES, Manifest, Place, hashed, metadata
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.pod import SecretReference
from shopkart_pipeline.domain.workload import Track, WorkloadSpec

_PLACE = re.compile(r"\{(redis_url|database_url|url:([a-z0-9-]+))\}")


def config_map(place: Place, spec: WorkloadSpec) -> Manifest | None:
    """The plain variables; None where there are none."""
    data = _plain(place, spec)
    if not data:
        return None
    name = _config_name(place, data)
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(place, name), "immutable": True, "data": data}


def external_secret(place: Place, spec: WorkloadSpec) -> Manifest | None:
    """What the External Secrets Operator is to make a Secret of; None where nothing comes from a store.

    Raises:
        Refused: the values come from more than one store.
    """
    external = _external(spec)
    if not external:
        return None
    stores = {reference.store for reference in external.values()}
    if len(stores) > 1:
        raise Refused(
            f"The secrets of {place.service} come from {len(stores)} stores: {', '.join(sorted(map(str, stores)))}.",
            "Keep them in one store.",
        )
    name = _secret_name(place, external)
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": metadata(place, name),
        "spec": {
            "refreshPolicy": "CreatedOnce",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": stores.pop()},
            "target": {"name": name, "creationPolicy": "Owner", "immutable": True},
            "data": [
                {"secretKey": variable, "remoteRef": _remote(reference)}
                for variable, reference in sorted(external.items())
            ],
        },
    }


def variables(place: Place, track: Track, spec: WorkloadSpec) -> Manifest:
    """`env` and `envFrom` of a replica's container."""
    given = {
        "DRAIN_SECONDS": f"{spec.drain_seconds:g}",
        "HOST": "0.0.0.0",  # noqa: S104
        "PORT": str(spec.pod.port),
        "SHOPKART_ENVIRONMENT": place.environment,
        "SHOPKART_TRACK": track.value,
        "SHOPKART_VERSION": spec.release_key,
    }
    entries: list[Manifest] = [{"name": name, "value": value} for name, value in given.items()]
    entries += [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for name, (secret, key) in sorted(_secrets(place, spec).items())
    ]
    data = _plain(place, spec)
    if not data:
        return {"env": entries}
    return {"env": entries, "envFrom": [{"configMapRef": {"name": _config_name(place, data)}}]}


def _secrets(place: Place, spec: WorkloadSpec) -> dict[str, tuple[str, str]]:
    """By variable the Secret that its value is in, and the key there."""
    external = _external(spec)
    found: dict[str, tuple[str, str]] = {}
    for name, text in spec.variables.items():
        datastore = _datastore(place, name, text)
        if datastore is not None:
            found[name] = (place.datastores_secret, datastore)
    for name, reference in spec.pod.secrets.items():
        found[name] = (_secret_name(place, external), name) if name in external else (reference.name, reference.key)
    return found


def _config_name(place: Place, data: Mapping[str, str]) -> str:
    return hashed(f"{place.service}-config", data)


def _secret_name(place: Place, external: Mapping[str, SecretReference]) -> str:
    return hashed(f"{place.service}-secrets", external)


def _external(spec: WorkloadSpec) -> dict[str, SecretReference]:
    return {name: reference for name, reference in spec.pod.secrets.items() if reference.store is not None}


def _remote(reference: SecretReference) -> Manifest:
    return {"key": reference.key} | ({"version": reference.version} if reference.version else {})


def _plain(place: Place, spec: WorkloadSpec) -> dict[str, str]:
    """The variables that hold nothing secret, with what the environment gives filled in."""

    def value(found: re.Match[str]) -> str:
        return place.addresses.get(found[1]) or f"http://{found[2]}"

    return {
        name: _PLACE.sub(value, text)
        for name, text in sorted(spec.variables.items())
        if _datastore(place, name, text) is None
    }


def _datastore(place: Place, name: str, text: str) -> str | None:
    """The datastore whose address a variable is, where that is a secret; None for any other text."""
    wanted = [found[1] for found in _PLACE.finditer(text) if found[1] in DATASTORES]
    unsaid = next((each for each in wanted if each not in place.addresses), None)
    if unsaid is not None and text != f"{{{unsaid}}}":
        raise Refused(
            f"The variable {name} of {place.service} has more in it than {{{unsaid}}}, which is a secret here.",
            f"Give {{{unsaid}}} a variable of its own, or declare the whole value under `secrets`.",
        )
    return unsaid
