"""What the pipeline's roles may do, and above all what they may not, by the very policies that Terraform fills in.

The evaluator (`iam_evaluator`) knows resources and conditions, which moto doesn't; what moto enforces is asked in
`test_iam_moto.py`.
"""

import json
import re
from typing import Any

import pytest

from shopkart_pipeline.domain.run_pods import ACCOUNTS, KEEPING_OUTPUTS, RunKind
from shopkart_pipeline_tests.iam_evaluator import Request, is_allowed
from shopkart_pipeline_tests.pipeline_installation import objects as installed
from shopkart_pipeline_tests.pipeline_roles import (
    ACCOUNT,
    BACKUPS,
    CLUSTER,
    EVIDENCE,
    EVIDENCE_DAYS,
    MODULES,
    NAMESPACE,
    OPERATORS,
    OUTPUTS,
    REGION,
    ROLES,
    SIGNING_KEY,
    STORAGE_KEY,
    evidence_policy,
    role_arn,
    role_policy,
    signing_key_policy,
    trust,
)
from shopkart_pipeline_tests.terraform_tree import TERRAFORM, policy

OURS = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/shopkart/backend"
OTHERS = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/payroll"
OTHER_ACCOUNTS = f"arn:aws:ecr:{REGION}:210987654321:repository/shopkart/backend"
EVIDENCE_OBJECT, BACKUP_OBJECT = f"arn:aws:s3:::{EVIDENCE}/sha256/ab", f"arn:aws:s3:::{BACKUPS}/shop/1/data"
OUTPUT_OBJECT = f"arn:aws:s3:::{OUTPUTS}/run/stdout"
S3_KEY = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
LOCKED = {"s3:object-lock-mode": "COMPLIANCE", "s3:object-lock-remaining-retention-days": str(EVIDENCE_DAYS)}
DIGEST = {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}
TLS = {"aws:SecureTransport": "true"}


def secret(name: str) -> str:
    return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf"


def may(role: str, action: str, resource: str = "*", **context: str) -> bool:
    """Whether a role may do something, the policies of evidence and signing key included."""
    asked = Request(action, resource, role_arn(role), {"aws:PrincipalArn": role_arn(role), **TLS, **context})
    owners = [signing_key_policy()] if resource == SIGNING_KEY else []
    owners += [evidence_policy()] if resource.startswith(f"arn:aws:s3:::{EVIDENCE}") else []
    if resource == SIGNING_KEY:
        # The key's policy only opens the way to IAM: there an allowance of the role itself is needed, too.
        return is_allowed(asked, [role_policy(role)]) and is_allowed(asked, [role_policy(role)], owners)
    return is_allowed(asked, [role_policy(role)], owners)


PUSH = ("ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage")
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def test_a_build_pushes_reads_scans_and_keeps_evidence() -> None:
    # What `adapters/ecr` calls where the repositories are there already (docs/registry.md).
    calls = (*PUSH, *PULL, "ecr:DescribeImages", "ecr:DescribeRepositories", "ecr:GetLifecyclePolicy")
    for action in (*calls, "ecr:DescribeImageScanFindings", "ecr:StartImageScan"):
        assert may("build", action, OURS), action
    assert may("build", "ecr:GetAuthorizationToken")
    assert may("build", "s3:PutObject", EVIDENCE_OBJECT)
    assert may("build", "s3:PutObjectRetention", EVIDENCE_OBJECT, **LOCKED)
    assert may("build", "kms:GenerateDataKey", STORAGE_KEY, **S3_KEY)


def test_outputs_of_steps_are_kept_by_runs_that_may_and_shown_by_the_web_interface() -> None:
    for kind in RunKind:
        writes = ACCOUNTS[kind] in ROLES and may(ACCOUNTS[kind], "s3:PutObject", OUTPUT_OBJECT)
        assert (kind in KEEPING_OUTPUTS) == writes, kind
    for name in ("shopkart-webserver", "shopkart-auditors"):
        account = installed("Deployment")[name]["spec"]["template"]["spec"]["serviceAccountName"]
        assert may(account, "s3:GetObject", OUTPUT_OBJECT), name
        assert may(account, "kms:Decrypt", STORAGE_KEY, **S3_KEY), name


@pytest.mark.parametrize("role", ["control", "build", "deploy-staging", "deploy-production"])
def test_whoever_keeps_evidence_has_the_rights_that_its_page_names(role: str) -> None:
    objects, bucket = documented("evidence_bucket.md")["Statement"]
    for action in objects["Action"]:
        assert may(role, action, EVIDENCE_OBJECT, **LOCKED), action
    for action in bucket["Action"]:
        assert may(role, action, f"arn:aws:s3:::{EVIDENCE}"), action
    assert may(role, "kms:GenerateDataKey", STORAGE_KEY, **S3_KEY)


