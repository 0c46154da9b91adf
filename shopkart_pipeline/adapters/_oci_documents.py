"""The documents of an OCI image: descriptors, manifest, configuration and index, validated as they are read.

Only what the pipeline reads is named here; unknown fields are allowed, as the specification asks for.

Rules: OCI image-spec 1.1, `descriptor.md`, `manifest.md`, `config.md`, `image-index.md`.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, JsonValue, NonNegativeInt, ValidationError

from shopkart_pipeline.domain.errors import UntrustedInput

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER_TAR = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCUMENT_LIMIT_BYTES = 4 * 1024 * 1024
"""Largest manifest, index or configuration; the limit that registries set for manifests."""

AGAIN = "Build the image again, or fetch it again from where it came."
_Document = TypeVar("_Document", bound=BaseModel)
_Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Descriptor:
    """Names a blob: what it is, its digest and its size."""

    media_type: str
    digest: str
    size_bytes: int


@dataclass(frozen=True)
class Manifest:
    """An image's manifest; its digest is the image's name everywhere."""

    digest: str
    size_bytes: int
    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """All that the image consists of beside the manifest itself, each once."""
        return tuple(dict.fromkeys((self.config, *self.layers)))

    @property
    def total_bytes(self) -> int:
        """What a registry stores for the image."""
        return self.size_bytes + sum(blob.size_bytes for blob in self.blobs)


class _DescriptorDocument(BaseModel):
    mediaType: str
    digest: _Digest
    size: NonNegativeInt

    def descriptor(self) -> Descriptor:
        return Descriptor(self.mediaType, self.digest, self.size)


class IndexDocument(BaseModel):
    schemaVersion: Annotated[int, Field(ge=2, le=2)]
    manifests: list[_DescriptorDocument]


class _ManifestDocument(BaseModel):
    schemaVersion: Annotated[int, Field(ge=2, le=2)]
    mediaType: str = MANIFEST
    config: _DescriptorDocument
    layers: list[_DescriptorDocument]


class RunDocument(BaseModel):
    """How a container of the image runs, with the field names of the specification."""

    User: str = ""
    Env: list[str] | None = None
    Entrypoint: list[str] | None = None
    Cmd: list[str] | None = None
    WorkingDir: str = ""
    Labels: dict[str, str] | None = None

    @property
    def command(self) -> tuple[str, ...]:
        """What the image starts."""
        return (*(self.Entrypoint or ()), *(self.Cmd or ()))


class _RootDocument(BaseModel):
    diff_ids: list[_Digest]


class ConfigDocument(BaseModel):
    """An image's configuration, as far as the pipeline reads it."""

    architecture: str
    os: str
    created: str | None = None
    config: RunDocument = Field(default_factory=RunDocument)
    rootfs: _RootDocument
    history: list[dict[str, JsonValue]] | None = None


def digest_of(content: bytes) -> str:
    """The digest of bytes at hand, with its algorithm."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_of_file(path: Path) -> str:
    """The digest of a file, read in pieces."""
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def blob_path(layout: Path, digest: str) -> Path:
    """Where a layout keeps a blob."""
    return layout / "blobs" / "sha256" / digest.removeprefix("sha256:")


def parse_manifest(content: bytes, origin: str) -> Manifest:
    """Read a manifest's bytes; `origin` says in errors where they came from. Raises `UntrustedInput`."""
    document = parse(_ManifestDocument, content, origin)
    if document.mediaType != MANIFEST:
        raise UntrustedInput(f"{origin} is a {document.mediaType}, not an OCI image manifest.", AGAIN)
    layers = tuple(layer.descriptor() for layer in document.layers)
    return Manifest(digest_of(content), len(content), document.config.descriptor(), layers)


def parse(kind: type[_Document], content: bytes, origin: str) -> _Document:
    """Read one document; `origin` says in errors where it came from. Raises `UntrustedInput`."""
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "document"
        raise UntrustedInput(f"{origin} is malformed: {place}: {first['msg']}.", AGAIN) from error
