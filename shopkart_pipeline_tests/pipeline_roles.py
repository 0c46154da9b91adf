"""The pipeline's roles with their policies, filled in as `deploy/terraform/modules/iam` fills them in."""

import json
from typing import Any

from shopkart_pipeline_tests.terraform_tree import TERRAFORM, policy

MODULES = TERRAFORM / "modules"
ACCOUNT, REGION = "123456789012", "eu-central-1"
EVIDENCE, BACKUPS, OUTPUTS = (f"shopkart-{name}-{ACCOUNT}" for name in ("evidence", "backups", "compute-logs"))
EVIDENCE_DAYS = 2557
SIGNING_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/signing"
STORAGE_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/storage"
CLUSTER = f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/shopkart-production"
NAMESPACE = "shopkart-pipeline"

_PLACE = {
    "account": ACCOUNT,
    "backups": BACKUPS,
    "compute_logs": OUTPUTS,
    "evidence": EVIDENCE,
    "evidence_days": EVIDENCE_DAYS - 1,
    "name": "shopkart",
    "partition": "aws",
    "prefix": "shopkart/",
    "region": REGION,
    "storage_key": STORAGE_KEY,
}
_POLICIES: dict[str, tuple[str, dict[str, str]]] = {
    "control": ("control", {"staging": "shopkart-staging", "production": "shopkart-production"}),
    "build": ("build", {}),
    "deploy-staging": ("deploy", {"environment": "staging", "cluster": "shopkart-staging"}),
    "deploy-production": ("deploy", {"environment": "production", "cluster": "shopkart-production"}),
    "rescan": ("rescan", {}),
    "backup": ("backup", {}),
    "signer": ("signer", {"signing_key": SIGNING_KEY}),
    "webserver": ("outputs", {}),
    "external-secrets": ("external-secrets", {}),
}
OPERATORS = {"external-secrets": "external-secrets"}
"""Roles of what is installed beside the pipeline, with the namespace of each."""
ROLES = tuple(_POLICIES)


def role_policy(role: str) -> dict[str, Any]:
    """What a role may do."""
    name, values = _POLICIES[role]
    return policy(MODULES / "iam" / "policies" / f"{name}.json", **_PLACE, **values)


def trust(role: str) -> dict[str, Any]:
    """Who may take a role."""
    file = MODULES / "iam" / "policies" / "trust.json"
    namespace = OPERATORS.get(role, NAMESPACE)
    return policy(file, account=ACCOUNT, cluster_arn=CLUSTER, namespace=namespace, service_account=role)


def role_arn(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/shopkart-{role}"


def signing_key_policy() -> dict[str, Any]:
    file = MODULES / "kms" / "policies" / "signing.json"
    return policy(file, partition="aws", account=ACCOUNT, region=REGION, signer_role_arn=role_arn("signer"))


def evidence_policy() -> dict[str, Any]:
    file = MODULES / "storage" / "policies" / "evidence.json"
    return policy(file, bucket_arn=f"arn:aws:s3:::{EVIDENCE}", account=ACCOUNT)


def without_conditions(document: dict[str, Any], *, any_resource_but: str = "") -> str:
    """A policy for moto, which denies whatever has a condition.

    Args:
        document: the policy.
        any_resource_but: statements about anything else are widened to every resource: of most services moto knows
            actions alone.
    """
    statements: list[dict[str, Any]] = []
    for each in document["Statement"]:
        statement = {name: value for name, value in each.items() if name != "Condition"}
        if any_resource_but and any_resource_but not in json.dumps(statement["Resource"]):
            statement["Resource"] = "*"
        statements.append(statement)
    return json.dumps({**document, "Statement": statements})
