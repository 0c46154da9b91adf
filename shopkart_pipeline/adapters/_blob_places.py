"""Remembers in which repository of a registry a large blob is, so that it need not be sent again for another one.

A registry mounts a blob from one repository into another where the client names the first (OCI distribution-spec 1.1,
"Mounting a blob from another repository"). What is remembered here is a hint: where it is wrong the registry opens an
upload as if nothing had been said, so entries are neither flushed nor ever checked.
"""

import contextlib
import hashlib
from pathlib import Path

from shopkart_pipeline.adapters._oci_documents import Descriptor
from shopkart_pipeline.adapters._oci_names import check_repository
from shopkart_pipeline.domain.errors import UntrustedInput

_WORTH_IT_BYTES = 1 << 20


class BlobPlaces:
    """The places of one registry's blobs.

    Args:
        folder: keeps one small file per blob; made where it is missing.
        address: of the registry.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self._folder = folder / hashlib.sha256(address.encode()).hexdigest()[:16]

    def find(self, blob: Descriptor, repository: str) -> str | None:
        """Another repository than `repository` that had the blob, or None."""
        try:
            place = check_repository(self._path(blob).read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError, UntrustedInput):
            return None
        return None if place == repository else place

    def remember(self, blob: Descriptor, repository: str) -> None:
        """Note that an image in `repository` holds the blob. Small blobs are not worth the file."""
        if blob.size_bytes >= _WORTH_IT_BYTES:
            with contextlib.suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                self._path(blob).write_text(repository, encoding="ascii")

    def _path(self, blob: Descriptor) -> Path:
        return self._folder / blob.digest.removeprefix("sha256:")
