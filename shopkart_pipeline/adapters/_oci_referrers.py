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
from collections.abc import Collection, Iterable, Sequence
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
from shopkart_pipeline.adapters._oci_blobs import RESTORE, BlobTransfer, at_once
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

    def attach(self, repository: str, subject: str, made: Sequence[tuple[Artifact, bytes]]) -> None:
        """Keep artifacts with their contents beside the image that they name; raises as `ImageRegistry.attach` does.

        All contents are sent before the first manifest, all manifests before they are listed.
        """
        by_api = self._ask_api(repository, subject, None)
        listed = self._read_index(repository, subject)[1] if by_api is None else by_api
        new = {one.digest: (one, content) for one, content in made if one.digest not in _digests(listed)}
        untold = self._send(repository, new.values())
        if untold and by_api is None:
            self._list_under_tag(repository, subject, untold)
        elif untold:
            listed = self._ask_api(repository, subject, None) or ()
            lacking = [one.digest for one in untold if one.digest not in _digests(listed)]
            if lacking:
                what = f"The registry does not list {lacking[0]} beside {subject} after it was sent."
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

    def _send(self, repository: str, made: Collection[tuple[Artifact, bytes]]) -> list[Artifact]:
        """Send artifacts; those of which the registry does not say itself that it has listed them."""
        if not made:
            return []
        with tempfile.TemporaryDirectory() as folder:
            layout = Path(folder)
            blob_path(layout, digest_of(EMPTY_CONTENT)).parent.mkdir(parents=True)
            empty = add_bytes(layout, EMPTY_CONTENT, EMPTY)
            contents = {add_bytes(layout, content, one.artifact_type) for one, content in made} - {empty}
            self._blobs.send(layout, [empty, *contents], repository, new=contents)

            def put(artifact: Artifact) -> bool:
                for left in reversed(range(_SENDINGS)):
                    told = self._put(repository, artifact, last=left == 0)
                    if told is not None:
                        return told
                    self._blobs.send(layout, [empty, artifact.content], repository)
                raise AssertionError("the last sending returns or raises")

            artifacts = [artifact for artifact, _ in made]
            told = at_once(artifacts, put)
        return [artifact for artifact, listed in zip(artifacts, told, strict=True) if not listed]

    def _put(self, repository: str, artifact: Artifact, *, last: bool) -> bool | None:
        """Send a manifest: whether the registry says that it listed it; None where a blob of it was gone again.

        It gets a tag of its own: cleaners take away what has none.
        """
        path = f"/v2/{repository}/manifests/{_own_tag(artifact)}"
        ask = Ask(
            "PUT",
            path,
            accept=(201,),
            headers={"Content-Type": MANIFEST},
            body=artifact.manifest,
            timeout_seconds=_DOCUMENT_SECONDS,
        )
        try:
            return self._client.ask(ask).headers.get("oci-subject") == artifact.subject_digest
        except HttpRefusal as failure:
            # Another one has attached the same and tags don't move, or is sending the same blob at this moment.
            if read_document(self._client, repository, artifact.digest, MANIFEST) is not None:
                return False
            if last or _BLOB_UNKNOWN not in failure.what:
                raise
            return None

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

    def _list_under_tag(self, repository: str, subject: str, artifacts: Sequence[Artifact]) -> None:
        """Add artifacts to the index of their image, as often as somebody else's write takes them away."""
        tag, wanted, listed = _tag_of(subject), {one.digest for one in artifacts}, tuple[Listed, ...]()
        with turn(repository, tag):
            for left in reversed(range(WRITINGS + 1)):
                held, listed = self._read_index(repository, subject)
                if wanted <= _digests(listed):
                    return
                if left:
                    body = with_artifacts(held.content if held else None, artifacts)
                    write_tagged(self._client, repository, tag, INDEX, body, held)
        lacking = ", ".join(sorted(wanted - _digests(listed)))
        what = f"Others go on changing what is listed beside {repository}@{subject}; not listed: {lacking}."
        raise ToolUnavailable(what, "Attach it again.")

    def _read_index(self, repository: str, subject_digest: str) -> tuple[Answer | None, tuple[Listed, ...]]:
        answer = read_document(self._client, repository, _tag_of(subject_digest), INDEX)
        if answer is None:
            return None, ()
        return answer, parse_listed(answer.content, f"the index {repository}:{_tag_of(subject_digest)}")


def _digests(listed: Iterable[Listed]) -> frozenset[str]:
    return frozenset(each.digest for each in listed)


def _tag_of(subject_digest: str) -> str:
    return subject_digest.replace(":", "-")


def _own_tag(artifact: Artifact) -> str:
    """Of which there is one for each artifact of an image: the same artifact always has the same."""
    return f"{_tag_of(artifact.subject_digest)}.{artifact.digest.removeprefix('sha256:')[:32]}"
