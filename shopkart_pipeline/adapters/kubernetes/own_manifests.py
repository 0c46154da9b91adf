"""A team's own manifests out of a release's tree, as one document that goes forward and back with the release.

What would go wrong on the cluster is refused here, before anything is touched: kinds that the pipeline does not apply
(among them Secrets, whose values have no place in a repository), another namespace, an image that has no certain place,
and requests that would reach a canary past its share.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from shopkart_pipeline.adapters.kubernetes.foreign import adopted_deployment, own_autoscaler, own_objects
from shopkart_pipeline.adapters.kubernetes.kustomization import read_manifests
from shopkart_pipeline.adapters.kubernetes.names import ANY_DIGEST, PORT_NAME, TRACK, Manifest, Place, place_of_any
from shopkart_pipeline.domain.declaration import Environment, Service
from shopkart_pipeline.domain.errors import Refused, UntrustedInput
from shopkart_pipeline.domain.pod import Autoscale, OwnManifests, RouteKind
from shopkart_pipeline.domain.wanted_workload import wanted_workload
from shopkart_pipeline.domain.workload import Track, WorkloadSpec
from shopkart_pipeline.ports.manifest_source import ManifestSource

_APPLIED = {
    "ConfigMap": "v1",
    "Deployment": "apps/v1",
    "ExternalSecret": "external-secrets.io/v1",
    "HTTPRoute": "gateway.networking.k8s.io/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "Service": "v1",
    "ServiceAccount": "v1",
}
"""By kind what the pipeline applies; anything else is somebody else's to apply."""
_LARGEST_BYTES = 100_000
"""The document is kept in an annotation, of which an object may have 256 KiB."""
_UNKNOWN_CPU_PERCENT = 80


class RepositoryManifests(ManifestSource):
    """Reads folders and kustomizations of a repository."""

    def read(self, tree: Path, service: Service, environment: Environment) -> OwnManifests | None:
        folder = service.workload.manifests_in(environment.name)
        if folder is None:
            return None
        nodes = read_manifests(tree / service.source.path / folder, tree)
        for node in nodes:
            said = f"{node.text('apiVersion')} {node.text('kind')}"
            if _APPLIED.get(node.text("kind")) != node.text("apiVersion"):
                raise Refused(
                    f"{node.file}:{node.line}: the pipeline does not apply {said}.",
                    f"Keep it elsewhere; it applies {', '.join(_APPLIED)}.",
                )
        try:
            return _checked([node.plain() for node in nodes], service, environment)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            what = f"The manifests of {service.name} are not in form: {type(error).__name__} {error}."
            raise UntrustedInput(what, "Look at them with `kubernetes-validate --strict`.") from None


def _checked(manifests: Sequence[Manifest], service: Service, environment: Environment) -> OwnManifests:
    document = json.dumps(manifests, separators=(",", ":"), sort_keys=True)
    if len(document) > _LARGEST_BYTES:
        raise Refused(
            f"The manifests of {service.name} have {len(document)} bytes, and {_LARGEST_BYTES} are the most.",
            "Keep large configuration in the image.",
        )
    place = place_of_any(environment, service.name)
    spec = wanted_workload(
        service,
        service.deployments[environment.name],
        release_key="any",
        commit="any",
        digest=ANY_DIGEST,
        own=OwnManifests(document, 1, None),
    )
    for track in Track:
        own_objects(place, track, spec)
    deployment = adopted_deployment(place, Track.STABLE, spec)
    _check_ways(place, manifests, deployment, spec)
    scaler = own_autoscaler(place, spec, only_up=False)
    if scaler is None:
        written = next(each for each in manifests if each["kind"] == "Deployment" and _is(place, each))
        return OwnManifests(document, int(written["spec"].get("replicas", 1)), None)
    minimum = int(scaler["spec"].get("minReplicas", 1))
    bounds = Autoscale(minimum, int(scaler["spec"]["maxReplicas"]), _UNKNOWN_CPU_PERCENT)
    return OwnManifests(document, minimum, bounds)


def _check_ways(place: Place, manifests: Sequence[Manifest], deployment: Manifest, spec: WorkloadSpec) -> None:
    """Every way to the pods has to go by the canary's share."""
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for each in manifests:
        name, kind = each["metadata"]["name"], each["kind"]
        if kind in ("HTTPRoute", "Ingress") and spec.route.kind is not RouteKind.NONE and _is(place, each):
            raise Refused(
                f"{kind} {name} is what `route` of {place.environment} makes.", "Take one of them away, or rename it."
            )
        chosen: Manifest = each["spec"].get("selector") or {} if kind == "Service" and not _is(place, each) else {}
        if chosen and TRACK not in chosen and chosen.items() <= labels.items():
            raise Refused(
                f"Requests through Service {name} would reach a canary past its share.",
                f"Write `{TRACK}: stable` into its selector, or call it {place.service}.",
            )
    served = any(each["kind"] == "Service" and _is(place, each) for each in manifests)
    containers = deployment["spec"]["template"]["spec"]["containers"]
    ports = {port.get("name") for each in containers for port in each.get("ports", [])}
    if not served and PORT_NAME not in ports:
        raise Refused(
            f"There is no Service {place.service}, and no port called {PORT_NAME} that one could lead to.",
            f"Write the Service, or call the port {PORT_NAME}.",
        )


def _is(place: Place, manifest: Manifest) -> bool:
    return bool(manifest["metadata"]["name"] == place.service)
