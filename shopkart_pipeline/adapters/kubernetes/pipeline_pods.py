"""What all pods of the pipeline itself have in common, and what pods of runs have by their kind.

They keep to the Pod Security Standards' `restricted` profile, and have no token for the cluster's API but where said.
Each has an empty home of its own, for caches and what can be made again: what has to outlive a pod is in PostgreSQL, in
buckets or in the registry, so any pod may run on any node and die at any time. Pods of runs have no API token, unless
they make pods of steps; what they are in the cloud comes from their service account alone (EKS Pod Identity), and pull
requests have one without a role.
"""

import math
from typing import Any

from shopkart_pipeline.adapters.kubernetes.names import Manifest
from shopkart_pipeline.domain.run_pods import ACCOUNTS, SIGNING, UNTRUSTED, RunKind, RunPod
from shopkart_pipeline.domain.step_pods import StepPodsMode, steps_namespace

HOME = "/var/lib/shopkart"
ARTIFACTS = f"{HOME}/dagster"
"""What Dagster's instance writes into files. Whatever prepares it by itself copies `dagster.yaml` to there."""
CODE = "/app"
"""Where the image has what is shipped, `dagster.yaml` among it; the instance's own is mounted over that. A mount inside
of the home would leave a folder behind that belongs to root."""
USER_ID = 65532
INSTANCE, SETTINGS = "shopkart-instance", "shopkart-settings"
"""ConfigMaps: `dagster.yaml`, and variables that are no secrets."""
STORAGE_SECRETS, RECEIVER_SECRETS, PIPELINE_SECRETS = "shopkart-storage", "shopkart-receiver", "shopkart-secrets"
SIGNER_SECRETS, CALLER_SECRETS = "shopkart-signer", "shopkart-signer-callers"
"""Of the signer, its key among them where that is given; and of those who ask it."""
TRUST = "shopkart-trust"
"""ConfigMap with the keys whose signatures count, which an operator makes: `shopkart signer keys`."""
TRUSTED_KEYS = "/etc/shopkart/trust/attestation-keys.json"
SIGNER_PORT = 3004
KIND_LABEL = "shopkart/run-kind"
_POOL = "shopkart/pool"
_LEFT_ALONE = {"karpenter.sh/do-not-disrupt": "true"}
"""Karpenter ends no node by itself on which such a pod runs: a run that is ended begins anew."""
_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "privileged": False,
    "readOnlyRootFilesystem": True,
}
_INSTANCE_MOUNT = {
    "name": "instance",
    "mountPath": f"{CODE}/dagster.yaml",
    "subPath": "dagster.yaml",
    "readOnly": True,
}
_WORKSPACE_MOUNT = {**_INSTANCE_MOUNT, "mountPath": f"{CODE}/workspace.yaml", "subPath": "workspace.yaml"}
_MOUNTS: list[Manifest] = [
    {"name": "home", "mountPath": HOME},
    {"name": "trust", "mountPath": TRUSTED_KEYS.rpartition("/")[0], "readOnly": True},
    _INSTANCE_MOUNT,
    _WORKSPACE_MOUNT,
    {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108
]


def container_basics() -> Manifest:
    """Of every container."""
    return {"securityContext": dict(_RESTRICTED), "volumeMounts": [dict(each) for each in _MOUNTS]}


def pod_basics(*, home: str = "1Gi", scratch: str = "1Gi", seccomp_profile: str | None = None) -> Manifest:
    """Of every pod.

    Args:
        home: how much it may keep in its home for as long as it lives.
        scratch: how much it may write into `/tmp`.
        seccomp_profile: of the node; None for the runtime's own.
    """
    profile: Manifest = {"type": "RuntimeDefault"}
    if seccomp_profile is not None:
        profile = {"type": "Localhost", "localhostProfile": seccomp_profile}
    return {
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": profile,
        },
        "volumes": [
            {"name": "home", "emptyDir": {"sizeLimit": home}},
            {"name": "instance", "configMap": {"name": INSTANCE}},
            {"name": "trust", "configMap": {"name": TRUST, "optional": True}},
            {"name": "tmp", "emptyDir": {"sizeLimit": scratch}},
        ],
    }


def signer_variables() -> list[Manifest]:
    """By which a pod finds the signer; it needs `CALLER_SECRETS` as well."""
    return [{"name": "SHOPKART_SIGNER_ADDRESS", "value": f"shopkart-signer:{SIGNER_PORT}"}]


def variables_from(*secrets: str) -> list[Manifest]:
    """Every variable that a pod gets."""
    return [{"configMapRef": {"name": SETTINGS}}, *({"secretRef": {"name": each}} for each in secrets)]


def run_config(kind: RunKind, pod: RunPod, steps: StepPodsMode, namespace: str) -> dict[str, Any]:
    """Pods of a kind of run, as Dagster's `run_k8s_config`. In those of pull requests secrets beyond those of the
    storage are left away, and what nobody has reviewed runs in pods of its own.

    Args:
        kind: which kind.
        pod: what they may use.
        steps: which stages get pods of their own; where some do, the run has a token to make them with.
        namespace: of the pipeline.
    """
    secrets = (STORAGE_SECRETS,) if kind is UNTRUSTED else (STORAGE_SECRETS, PIPELINE_SECRETS)
    if kind in SIGNING:
        secrets = (*secrets, CALLER_SECRETS)
    makes_pods = steps is not StepPodsMode.NEVER
    return {
        "container_config": {
            **container_basics(),
            "resources": {
                "requests": {"cpu": pod.resources.cpu, "memory": pod.resources.memory},
                "limits": {"memory": pod.resources.memory_limit},
            },
            "envFrom": variables_from(*secrets),
            "env": [
                *(_step_variables(steps, namespace) if makes_pods else []),
                *(signer_variables() if kind in SIGNING else []),
            ],
        },
        "pod_template_spec_metadata": {"labels": {KIND_LABEL: kind.label}, "annotations": dict(_LEFT_ALONE)},
        "pod_spec_config": {
            **pod_basics(home="20Gi", scratch="10Gi", seccomp_profile=pod.seccomp_profile),
            "serviceAccountName": ACCOUNTS[kind],
            "automountServiceAccountToken": makes_pods,
            "nodeSelector": dict(pod.node_selector),
            "tolerations": tolerations(pod),
        },
        "job_spec_config": {"activeDeadlineSeconds": math.ceil(pod.deadline_seconds), "backoffLimit": 0},
    }


def _step_variables(steps: StepPodsMode, namespace: str) -> list[Manifest]:
    address = {"fieldRef": {"fieldPath": "status.podIP"}}
    return [
        {"name": "SHOPKART_STEP_PODS", "value": steps.value},
        {"name": "SHOPKART_STEP_NAMESPACE", "value": steps_namespace(namespace)},
        {"name": "SHOPKART_POD_ADDRESS", "valueFrom": address},
    ]


def tolerations(pod: RunPod) -> list[Manifest]:
    pool = pod.node_selector.get(_POOL)
    return [{"key": _POOL, "operator": "Equal", "value": pool, "effect": "NoSchedule"}] if pool else []
