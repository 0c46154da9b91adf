"""A team's own objects with what the pipeline owns in them.

It owns the image by digest, wherever the service's image is used, the labels by which it tells a release's pods and
their track, the number of replicas where no autoscaler does, the canary (a copy of the team's Deployment), and the
selector of the Service that is called like the service. All else stays as the team wrote it. The Deployment is the one
called like the service, and its container is the only one or the one called so: neither is ever guessed.
"""

import json
from copy import deepcopy
from typing import Any

from shopkart_pipeline.adapters.kubernetes.names import (
    TRACK,
    VERSION,
    Manifest,
    Place,
    image_name,
    origin,
    selector,
)
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.workload import Track, WorkloadSpec


def objects_of(spec: WorkloadSpec) -> list[Manifest]:
    """The team's objects as they were written."""
    return json.loads(spec.own_manifests or "[]")


def own_objects(place: Place, track: Track, spec: WorkloadSpec) -> tuple[Manifest, ...]:
    """What one track consists of: everything for stable, for the canary its Deployment alone.

    Raises:
        Refused: it can't be told where the image goes, or something would go to another namespace.
    """
    deployment = adopted_deployment(place, track, spec)
    if track is Track.CANARY:
        return (deployment,)
    others = [
        _in_namespace(place, each)
        for each in objects_of(spec)
        if each["kind"] != "Deployment" and not _is_service(place, each) and not _scales(place, each)
    ]
    further = [each for each in objects_of(spec) if each["kind"] == "Deployment" and _name(each) != place.service]
    return (*others, deployment, *(_with_image(place, _in_namespace(place, each), spec) for each in further))


def adopted_deployment(place: Place, track: Track, spec: WorkloadSpec) -> Manifest:
    """The team's Deployment as one track of a release. Raises `Refused` where it can't be told which one it is."""
    candidates = [each for each in objects_of(spec) if each["kind"] == "Deployment"]
    found = next((each for each in candidates if _name(each) == place.service), None)
    if found is None:
        names = ", ".join(map(_name, candidates)) or "none"
        raise Refused(f"No Deployment is called {place.service} (there: {names}).", "Call it like the service.")
    deployment = _in_namespace(place, found)
    described, template = deployment["metadata"], deployment["spec"]["template"]
    told: dict[str, Any] = template.setdefault("metadata", {})
    for each in (described, told):
        _label(each, selector(place, track) | {VERSION: spec.release_key}, place.service)
        each.setdefault("annotations", {}).update(origin(spec))
    _with_image(place, deployment, spec)
    deployment["spec"]["replicas"] = spec.replicas
    if track is Track.CANARY:
        described["name"] = place.track_name(track)
        deployment["spec"]["selector"].setdefault("matchLabels", {})[TRACK] = track.value
    elif spec.autoscale is not None:
        del deployment["spec"]["replicas"]
    return deployment


def own_service(place: Place, spec: WorkloadSpec, name: str, pods: dict[str, str]) -> Manifest | None:
    """The team's Service that is called like the service, leading to these pods; None where there is none.

    Args:
        place: where it is.
        spec: with the team's objects.
        name: its name, or that of its twin for the canary.
        pods: the labels that it selects by.
    """
    found = next((each for each in objects_of(spec) if _is_service(place, each)), None)
    if found is None:
        return None
    service = _in_namespace(place, found)
    service["metadata"]["name"] = name
    service["metadata"].setdefault("labels", {}).update(selector(place))
    service["spec"]["selector"] = pods
    return service


def own_autoscaler(place: Place, spec: WorkloadSpec, *, only_up: bool) -> Manifest | None:
    """The team's autoscaler of the service's Deployment; None where there is none."""
    found = next((each for each in objects_of(spec) if _scales(place, each)), None)
    if found is None:
        return None
    scaler = _in_namespace(place, found)
    if only_up:
        scaler["spec"].setdefault("behavior", {})["scaleDown"] = {"selectPolicy": "Disabled"}
    return scaler


def _with_image(place: Place, deployment: Manifest, spec: WorkloadSpec) -> Manifest:
    """The Deployment with the release's image in every container that has the service's, initial ones included."""
    written = next(each for each in objects_of(spec) if each["kind"] == "Deployment" and _name(each) == place.service)
    own = image_name(_container(written["spec"]["template"]["spec"]["containers"], place.service).get("image", ""))
    pod = deployment["spec"]["template"]["spec"]
    for container in (*pod.get("initContainers", []), *pod["containers"]):
        if image_name(container.get("image", "")) == own:
            container["image"] = place.image
    return deployment


def _in_namespace(place: Place, manifest: Manifest) -> Manifest:
    """A copy, in the namespace of the environment."""
    found = deepcopy(manifest)
    described: dict[str, Any] = found["metadata"]
    if described.setdefault("namespace", place.namespace) != place.namespace:
        raise Refused(
            f"{found['kind']} {described['name']} is for the namespace {described['namespace']}, "
            f"and {place.environment} is {place.namespace}.",
            "Take the namespace away, or make them the same.",
        )
    return found


def _label(described: dict[str, Any], wanted: dict[str, str], service: str) -> None:
    labels: dict[str, str] = described.setdefault("labels", {})
    for key, value in wanted.items():
        if key != VERSION and labels.get(key, value) != value:
            raise Refused(
                f"The label {key} of Deployment {service} is {labels[key]!r}, and the pipeline knows its pods by it.",
                f"Write {key}: {value}, or take it away.",
            )
    labels.update(wanted)


def _container(containers: list[Manifest], service: str) -> Manifest:
    chosen = [each for each in containers if each.get("name") == service] or containers
    if len(chosen) != 1:
        names = ", ".join(str(each.get("name")) for each in containers) or "none"
        raise Refused(
            f"It can't be told which container of Deployment {service} is the service's (there: {names}).",
            f"Call one of them {service}.",
        )
    return chosen[0]


def _is_service(place: Place, manifest: Manifest) -> bool:
    return manifest["kind"] == "Service" and _name(manifest) == place.service


def _scales(place: Place, manifest: Manifest) -> bool:
    if manifest["kind"] != "HorizontalPodAutoscaler":
        return False
    target = manifest["spec"]["scaleTargetRef"]
    return target.get("kind") == "Deployment" and target.get("name") == place.service


def _name(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])
