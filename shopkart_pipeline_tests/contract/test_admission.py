"""The rule for clusters before a real CEL (Google's, in C++) and before Kubernetes' own schemas.

Both are in the environment of the validators. Every request is evaluated in one process, in the order in which an API
server does it: match conditions, variables, validations; an error refuses, as `failurePolicy: Fail` does.
"""

import json
import subprocess
from copy import deepcopy
from functools import cache
from typing import Any

import pytest
import yaml

from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline_tests.contract.conftest import CEL

_FILE = SHIPPED_DECLARATION.parent / "deploy" / "admission" / "production-validating.yaml"
_EVALUATE = """
import json, sys
from cel_expr_python import cel

env = cel.NewEnv(variables={name: cel.Type.DYN for name in ("object", "oldObject", "request", "variables")})

def value(expression, data):
    return env.compile(expression).eval(data=data).plain_value()

def refusals(policies, data):
    for policy in policies:
        spec = policy["spec"]
        if not all(value(each["expression"], data) is True for each in spec.get("matchConditions", ())):
            continue
        data["variables"] = {}
        for each in spec["variables"]:
            if data["oldObject"] is not None or "oldObject" not in each["expression"]:
                if "podBefore" not in each["expression"] or data["oldObject"] is not None:
                    data["variables"][each["name"]] = value(each["expression"], data)
        for each in spec["validations"]:
            if value(each["expression"], data) is not True:
                yield value(each["messageExpression"], data) if "messageExpression" in each else each["message"]

policies, requests = json.load(sys.stdin)
print(json.dumps({name: list(refusals(policies, data)) for name, data in requests.items()}))
"""

BACKEND = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/storefront/backend"
GOOD, NEXT = f"{BACKEND}@sha256:{'1' * 64}", f"{BACKEND}@sha256:{'2' * 64}"
EVIL = f"registry.example/evil@sha256:{'1' * 64}"
PIPELINE, PERSON = "shopkart-pipeline", "maya@shopkart.example"
CHANGES = "What runs in production is changed by the pipeline alone; deploy a release, or roll back."
ORIGIN = "Images of production come by digest from the declared repositories, and this one does not: "


