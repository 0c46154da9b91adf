"""What keeps evidence owes: one suite over the folder and over a bucket of S3 with object lock, and what a bucket adds.

S3 is moto's, where that is installed (`aws_servers`); it knows versions, locks and checksums.
"""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shopkart_pipeline.adapters._report_blobs import FolderReports, ReportBlobs
from shopkart_pipeline.adapters.s3_reports import S3Reports
from shopkart_pipeline.adapters.sqlite_evidence import SqliteEvidenceStore
from shopkart_pipeline.domain.errors import NotFound, PipelineError, Refused, ToolUnavailable
from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.domain.evidence_bucket import EvidenceBucket, ObjectLockMode
from shopkart_pipeline_tests.contract.aws_servers import installed
from shopkart_pipeline_tests.contract.ecr_worlds import client_of
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock

_CONTENT = b"<testsuites/>"
_DIGITS = sha256(_CONTENT).hexdigest()
_PLACES = ["folder", *(["s3"] if installed("moto") else [])]
_needs_bucket = pytest.mark.parametrize("bucket", _PLACES[1:], indirect=True)


class Bucket:
    """A bucket with object lock, and a pipeline that keeps evidence in it."""

    def __init__(self, client: Any, folder: Path) -> None:
        self.client = client
        self.name = f"b{uuid4().hex}"
        self.copies = folder / "copies"
        self.clock = FixedClock(datetime.now(UTC).replace(microsecond=0))
        self.sent: list[str] = []
        place = {"LocationConstraint": "eu-central-1"}
        client.create_bucket(Bucket=self.name, CreateBucketConfiguration=place, ObjectLockEnabledForBucket=True)
        client.meta.events.register("before-call.s3", self._count)

    def _count(self, model: Any, **_: Any) -> None:
        self.sent.append(model.name)

    def reports(self, **declared: Any) -> S3Reports:
        bucket = EvidenceBucket(self.name, "eu-central-1", "evidence/", **declared)
        return S3Reports(lambda: self.client, bucket, FolderReports(self.copies), self.clock)

    @property
    def key(self) -> str:
        return f"evidence/sha256/{_DIGITS[:2]}/{_DIGITS}"

    def lock(self) -> tuple[str, datetime]:
        held = self.client.head_object(Bucket=self.name, Key=self.key)
        return held["ObjectLockMode"], held["ObjectLockRetainUntilDate"]

    def forget_copies(self) -> None:
        for path in self.copies.rglob(_DIGITS):
            path.unlink()


@pytest.fixture(scope="module")
def s3(moto: str) -> Any:
    """One client for all: making it takes longer than what it is asked."""
    return client_of(moto, "s3")


@pytest.fixture
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    return Bucket(request.getfixturevalue("s3"), tmp_path)


@pytest.fixture(params=_PLACES)
def reports(request: pytest.FixtureRequest, tmp_path: Path) -> ReportBlobs:
    if request.param == "folder":
        return FolderReports(tmp_path / "reports")
    return Bucket(request.getfixturevalue("s3"), tmp_path).reports()


def test_what_was_put_is_there_under_its_digest(reports: ReportBlobs) -> None:
    assert reports.put(_CONTENT) == _DIGITS
    assert reports.put(_CONTENT) == _DIGITS
    assert reports.put(b"") == sha256(b"").hexdigest()

    assert reports.get(_DIGITS) == _CONTENT
    assert reports.get(sha256(b"").hexdigest()) == b""


def test_what_nobody_put_is_not_found(reports: ReportBlobs) -> None:
    with pytest.raises(NotFound, match="no report sha256:0000"):
        reports.get("0" * 64)


def test_a_store_keeps_its_reports_there(reports: ReportBlobs, tmp_path: Path) -> None:
    store = SqliteEvidenceStore(tmp_path / "store", reports)

    report = store.put_report(RawReport("junit.xml", "application/xml", _CONTENT))

    assert report.digest == f"sha256:{_DIGITS}"
    assert store.get_report(report.digest) == _CONTENT


@_needs_bucket
def test_an_object_is_locked_as_declared(bucket: Bucket) -> None:
    bucket.reports(lock=ObjectLockMode.GOVERNANCE, retention_days=30).put(_CONTENT)

    assert bucket.lock() == ("GOVERNANCE", bucket.clock.time + timedelta(days=30))


