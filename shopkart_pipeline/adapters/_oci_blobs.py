"""Blobs on their way to and from a registry: what is there is not sent, what is elsewhere is mounted, a few go at once.

A blob is sent in one piece, straight from disk, and the registry compares it with its digest. An upload that breaks is
begun anew, because its address is spent with its first use. A push that was broken off goes on where it stopped: what
has arrived whole is there, and nothing else counts.

Rules: OCI distribution-spec 1.1, "Pushing blobs" and "Mounting a blob from another repository".
"""

import contextlib
from collections.abc import Callable, Container, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from shopkart_pipeline.adapters._blob_places import BlobPlaces
from shopkart_pipeline.adapters._http import Ask, HttpClient, HttpRefusal
from shopkart_pipeline.adapters._oci import verify_blob
from shopkart_pipeline.adapters._oci_documents import Descriptor, blob_path
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput

RESTORE = "Find out what changed it in the registry, and push the image again."
_UPLOADS = 3
_AT_ONCE = 3
"""More would only share the line."""
QUESTION_SECONDS = 60.0
"""For what is no content: a registry that hangs must not be waited for as long as a layer may take."""
_Each = TypeVar("_Each")
_Done = TypeVar("_Done")
_MAY_PASS = frozenset({404, 408, 416, 429, 500, 502, 503, 504})
"""Statuses of an upload that a new one may not meet: its address was unknown, or the server had trouble."""


class BlobTransfer:
    """Moves blobs.

    Args:
        client: speaks with the registry; its timeout is for one blob.
        places: where blobs were seen before; None: nothing is mounted.
    """

    def __init__(self, client: HttpClient, places: BlobPlaces | None) -> None:
        self._client = client
        self._places = places

    def has(self, repository: str, blob: Descriptor) -> bool:
        """Whether the repository holds the blob with its size."""
        path = f"/v2/{repository}/blobs/{blob.digest}"
        answer = self._client.ask(Ask("HEAD", path, accept=(200, 404), timeout_seconds=QUESTION_SECONDS))
        return answer.status == 200 and answer.headers.get("content-length") == str(blob.size_bytes)

    def send(
        self, layout: Path, blobs: Iterable[Descriptor], repository: str, *, new: Container[Descriptor] = ()
    ) -> None:
        """Make sure that the repository holds the blobs of a layout; it is not asked first for those that are `new`.

        Raises:
            UntrustedInput: a blob of the layout is corrupt, or the registry sends us elsewhere.
            ToolUnavailable: the registry does not answer, or refuses.
        """
        at_once(blobs, lambda blob: self._send(layout, repository, blob, new=blob in new))

    def fetch(self, repository: str, blobs: Iterable[Descriptor], layout: Path) -> None:
        """Write blobs into a layout that is being filled; raises `UntrustedInput` for one that is corrupt or gone."""
        at_once(blobs, lambda blob: self._fetch(repository, blob, layout))

    def remember(self, blobs: Iterable[Descriptor], repository: str) -> None:
        """Note that an image of the repository holds the blobs, for others to mount them."""
        if self._places is not None:
            for blob in blobs:
                self._places.remember(blob, repository)

    def _send(self, layout: Path, repository: str, blob: Descriptor, *, new: bool) -> None:
        for left in reversed(range(_UPLOADS)):
            if not new and self.has(repository, blob):
                return
            location = self._open(repository, blob)
            if location is None:
                return
            verify_blob(layout, blob)
            try:
                self._upload(location, layout, blob)
            except ToolUnavailable as failure:
                if new:
                    new = False  # It may be there all the same, and be refused for that.
                elif left == 0 or (isinstance(failure, HttpRefusal) and failure.status not in _MAY_PASS):
                    raise
            else:
                return

    def _open(self, repository: str, blob: Descriptor) -> str | None:
        """Where to send a blob; None if it could be mounted from another repository."""
        path, opened = f"/v2/{repository}/blobs/uploads/", None
        place = self._places.find(blob, repository) if self._places else None
        if place is not None:
            mount = {"mount": blob.digest, "from": place}
            with contextlib.suppress(HttpRefusal):
                ask = Ask("POST", path, accept=(201, 202), params=mount, timeout_seconds=QUESTION_SECONDS)
                opened = self._client.ask(ask)
                if opened.status == 201:
                    return None
        opened = opened or self._client.ask(Ask("POST", path, accept=(202,), timeout_seconds=QUESTION_SECONDS))
        location = opened.headers.get("location")
        if location is None:
            raise ToolUnavailable("The registry does not say where to send a blob.", "Check that it is a registry.")
        return location

    def _upload(self, location: str, layout: Path, blob: Descriptor) -> None:
        self._client.ask(
            Ask(
                "PUT",
                location,
                accept=(201,),
                headers={"Content-Type": "application/octet-stream"},
                params={"digest": blob.digest},
                body=blob_path(layout, blob.digest),
                once=True,
            )
        )

    def _fetch(self, repository: str, blob: Descriptor, layout: Path) -> None:
        path = blob_path(layout, blob.digest)
        ask = Ask("GET", f"/v2/{repository}/blobs/{blob.digest}", accept=(200, 404), limit_bytes=blob.size_bytes)
        with path.open("wb") as target:
            answer = self._client.download(ask, target)
        if answer.status == 404:
            raise UntrustedInput(f"Blob {blob.digest} is missing in the registry.", RESTORE)
        verify_blob(layout, blob)
        path.chmod(0o444)


def at_once(each: Iterable[_Each], work: Callable[[_Each], _Done]) -> list[_Done]:
    """Do the work for each, a few at once; the first failure is raised when those under way have ended."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="blob") as pool:
        running = [pool.submit(work, one) for one in each]
        try:
            return [one.result() for one in running]
        finally:
            for one in running:
                one.cancel()
