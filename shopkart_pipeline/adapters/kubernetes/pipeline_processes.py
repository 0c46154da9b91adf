"""The processes that make up a running pipeline on Kubernetes: a Deployment each, with the commands of one machine."""

import hashlib
from dataclasses import dataclass

from shopkart_pipeline.adapters.kubernetes.names import Manifest
from shopkart_pipeline.adapters.kubernetes.pipeline_network import COMPONENT
from shopkart_pipeline.adapters.kubernetes.pipeline_pods import (
    ARTIFACTS,
    CODE,
    HOME,
    PIPELINE_SECRETS,
    RECEIVER_SECRETS,
    STORAGE_SECRETS,
    container_basics,
    home_labels,
    pod_basics,
    variables_from,
)
from shopkart_pipeline.domain.installation import Installation
from shopkart_pipeline.domain.pod import Resources

_EVERYWHERE = "0.0.0.0"  # noqa: S104
_WEB = ("python", "-m", "shopkart_pipeline.engine.web", ARTIFACTS, f"--host={_EVERYWHERE}")
_GRACE_SECONDS = 60
FINGERPRINT = "shopkart/instance"
"""Annotation by which pods differ when what they have been told differs."""


@dataclass(frozen=True)
class Process:
    """One of them."""

    name: str
    command: tuple[str, ...]
    account: str
    resources: Resources
    secrets: tuple[str, ...] = (STORAGE_SECRETS, PIPELINE_SECRETS)
    replicas: int = 1
    port: int = 0
    """0: nobody connects to it."""
    path: str = ""
    """Answers 200 while it serves."""
    with_home: bool = False
    with_api: bool = False
    """Whether it has a token for the cluster's API."""
    health: tuple[str, ...] = ()
    """A command that fails when it is stuck, where there is no port."""


PROCESSES = (
    Process(
        "daemon",
        ("dagster-daemon", "run", "-w", f"{CODE}/workspace.yaml"),
        "control",
        Resources("500m", "1Gi", "3Gi"),
        with_home=True,
        with_api=True,
        health=("dagster-daemon", "liveness-check"),
    ),
    Process(
        "webserver",
        (*_WEB, "--port=3000"),
        "webserver",
        Resources("250m", "1Gi", "2Gi"),
        (STORAGE_SECRETS,),
        replicas=2,
        port=3000,
        path="/server_info",
        with_api=True,
    ),
    Process(
        "auditors",
        (*_WEB, "--port=3003", "--read-only"),
        "server",
        Resources("250m", "1Gi", "2Gi"),
        (STORAGE_SECRETS,),
        replicas=2,
        port=3003,
        path="/server_info",
    ),
    Process(
        "receiver",
        ("shopkart", "receive", f"--host={_EVERYWHERE}"),
        "server",
        Resources("100m", "128Mi", "512Mi"),
        (STORAGE_SECRETS, RECEIVER_SECRETS),
        replicas=2,
        port=3001,
        path="/health/live",
    ),
    Process(
        "exporter",
        ("shopkart", "exporter", f"--host={_EVERYWHERE}"),
        "server",
        Resources("100m", "256Mi", "512Mi"),
        (STORAGE_SECRETS,),
        port=3002,
        path="/health/live",
        with_home=True,
    ),
    Process(
        "signer",
        ("shopkart", "signer"),
        "signer",
        Resources("50m", "128Mi", "256Mi"),
        (),
        with_home=True,
        health=("test", "-S", f"{HOME}/signer/socket"),
    ),
)


def deployment(installation: Installation, process: Process, fingerprint: str) -> Manifest:
    """The Deployment of a process. `fingerprint` is `dagster.yaml` and the settings: pods are made anew when they
    change."""
    labels = {COMPONENT: process.name, "app.kubernetes.io/part-of": "shopkart-pipeline"}
    alone = process.replicas == 1
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": f"shopkart-{process.name}",
            "namespace": installation.namespace,
            "labels": labels,
        },
        "spec": {
            "replicas": process.replicas,
            "selector": {"matchLabels": {COMPONENT: process.name}},
            "strategy": {"type": "Recreate"} if alone else rolling,
            "template": {
                "metadata": {
                    "labels": {**labels, **home_labels(process.with_home)},
                    "annotations": {FINGERPRINT: hashlib.sha256(fingerprint.encode()).hexdigest()},
                },
                "spec": {
                    **pod_basics(with_home=process.with_home),
                    "serviceAccountName": process.account,
                    "automountServiceAccountToken": process.with_api,
                    "terminationGracePeriodSeconds": _GRACE_SECONDS,
                    "containers": [_container(installation, process)],
                    **({} if alone else {"topologySpreadConstraints": [_apart(process.name)]}),
                },
            },
        },
    }


def _container(installation: Installation, process: Process) -> Manifest:
    resources = process.resources
    port = [{"name": "http", "containerPort": process.port, "protocol": "TCP"}]
    return {
        "name": process.name,
        "image": installation.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(process.command),
        "envFrom": variables_from(*process.secrets),
        **({"ports": port} if process.port else {}),
        **_probes(process),
        "resources": {
            "requests": {"cpu": resources.cpu, "memory": resources.memory},
            "limits": {"memory": resources.memory_limit},
        },
        **container_basics(),
    }


def _probes(process: Process) -> Manifest:
    if not process.port:
        look = {"exec": {"command": list(process.health)}, "timeoutSeconds": 45}
        return {
            "startupProbe": {**look, "periodSeconds": 15, "failureThreshold": 40},
            "livenessProbe": {**look, "periodSeconds": 60, "failureThreshold": 5},
        }
    look = {"httpGet": {"path": process.path, "port": "http"}, "timeoutSeconds": 5}
    return {
        "startupProbe": {**look, "periodSeconds": 5, "failureThreshold": 60},
        "readinessProbe": {**look, "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**look, "periodSeconds": 20, "failureThreshold": 6},
    }


def _apart(name: str) -> Manifest:
    return {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {COMPONENT: name}},
    }