def test_a_build_has_the_rights_that_the_registrys_page_names_where_the_repositories_are_there() -> None:
    for statement in documented("registry.md")["Statement"]:
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            resource = "*" if statement["Resource"] == "*" else OURS
            assert may("build", action, resource) == (statement["Sid"] != "MakeOurRepositories"), action


def documented(page: str) -> dict[str, Any]:
    """The policy that a page shows."""
    text = (TERRAFORM.parents[1] / "docs" / page).read_text()
    [block] = re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL)
    return json.loads(block)


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_deployment_finds_its_cluster_pulls_and_reads_its_secrets(environment: str) -> None:
    role = f"deploy-{environment}"
    assert may(role, "eks:DescribeCluster", f"arn:aws:eks:{REGION}:{ACCOUNT}:cluster/shopkart-{environment}")
    assert may(role, "secretsmanager:GetSecretValue", secret(f"shopkart/{environment}/datastores"))
    context = {"kms:ViaService": f"secretsmanager.{REGION}.amazonaws.com"}
    alias = {"kms:ResourceAliases": f"alias/shopkart-{environment}/secrets"}
    assert may(role, "kms:Decrypt", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1", **context, **alias)
    assert not may(role, "kms:Decrypt", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/2", **context)
    for action in PULL:
        assert may(role, action, OURS), action


def test_a_rescan_reads_images_scans_and_evidence() -> None:
    for action in (*PULL, "ecr:DescribeImages", "ecr:DescribeImageScanFindings"):
        assert may("rescan", action, OURS), action
    assert may("rescan", "s3:GetObject", EVIDENCE_OBJECT)


def test_the_secrets_operator_reads_the_pipelines_secrets_and_no_others() -> None:
    via, alias = f"secretsmanager.{REGION}.amazonaws.com", "alias/shopkart/secrets"
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    assert may("external-secrets", "secretsmanager:GetSecretValue", secret("shopkart/pipeline/storage"))
    assert may("external-secrets", "kms:Decrypt", key, **{"kms:ViaService": via, "kms:ResourceAliases": alias})
    for other in ("shopkart/backup/key", "shopkart/production/datastores", "payroll"):
        assert not may("external-secrets", "secretsmanager:GetSecretValue", secret(other)), other
    assert not may("external-secrets", "secretsmanager:PutSecretValue", secret("shopkart/pipeline/storage"))
    assert not may("external-secrets", "kms:Decrypt", key, **{"kms:ViaService": via})


def test_a_backup_does_what_its_adapter_calls() -> None:
    for action in ("s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:AbortMultipartUpload"):
        assert may("backup", action, BACKUP_OBJECT), action
    for action in ("s3:ListBucket", "s3:ListBucketMultipartUploads"):
        assert may("backup", action, f"arn:aws:s3:::{BACKUPS}"), action
    assert may("backup", "secretsmanager:GetSecretValue", secret("shopkart/backup/key"))


def test_the_signer_signs_digests_by_one_algorithm_and_tells_its_public_key() -> None:
    assert may("signer", "kms:Sign", SIGNING_KEY, **DIGEST)
    assert may("signer", "kms:GetPublicKey", SIGNING_KEY)
    assert not may("signer", "kms:Sign", SIGNING_KEY, **{**DIGEST, "kms:MessageType": "RAW"})
    assert not may("signer", "kms:Sign", SIGNING_KEY)
    assert not may("signer", "kms:Sign", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/another", **DIGEST)


# What nobody may, or all but one.


@pytest.mark.parametrize("role", ROLES)
def test_nobody_changes_or_removes_what_is_in_the_registry(role: str) -> None:
    for action in (
        "ecr:BatchDeleteImage", "ecr:DeleteRepository", "ecr:PutImageTagMutability", "ecr:PutLifecyclePolicy",
        "ecr:SetRepositoryPolicy", "ecr:CreateRepository", "ecr:PutRegistryPolicy", "ecr:DeleteLifecyclePolicy",
    ):  # fmt: skip
        assert not may(role, action, OURS), action


@pytest.mark.parametrize("role", ROLES)
def test_only_a_build_pushes_and_only_to_our_repositories_of_this_account(role: str) -> None:
    for action in PUSH:
        assert may(role, action, OURS) == (role == "build"), action
        assert not may(role, action, OTHERS), action
        assert not may(role, action, OTHER_ACCOUNTS), action


@pytest.mark.parametrize("role", ROLES)
def test_nobody_pulls_what_is_not_ours(role: str) -> None:
    for action in PULL:
        assert not may(role, action, OTHERS), action


@pytest.mark.parametrize("role", ROLES)
def test_only_the_signer_signs_and_nobody_grants_it(role: str) -> None:
    assert may(role, "kms:Sign", SIGNING_KEY, **DIGEST) == (role == "signer")
    for action in ("kms:CreateGrant", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey"):
        assert not may(role, action, SIGNING_KEY), action


def test_the_keys_own_policy_stops_whoever_gets_rights_to_sign_later() -> None:
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
    for role in ("build", "deploy-production", "somebody-new"):
        asked = Request("kms:Sign", SIGNING_KEY, role_arn(role), {"aws:PrincipalArn": role_arn(role), **DIGEST})
        assert not is_allowed(asked, [everything], [signing_key_policy()]), role
        grant = Request("kms:CreateGrant", SIGNING_KEY, role_arn(role), {"aws:PrincipalArn": role_arn(role)})
        assert not is_allowed(grant, [everything], [signing_key_policy()]), role


@pytest.mark.parametrize("role", ROLES)
def test_nobody_shortens_or_removes_evidence(role: str) -> None:
    shorter = {**LOCKED, "s3:object-lock-remaining-retention-days": "30"}
    assert not may(role, "s3:PutObjectRetention", EVIDENCE_OBJECT, **shorter)
    assert not may(role, "s3:PutObjectRetention", EVIDENCE_OBJECT, **{**LOCKED, "s3:object-lock-mode": "GOVERNANCE"})
    assert not may(role, "s3:PutObjectRetention", EVIDENCE_OBJECT)
    for action in (
        "s3:BypassGovernanceRetention", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectLegalHold",
    ):  # fmt: skip
        assert not may(role, action, EVIDENCE_OBJECT), action
    for action in ("s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning", "s3:PutLifecycleConfiguration"):
        assert not may(role, action, f"arn:aws:s3:::{EVIDENCE}"), action


def test_the_buckets_own_policy_stops_whoever_gets_rights_to_remove_evidence_later() -> None:
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    for action in ("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"):
        asked = Request(action, EVIDENCE_OBJECT, role_arn("build"), TLS)
        assert not is_allowed(asked, [everything], [evidence_policy()]), action
    plain = Request("s3:GetObject", EVIDENCE_OBJECT, role_arn("build"), {"aws:SecureTransport": "false"})
    assert not is_allowed(plain, [everything], [evidence_policy()])


@pytest.mark.parametrize("role", ROLES)
def test_evidence_is_written_by_those_who_make_it(role: str) -> None:
    makers = ("control", "build", "deploy-staging", "deploy-production")
    assert may(role, "s3:PutObject", EVIDENCE_OBJECT) == (role in makers)
    assert may(role, "s3:PutObject", OUTPUT_OBJECT) == (role in makers)


@pytest.mark.parametrize("role", ROLES)
def test_backups_are_read_and_written_by_backups_and_no_version_goes_for_good(role: str) -> None:
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert may(role, action, BACKUP_OBJECT) == (role == "backup"), action
    assert not may(role, "s3:DeleteObjectVersion", BACKUP_OBJECT)
    assert not may(role, "s3:PutLifecycleConfiguration", f"arn:aws:s3:::{BACKUPS}")


@pytest.mark.parametrize("role", ROLES)
def test_secrets_are_read_by_those_whose_they_are(role: str) -> None:
    readers = {
        "staging": ("deploy-staging",),
        "production": ("deploy-production",),
        "pipeline": ("control", "external-secrets"),
        "backup": ("backup",),
    }
    for owner, allowed in readers.items():
        name = secret(f"shopkart/{owner}/datastores")
        assert may(role, "secretsmanager:GetSecretValue", name) == (role in allowed), owner
        assert not may(role, "secretsmanager:PutSecretValue", name)
    assert not may(role, "secretsmanager:GetSecretValue", secret("payroll/production/datastores"))
    assert not may(role, "secretsmanager:GetSecretValue", secret("rds!db-1"))


@pytest.mark.parametrize("role", ROLES)
def test_only_productions_deployment_and_whoever_just_looks_find_productions_cluster(role: str) -> None:
    assert may(role, "eks:DescribeCluster", CLUSTER) == (role in ("deploy-production", "control"))
    staging = CLUSTER.replace("production", "staging")
    assert may(role, "eks:DescribeCluster", staging) == (role in ("deploy-staging", "control"))


@pytest.mark.parametrize("role", ROLES)
def test_nobody_gives_himself_rights(role: str) -> None:
    for action in (
        "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:PassRole", "iam:UpdateAssumeRolePolicy", "sts:AssumeRole",
        "eks:CreateAccessEntry", "eks:CreatePodIdentityAssociation",
    ):  # fmt: skip
        assert not may(role, action, role_arn("deploy-production")), action


# Who may take a role.


def taking(role: str, **other: str) -> Request:
    namespace = OPERATORS.get(role, NAMESPACE)
    tags = {"eks-cluster-arn": CLUSTER, "kubernetes-namespace": namespace, "kubernetes-service-account": role}
    context = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
    context |= {"aws:SourceAccount": ACCOUNT, **other}
    return Request("sts:AssumeRole", principal="pods.eks.amazonaws.com", context=context)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_is_taken_by_the_service_account_of_its_name_alone(role: str) -> None:
    assert is_allowed(taking(role), resource=[trust(role)])
    for other in (*ROLES, "default", f"{role}-x"):
        if other != role:
            assert not is_allowed(taking(other), resource=[trust(role)]), other


@pytest.mark.parametrize(
    "other",
    [
        {"aws:RequestTag/kubernetes-namespace": "production"},
        {"aws:RequestTag/kubernetes-namespace": "shopkart-pipeline-2"},
        {"aws:RequestTag/eks-cluster-arn": CLUSTER.replace("production", "staging")},
        {"aws:SourceAccount": "210987654321"},
    ],
)
def test_productions_role_is_not_taken_from_elsewhere(other: dict[str, str]) -> None:
    assert not is_allowed(taking("deploy-production", **other), resource=[trust("deploy-production")])


def test_a_person_or_an_instance_does_not_take_productions_role() -> None:
    for principal in (f"arn:aws:iam::{ACCOUNT}:user/ann", "ec2.amazonaws.com", role_arn("build")):
        asked = Request("sts:AssumeRole", principal=principal, context=taking("deploy-production").context)
        assert not is_allowed(asked, resource=[trust("deploy-production")]), principal


def github(subject: str, audience: str = "sts.amazonaws.com") -> bool:
    document = policy(
        MODULES / "github" / "policies" / "trust.json", provider_arn="arn:github", repository="shopkart/pipeline"
    )
    claims = {"sub": subject, "aud": audience}
    context = {f"token.actions.githubusercontent.com:{name}": value for name, value in claims.items()}
    return is_allowed(Request("sts:AssumeRoleWithWebIdentity", "*", "arn:github", context), resource=[document])


def test_only_workflows_that_were_let_into_release_push_the_pipelines_image() -> None:
    assert github("repo:shopkart/pipeline:environment:release")
    for subject in (
        "repo:shopkart/pipeline:ref:refs/heads/main", "repo:shopkart/pipeline:pull_request",
        "repo:shopkart/pipeline:environment:other", "repo:elsewhere/pipeline:environment:release",
        "repo:shopkart/pipeline-x:environment:release",
    ):  # fmt: skip
        assert not github(subject), subject
    assert not github("repo:shopkart/pipeline:environment:release", "https://github.com/shopkart")
    publish = policy(MODULES / "github" / "policies" / "publish.json", repository_arn=OURS)
    assert is_allowed(Request("ecr:PutImage", OURS), [publish])
    assert not is_allowed(Request("ecr:PutImage", f"{OURS}2"), [publish])
    assert not is_allowed(Request("ecr:BatchDeleteImage", OURS), [publish])


def test_nodes_pull_ours_and_do_nothing_else_in_the_registry() -> None:
    place = {"partition": "aws", "account": ACCOUNT, "region": REGION, "prefix": "shopkart/"}
    pull = policy(MODULES / "eks" / "policies" / "pull.json", **place)
    assert all(is_allowed(Request(action, OURS), [pull]) for action in PULL)
    assert not any(is_allowed(Request(action, OTHERS), [pull]) for action in PULL)
    assert not any(is_allowed(Request(action, OURS), [pull]) for action in (*PUSH, "ecr:BatchDeleteImage"))


def test_karpenter_ends_its_own_instances_alone_and_gives_nodes_their_own_role_alone() -> None:
    place = {"partition": "aws", "account": ACCOUNT, "region": REGION, "cluster": "shopkart-production"}
    document = policy(MODULES / "eks" / "policies" / "karpenter.json", **place)
    instance = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-1"
    tags = {"kubernetes.io/cluster/shopkart-production": "owned", "karpenter.sh/nodepool": "default"}
    own = {f"aws:ResourceTag/{name}": value for name, value in tags.items()}
    assert is_allowed(Request("ec2:TerminateInstances", instance, context=own), [document])
    assert not is_allowed(Request("ec2:TerminateInstances", instance), [document])
    passed = {"iam:PassedToService": "ec2.amazonaws.com"}
    node = role_arn("production-node")
    assert is_allowed(Request("iam:PassRole", node, context=passed), [document])
    assert not is_allowed(Request("iam:PassRole", role_arn("deploy-production"), context=passed), [document])
