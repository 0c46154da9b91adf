"""Backups in a bucket of S3, or of what speaks its API.

What is written is collected, sealed already, in a file first and then sent: a slow network never holds a database's
snapshot open, and a broken one is tried again by AWS's own client. Reading goes on where a connection broke. Large
objects go in parts, and an object whose parts were not all confirmed is not there. SHA-256 sums are checked on both
sides. Rights: `s3:PutObject`, `s3:GetObject`, `s3:DeleteObject`, `s3:AbortMultipartUpload`, and on the bucket
`s3:ListBucket` and `s3:ListBucketMultipartUploads`.

Rules: Amazon S3 API reference, "Uploading and copying objects using multipart upload"; boto3, `TransferConfig`.
"""

import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

from shopkart_pipeline.adapters._aws import LazyClient, aws_errors, error_code
from shopkart_pipeline.adapters._backup_blobs import Blobs
from shopkart_pipeline.domain.errors import NotFound

_PART_BYTES = 32 << 20
_PIECE_BYTES = 1 << 20
_ABSENT = frozenset({"NoSuchKey", "404"})
_POLICY = "docs/backups.md"
_TRIES = 4
"""Of reading on where a connection broke, without a byte more."""


class S3Backups(Blobs):
    """Below a prefix of a bucket.

    Args:
        client: of S3.
        bucket: its name.
        prefix: what names begin with, empty or with `/` at its end.
        scratch: a folder for what is on its way.
    """

    def __init__(self, client: Callable[[], Any], bucket: str, prefix: str, scratch: Path) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._scratch = scratch
        self.place = f"s3://{bucket}/{prefix}"
        # One part at a time: memory is one part.
        self._transfer = TransferConfig(
            multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, use_threads=False
        )

    @contextmanager
    def writing(self, name: str) -> Generator[Callable[[bytes], object]]:
        self._scratch.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=self._scratch) as stream:
            yield stream.write
            stream.seek(0)
            with aws_errors(_POLICY):
                self._client().upload_fileobj(
                    stream,
                    self._bucket,
                    self._prefix + name,
                    ExtraArgs={"ChecksumAlgorithm": "SHA256"},
                    Config=self._transfer,
                )

    def reading(self, name: str) -> Iterator[bytes]:
        position, tries = 0, _TRIES
        while True:
            with aws_errors(_POLICY):
                body = self._body(name, position)
                try:
                    for piece in body.iter_chunks(_PIECE_BYTES):
                        position, tries = position + len(piece), _TRIES
                        yield piece
                    return
                except (HTTPClientError, IncompleteReadError):
                    tries -= 1
                    if not tries:
                        raise

    def _body(self, name: str, position: int) -> Any:
        """What an object holds from a position on."""
        wanted = {"Range": f"bytes={position}-"} if position else {"ChecksumMode": "ENABLED"}
        try:
            return self._client().get_object(Bucket=self._bucket, Key=self._prefix + name, **wanted)["Body"]
        except ClientError as error:
            if error_code(error) in _ABSENT:
                raise NotFound(f"{name} is missing in {self.place}.", "Restore an earlier backup.") from None
            raise

    def names(self, folder: str) -> tuple[str, ...]:
        found = self._pages("list_objects_v2", "Contents", self._prefix + (f"{folder}/" if folder else ""))
        return tuple(sorted(str(each["Key"]).removeprefix(self._prefix) for each in found))

    def remove(self, name: str) -> None:
        with aws_errors(_POLICY):
            self._client().delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def sweep(self, before: datetime) -> int:
        uploads = [
            each
            for each in self._pages("list_multipart_uploads", "Uploads", self._prefix)
            if cast(datetime, each["Initiated"]) < before
        ]
        for each in uploads:
            with aws_errors(_POLICY):
                self._client().abort_multipart_upload(Bucket=self._bucket, Key=each["Key"], UploadId=each["UploadId"])
        return len(uploads)

    def _pages(self, call: str, part: str, prefix: str) -> list[dict[str, Any]]:
        with aws_errors(_POLICY):
            pages = self._client().get_paginator(call).paginate(Bucket=self._bucket, Prefix=prefix)
            return [each for page in pages for each in page.get(part, ())]


def s3_backups(bucket: str, prefix: str, region: str | None, endpoint: str | None, scratch: Path) -> S3Backups:
    """Backups in a declared bucket; credentials come from AWS's own chain."""
    return S3Backups(LazyClient("s3", region, endpoint), bucket, prefix, scratch)
