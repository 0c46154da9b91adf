"""How every evidence store keeps raw reports: without known secrets, under their digest, several at once."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from shopkart_pipeline.adapters._report_blobs import ReportBlobs, check_digits
from shopkart_pipeline.domain.evidence import RawReport, Report
from shopkart_pipeline.known_secrets import KNOWN, masked
from shopkart_pipeline.ports.evidence_store import EvidenceStore

_AT_ONCE = 4
"""How many reports are kept at the same time."""


class ReportKeepingStore(EvidenceStore):
    """An evidence store whose reports are in `reports`."""

    def __init__(self, reports: ReportBlobs) -> None:
        self._reports = reports

    def put_report(self, raw: RawReport) -> Report:
        content = KNOWN.masked_bytes(raw.content)
        digits = self._reports.put(content)
        return Report(masked(raw.name), raw.media_type, f"sha256:{digits}", len(content))

    def put_reports(self, raws: Sequence[RawReport]) -> tuple[Report, ...]:
        """A few at once: a signing stage has twenty, and each waits for a disk or for a place far away."""
        if len(raws) < 2:
            return super().put_reports(raws)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="report") as pool:
            return tuple(pool.map(self.put_report, raws))

    def get_report(self, digest: str) -> bytes:
        return self._reports.get(check_digits(digest))
