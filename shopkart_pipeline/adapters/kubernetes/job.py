"""The Job that runs a command of a service's image, made from the pod that its replicas have.

Image, variables, secrets, account and rights are those of a replica, a team's own manifests included. What only serves
goes: ports, probes, `preStop`, other containers, and the labels by which requests find a replica. Plain variables stand
in the Job itself, because a ConfigMap that no replica refers to is removed by whatever rollout ends next.

A command that failed is not run again by the cluster, because only people can tell whether it may be; a pod that had to
leave its node is replaced. The Job is kept for a day after its end, so that whoever asks late still learns how it went.

Sources: Kubernetes, "Jobs", "Pod failure policy", "Automatic Cleanup for Finished Jobs".
"""

import math
from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

from shopkart_pipeline.adapters.kubernetes.configuration import config_map
from shopkart_pipeline.adapters.kubernetes.foreign import adopted_deployment
from shopkart_pipeline.adapters.kubernetes.manifests import track_objects
from shopkart_pipeline.adapters.kubernetes.names import (
    COMMIT,
    FIELD_MANAGER,
    MANAGED_BY,
    RELEASE,
    VERSION,
    Manifest,
    Place,
    job_selector,
    metadata,
)
from shopkart_pipeline.adapters.kubernetes.network import job_policy
from shopkart_pipeline.adapters.kubernetes.pod import pod_template
from shopkart_pipeline.domain.job import JobSpec
from shopkart_pipeline.domain.workload import Track, WorkloadSpec

JOB_NAME = "shopkart/job"
"""The label that tells the pods of one job."""
_KEPT_SECONDS = 86_400
_REFERRED_TO = frozenset({"ExternalSecret", "ServiceAccount"})
_OF_SERVING = ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle", "ports", "args")


def job_surroundings(place: Place, spec: WorkloadSpec) -> tuple[Manifest, ...]:
    """What a job of a service refers to; the replicas refer to most of it too. Raises as `track_objects`."""
    kinds = _REFERRED_TO if spec.own_manifests is None else _REFERRED_TO | {"ConfigMap"}
    referred = [each for each in track_objects(place, Track.STABLE, spec) if each["kind"] in kinds]
    policy = job_policy(place, spec)
    return (*referred, *([policy] if policy is not None else []))


def job_manifest(place: Place, job: JobSpec) -> Manifest:
    """The Job itself."""
    spec = job.workload
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(place, full_name(place, job), spec=spec),
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": max(1, math.ceil(job.timeout_seconds)),
            "ttlSecondsAfterFinished": _KEPT_SECONDS,
            "podFailurePolicy": {
                "rules": [
                    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                ]
            },
            "template": {
                "metadata": {
                    "labels": job_selector(place)
                    | {MANAGED_BY: FIELD_MANAGER, VERSION: spec.release_key, JOB_NAME: job.name},
                    "annotations": {RELEASE: spec.release_key, COMMIT: spec.commit},
                },
                "spec": _pod(place, job),
            },
        },
    }


def render_jobs(place: Place, jobs: Sequence[JobSpec]) -> tuple[Manifest, ...]:
    """Jobs of a service that has been rendered, with what they alone refer to; nothing where there are none."""
    manifests = [job_manifest(place, job) for job in jobs]
    policy = next((job_policy(place, job.workload) for job in jobs), None)
    return (*([policy] if policy is not None else []), *manifests)


def full_name(place: Place, job: JobSpec) -> str:
    """The Job's name."""
    return f"{place.service}-{job.name}"


def _pod(place: Place, job: JobSpec) -> Manifest:
    if job.workload.own_manifests is None:
        template = pod_template(place, Track.STABLE, job.workload)
    else:
        template = adopted_deployment(place, Track.STABLE, job.workload)["spec"]["template"]
    pod: dict[str, Any] = deepcopy(template["spec"])
    pod.pop("topologySpreadConstraints", None)
    container = next(_own_containers(place, pod))
    for key in _OF_SERVING:
        container.pop(key, None)
    if job.workload.own_manifests is None:
        container["env"] = [*container["env"], *_plain_variables(place, container, job.workload)]
        container.pop("envFrom", None)
    return pod | {"restartPolicy": "Never", "containers": [container | {"command": list(job.command)}]}


def _plain_variables(place: Place, container: Manifest, spec: WorkloadSpec) -> list[Manifest]:
    """What replicas have from a ConfigMap, where nothing is expanded and what is said otherwise goes before."""
    known = {each["name"] for each in container["env"]}
    data: dict[str, str] = (config_map(place, spec) or {}).get("data", {})
    return [{"name": name, "value": text.replace("$", "$$")} for name, text in data.items() if name not in known]


def _own_containers(place: Place, pod: Manifest) -> Iterator[Manifest]:
    """The service's container, which is the only one, is called so, or runs its image."""
    containers: list[Manifest] = pod["containers"]
    yield from (each for each in containers if each.get("name") == place.service)
    yield from (each for each in containers if each.get("image") == place.image)
