"""Keeps artifacts beside images in a registry that speaks the distribution protocol, and finds them.

A registry with the referrers API finds by itself what names an image as its subject: it says so in its answer to the
manifest (`OCI-Subject`), or by answering the API. In any other one an index under the tag `sha256-<hex>` lists them,
and whoever attaches writes it: read, add, write, and read again, until what was to be listed is. The write is
conditional where the registry tells an entity tag; many ignore the condition, so attachers of one process take turns as
well. Between two processes and with a registry that knows no conditions, one attacher can still write over another's
entry in the moment after that one has looked: then the artifact is there and not listed, which whoever verifies reports
as missing, and attaching it again lists it. AWS's ECR has the API.

Rules: OCI distribution-spec 1.1, "Listing Referrers", "Pushing Manifests with Subject" and "Referrers Tag Schema".
"""

import re
import tempfile
import threading
from collections import defaultdict
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
from shopkart_pipeline.adapters._oci_write import add_bytes
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.registry import ATTACHED_LIMIT_BYTES, Referrer

_NEXT = re.compile(r'<([^<>]+)>\s*;\s*rel="?next"?')
_SENDINGS = 3
_LISTINGS = 5
_DOCUMENT_SECONDS = 60.0
_BLOB_UNKNOWN = "MANIFEST_BLOB_UNKNOWN"
_turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
"""By repository and image: who may write the index of an image's artifacts."""


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
        answer = self._send(repository, artifact, content)
        if answer.headers.get("oci-subject") == artifact.subject_digest:
            return
        found = self._ask_api(repository, artifact.subject_digest, None)
        if found is None:
            self._list_under_tag(repository, artifact)
        elif not any(listed.digest == artifact.digest for listed in found):
            what = f"The registry does not list {artifact.digest} beside {artifact.subject_digest} after it was sent."
            raise ToolUnavailable(what, "Look at the repository there, and attach it again.")

    def find(self, repository: str, subject_digest: str, artifact_type: str | None) -> tuple[Referrer, ...]:
        """The artifacts of an image; raises as `ImageRegistry.referrers` does."""
        check_repository(repository)
        check_digest(subject_digest)
        listed = self._ask_api(repository, subject_digest, artifact_type)
        if listed is None:
            listed = self._read_index(repository, subject_digest)[1]
        digests = sorted({each.digest for each in listed if each.mediaType == MANIFEST and may_be(each, artifact_type)})
        artifacts = (self._artifact(repository, digest, subject_digest) for digest in digests)
        return tuple(one.referrer for one in artifacts if artifact_type in (None, one.artifact_type))

    def read(self, repository: str, digest: str) -> bytes:
        """The content of an artifact; raises as `ImageRegistry.read_attached` does."""
        content = self._artifact(check_repository(repository), check_digest(digest)).content
        if content.size_bytes > ATTACHED_LIMIT_BYTES:
            what = f"What {digest} names has {content.size_bytes} bytes; at most {ATTACHED_LIMIT_BYTES} are read."
            raise UntrustedInput(what, RESTORE)
        path = f"/v2/{repository}/blobs/{content.digest}"
        answer = self._client.ask(Ask("GET", path, accept=(200, 404), limit_bytes=max(content.size_bytes, 1)))
        if answer.status == 404:
            raise UntrustedInput(f"Blob {content.digest} is missing in the registry.", RESTORE)
        if len(answer.content) != content.size_bytes or digest_of(answer.content) != content.digest:
            raise UntrustedInput(f"Blob {content.digest} in the registry is corrupt: its bytes differ.", RESTORE)
        return answer.content

    def _send(self, repository: str, artifact: Artifact, content: bytes) -> Answer:
        path = f"/v2/{repository}/manifests/{artifact.digest}"
        with tempfile.TemporaryDirectory() as folder:
            layout = Path(folder)
            blob_path(layout, artifact.digest).parent.mkdir(parents=True)
            blobs = add_bytes(layout, EMPTY_CONTENT, EMPTY), add_bytes(layout, content, artifact.artifact_type)
            for left in reversed(range(_SENDINGS)):
                self._blobs.send(layout, dict.fromkeys(blobs), repository)
                try:
                    return self._client.ask(
                        Ask("PUT", path, accept=(201,), headers={"Content-Type": MANIFEST}, body=artifact.manifest)
                    )
                except HttpRefusal as failure:
                    # Somebody else sent the same blob at this moment.
                    if left == 0 or _BLOB_UNKNOWN not in failure.what:
                        raise
        raise AssertionError("the last sending returns or raises")

    def _artifact(self, repository: str, digest: str, subject_digest: str | None = None) -> Artifact:
        """An artifact by its digest; `UntrustedInput` where it is listed under an image that it does not name."""
        answer = self._manifest(repository, digest, MANIFEST)
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

    def _manifest(self, repository: str, reference: str, kind: str) -> Answer | None:
        ask = Ask(
            "GET",
            f"/v2/{repository}/manifests/{reference}",
            accept=(200, 404),
            headers={"Accept": kind},
            limit_bytes=DOCUMENT_LIMIT_BYTES,
            timeout_seconds=_DOCUMENT_SECONDS,
        )
        answer = self._client.ask(ask)
        return None if answer.status == 404 else answer

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
        with _turns[f"{repository}@{subject}"]:
            for _ in range(_LISTINGS):
                held, listed = self._read_index(repository, subject)
                if any(each.digest == artifact.digest for each in listed):
                    return
                self._write_index(repository, artifact, held)
            if any(each.digest == artifact.digest for each in self._read_index(repository, subject)[1]):
                return
        what = f"Others go on changing what is listed beside {repository}@{subject}; {artifact.digest} is not listed."
        raise ToolUnavailable(what, "Attach it again.")

    def _read_index(self, repository: str, subject_digest: str) -> tuple[Answer | None, tuple[Listed, ...]]:
        answer = self._manifest(repository, _tag_of(subject_digest), INDEX)
        if answer is None:
            return None, ()
        return answer, parse_listed(answer.content, f"the index {repository}:{_tag_of(subject_digest)}")

    def _write_index(self, repository: str, artifact: Artifact, held: Answer | None) -> None:
        headers = {"Content-Type": INDEX}
        if held is None:
            headers["If-None-Match"] = "*"
        elif "etag" in held.headers:
            headers["If-Match"] = held.headers["etag"]
        tag = _tag_of(artifact.subject_digest)
        body = with_artifacts(held.content if held else None, [artifact])
        try:
            # 412: somebody else wrote since; the next round reads theirs.
            self._client.ask(
                Ask("PUT", f"/v2/{repository}/manifests/{tag}", accept=(201, 412), headers=headers, body=body)
            )
        except HttpRefusal as failure:
            if held is None or failure.status in (401, 403, 429) or failure.status >= 500:
                raise
            what = f"The registry has no referrers API and does not let {repository}:{tag} be written again."
            fix = f"Let tags that begin with `sha256-` move, or use a registry with that API. {failure.what}"
            raise ToolUnavailable(what, fix) from failure


def _tag_of(subject_digest: str) -> str:
    return subject_digest.replace(":", "-")
