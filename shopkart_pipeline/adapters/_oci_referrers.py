"""Keeps artifacts beside images in a registry that speaks the distribution protocol, and finds them.

A registry with the referrers API finds by itself what names an image as its subject: it says so in its answer to the
manifest (`OCI-Subject`), or by answering the API. In any other one an index under the tag `sha256-<hex>` lists them,
and whoever attaches writes it: read, add, write, and read again, until what was to be listed is. The write is
conditional where the registry tells an entity tag; many ignore the condition, so attachers of one process take turns as
well. Between two processes and with a registry that knows no conditions, one attacher can still write over another's
entry in the moment after that one has looked: then the artifact is there and not listed, which whoever verifies reports
as missing, and attaching it again lists it. AWS's ECR has the API.

Every artifact has a tag of its own as well: lifecycle rules and collectors of registries take away what has no tag.

Rules: OCI distribution-spec 1.1, "Listing Referrers", "Pushing Manifests with Subject" and "Referrers Tag Schema".
"""

import re
import tempfile
from pathlib import Path

from shopkart_pipeline.adapters._http import Answer, Ask, HttpClient, HttpRefusal
from shopkart_pipeline.adapters._oci_artifact import (
    EMPTY,
    EMPTY_CONTENT,
    INDEX,
    REFERRERS_LIMIT,
    Artifact,
    Listed,
    may_be,
    parse_artifact,
    parse_listed,
    with_artifacts,
)
from shopkart_pipeline.adapters._oci_blobs import RESTORE, BlobTransfer
from shopkart_pipeline.adapters._oci_documents import DOCUMENT_LIMIT_BYTES, MANIFEST, blob_path, digest_of
from shopkart_pipeline.adapters._oci_names import check_digest, check_repository
from shopkart_pipeline.adapters._oci_tagged import WRITINGS, read_document, turn, write_tagged
from shopkart_pipeline.adapters._oci_write import add_bytes
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.registry import Referrer

_NEXT = re.compile(r'<([^<>]+)>\s*;\s*rel="?next"?')
_SENDINGS = 3
_DOCUMENT_SECONDS = 60.0
_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"