@_needs_bucket
def test_what_is_kept_again_later_is_locked_longer_and_not_sent_again(bucket: Bucket) -> None:
    bucket.reports().put(_CONTENT)
    bucket.clock.time += timedelta(days=90)
    bucket.sent.clear()

    bucket.reports().put(_CONTENT)

    assert bucket.lock() == ("COMPLIANCE", bucket.clock.time + timedelta(days=400))
    assert "PutObject" not in bucket.sent


@_needs_bucket
def test_a_lock_is_made_stronger_and_never_weaker(bucket: Bucket) -> None:
    until = bucket.clock.time + timedelta(days=400)
    bucket.reports(lock=ObjectLockMode.GOVERNANCE).put(_CONTENT)
    bucket.reports(lock=ObjectLockMode.COMPLIANCE, retention_days=10).put(_CONTENT)
    assert bucket.lock() == ("COMPLIANCE", until)

    bucket.reports(lock=ObjectLockMode.GOVERNANCE, retention_days=500).put(_CONTENT)

    assert bucket.lock() == ("COMPLIANCE", until + timedelta(days=100))


@_needs_bucket
def test_nothing_is_fetched_twice(bucket: Bucket) -> None:
    bucket.reports().put(_CONTENT)
    bucket.forget_copies()
    bucket.sent.clear()
    reports = bucket.reports()

    assert (reports.get(_DIGITS), reports.get(_DIGITS)) == (_CONTENT, _CONTENT)

    assert bucket.sent == ["GetObject"]


@_needs_bucket
def test_a_copy_that_was_changed_is_fetched_again(bucket: Bucket) -> None:
    bucket.reports().put(_CONTENT)
    (copy,) = bucket.copies.rglob(_DIGITS)
    copy.write_bytes(b"all green")

    assert bucket.reports().get(_DIGITS) == _CONTENT
    assert copy.read_bytes() == _CONTENT


@_needs_bucket
@pytest.mark.parametrize("attack", ["overwritten", "hidden"])
def test_the_locked_version_is_read_where_somebody_put_another_over_it(bucket: Bucket, attack: str) -> None:
    bucket.reports().put(_CONTENT)
    bucket.forget_copies()
    if attack == "overwritten":
        bucket.client.put_object(Bucket=bucket.name, Key=bucket.key, Body=b"all green")
    else:
        bucket.client.delete_object(Bucket=bucket.name, Key=bucket.key)

    assert bucket.reports().get(_DIGITS) == _CONTENT
    bucket.reports().put(_CONTENT)
    newest = bucket.client.get_object(Bucket=bucket.name, Key=bucket.key)["Body"].read()
    assert newest == _CONTENT


@_needs_bucket
def test_what_was_never_right_is_refused(bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key=bucket.key, Body=b"all green")

    with pytest.raises(PipelineError, match=f"sha256:{_DIGITS} was changed in s3://{bucket.name}/evidence/"):
        bucket.reports().get(_DIGITS)


@_needs_bucket
@pytest.mark.parametrize(("versions", "lacks"), [(True, "object lock"), (False, "versions")])
def test_a_bucket_in_which_evidence_could_be_changed_is_refused(bucket: Bucket, versions: bool, lacks: str) -> None:
    bucket.name = f"b{uuid4().hex}"
    place = {"LocationConstraint": "eu-central-1"}
    bucket.client.create_bucket(Bucket=bucket.name, CreateBucketConfiguration=place)
    if versions:
        bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})

    with pytest.raises(Refused, match=f"has no {lacks}") as refusal:
        bucket.reports().put(_CONTENT)

    assert "object-lock-enabled-for-bucket" in refusal.value.fix
    assert not bucket.copies.exists()


@_needs_bucket
def test_what_the_bucket_does_not_take_is_not_acknowledged(bucket: Bucket) -> None:
    bucket.name = f"b{uuid4().hex}"

    with pytest.raises(ToolUnavailable, match="NoSuchBucket"):
        bucket.reports().put(_CONTENT)

    assert not bucket.copies.exists()
