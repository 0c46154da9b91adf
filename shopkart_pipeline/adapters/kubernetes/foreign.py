"""A team's own manifests with what the pipeline owns in them: the image by digest, and which release it is of.

All else stays as the team wrote it. Which Deployment is the service's is never guessed: it is the one called like the
service, or the only one; its container likewise.
"""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from shopkart_pipeline.adapters.kubernetes.kustomization import read_manifests
from shopkart_pipeline.adapters.kubernetes.names import COMMIT, RELEASE, TRACK, VERSION, Manifest, Place
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.workload import Track, WorkloadSpec


def adopted(manifests: Sequence[Manifest], place: Place, spec: WorkloadSpec) -> tuple[Manifest, ...]:
    """The manifests as they are to be applied for a release.

    Args:
        manifests: as the team wrote them; they stay as they are.
        place: where they go; a namespace that they say themselves has to be the same one.
        spec: of the release; its digest is in the name of the place's image.

    Raises:
        Refused: it can't be told where the image goes, or something goes to another namespace.
    """
    found = deepcopy(list(manifests))
    for manifest in found:
        described: dict[str, Any] = manifest["metadata"]
        if described.setdefault("namespace", place.namespace) != place.namespace:
            raise Refused(
                f"{manifest['kind']} {described['name']} is for the namespace {described['namespace']}, "
                f"and {place.environment} is {place.namespace}.",
                "Take the namespace away, or make them the same.",
            )
    deployment = _the_services([each for each in found if each["kind"] == "Deployment"], place.service, "Deployment")
    template = deployment["spec"]["template"]
    container = _the_services(template["spec"]["containers"], place.service, "container")
    container["image"] = place.image
    told = template.setdefault("metadata", {})
    told.setdefault("labels", {}).update({TRACK: Track.STABLE.value, VERSION: spec.release_key})
    for described in (deployment["metadata"], told):
        described.setdefault("annotations", {}).update({RELEASE: spec.release_key, COMMIT: spec.commit})
    return tuple(found)


def adopt_folder(folder: Path, root: Path, place: Place, spec: WorkloadSpec) -> tuple[Manifest, ...]:
    """The same for a folder or kustomization below `root`; raises what `read_manifests` and `adopted` raise."""
    return adopted([manifest.plain() for manifest in read_manifests(folder, root)], place, spec)


def _the_services(candidates: list[Manifest], service: str, what: str) -> Manifest:
    named = [each for each in candidates if _name(each) == service]
    chosen = named or candidates
    if len(chosen) != 1:
        names = ", ".join(map(_name, candidates)) or "none"
        raise Refused(
            f"It can't be told which {what} is that of {service} (there: {names}).", f"Call one of them {service}."
        )
    return chosen[0]


def _name(candidate: Manifest) -> str:
    return str(candidate.get("metadata", candidate).get("name"))
