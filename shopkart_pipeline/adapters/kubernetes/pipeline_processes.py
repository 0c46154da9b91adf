"""The processes that make up a running pipeline on Kubernetes: a Deployment each, with the commands of one machine.

Web interfaces and daemon ask the code servers for definitions, and sensors and schedules run there, so a new
declaration is one rollout. Two of them are one to their callers: Dagster tells servers apart by an id, and reads
everything anew when it changes, so both have the image's name as theirs.

The daemon is there once, as two would launch everything twice; it is replaced by ending the old one first.

Source: Dagster, "Code servers"; Kubernetes, "Configure Liveness, Readiness and Startup Probes" (gRPC).
"""

import hashlib
from dataclasses import dataclass

from shopkart_pipeline.adapters.kubernetes.names import Manifest
from shopkart_pipeline.adapters.kubernetes.pipeline_network import COMPONENT
from shopkart_pipeline.adapters.kubernetes.pipeline_pods import (
    ARTIFACTS,
    CALLER_SECRETS,
    CODE,
    PIPELINE_SECRETS,
    RECEIVER_SECRETS,
    SIGNER_PORT,
    SIGNER_SECRETS,
    STORAGE_SECRETS,
    container_basics,
    pod_basics,
    signer_variables,
    variables_from,
)
from shopkart_pipeline.domain.installation import Installation
from shopkart_pipeline.domain.pod import Resources

_EVERYWHERE = "0.0.0.0"  # noqa: S104
_WORKSPACE = f"{CODE}/workspace.yaml"
_WEB = ("python", "-m", "shopkart_pipeline.engine.web", ARTIFACTS, f"--host={_EVERYWHERE}", f"--workspace={_WORKSPACE}")
CODE_SERVER, CODE_SERVER_PORT = "code-server", 4000
LOCATION, _MODULE = "shopkart_pipeline", "shopkart_pipeline.definitions"
_SERVES_GRPC = "DagsterApi"
"""The service that Dagster's server answers health checks for (`dagster._grpc.server`)."""
_CODE_SERVER = (
    "dagster",
    "api",
    "grpc",
    f"--host={_EVERYWHERE}",
    f"--port={CODE_SERVER_PORT}",
    f"--module-name={_MODULE}",
    f"--location-name={LOCATION}",
    # Filled in by the kubelet; an image by digest is another text whenever it is another image.
    "--fixed-server-id=$(SHOPKART_IMAGE)",
)
_GRACE_SECONDS = 60
PORT_NAME = "http"
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
    grpc: str = ""
    """The gRPC service that says whether it serves."""
    signs: bool = False
    """Whether it asks the signer."""
    with_api: bool = False
    """Whether it has a token for the cluster's API."""
    health: tuple[str, ...] = ()
    """A command that fails when it is stuck, where there is no port."""


PROCESSES = (
    Process(
        "daemon",
        ("dagster-daemon", "run", "-w", _WORKSPACE),
        "daemon",
        Resources("500m", "1Gi", "3Gi"),
        (STORAGE_SECRETS,),
        with_api=True,
        health=("dagster-daemon", "liveness-check"),
    ),
    Process(
        CODE_SERVER,
        _CODE_SERVER,
        "control",
        Resources("500m", "1Gi", "3Gi"),
        (STORAGE_SECRETS, PIPELINE_SECRETS, CALLER_SECRETS),
        replicas=2,
        port=CODE_SERVER_PORT,
        grpc=_SERVES_GRPC,
        signs=True,
        with_api=True,
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
        # It shows outputs of steps, which this account may read; a token for the cluster's API it does not get.
        "webserver",
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
    ),
    Process(
        "signer",
        ("shopkart", "signer", f"--host={_EVERYWHERE}"),
        "signer",
        Resources("50m", "128Mi", "256Mi"),
        (SIGNER_SECRETS,),
        replicas=2,
        port=SIGNER_PORT,
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
                    "labels": labels,
                    "annotations": {FINGERPRINT: hashlib.sha256(fingerprint.encode()).hexdigest()},
                },
                "spec": {
                    **pod_basics(),
                    "serviceAccountName": process.account,
                    "automountServiceAccountToken": process.with_api,
                    "terminationGracePeriodSeconds": _GRACE_SECONDS,
                    "containers": [_container(installation, process)],
                    **({} if alone else {"topologySpreadConstraints": _apart(process.name)}),
                },
            },
        },
    }


def _container(installation: Installation, process: Process) -> Manifest:
    resources = process.resources
    port = [{"name": PORT_NAME, "containerPort": process.port, "protocol": "TCP"}]
    return {
        "name": process.name,
        "image": installation.image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(process.command),
        "envFrom": variables_from(*process.secrets),
        **({"env": signer_variables()} if process.signs else {}),
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
    look = {**_asked(process), "timeoutSeconds": 5}
    return {
        "startupProbe": {**look, "periodSeconds": 5, "failureThreshold": 60},
        "readinessProbe": {**look, "periodSeconds": 5, "failureThreshold": 3},
        "livenessProbe": {**look, "periodSeconds": 20, "failureThreshold": 6},
    }


def _asked(process: Process) -> Manifest:
    if process.grpc:
        return {"grpc": {"port": process.port, "service": process.grpc}}
    if process.path:
        return {"httpGet": {"path": process.path, "port": PORT_NAME}}
    return {"tcpSocket": {"port": PORT_NAME}}


def _apart(name: str) -> list[Manifest]:
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {COMPONENT: name}},
        }
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]