def a_pod(image: str = GOOD, **spec: Any) -> dict[str, Any]:
    return {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def owned(manifest: dict[str, Any]) -> dict[str, Any]:
    return {**manifest, "metadata": {"name": "p", "ownerReferences": [{"kind": "ReplicaSet", "controller": True}]}}


def a_workload(image: str = GOOD, kind: str = "Deployment", replicas: int = 2, **spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": a_pod(image, **spec)["spec"]}
    described: dict[str, Any] = {"replicas": replicas, "template": template}
    if kind == "CronJob":
        described = {"jobTemplate": {"spec": described}}
    return {"kind": kind, "metadata": {"name": "backend"}, "spec": described}


def restarted(manifest: dict[str, Any]) -> dict[str, Any]:
    found = deepcopy(manifest)
    found["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/restartedAt": "now"}
    return found


def asked(user: str, new: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Any]:
    request = {"operation": "CREATE" if old is None else "UPDATE", "userInfo": {"username": user}}
    return {"request": request, "object": new, "oldObject": old}


def of_system(controller: str) -> str:
    return f"system:serviceaccount:kube-system:{controller}-controller"


_SIDECAR = [{"name": "s", "image": EVIL}]
_KINDS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job", "CronJob")
ADMITTED = {
    **{f"the pipeline makes a {kind}": asked(PIPELINE, a_workload(kind=kind)) for kind in _KINDS},
    "the pipeline deploys": asked(PIPELINE, a_workload(NEXT), a_workload()),
    "a controller makes a pod": asked(of_system("replicaset"), owned(a_pod())),
    "a controller makes a replica set": asked(of_system("deployment"), owned(a_workload(kind="ReplicaSet"))),
    "a person scales": asked(PERSON, a_workload(replicas=9), a_workload()),
    "a person restarts": asked(PERSON, restarted(a_workload()), a_workload()),
    "somebody labels a pod": asked(PERSON, owned(a_pod()), a_pod()),
}
REFUSED = {
    "by a tag": (asked(PIPELINE, a_pod(f"{BACKEND}:latest")), [f"{ORIGIN}{BACKEND}:latest"]),
    "by tag and digest": (
        asked(PIPELINE, a_pod(f"{BACKEND}:1@sha256:{'1' * 64}")),
        [f"{ORIGIN}{BACKEND}:1@sha256:{'1' * 64}"],
    ),
    "from elsewhere": (asked(PIPELINE, a_workload(EVIL)), [ORIGIN + EVIL]),
    "from another repository": (asked(PIPELINE, a_pod(GOOD.replace("backend", "backend-evil"))), [ORIGIN]),
    "from a host that only looks alike": (asked(PIPELINE, a_pod(GOOD.replace(".dkr.", "xdkr."))), [ORIGIN]),
    "behind the right name": (asked(PIPELINE, a_pod(f"evil.example/{GOOD}")), [ORIGIN]),
    "with a line more": (asked(PIPELINE, a_pod(f"{GOOD}\n")), [ORIGIN]),
    "without an image": (asked(PIPELINE, {"kind": "Pod", "spec": {"containers": [{"name": "c"}]}}), [ORIGIN]),
    "an init container": (asked(PIPELINE, a_workload(initContainers=_SIDECAR)), [ORIGIN + EVIL]),
    "a cron job's init container": (asked(PIPELINE, a_workload(kind="CronJob", initContainers=_SIDECAR)), [ORIGIN]),
    "a volume that is an image": (
        asked(PIPELINE, a_pod(volumes=[{"name": "d", "emptyDir": {}}, {"name": "v", "image": {"reference": EVIL}}])),
        [ORIGIN + EVIL],
    ),
    "a debugger": (asked(PERSON, a_pod(ephemeralContainers=_SIDECAR), a_pod()), [ORIGIN + EVIL, CHANGES]),
    "a person makes a pod": (asked(PERSON, a_pod()), [CHANGES]),
    "an administrator makes a pod": (asked("kubernetes-admin", owned(a_pod())), [CHANGES]),
    "a person makes a workload": (asked(PERSON, a_workload(kind="Job")), [CHANGES]),
    "a person goes back by hand": (asked(PERSON, a_workload(GOOD), a_workload(NEXT)), [CHANGES]),
    "a person changes the command": (
        asked(PERSON, a_workload(hostNetwork=True), a_workload()),
        [CHANGES],
    ),
    "a controller without an owner": (asked(of_system("replicaset"), a_pod()), [CHANGES]),
    "another account of the system": (asked(of_system("attachdetach"), owned(a_pod())), [CHANGES]),
    "a name that only begins so": (asked(f"{PIPELINE}-2", a_pod()), [CHANGES]),
}


@cache
def decisions() -> dict[str, list[str]]:
    """What every request is told, by its name."""
    policies = [
        each for each in yaml.safe_load_all(_FILE.read_text(encoding="utf-8")) if not each["kind"].endswith("Binding")
    ]
    requests = ADMITTED | {name: request for name, (request, _) in REFUSED.items()}
    done = subprocess.run(
        [str(CEL), "-c", _EVALUATE],
        input=json.dumps([policies, requests]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("name", ADMITTED)
def test_what_the_pipeline_and_kubernetes_do_is_admitted(name: str) -> None:
    assert decisions()[name] == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_goes_around_the_pipeline_is_refused(name: str) -> None:
    found, expected = decisions()[name], REFUSED[name][1]

    assert len(found) == len(expected), found
    assert all(told.startswith(words) for told, words in zip(found, expected, strict=True)), found


def test_the_objects_are_what_kubernetes_takes() -> None:
    done = subprocess.run(
        ["kubernetes-validate", "--strict", "-k", "1.32", "-k", "1.36", str(_FILE)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert done.stdout.count(" passed for resource validatingadmissionpolicy/") == 4
    assert done.stdout.count(" passed for resource validatingadmissionpolicybinding/") == 4
