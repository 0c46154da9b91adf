"""Every object of a service in an environment, from the declaration alone: the same in, the same out.

Order: what is referred to comes before what refers to it, so that a reader, or somebody who applies them one after the
other, never meets a name that is not there yet. Images are named by digest and in no other way.
"""

import re
from collections.abc import Iterable

import yaml

from shopkart_pipeline.adapters.kubernetes.configuration import config_map, external_secret
from shopkart_pipeline.adapters.kubernetes.exposure import route
from shopkart_pipeline.adapters.kubernetes.foreign import own_objects
from shopkart_pipeline.adapters.kubernetes.names import Manifest, Place, metadata
from shopkart_pipeline.adapters.kubernetes.network import network_policy, services
from shopkart_pipeline.adapters.kubernetes.workload import autoscaler, deployment, disruption_budget
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.workload import Track, WorkloadSpec

_BY_DIGEST = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")
_IRSA = "eks.amazonaws.com/role-arn"


def surroundings(place: Place, spec: WorkloadSpec, canary_weight_percent: int = 0) -> tuple[Manifest, ...]:
    """What both tracks of a service share: policy and Services, and the route where it goes by weight.

    Args:
        place: where they are.
        spec: what stable is to be.
        canary_weight_percent: the canary's share of the traffic.
    """
    return _present(
        network_policy(place, spec),
        *services(place, spec, canary_weight_percent),
        route(place, spec, canary_weight_percent),
    )


def track_objects(place: Place, track: Track, spec: WorkloadSpec) -> tuple[Manifest, ...]:
    """What one track of a service consists of: its configuration, its replicas and what protects them.

    Raises:
        Refused: the image is not named by its digest, secrets can't be told apart from plain text, or a team's own
            manifests leave open what they are about.
    """
    if _BY_DIGEST.fullmatch(place.image) is None:
        raise Refused(f"{place.image!r} does not name an image by its digest.", "Write NAME@sha256:DIGEST.")
    if spec.own_manifests is not None:
        return own_objects(place, track, spec)
    return _present(
        service_account(place, spec),
        config_map(place, spec),
        external_secret(place, spec),
        deployment(place, track, spec),
        disruption_budget(place, track),
    )


def render(place: Place, spec: WorkloadSpec) -> tuple[Manifest, ...]:
    """Everything that a service is while nothing is rolled out. Raises as `track_objects`."""
    around = surroundings(place, spec)
    return _present(*track_objects(place, Track.STABLE, spec), autoscaler(place, spec), *around)


def service_account(place: Place, spec: WorkloadSpec) -> Manifest:
    """Who the replicas of both tracks are: somebody without a token for the cluster's API."""
    described = metadata(place, place.service)
    if spec.pod.iam_role is not None:
        described["annotations"] = {_IRSA: spec.pod.iam_role}
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": described,
        "automountServiceAccountToken": False,
    }


def to_yaml(manifests: Iterable[Manifest]) -> str:
    """The objects as one YAML stream, in their order."""
    return yaml.safe_dump_all(manifests, sort_keys=False, explicit_start=True, width=120, allow_unicode=True)


def _present(*manifests: Manifest | None) -> tuple[Manifest, ...]:
    return tuple(manifest for manifest in manifests if manifest is not None)
