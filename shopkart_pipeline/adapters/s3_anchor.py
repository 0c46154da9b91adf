"""Signed heads of the ledger in a bucket of S3, or of what speaks its API.

An object is named as a file of a folder would be (`_anchored_names`), and is written only where none of its name is.
Give the bucket Object Lock with a default retention in compliance mode: then nobody, the account's owner included, can
take a head away or replace it while that lasts. Rights: `s3:PutObject`, `s3:GetObject`, and on the bucket
`s3:ListBucket`. A store that does not answer is given up after one try: the next interval tries again.

Rules: Amazon S3 API reference, `PutObject` ("If-None-Match"); Amazon S3 user guide, "Locking objects with Object Lock".
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from shopkart_pipeline.adapters._anchored_names import LONGEST_BYTES, anchored_name, marks_in
from shopkart_pipeline.adapters._aws import LazyClient, aws_errors, error_code
from shopkart_pipeline.domain.hash_chain import SignedHead
from shopkart_pipeline.ports.ledger_anchor import LedgerAnchor, Mark

_THERE_ALREADY = frozenset({"PreconditionFailed", "412"})
_POLICY = "docs/ledger.md"


class S3Anchor(LedgerAnchor):
    """Below a prefix of a bucket.

    Args:
        client: of S3.
        bucket: its name.
        prefix: what names begin with, empty or with `/` at its end.
    """

    def __init__(self, client: Callable[[], Any], bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self.place = f"s3://{bucket}/{prefix}"

    def put(self, head: SignedHead) -> None:
        key = self._prefix + anchored_name(Mark(head.sequence, head.entry_hash))
        with aws_errors(_POLICY):
            try:
                self._client().put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=head.envelope,
                    IfNoneMatch="*",
                    ChecksumAlgorithm="SHA256",
                    ContentType="application/vnd.dsse.envelope.v1+json",
                )
            except ClientError as error:
                if error_code(error) not in _THERE_ALREADY:
                    raise

    def marks(self) -> tuple[Mark, ...]:
        with aws_errors(_POLICY):
            pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            names = [str(each["Key"]).removeprefix(self._prefix) for page in pages for each in page.get("Contents", ())]
        return marks_in(names)

    def read(self, mark: Mark) -> SignedHead:
        with aws_errors(_POLICY):
            found = self._client().get_object(Bucket=self._bucket, Key=self._prefix + anchored_name(mark))
            return SignedHead(mark.sequence, mark.entry_hash, found["Body"].read(LONGEST_BYTES))


def s3_anchor(bucket: str, prefix: str) -> S3Anchor:
    """A bucket; region, endpoint and credentials come from AWS's own chain."""
    return S3Anchor(LazyClient("s3", None, attempts=1), bucket, prefix)
