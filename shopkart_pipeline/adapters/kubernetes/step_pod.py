"""The pod of one step: the pipeline's own image, and nothing of the pipeline's in it.

It keeps to the `restricted` profile of the Pod Security Standards, in a namespace of its own where there is no secret,
no config map and no account with rights. It has no token for the API and no identity in the cloud; nobody connects to
it, and it connects to the run that made it and to what is declared. It ends itself when its run is away, and the
cluster ends it at its deadline.
"""

import math

from shopkart_pipeline.adapters.kubernetes.names import Manifest
from shopkart_pipeline.adapters.kubernetes.pipeline_pods import (
    CODE,
    HOME,
    KIND_LABEL,
    container_basics,
    pod_basics,
    tolerations,
)
from shopkart_pipeline.domain.step_pods import StepPodOrder, StepPodPlace

STEPS = "steps"
"""Their kind, as labels of pods have it."""
ACCOUNT = "step"
"""Their service account, which nothing is bound to."""
STEP_LABEL = "shopkart/step"
ENTRY = ("python", "-m", "shopkart_pipeline.engine.step")
_GRACE_SECONDS = 5
_TMP = "/tmp"  # noqa: S108
_VARIABLES = {
    "HOME": _TMP,
    "SHOPKART_HOME": HOME,
    "SHOPKART_DECLARATION": f"{CODE}/shopkart.yaml",
    "SHOPKART_RUNTIME": "process",
    "SHOPKART_CONFINEMENT": "auto",
}


def step_labels(step: str) -> dict[str, str]:
    return {KIND_LABEL: STEPS, STEP_LABEL: step, "app.kubernetes.io/part-of": "shopkart-pipeline"}


def step_pod_spec(place: StepPodPlace, order: StepPodOrder) -> Manifest:
    """The pod's `spec`; what its entry is told is added by Dagster Pipes."""
    pod = order.pod
    basics = pod_basics(seccomp_profile=pod.seccomp_profile)
    volumes = [{"name": "home", "emptyDir": {"sizeLimit": "20Gi"}}, {"name": "tmp", "emptyDir": {"sizeLimit": "10Gi"}}]
    mounts = [{"name": "home", "mountPath": HOME}, {"name": "tmp", "mountPath": _TMP}]
    return {
        **basics,
        "volumes": volumes,
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": False,
        "restartPolicy": "Never",
        "activeDeadlineSeconds": max(1, math.ceil(order.seconds)),
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "nodeSelector": dict(pod.node_selector),
        "tolerations": tolerations(pod),
        "containers": [
            {
                **container_basics(),
                "name": "step",
                "image": place.image,
                "imagePullPolicy": "IfNotPresent",
                "command": list(ENTRY),
                "env": [{"name": name, "value": value} for name, value in _VARIABLES.items()],
                "volumeMounts": mounts,
                "resources": {
                    "requests": {"cpu": pod.resources.cpu, "memory": pod.resources.memory},
                    "limits": {"memory": pod.resources.memory_limit},
                },
            }
        ],
    }
