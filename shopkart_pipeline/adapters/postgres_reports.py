"""Raw reports in the database of the stores, for a pipeline on several machines that has no bucket.

A report is a row; one of more than 64 MiB belongs into a bucket (`evidence_bucket`), as a row is read and dumped whole.
"""

import hashlib

from shopkart_pipeline.adapters._postgres import Database
from shopkart_pipeline.adapters._report_blobs import ReportBlobs
from shopkart_pipeline.domain.errors import NotFound, PipelineError

_LIMIT_BYTES = 64 << 20
_PUT = """
INSERT INTO shopkart_reports (digits, content) VALUES (%s, %s)
ON CONFLICT (digits) DO UPDATE SET content = excluded.content
"""


class PostgresReports(ReportBlobs):
    """Contents in one table of `_store_tables`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, content: bytes) -> str:
        """As everywhere; raises `PipelineError` for what is too large, too."""
        digits = hashlib.sha256(content).hexdigest()
        if len(content) > _LIMIT_BYTES:
            raise PipelineError(
                f"A report has {len(content)} bytes, and in PostgreSQL {_LIMIT_BYTES} are kept at most.",
                "Declare `evidence_bucket`, where reports of any size can be.",
            )
        sql = "SELECT encode(sha256(content), 'hex') FROM shopkart_reports WHERE digits = %s"
        if self._database.rows(sql, (digits,)) != [(digits,)]:
            self._database.write(lambda connection: connection.execute(_PUT, (digits, content)))
        return digits

    def get(self, digits: str) -> bytes:
        rows = self._database.rows("SELECT content FROM shopkart_reports WHERE digits = %s", (digits,))
        if not rows:
            raise NotFound(f"There is no report sha256:{digits}.", "Compare the digest with the one in the evidence.")
        content = bytes(rows[0][0])
        if hashlib.sha256(content).hexdigest() != digits:
            what = f"The report sha256:{digits} was changed in the database."
            raise PipelineError(what, "Restore the evidence store from backup.")
        return content