class OciReferrers:
    """The artifacts beside the images of one registry.

    Args:
        client: speaks with it.
        blobs: sends contents to it.
    """

    def __init__(self, client: HttpClient, blobs: BlobTransfer) -> None:
        self._client = client
        self._blobs = blobs

    def attach(self, repository: str, artifact: Artifact, content: bytes) -> None:
        """Keep an artifact beside the image that it names; raises as `ImageRegistry.attach` does."""
        subject = artifact.subject_digest
        if any(each.digest == artifact.digest for each in self._listed(repository, subject, None)):
            return
        if self._send(repository, artifact, content) == subject:
            return
        found = self._ask_api(repository, subject, None)
        if found is None:
            self._list_under_tag(repository, artifact)
        elif not any(each.digest == artifact.digest for each in found):
            what = f"The registry does not list {artifact.digest} beside {subject} after it was sent."
            raise ToolUnavailable(what, "Look at the repository there, and attach it again.")

    def find(self, repository: str, subject_digest: str, artifact_type: str | None) -> tuple[Referrer, ...]:
        """The artifacts of an image; raises as `ImageRegistry.referrers` does."""
        check_repository(repository)
        check_digest(subject_digest)
        listed = self._listed(repository, subject_digest, artifact_type)
        digests = sorted({each.digest for each in listed if each.mediaType == MANIFEST and may_be(each, artifact_type)})
        artifacts = (self._artifact(repository, digest, subject_digest) for digest in digests)
        return tuple(one.referrer for one in artifacts if artifact_type in (None, one.artifact_type))

    def read(self, repository: str, digest: str) -> bytes:
        """The content of an artifact; raises as `ImageRegistry.read_attached` does."""
        content = self._artifact(check_repository(repository), check_digest(digest)).content
        path = f"/v2/{repository}/blobs/{content.digest}"
        answer = self._client.ask(Ask("GET", path, accept=(200, 404), limit_bytes=max(content.size_bytes, 1)))
        if answer.status == 404:
            raise UntrustedInput(f"Blob {content.digest} is missing in the registry.", RESTORE)
        if len(answer.content) != content.size_bytes or digest_of(answer.content) != content.digest:
            raise UntrustedInput(f"Blob {content.digest} in the registry is corrupt: its bytes differ.", RESTORE)
        return answer.content

    def _send(self, repository: str, artifact: Artifact, content: bytes) -> str | None:
        """Send an artifact; what the registry says that it is about, if it has the referrers API and says so.

        It gets a tag of its own: cleaners take away what has none.
        """
        path = f"/v2/{repository}/manifests/{_own_tag(artifact)}"
        with tempfile.TemporaryDirectory() as folder:
            layout = Path(folder)
            blob_path(layout, artifact.digest).parent.mkdir(parents=True)
            blobs = add_bytes(layout, EMPTY_CONTENT, EMPTY), add_bytes(layout, content, artifact.artifact_type)
            for left in reversed(range(_SENDINGS)):
                self._blobs.send(layout, dict.fromkeys(blobs), repository)
                try:
                    answer = self._client.ask(
                        Ask(
                            "PUT",
                            path,
                            accept=(201,),
                            headers={"Content-Type": MANIFEST},
                            body=artifact.manifest,
                            timeout_seconds=_DOCUMENT_SECONDS,
                        )
                    )
                    return answer.headers.get("oci-subject")
                except HttpRefusal as failure:
                    # Another one has attached the same and tags don't move, or is sending the same blob at this moment.
                    if read_document(self._client, repository, artifact.digest, MANIFEST) is not None:
                        return None
                    if left == 0 or _BLOB_UNKNOWN not in failure.what:
                        raise
        raise AssertionError("the last sending returns or raises")

    def _artifact(self, repository: str, digest: str, subject_digest: str | None = None) -> Artifact:
        """An artifact by its digest; `UntrustedInput` where it is listed under an image that it does not name."""
        answer = read_document(self._client, repository, digest, MANIFEST)
        if answer is None:
            if subject_digest is not None:
                raise UntrustedInput(f"Manifest {digest} is listed beside {subject_digest} and missing.", RESTORE)
            raise NotFound(f"The registry has nothing attached as {repository}@{digest}.", "Attach it first.")
        if digest_of(answer.content) != digest:
            raise UntrustedInput(f"Manifest {digest} in the registry is corrupt: its bytes differ.", RESTORE)
        artifact = parse_artifact(answer.content, f"manifest {digest}")
        if subject_digest not in (None, artifact.subject_digest):
            what = f"Manifest {digest} is listed beside {subject_digest} and belongs to {artifact.subject_digest}."
            raise UntrustedInput(what, "Find out who listed it there.")
        return artifact

    def _listed(self, repository: str, subject_digest: str, artifact_type: str | None) -> tuple[Listed, ...]:
        """What the registry's API lists, or else the index under the tag."""
        listed = self._ask_api(repository, subject_digest, artifact_type)
        return self._read_index(repository, subject_digest)[1] if listed is None else listed

    def _ask_api(self, repository: str, subject_digest: str, artifact_type: str | None) -> tuple[Listed, ...] | None:
        """All pages of the referrers API; None where the registry doesn't have it."""
        path: str | None = f"/v2/{repository}/referrers/{subject_digest}"
        params = {"artifactType": artifact_type} if artifact_type else None
        found: list[Listed] = []
        seen: set[str] = set()
        while path is not None:
            if path in seen or len(found) > REFERRERS_LIMIT or len(seen) > REFERRERS_LIMIT:
                what = f"The registry's list of what is beside {subject_digest} has no end."
                raise UntrustedInput(what, "Look at what fills the repository.")
            ask = Ask(
                "GET",
                path,
                accept=(200,) if seen else (200, 404),
                headers={"Accept": INDEX},
                params=None if seen else params,
                limit_bytes=DOCUMENT_LIMIT_BYTES,
                timeout_seconds=_DOCUMENT_SECONDS,
            )
            seen.add(path)
            answer = self._client.ask(ask)
            if answer.status == 404:
                return None
            found += parse_listed(answer.content, f"the list of what is beside {subject_digest}")
            following = _NEXT.search(answer.headers.get("link", ""))
            path = following[1] if following else None
        return tuple(found)

    def _list_under_tag(self, repository: str, artifact: Artifact) -> None:
        """Add an artifact to the index of its image, as often as somebody else's write takes it away."""
        subject = artifact.subject_digest
        with turn(repository, _tag_of(subject)):
            for _ in range(WRITINGS):
                held, listed = self._read_index(repository, subject)
                if any(each.digest == artifact.digest for each in listed):
                    return
                self._write_index(repository, artifact, held)
            if any(each.digest == artifact.digest for each in self._read_index(repository, subject)[1]):
                return
        what = f"Others go on changing what is listed beside {repository}@{subject}; {artifact.digest} is not listed."
        raise ToolUnavailable(what, "Attach it again.")

    def _read_index(self, repository: str, subject_digest: str) -> tuple[Answer | None, tuple[Listed, ...]]:
        answer = read_document(self._client, repository, _tag_of(subject_digest), INDEX)
        if answer is None:
            return None, ()
        return answer, parse_listed(answer.content, f"the index {repository}:{_tag_of(subject_digest)}")

    def _write_index(self, repository: str, artifact: Artifact, held: Answer | None) -> None:
        tag = _tag_of(artifact.subject_digest)
        body = with_artifacts(held.content if held else None, [artifact])
        write_tagged(self._client, repository, tag, INDEX, body, held)


def _tag_of(subject_digest: str) -> str:
    return subject_digest.replace(":", "-")


def _own_tag(artifact: Artifact) -> str:
    """Of which there is one for each artifact of an image: the same artifact always has the same."""
    return f"{_tag_of(artifact.subject_digest)}.{artifact.digest.removeprefix('sha256:')[:32]}"
