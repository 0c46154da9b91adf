"""Reads the result of ECR's scan of an image, waiting for it while it is under way.

A scan is over when ECR says so *and* says when: `COMPLETE` for a scan on arrival, `ACTIVE` for an image that Inspector
watches from now on, which can be said before the first look is through. For the first minute after a push there may be
no scan at all; after a moment one is asked for, once, which changes nothing where it was on its way or where Inspector
decides.
Every other state, an answer about another image, and fewer findings than ECR counts are no result.

Source: Amazon ECR API reference, `DescribeImageScanFindings`; user guide, "Scan images for software vulnerabilities".
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from botocore.exceptions import ClientError
from pydantic import ValidationError

from shopkart_pipeline.adapters._aws import error_code
from shopkart_pipeline.adapters._ecr_api import Document, EcrApi
from shopkart_pipeline.adapters._ecr_findings import ScanPage, findings_of
from shopkart_pipeline.domain.evidence import RawReport, Tool
from shopkart_pipeline.ports.clock import Clock
from shopkart_pipeline.ports.registry import NotScanned, RegistryScan

_OVER = frozenset({"COMPLETE", "ACTIVE"})
_UNDER_WAY = frozenset({"IN_PROGRESS", "PENDING"})
_PAGE_FINDINGS = 1000
_MOST_PAGES = 200
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 10.0
_UNVERSIONED = "unknown"
"""AWS does not say which version of its scanners has looked."""


class ScanReader:
    """Reads results of scans.

    Args:
        api: of the registry.
        clock: tells and passes the time.
    """

    def __init__(self, api: EcrApi, clock: Clock) -> None:
        self._api = api
        self._clock = clock

    def read(self, repository: str, digest: str, deadline: datetime) -> RegistryScan | NotScanned:
        """The result of the scan of an image, as `ImageRegistry.scan_findings` has it.

        Raises:
            ClientError: AWS does not answer what was asked.
        """
        pause_seconds, waited, started = _FIRST_PAUSE_SECONDS, False, None
        while True:
            try:
                found = self._look(repository, digest)
            except ValidationError as error:
                place = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])
                return NotScanned(f"ECR's answer about the scan can't be read at {place}")
            if not isinstance(found, str):
                return found
            if self._clock.now() + timedelta(seconds=pause_seconds) > deadline:
                reason = found or f"no scan of the image has begun{started or ''}"
                return NotScanned(f"ECR's scan was not through in time: {reason}")
            if not found and waited and started is None:
                started = self._start(repository, digest)
            self._clock.sleep(pause_seconds)
            waited, pause_seconds = True, min(1.5 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    def _look(self, repository: str, digest: str) -> RegistryScan | NotScanned | str:
        """The result, or what is being waited for; empty words mean that there is no scan."""
        try:
            document = self._page(repository, digest)
        except ClientError as error:
            if error_code(error) != "ScanNotFoundException":
                raise
            return ""
        page = ScanPage.model_validate(document)
        status, findings = page.imageScanStatus, page.imageScanFindings
        if status.status in _UNDER_WAY:
            return f"it is {status.status}"
        if status.status not in _OVER:
            words = f"{status.status or 'nothing'}: {status.description}".rstrip(": ")
            return NotScanned(f"ECR's scan ended without a result ({words})")
        if findings is None or findings.imageScanCompletedAt is None:
            return f"it is {status.status}, but ECR names no time at which it was through"
        return self._collect(repository, digest, document, findings.imageScanCompletedAt)

    def _collect(
        self, repository: str, digest: str, document: Document, scanned_at: datetime
    ) -> RegistryScan | NotScanned:
        documents = list(self._pages(repository, digest, document))
        pages = [ScanPage.model_validate(each) for each in documents]
        if pages[-1].nextToken:
            return NotScanned(f"ECR's answer about the scan does not end after {_MOST_PAGES} pages")
        strangers = {page.imageId.imageDigest for page in pages} - {None, digest}
        if strangers:
            return NotScanned(f"ECR told of the scan of {strangers.pop()} instead")
        said, first = sum(page.said for page in pages), pages[0].imageScanFindings
        counted = sum(first.findingSeverityCounts.values()) if first else 0
        if said < counted:
            return NotScanned(f"ECR counts {counted} findings of the scan and tells of {said}")
        return RegistryScan(
            tool=_tool(pages[0], document),
            scanned_at=scanned_at,
            findings=findings_of(pages),
            raw=RawReport("registry-scan.json", "application/json", json.dumps(documents, default=str).encode()),
        )

    def _pages(self, repository: str, digest: str, document: Document) -> Iterator[Document]:
        for left in reversed(range(_MOST_PAGES)):
            yield {key: value for key, value in document.items() if key != "ResponseMetadata"}
            token = document.get("nextToken")
            if not token or not left:
                return
            document = self._page(repository, digest, nextToken=token)

    def _page(self, repository: str, digest: str, **more: str) -> Document:
        return self._api.client.describe_image_scan_findings(
            **self._api.of(repository), imageId={"imageDigest": digest}, maxResults=_PAGE_FINDINGS, **more
        )

    def _start(self, repository: str, digest: str) -> str:
        """Ask for a scan; returns what is to be added where there is none in the end."""
        try:
            self._api.client.start_image_scan(**self._api.of(repository), imageId={"imageDigest": digest})
        except ClientError as error:
            return f"; ECR does not start one ({error_code(error)})"
        return "; one was asked for"


def _tool(page: ScanPage, document: Document) -> Tool:
    findings = page.imageScanFindings
    enhanced = page.imageScanStatus.status == "ACTIVE" or "enhancedFindings" in document.get("imageScanFindings", {})
    data = findings.vulnerabilitySourceUpdatedAt if findings else None
    rules = f"advisories of {data:%Y-%m-%d}" if data else "advisories without a date"
    return Tool("Amazon Inspector" if enhanced else "ECR basic scanning", _UNVERSIONED, rules)
