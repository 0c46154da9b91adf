"""The pipeline's roles on moto while rights count: each does its work, and is refused what it must not do.

moto enforces actions of every service, and resources of S3. It knows no conditions and no other resources, so these are
left out of the policies here; `test_iam_policies.py` judges them. What object lock itself refuses shows here, too.
"""

import functools
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from boto3.session import Session
from botocore.exceptions import ClientError

from shopkart_pipeline.adapters._aws import error_code
from shopkart_pipeline.adapters._report_blobs import FolderReports
from shopkart_pipeline.adapters.s3_backups import S3Backups
from shopkart_pipeline.adapters.s3_reports import S3Reports
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.evidence_bucket import EvidenceBucket
from shopkart_pipeline_tests.contract.aws_servers import running_moto
from shopkart_pipeline_tests.contract.ecr_worlds import REGION, client_of
from shopkart_pipeline_tests.pipeline_roles import BACKUPS, EVIDENCE, OUTPUTS, ROLES, role_policy, without_conditions

_ANYBODY = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
_TRUST = json.dumps({"Version": "2012-10-17", "Statement": [_ANYBODY]})
_REFUSED = frozenset({"AccessDenied", "AccessDeniedException", "403"})

Client = Callable[[str, str], Any]
"""Of a role and a service."""


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, str]]:
    """An account with the pipeline's buckets, repositories, secrets, signing key and roles; gives the key, too."""
    with running_moto(tmp_path_factory.mktemp("moto")) as address:
        key = _furnish(address)
        keys = {role: _key(address, role) for role in ROLES}
        httpx.post(f"{address}/moto-api/reset-auth", content="0", timeout=30).raise_for_status()
        # One session for all: each reads the descriptions of AWS's services anew.
        session: Any = Session(region_name=REGION)

        @functools.cache
        def client(role: str, service: str) -> Any:
            return session.client(service, endpoint_url=address, **keys[role])

        yield client, key


