"""What is kept beside an image: a manifest that names the image as its subject, and an index of such manifests.

An artifact of ours has the empty configuration and its content as its only layer. What is read counts as untrusted: an
artifact counts for the image that its own manifest names, never for the one it was listed under.

Rules: OCI image-spec 1.1, `manifest.md` ("Guidelines for Artifact Usage") and `image-index.md`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast

from pydantic import BaseModel, Field, NonNegativeInt

from shopkart_pipeline.adapters._oci_documents import (
    AGAIN,
    DOCUMENT_LIMIT_BYTES,
    MANIFEST,
    Descriptor,
    digest_of,
    parse,
)
from shopkart_pipeline.adapters._oci_write import as_document, document
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.ports.registry import ATTACHED_LIMIT_BYTES, Referrer

INDEX = "application/vnd.oci.image.index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
EMPTY_CONTENT = b"{}"
REFERRERS_LIMIT = 1000
"""Most artifacts of one image; where there are more, somebody fills the registry."""

_MEDIA_TYPE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,126}")
"""RFC 6838, 4.2."""


@dataclass(frozen=True)
class Artifact:
    """Something that is kept beside an image."""

    digest: str
    """Of its manifest."""
    subject_digest: str
    artifact_type: str
    annotations: Mapping[str, str]
    layers: tuple[Descriptor, ...]
    manifest: bytes

    @property
    def content(self) -> Descriptor:
        """The one content. Raises `UntrustedInput` for what others attached in several pieces, or of a size that is not
        read."""
        if len(self.layers) != 1 or self.layers[0].size_bytes > ATTACHED_LIMIT_BYTES:
            sizes = ", ".join(str(each.size_bytes) for each in self.layers) or "none"
            what = f"{self.digest}, a {self.artifact_type}, has contents of these sizes: {sizes}."
            raise UntrustedInput(
                what, f"Read it with the tool that wrote it; one of {ATTACHED_LIMIT_BYTES} bytes is the most here."
            )
        return self.layers[0]

    @property
    def referrer(self) -> Referrer:
        """As the port shows it."""
        return Referrer(self.digest, self.artifact_type, self.annotations)


class _Named(BaseModel):
    mediaType: str
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    size: NonNegativeInt


class _ArtifactDocument(BaseModel):
    schemaVersion: Annotated[int, Field(ge=2, le=2)]
    mediaType: str = MANIFEST
    artifactType: str = ""
    config: _Named
    layers: list[_Named]
    subject: _Named
    annotations: dict[str, str] | None = None


class Listed(_Named):
    """A manifest as an index lists it."""

    artifactType: str = ""


class _IndexDocument(BaseModel):
    schemaVersion: Annotated[int, Field(ge=2, le=2)]
    mediaType: str = INDEX
    manifests: Annotated[list[Listed], Field(max_length=REFERRERS_LIMIT)]


def new_artifact(subject: Descriptor, artifact_type: str, content: bytes, annotations: Mapping[str, str]) -> Artifact:
    """The artifact that keeps a content beside an image; equal for equal arguments. Raises `UntrustedInput`."""
    if not _MEDIA_TYPE.fullmatch(artifact_type):
        raise UntrustedInput(f"{artifact_type!r} is no media type.", "Name it as `application/…`.")
    if len(content) > ATTACHED_LIMIT_BYTES:
        what = f"A {artifact_type} of {len(content)} bytes is too large to be attached to {subject.digest}."
        raise UntrustedInput(what, f"At most {ATTACHED_LIMIT_BYTES} bytes are.")
    layer = Descriptor(artifact_type, digest_of(content), len(content))
    manifest: dict[str, object] = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": as_document(Descriptor(EMPTY, digest_of(EMPTY_CONTENT), len(EMPTY_CONTENT))),
        "layers": [as_document(layer)],
        "subject": as_document(subject),
    }
    if annotations:
        manifest["annotations"] = dict(annotations)
    return parse_artifact(document(manifest), f"the {artifact_type} for {subject.digest}")


def parse_artifact(content: bytes, origin: str) -> Artifact:
    """Read an artifact's manifest; `origin` says in errors where it came from. Raises `UntrustedInput`."""
    if len(content) > DOCUMENT_LIMIT_BYTES:
        raise UntrustedInput(f"{origin} is larger than {DOCUMENT_LIMIT_BYTES} bytes.", AGAIN)
    found = parse(_ArtifactDocument, content, origin)
    if found.mediaType != MANIFEST:
        raise UntrustedInput(f"{origin} is a {found.mediaType}, not a manifest.", AGAIN)
    return Artifact(
        digest_of(content),
        found.subject.digest,
        found.artifactType or found.config.mediaType,
        found.annotations or {},
        tuple(Descriptor(each.mediaType, each.digest, each.size) for each in found.layers),
        content,
    )


def parse_listed(content: bytes, origin: str) -> tuple[Listed, ...]:
    """The manifests that an index lists. Raises `UntrustedInput` for what is none, or lists too many."""
    found = parse(_IndexDocument, content, origin)
    if found.mediaType != INDEX:
        raise UntrustedInput(f"{origin} is a {found.mediaType}, not an index.", AGAIN)
    return tuple(found.manifests)


def with_artifacts(index: bytes | None, artifacts: Iterable[Artifact]) -> bytes:
    """An index that lists the artifacts as well as all that it listed; what others wrote into it stays as it is.

    Args:
        index: one that `parse_listed` has read; None: there is none yet.
        artifacts: to be listed.
    """
    found = cast("dict[str, Any]", json.loads(index)) if index else {}
    entries: list[dict[str, Any]] = found.get("manifests", [])
    listed = {entry["digest"] for entry in entries}
    for artifact in artifacts:
        if artifact.digest not in listed:
            entry = {
                **as_document(Descriptor(MANIFEST, artifact.digest, len(artifact.manifest))),
                "artifactType": artifact.artifact_type,
            }
            entries.append({**entry, "annotations": dict(artifact.annotations)} if artifact.annotations else entry)
    return document({**found, "schemaVersion": 2, "mediaType": INDEX, "manifests": entries})


def may_be(listed: Listed, artifact_type: str | None) -> bool:
    """Whether a listed manifest may be of a type; cosign lists the configuration's type, so that one says nothing."""
    return artifact_type is None or listed.artifactType in ("", EMPTY, artifact_type)
