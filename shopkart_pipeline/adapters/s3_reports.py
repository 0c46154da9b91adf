"""Evidence in a bucket of S3 with object lock, with the folder on disk as a copy that is asked first.

A content is kept when the bucket has it, with its SHA-256 compared by S3, and locked; only then is it written to the
folder. What is there already is not sent again, but its lock is made longer where it would end sooner than that of a
new object. A bucket without versions or without object lock is refused: what is in it could be changed.

Who may write to a bucket can put another object over one, or hide it behind a mark that it is deleted; the locked
version stays. So where the newest version is gone or is not what its name says, the older ones are looked at.

Rights: `s3:PutObject`, `s3:PutObjectRetention`, `s3:GetObject`, `s3:GetObjectVersion` and `s3:GetObjectRetention`, and
on the bucket `s3:ListBucket`, `s3:ListBucketVersions`, `s3:GetBucketVersioning` and
`s3:GetBucketObjectLockConfiguration`.

Rules: Amazon S3 user guide, "Locking objects with Object Lock" and "Checking object integrity".
"""

import hashlib
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from heapq import nsmallest
from typing import Any

from botocore.exceptions import ClientError

from shopkart_pipeline.adapters._aws import LazyClient, aws_errors, error_code
from shopkart_pipeline.adapters._report_blobs import ReportBlobs
from shopkart_pipeline.domain.errors import NotFound, PipelineError, Refused
from shopkart_pipeline.domain.evidence_bucket import EvidenceBucket, ObjectLockMode
from shopkart_pipeline.ports.clock import Clock

_POLICY = "docs/evidence_bucket.md"
_ATTEMPTS = 3
_ABSENT = frozenset({"NoSuchKey", "NoSuchVersion", "MethodNotAllowed", "404", "405"})
_NO_LOCK = frozenset({"ObjectLockConfigurationNotFoundError", "ObjectLockConfigurationNotFound"})
_SLACK = timedelta(days=1)
"""A lock that ends this much sooner is left as it is."""
_LIMIT_BYTES = 1 << 30
_VERSIONS = 10


class S3Reports(ReportBlobs):
    """Below a prefix of a bucket.

    Args:
        client: of S3.
        declared: the bucket, and how long its objects are locked.
        copies: on disk.
        clock: from when the lock counts.
    """

    def __init__(self, client: Callable[[], Any], declared: EvidenceBucket, copies: ReportBlobs, clock: Clock) -> None:
        self._client = client
        self._declared = declared
        self._copies = copies
        self._clock = clock
        self._looked = threading.Event()

    def put(self, content: bytes) -> str:
        digits = hashlib.sha256(content).hexdigest()
        with aws_errors(_POLICY):
            self._look_at_bucket()
            held = self._held(digits, content)
            if held is None:
                self._client().put_object(
                    **self._object(digits),
                    Body=content,
                    ChecksumAlgorithm="SHA256",
                    ChecksumSHA256=_checksum(digits),
                    ObjectLockMode=self._declared.lock.value,
                    ObjectLockRetainUntilDate=self._until(),
                )
            else:
                self._lock_longer(digits, held)
        return self._copies.put(content)

    def get(self, digits: str) -> bytes:
        # A copy that is not there, or was changed, is fetched again.
        with suppress(PipelineError):
            return self._copies.get(digits)
        with aws_errors(_POLICY):
            content = self._fetch(digits)
        self._copies.put(content)
        return content

    def _held(self, digits: str, content: bytes) -> dict[str, Any] | None:
        """What the bucket says of an object, if it has this content under this name."""
        try:
            held: dict[str, Any] = self._client().head_object(**self._object(digits), ChecksumMode="ENABLED")
        except ClientError as error:
            if error_code(error) in _ABSENT:
                return None
            raise
        same = held.get("ChecksumSHA256") == _checksum(digits) and held["ContentLength"] == len(content)
        return held if same else None

    def _lock_longer(self, digits: str, held: dict[str, Any]) -> None:
        until, ends = self._until(), held.get("ObjectLockRetainUntilDate")
        locked, wanted = held.get("ObjectLockMode"), self._declared.lock
        # A lock can be made stronger and longer, never weaker.
        mode = ObjectLockMode.COMPLIANCE if locked == ObjectLockMode.COMPLIANCE else wanted
        if ends is None or ends < until - _SLACK or locked != mode:
            self._client().put_object_retention(
                **self._object(digits),
                VersionId=held["VersionId"],
                Retention={"Mode": mode.value, "RetainUntilDate": max(until, ends or until)},
            )

    def _fetch(self, digits: str) -> bytes:
        changed = False
        for version in self._versions(digits):
            try:
                answer = self._client().get_object(**self._object(digits), **version)
            except ClientError as error:
                if error_code(error) in _ABSENT:
                    continue
                raise
            if answer["ContentLength"] <= _LIMIT_BYTES:
                content: bytes = answer["Body"].read(_LIMIT_BYTES)
                if hashlib.sha256(content).hexdigest() == digits:
                    return content
            changed = True
        if changed:
            what = f"The report sha256:{digits} was changed in {self._place}, in every version of it."
            raise PipelineError(what, "Find out who writes to the bucket; its evidence is not to be relied on.")
        what = f"There is no report sha256:{digits} in {self._place}."
        raise NotFound(what, "Compare the digest with the one in the evidence.")

    def _versions(self, digits: str) -> Iterator[dict[str, str]]:
        """The newest version of an object, and then the others, oldest first. They are listed the newest first, a
        thousand at a time, so the list is read to its end: the right one may lie below any number of others."""
        yield {}
        place = self._object(digits)
        pages = (
            self._client().get_paginator("list_object_versions").paginate(Bucket=place["Bucket"], Prefix=place["Key"])
        )
        listed = (each for page in pages for each in page.get("Versions", ()) if each["Key"] == place["Key"])
        for each in nsmallest(_VERSIONS, listed, key=lambda one: one["LastModified"]):
            yield {"VersionId": each["VersionId"]}

    def _look_at_bucket(self) -> None:
        """Refuse a bucket in which an object could be changed; looked at once per process."""
        if self._looked.is_set():
            return
        client, bucket = self._client(), self._declared.bucket
        versioned = client.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"
        try:
            answer = client.get_object_lock_configuration(Bucket=bucket)
            locked = answer["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"
        except ClientError as error:
            if error_code(error) not in _NO_LOCK:
                raise
            locked = False
        if not versioned or not locked:
            lacks = "object lock" if versioned else "versions"
            what = f"The bucket {bucket} has no {lacks}: what is kept there could be changed."
            fix = f"Make one with `aws s3api create-bucket --object-lock-enabled-for-bucket`; see {_POLICY}."
            raise Refused(what, fix)
        self._looked.set()

    def _until(self) -> Any:
        return self._clock.now() + timedelta(days=self._declared.retention_days)

    def _object(self, digits: str) -> dict[str, str]:
        return {"Bucket": self._declared.bucket, "Key": f"{self._declared.prefix}sha256/{digits[:2]}/{digits}"}

    @property
    def _place(self) -> str:
        return f"s3://{self._declared.bucket}/{self._declared.prefix}"


def s3_reports(declared: EvidenceBucket, copies: ReportBlobs, clock: Clock) -> S3Reports:
    """The declared bucket; credentials come from AWS's own chain."""
    return S3Reports(LazyClient("s3", declared.region, declared.endpoint, _ATTEMPTS), declared, copies, clock)


def _checksum(digits: str) -> str:
    return b64encode(bytes.fromhex(digits)).decode()