def _furnish(address: str) -> str:
    s3 = client_of(address, "s3")
    place = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=EVIDENCE, ObjectLockEnabledForBucket=True, CreateBucketConfiguration=place)
    for bucket in (BACKUPS, OUTPUTS):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    client_of(address).create_repository(repositoryName="shopkart/backend", imageTagMutability="IMMUTABLE")
    client_of(address, "secretsmanager").create_secret(Name="shopkart/production/datastores", SecretString="{}")
    made = client_of(address, "kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
    return made["KeyMetadata"]["KeyId"]


def _key(address: str, role: str) -> dict[str, str]:
    """Makes a role and takes it; the credentials, as a client takes them."""
    iam, sts = client_of(address, "iam"), client_of(address, "sts")
    arn = iam.create_role(RoleName=f"shopkart-{role}", AssumeRolePolicyDocument=_TRUST)["Role"]["Arn"]
    document = without_conditions(role_policy(role), any_resource_but="arn:aws:s3:::")
    iam.put_role_policy(RoleName=f"shopkart-{role}", PolicyName=role, PolicyDocument=document)
    given = sts.assume_role(RoleArn=arn, RoleSessionName="run")["Credentials"]
    return {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }


def refused(call: Callable[[], object]) -> bool:
    """Whether AWS refuses a call for want of rights; any other error is one of the test."""
    try:
        call()
    except ClientError as error:
        if error_code(error) not in _REFUSED:
            raise
        return True
    return False


def _put_image(client: Any, tag: str) -> object:
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = {"imageManifest": '{"schemaVersion": 2, "layers": []}', "imageManifestMediaType": kind}
    return client.put_image(repositoryName="shopkart/backend", imageTag=tag, **manifest)


def test_only_a_build_puts_an_image(account: tuple[Client, str]) -> None:
    client, _ = account
    for role in ROLES:
        assert refused(lambda role=role: _put_image(client(role, "ecr"), "b")) == (role != "build"), role


def test_nobody_deletes_an_image_or_lets_tags_move(account: tuple[Client, str]) -> None:
    client, _ = account
    for role in ROLES:
        ecr = client(role, "ecr")
        wanted = {"repositoryName": "shopkart/backend", "imageIds": [{"imageTag": "b"}]}
        assert refused(lambda ecr=ecr, wanted=wanted: ecr.batch_delete_image(**wanted)), role
    movable = {"repositoryName": "shopkart/backend", "imageTagMutability": "MUTABLE"}
    assert refused(lambda: client("build", "ecr").put_image_tag_mutability(**movable))


def test_only_the_signer_signs(account: tuple[Client, str]) -> None:
    client, key = account
    for role in ROLES:
        kms = client(role, "kms")
        digest = {"KeyId": key, "Message": bytes(32), "MessageType": "DIGEST", "SigningAlgorithm": "ECDSA_SHA_256"}
        assert refused(lambda kms=kms, digest=digest: kms.sign(**digest)) == (role != "signer"), role


def test_a_rescan_a_build_and_the_signer_read_no_secret(account: tuple[Client, str]) -> None:
    client, _ = account
    for role in ("rescan", "build", "signer"):
        secrets = client(role, "secretsmanager")
        name = "shopkart/production/datastores"
        assert refused(lambda secrets=secrets, name=name: secrets.get_secret_value(SecretId=name)), role
    assert client("deploy-production", "secretsmanager").get_secret_value(SecretId=name)["SecretString"] == "{}"


def test_objects_are_written_where_a_role_may(account: tuple[Client, str]) -> None:
    client, _ = account
    makers = {"control", "build", "deploy-staging", "deploy-production"}
    writers = {EVIDENCE: makers, OUTPUTS: makers, BACKUPS: {"backup"}}
    for role in ROLES:
        s3 = client(role, "s3")
        for bucket, who in writers.items():
            asked = {"Bucket": bucket, "Key": f"of/{role}", "Body": b"x"}
            assert refused(lambda s3=s3, asked=asked: s3.put_object(**asked)) == (role not in who), (role, bucket)


def test_locked_evidence_is_removed_by_nobody(account: tuple[Client, str]) -> None:
    client, _ = account
    until = datetime.now(UTC) + timedelta(days=2557)
    locked = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    version = client("build", "s3").put_object(Bucket=EVIDENCE, Key="a", Body=b"x", **locked)["VersionId"]

    for role in ROLES:
        s3 = client(role, "s3")
        wanted = {"Bucket": EVIDENCE, "Key": "a", "VersionId": version}
        assert refused(lambda s3=s3, wanted=wanted: s3.delete_object(**wanted)), role
    assert client("rescan", "s3").get_object(Bucket=EVIDENCE, Key="a")["Body"].read() == b"x"


def test_evidence_is_kept_and_read_by_the_pipelines_own_adapter(account: tuple[Client, str], tmp_path: Path) -> None:
    client, _ = account

    def reports(role: str) -> S3Reports:
        bucket = EvidenceBucket(EVIDENCE, REGION, prefix="reports/", retention_days=2557)
        s3 = client(role, "s3")
        return S3Reports(lambda: s3, bucket, FolderReports(tmp_path / role), SystemClock())

    digits = reports("build").put(b"a report")

    assert reports("rescan").get(digits) == b"a report"
    with pytest.raises(ToolUnavailable, match="Access Denied"):
        reports("rescan").put(b"another report")


def test_backups_are_kept_read_and_retired_by_the_pipelines_own_adapter(
    account: tuple[Client, str], tmp_path: Path
) -> None:
    client, _ = account
    s3 = client("backup", "s3")
    backups = S3Backups(lambda: s3, BACKUPS, "nightly/", tmp_path)
    with backups.writing("shop/1/data") as write:
        write(b"sealed")

    assert b"".join(backups.reading("shop/1/data")) == b"sealed"
    backups.remove("shop/1/data")
    assert backups.names("shop") == ()
    assert backups.sweep(datetime.now(UTC)) == 0


def test_nobody_turns_off_what_protects_buckets(account: tuple[Client, str]) -> None:
    client, _ = account
    off = {"Bucket": EVIDENCE, "VersioningConfiguration": {"Status": "Suspended"}}
    for role in ("build", "backup", "control"):
        s3 = client(role, "s3")
        assert refused(lambda s3=s3: s3.put_bucket_versioning(**off)), role
        assert refused(lambda s3=s3: s3.delete_bucket_policy(Bucket=EVIDENCE)), role
