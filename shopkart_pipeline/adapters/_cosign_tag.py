"""Envelopes in the place where cosign 2 and sigstore's policy-controller look for them: the tag `sha256-<hex>.att`.

It names an image with a layer for each envelope. Envelopes are added and none is taken away. Nothing of ours reads them
from here to decide: it is for others, and holds what others have signed.

Rules: cosign, `specs/ATTESTATION_SPEC.md` and `specs/SIGNATURE_SPEC.md` ("Storage"); the fields as cosign 3.1 writes
them with `--new-bundle-format=false`.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, NonNegativeInt

from shopkart_pipeline.adapters._http import Answer, Ask, HttpClient
from shopkart_pipeline.adapters._oci_artifact import REFERRERS_LIMIT
from shopkart_pipeline.adapters._oci_blobs import RESTORE, BlobTransfer
from shopkart_pipeline.adapters._oci_documents import CONFIG, MANIFEST, Descriptor, blob_path, digest_of, parse
from shopkart_pipeline.adapters._oci_names import check_digest, check_repository
from shopkart_pipeline.adapters._oci_tagged import WRITINGS, read_document, turn, write_tagged
from shopkart_pipeline.adapters._oci_write import add_bytes, as_document, document
from shopkart_pipeline.domain.attestation import ENVELOPE_MEDIA_TYPE
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.ports.registry import ATTACHED_LIMIT_BYTES

_NO_TIME = "0001-01-01T00:00:00Z"


class _Layer(BaseModel):
    mediaType: str
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    size: Annotated[NonNegativeInt, Field(le=ATTACHED_LIMIT_BYTES)]
    annotations: dict[str, str] = Field(default_factory=dict)


class _Image(BaseModel):
    schemaVersion: Annotated[int, Field(ge=2, le=2)]
    layers: Annotated[list[_Layer], Field(max_length=REFERRERS_LIMIT)]


class CosignTag:
    """The envelopes of one registry's images in cosign's own place.

    Args:
        client: speaks with the registry.
        blobs: sends contents to it.
    """

    def __init__(self, client: HttpClient, blobs: BlobTransfer) -> None:
        self._client = client
        self._blobs = blobs

    def add(self, repository: str, subject_digest: str, envelopes: Mapping[bytes, str]) -> None:
        """Add envelopes, each with its predicate's type, that are not there yet; raises `ToolUnavailable` where the
        registry does not take them."""
        tag = _tag_of(check_digest(subject_digest))
        wanted = {digest_of(envelope): (envelope, kind) for envelope, kind in envelopes.items()}
        with turn(check_repository(repository), tag):
            for left in reversed(range(WRITINGS + 1)):
                held, layers = self._read(repository, tag)
                lacking = [wanted[digest] for digest in wanted.keys() - {layer.digest for layer in layers}]
                if not lacking:
                    return
                if left:
                    self._write(repository, tag, held, layers, sorted(lacking, key=lambda one: one[1]))
        raise ToolUnavailable(f"Others go on changing {repository}:{tag}.", "Attach the statements again.")

    def read(self, repository: str, subject_digest: str) -> tuple[bytes, ...]:
        """The envelopes, verified against their digests; whoever uses them verifies signature and subject."""
        _, layers = self._read(check_repository(repository), _tag_of(check_digest(subject_digest)))
        kept = [layer for layer in layers if layer.mediaType == ENVELOPE_MEDIA_TYPE]
        size_bytes = sum(layer.size for layer in kept)
        if size_bytes > ATTACHED_LIMIT_BYTES:
            what = f"{_tag_of(subject_digest)} of {repository} holds {size_bytes} bytes of envelopes."
            raise UntrustedInput(what, f"At most {ATTACHED_LIMIT_BYTES} are read; look at who fills it.")
        return tuple(self._content(repository, layer) for layer in kept)

    def _read(self, repository: str, tag: str) -> tuple[Answer | None, list[_Layer]]:
        answer = read_document(self._client, repository, tag, MANIFEST)
        return answer, parse(_Image, answer.content, f"the image {repository}:{tag}").layers if answer else []

    def _content(self, repository: str, layer: _Layer) -> bytes:
        path = f"/v2/{repository}/blobs/{layer.digest}"
        answer = self._client.ask(Ask("GET", path, limit_bytes=max(layer.size, 1)))
        if digest_of(answer.content) != layer.digest:
            raise UntrustedInput(f"Blob {layer.digest} in the registry is corrupt: its bytes differ.", RESTORE)
        return answer.content

    def _write(
        self, repository: str, tag: str, held: Answer | None, layers: list[_Layer], envelopes: list[tuple[bytes, str]]
    ) -> None:
        layers = [*layers, *(_layer(envelope, kind) for envelope, kind in envelopes)]
        with tempfile.TemporaryDirectory() as folder:
            layout = Path(folder)
            blob_path(layout, layers[-1].digest).parent.mkdir(parents=True)
            config = add_bytes(layout, _config_of(layers), CONFIG)
            new = [config, *(add_bytes(layout, envelope, ENVELOPE_MEDIA_TYPE) for envelope, _ in envelopes)]
            self._blobs.send(layout, new, repository, new=new)
        write_tagged(self._client, repository, tag, MANIFEST, _manifest_of(config, layers), held)


def _layer(envelope: bytes, predicate_type: str) -> _Layer:
    return _Layer(
        mediaType=ENVELOPE_MEDIA_TYPE,
        digest=digest_of(envelope),
        size=len(envelope),
        annotations={"dev.cosignproject.cosign/signature": "", "predicateType": predicate_type},
    )


def _manifest_of(config: Descriptor, layers: list[_Layer]) -> bytes:
    return document(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": as_document(config),
            "layers": [layer.model_dump() for layer in layers],
        }
    )


def _config_of(layers: list[_Layer]) -> bytes:
    """What go-containerregistry wants to see of an image: a layer's uncompressed content is itself."""
    config: dict[str, Any] = {
        "architecture": "",
        "os": "",
        "created": _NO_TIME,
        "history": [{"created": _NO_TIME} for _ in layers],
        "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in layers]},
        "config": {},
    }
    return document(config)


def _tag_of(subject_digest: str) -> str:
    return f"{subject_digest.replace(':', '-')}.att"
