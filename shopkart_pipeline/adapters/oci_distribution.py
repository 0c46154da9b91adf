"""Keeps images in a registry that speaks the OCI distribution protocol.

A push asks first what is there, sends what is missing, each blob in one piece that the registry compares with its
digest, and last the manifest with its tag. Few registries refuse to move a tag, so this adapter looks before it sets
one, and looks again afterwards. Between the two looks another pusher can still win: whoever is first
to look again may then have been told of a tag that was moved at once. Where that matters the registry itself has to
keep tags immutable, as ECR does. Releases name images by digest and don't depend on it.

Credentials are the HTTP client's concern; challenges for tokens (`WWW-Authenticate: Bearer`) are not answered.

Rules: OCI distribution-spec 1.1, "Pull", "Push" and "Content discovery".
"""

from pathlib import Path

from shopkart_pipeline.adapters._http import Ask, HttpClient
from shopkart_pipeline.adapters._oci import read_manifest, verify_blob
from shopkart_pipeline.adapters._oci_documents import (
    DOCUMENT_LIMIT_BYTES,
    MANIFEST,
    Descriptor,
    Manifest,
    blob_path,
    digest_of,
    parse_manifest,
)
from shopkart_pipeline.adapters._oci_names import check_digest, check_repository, check_tag, tag_taken
from shopkart_pipeline.adapters._oci_write import add_bytes, new_layout, write_index
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.registry import ImageRegistry

_ACCEPT = {"Accept": MANIFEST}
_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
_SENDINGS = 3
_FIX = "Find out what changed it in the registry, and push the image again."


class OciHttpRegistry(ImageRegistry):
    """A registry at an address.

    Args:
        client: speaks with it; its timeout is for one blob.
    """

    name = "oci"

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    def push(self, layout: Path, repository: str, tag: str) -> str:
        """Send the image.

        Raises:
            Conflict: the tag names another image.
            NotFound, UntrustedInput: the layout is missing, or a blob of it is corrupt.
            ToolUnavailable: the registry does not answer, or refuses.
        """
        check_tag(tag)
        manifest = read_manifest(layout)
        held = self.resolve(repository, tag)
        if held not in (None, manifest.digest):
            raise tag_taken(repository, tag, str(held), manifest.digest)
        self._send(layout, manifest, repository, tag)
        held = self.resolve(repository, tag)
        if held != manifest.digest:
            raise tag_taken(repository, tag, str(held), manifest.digest)
        return manifest.digest

    def _send(self, layout: Path, manifest: Manifest, repository: str, tag: str) -> None:
        """Send what is missing; once more where a blob that was there is gone when the manifest arrives.

        That happens when somebody else pushes the same blob, or the registry collects what nothing names yet.
        """
        content = blob_path(layout, manifest.digest).read_bytes()
        for left in reversed(range(_SENDINGS)):
            for blob in manifest.blobs:
                self._send_blob(layout, repository, blob)
            if self.resolve(repository, tag) is not None:
                return
            try:
                self._put_manifest(repository, tag, content)
            except ToolUnavailable as failure:
                # A registry that keeps tags from moving refuses the second of two pushers.
                taken = self.resolve(repository, tag) is not None
                if not taken and (left == 0 or _BLOB_UNKNOWN not in failure.what):
                    raise
            else:
                return

    def resolve(self, repository: str, tag: str) -> str | None:
        """The digest that a tag names, or None."""
        path = f"/v2/{check_repository(repository)}/manifests/{check_tag(tag)}"
        answer = self._client.ask(Ask("HEAD", path, accept=(200, 404), headers=_ACCEPT))
        if answer.status == 404:
            return None
        named = answer.headers.get("docker-content-digest")
        if named is None:
            # The header is optional: then the manifest's bytes tell.
            limited = Ask("GET", path, headers=_ACCEPT, limit_bytes=DOCUMENT_LIMIT_BYTES)
            named = digest_of(self._client.ask(limited).content)
        return check_digest(named)

    def has(self, repository: str, digest: str) -> bool:
        """Whether the registry answers for the manifest and for every blob."""
        try:
            manifest, _ = self._get_manifest(repository, digest)
        except NotFound:
            return False
        return all(self._has_blob(repository, blob) for blob in manifest.blobs)

    def pull(self, repository: str, digest: str, layout: Path) -> None:
        """Fetch the image as a layout.

        Raises:
            NotFound: the repository has no such image.
            UntrustedInput: a blob is corrupt or missing; the message names it.
            ToolUnavailable: the registry does not answer, or refuses.
        """
        manifest, content = self._get_manifest(repository, digest)
        with new_layout(layout) as filled:
            for blob in manifest.blobs:
                self._fetch_blob(repository, blob, filled)
            add_bytes(filled, content, MANIFEST)
            write_index(filled, manifest, repository.rpartition("/")[2])

    def _get_manifest(self, repository: str, digest: str) -> tuple[Manifest, bytes]:
        path = f"/v2/{check_repository(repository)}/manifests/{check_digest(digest)}"
        ask = Ask("GET", path, accept=(200, 404), headers=_ACCEPT, limit_bytes=DOCUMENT_LIMIT_BYTES)
        answer = self._client.ask(ask)
        if answer.status == 404:
            raise NotFound(f"The registry has no image {repository}@{digest}.", "Push it first.")
        if digest_of(answer.content) != digest:
            raise UntrustedInput(f"Manifest {digest} in the registry is corrupt: its bytes differ.", _FIX)
        return parse_manifest(answer.content, f"manifest {digest}"), answer.content

    def _put_manifest(self, repository: str, tag: str, content: bytes) -> None:
        path = f"/v2/{repository}/manifests/{tag}"
        self._client.ask(Ask("PUT", path, accept=(201,), headers={"Content-Type": MANIFEST}, body=content))

    def _has_blob(self, repository: str, blob: Descriptor) -> bool:
        answer = self._client.ask(Ask("HEAD", f"/v2/{repository}/blobs/{blob.digest}", accept=(200, 404)))
        return answer.status == 200 and answer.headers.get("content-length") == str(blob.size_bytes)

    def _send_blob(self, layout: Path, repository: str, blob: Descriptor) -> None:
        verify_blob(layout, blob)
        if self._has_blob(repository, blob):
            return
        opened = self._client.ask(Ask("POST", f"/v2/{repository}/blobs/uploads/", accept=(202,)))
        location = opened.headers.get("location")
        if location is None:
            raise ToolUnavailable("The registry does not say where to send a blob.", "Check that it is a registry.")
        # An upload's address is spent with its first use, so the piece is not sent to it twice.
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

    def _fetch_blob(self, repository: str, blob: Descriptor, layout: Path) -> None:
        path = blob_path(layout, blob.digest)
        ask = Ask("GET", f"/v2/{repository}/blobs/{blob.digest}", accept=(200, 404), limit_bytes=blob.size_bytes)
        with path.open("wb") as target:
            answer = self._client.download(ask, target)
        if answer.status == 404:
            raise UntrustedInput(f"Blob {blob.digest} is missing in the registry.", _FIX)
        verify_blob(layout, blob)
        path.chmod(0o444)
