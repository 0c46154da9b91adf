"""ValidatingAdmissionPolicies for a namespace of production: what runs there, and who may change it.

Two rules, each with its binding. Every image comes by digest from a declared repository, in every container and volume,
whoever asks. And what pods run is changed by the pipeline alone: others may neither make a workload nor change the pods
that it describes; Kubernetes' own controllers make what a workload asks for, which its `ownerReferences` say. Scaling,
restarting, evicting and deleting stay free.

Nobody is exempt, system:masters included: whoever may take the binding away can do so, and the cluster's audit log then
says who did. A failing or missing rule refuses (`failurePolicy: Fail`).

Sources: Kubernetes, "Validating Admission Policy" and "Common Expression Language in Kubernetes"; controllers' accounts
are those of `kube-controller-manager --use-service-account-credentials`.
"""

import re
from typing import Any

from shopkart_pipeline.adapters.kubernetes.names import FIELD_MANAGER, MANAGED_BY, Manifest
from shopkart_pipeline.domain.admission import Admission

_GROUPS = {
    "": ["pods", "pods/ephemeralcontainers", "replicationcontrollers"],
    "apps": ["deployments", "replicasets", "statefulsets", "daemonsets"],
    "batch": ["jobs", "cronjobs"],
}
"""Everything that is a pod or describes one, by API group."""
_CONTROLLERS = ("cronjob", "daemon-set", "deployment", "job", "replicaset", "replication", "statefulset")
_ORIGIN = "Images of production come by digest from the declared repositories"
_DIGEST = "@sha256:[0-9a-f]{64}"

_POD = (
    "object.kind == 'Pod' ? object.spec : object.kind == 'CronJob' ? object.spec.jobTemplate.spec.template.spec"
    " : object.spec.template.spec"
)
_CONTAINERS = " + ".join(
    f"(has(variables.pod.{kind}) ? variables.pod.{kind} : []).map(c, has(c.image) ? c.image : '')"
    for kind in ("containers", "initContainers", "ephemeralContainers")
)
_VOLUMES = (
    "(has(variables.pod.volumes) ? variables.pod.volumes : []).filter(v, has(v.image))"
    ".map(v, has(v.image.reference) ? v.image.reference : '')"
)
_SAME_POD = (
    "request.operation == 'UPDATE' && (object.kind == 'Pod' ? variables.images == variables.imagesBefore"
    " : variables.pod == variables.podBefore)"
)
_BY_CONTROLLER = (
    f"request.userInfo.username in {[f'system:serviceaccount:kube-system:{each}-controller' for each in _CONTROLLERS]}"
    " && has(object.metadata.ownerReferences)"
    " && object.metadata.ownerReferences.exists(o, has(o.controller) && o.controller)"
)


def validating_policies(admission: Admission) -> tuple[Manifest, ...]:
    """Both policies of an environment with their bindings."""
    images, changes = f"shopkart-{admission.environment}-images", f"shopkart-{admission.environment}-changes"
    return (
        _policy(images, _images_rule(admission)),
        _binding(images, admission),
        _policy(changes, _changes_rule(admission)),
        _binding(changes, admission),
    )


def _images_rule(admission: Admission) -> dict[str, Any]:
    names = "|".join(map(re.escape, (*(each.name for each in admission.images), *admission.others)))
    fits = f"matches(r'^({names}){_DIGEST}$')"
    refused = f"variables.images.filter(i, !i.{fits})"
    return {
        "variables": [_variable("pod", _POD), _variable("images", f"{_CONTAINERS} + {_VOLUMES}")],
        "validations": [
            {
                "expression": f"variables.images.all(i, i.{fits})",
                "message": f"{_ORIGIN}.",
                "messageExpression": f"'{_ORIGIN}, and this one does not: ' + {refused}[0]",
                "reason": "Forbidden",
            }
        ],
    }


def _changes_rule(admission: Admission) -> dict[str, Any]:
    before = _POD.replace("object.", "oldObject.")
    images = f"{_CONTAINERS} + {_VOLUMES}"
    message = f"What runs in {admission.environment} is changed by the pipeline alone; deploy a release, or roll back."
    return {
        "matchConditions": [
            {
                "name": "not-the-pipeline",
                "expression": f"request.userInfo.username != {_text(admission.identity)}",
            }
        ],
        "variables": [
            _variable("pod", _POD),
            _variable("images", images),
            _variable("podBefore", before),
            _variable("imagesBefore", images.replace("variables.pod.", "variables.podBefore.")),
        ],
        "validations": [
            {"expression": f"({_SAME_POD}) || ({_BY_CONTROLLER})", "message": message, "reason": "Forbidden"}
        ],
    }


def _policy(name: str, rule: dict[str, Any]) -> Manifest:
    rules = [
        {
            "apiGroups": [group],
            "apiVersions": ["*"],
            "operations": ["CREATE", "UPDATE"],
            "resources": resources,
            "scope": "Namespaced",
        }
        for group, resources in _GROUPS.items()
    ]
    spec = {"failurePolicy": "Fail", "matchConstraints": {"matchPolicy": "Equivalent", "resourceRules": rules}, **rule}
    return _object("ValidatingAdmissionPolicy", name, spec)


def _binding(name: str, admission: Admission) -> Manifest:
    # The label is Kubernetes' own, and can't be changed.
    chosen = {"matchLabels": {"kubernetes.io/metadata.name": admission.namespace}}
    spec = {
        "policyName": name,
        "validationActions": ["Deny", "Audit"],
        "matchResources": {"namespaceSelector": chosen},
    }
    return _object("ValidatingAdmissionPolicyBinding", name, spec)


def _object(kind: str, name: str, spec: dict[str, Any]) -> Manifest:
    metadata = {"name": name, "labels": {MANAGED_BY: FIELD_MANAGER}}
    return {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def _variable(name: str, expression: str) -> dict[str, str]:
    return {"name": name, "expression": expression}


def _text(value: str) -> str:
    """A text in CEL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
