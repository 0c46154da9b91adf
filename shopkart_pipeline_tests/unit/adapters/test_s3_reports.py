"""What is locked in a bucket is found below any number of other versions; for the rest see
`contract/test_report_blobs.py`."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

from shopkart_pipeline.adapters._report_blobs import FolderReports
from shopkart_pipeline.adapters.s3_reports import S3Reports
from shopkart_pipeline.domain.evidence_bucket import EvidenceBucket
from shopkart_pipeline_tests.fakes.fixed_clock import FixedClock

_CONTENT = b"<testsuites/>"
_DIGITS = sha256(_CONTENT).hexdigest()
_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Flooded:
    """S3's client for an object over which somebody wrote a few thousand others. The newest are listed first."""

    def __init__(self, others: int) -> None:
        self.versions = [(f"v{number}", _NOW + timedelta(seconds=number)) for number in range(others + 1)]

    def get_object(self, *, VersionId: str = "", **_: Any) -> dict[str, Any]:
        content = _CONTENT if VersionId == "v0" else b"all green"
        return {"ContentLength": len(content), "Body": BytesIO(content)}

    def get_paginator(self, name: str) -> "Flooded":
        assert name == "list_object_versions"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:
        listed = [{"Key": Prefix, "VersionId": name, "LastModified": at} for name, at in reversed(self.versions)]
        for start in range(0, len(listed), 1000):
            yield {"Name": Bucket, "Versions": listed[start : start + 1000]}


def test_the_locked_version_is_found_below_thousands_of_others(tmp_path: Path) -> None:
    bucket = EvidenceBucket("evidence", "eu-central-1", "")
    reports = S3Reports(lambda: Flooded(2500), bucket, FolderReports(tmp_path), FixedClock(_NOW))

    assert reports.get(_DIGITS) == _CONTENT
