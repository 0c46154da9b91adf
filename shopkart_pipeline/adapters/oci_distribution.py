"""Keeps images in a registry that speaks the OCI distribution protocol.

A push sends the blobs that are missing (`_oci_blobs`) and last the manifest with its tag. Few registries refuse to
move a tag, so this adapter looks before it sets one, and looks again afterwards. Between the two looks another pusher
can still win: whoever is first to look again may then have been told of a tag that was moved at once. Where that
matters the registry itself has to keep tags immutable, as ECR does. Releases name images by digest and don't depend on
it.

Credentials are the HTTP client's concern; challenges for tokens (`WWW-Authenticate: Bearer`) are not answered.

Rules: OCI distribution-spec 1.1, "Pull", "Push" and "Content discovery".
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from shopkart_pipeline.adapters._blob_places import BlobPlaces
from shopkart_pipeline.adapters._cosign_tag import CosignTag
from shopkart_pipeline.adapters._http import Ask, HttpClient
from shopkart_pipeline.adapters._oci import read_manifest
from shopkart_pipeline.adapters._oci_artifact import new_artifact
from shopkart_pipeline.adapters._oci_blobs import QUESTION_SECONDS, RESTORE, BlobTransfer, at_once
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
from shopkart_pipeline.adapters._oci_referrers import OciReferrers
from shopkart_pipeline.adapters._oci_write import add_bytes, new_layout, write_index
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.registry import Attachment, ImageRegistry, Referrer

_ACCEPT = {"Accept": MANIFEST}
_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
_SENDINGS = 3
_BLOB_SECONDS = 600.0


class OciHttpRegistry(ImageRegistry):
    """A registry at an address.

    Args:
        client: speaks with it; its timeout is for one blob.
        host: what names of images begin with, such as `registry.example:5000`.
        places: where blobs were seen before; None: nothing is mounted.
    """

    name = "oci"

    def __init__(self, client: HttpClient, host: str, places: BlobPlaces | None = None) -> None:
        self._client = client
        self._host = host
        self._blobs = BlobTransfer(client, places)
        self._referrers = OciReferrers(client, self._blobs)
        self._cosign = CosignTag(client, self._blobs)

    @classmethod
    def at(cls, address: str, login: tuple[str, str] | None, places: Path) -> "OciHttpRegistry":
        """The registry at an address.

        Args:
            address: `https://`, with the environment's proxies; or `http://` on this machine.
            login: user and password; None where the registry doesn't ask.
            places: folder that remembers where blobs were seen before.
        """
        client = HttpClient(
            "The registry",
            address,
            timeout_seconds=_BLOB_SECONDS,
            authorization=partial(_basic, *login) if login else None,
            environment=address.startswith("https:"),
        )
        return cls(client, urlsplit(address).netloc, BlobPlaces(places, address))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

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
        self._blobs.remember(manifest.blobs, repository)
        return manifest.digest

    def reference(self, repository: str, digest: str) -> str:
        """The image's name with the registry's host."""
        return f"{self._host}/{repository}@{digest}"

    def _send(self, layout: Path, manifest: Manifest, repository: str, tag: str) -> None:
        """Send what is missing; once more where a blob that was there is gone when the manifest arrives.

        That happens when somebody else pushes the same blob, or the registry collects what nothing names yet.
        """
        content = blob_path(layout, manifest.digest).read_bytes()
        for left in reversed(range(_SENDINGS)):
            self._blobs.send(layout, manifest.blobs, repository)
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
        answer = self._client.ask(
            Ask("HEAD", path, accept=(200, 404), headers=_ACCEPT, timeout_seconds=QUESTION_SECONDS)
        )
        if answer.status == 404:
            return None
        named = answer.headers.get("docker-content-digest")
        if named is None:
            # The header is optional: then the manifest's bytes tell.
            limited = Ask(
                "GET", path, headers=_ACCEPT, limit_bytes=DOCUMENT_LIMIT_BYTES, timeout_seconds=QUESTION_SECONDS
            )
            named = digest_of(self._client.ask(limited).content)
        return check_digest(named)

    def has(self, repository: str, digest: str) -> bool:
        """Whether the registry answers for the manifest and for every blob."""
        try:
            manifest, _ = self._get_manifest(repository, digest)
        except NotFound:
            return False
        return all(at_once(manifest.blobs, partial(self._blobs.has, repository)))

    def pull(self, repository: str, digest: str, layout: Path) -> None:
        """Fetch the image as a layout.

        Raises:
            NotFound: the repository has no such image.
            UntrustedInput: a blob is corrupt or missing; the message names it.
            ToolUnavailable: the registry does not answer, or refuses.
        """
        manifest, content = self._get_manifest(repository, digest)
        with new_layout(layout) as filled:
            self._blobs.fetch(repository, manifest.blobs, filled)
            add_bytes(filled, content, MANIFEST)
            write_index(filled, manifest, repository.rpartition("/")[2])

    def attach(
        self,
        repository: str,
        subject_digest: str,
        artifact_type: str,
        content: bytes,
        annotations: Mapping[str, str],
    ) -> str:
        """Keep a content beside an image, see `_oci_referrers`."""
        (digest,) = self.attach_all(repository, subject_digest, [Attachment(artifact_type, content, annotations)])
        return digest

    def attach_all(self, repository: str, subject_digest: str, attachments: Sequence[Attachment]) -> tuple[str, ...]:
        """Keep several beside an image."""
        manifest, _ = self._get_manifest(repository, subject_digest)
        subject = Descriptor(MANIFEST, subject_digest, manifest.size_bytes)
        made = [
            (new_artifact(subject, each.artifact_type, each.content, each.annotations), each.content)
            for each in attachments
        ]
        self._referrers.attach(repository, subject_digest, made)
        return tuple(artifact.digest for artifact, _ in made)

    def referrers(self, repository: str, subject_digest: str, artifact_type: str | None = None) -> tuple[Referrer, ...]:
        """What is kept beside an image."""
        return self._referrers.find(repository, subject_digest, artifact_type)

    def read_attached(self, repository: str, digest: str) -> bytes:
        """The verified content of what is kept beside an image."""
        return self._referrers.read(repository, digest)

    def keep_for_cosign(self, repository: str, subject_digest: str, envelopes: Mapping[bytes, str]) -> None:
        """Put envelopes where cosign 2 looks; see `_cosign_tag`."""
        self._cosign.add(repository, subject_digest, envelopes)

    def kept_for_cosign(self, repository: str, subject_digest: str) -> tuple[bytes, ...]:
        """The envelopes in that place."""
        return self._cosign.read(repository, subject_digest)

    def _get_manifest(self, repository: str, digest: str) -> tuple[Manifest, bytes]:
        path = f"/v2/{check_repository(repository)}/manifests/{check_digest(digest)}"
        ask = Ask(
            "GET",
            path,
            accept=(200, 404),
            headers=_ACCEPT,
            limit_bytes=DOCUMENT_LIMIT_BYTES,
            timeout_seconds=QUESTION_SECONDS,
        )
        answer = self._client.ask(ask)
        if answer.status == 404:
            raise NotFound(f"The registry has no image {repository}@{digest}.", "Push it first.")
        if digest_of(answer.content) != digest:
            raise UntrustedInput(f"Manifest {digest} in the registry is corrupt: its bytes differ.", RESTORE)
        return parse_manifest(answer.content, f"manifest {digest}"), answer.content

    def _put_manifest(self, repository: str, tag: str, content: bytes) -> None:
        path = f"/v2/{repository}/manifests/{tag}"
        headers = {"Content-Type": MANIFEST}
        self._client.ask(
            Ask("PUT", path, accept=(201,), headers=headers, body=content, timeout_seconds=QUESTION_SECONDS)
        )


def _basic(user: str, password: str) -> str:
    """RFC 7617."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
