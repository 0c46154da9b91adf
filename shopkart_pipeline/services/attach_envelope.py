"""Keeps signed envelopes beside the image that they are about, where the tools of others look for them.

An envelope is attached as a sigstore bundle, which cosign 3 finds as a referrer. Provenance, bills and summaries are
put as well where cosign 2 and sigstore's policy-controller look, if the registry has such a place; no others, because a
controller fetches all that is there whenever a pod starts, and has ten seconds for it. The first is ours to rest on; a
registry that refuses the second, for instance because its tags don't move, is told of in words and refuses nothing
here.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from shopkart_pipeline.domain.attestation import (
    ENVELOPE_MEDIA_TYPE,
    PROVENANCE,
    SBOM,
    VERIFICATION,
    Envelope,
    read_envelope,
)
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.sigstore_bundle import BUNDLE_MEDIA_TYPE, nameless, read_bundle, to_bundle
from shopkart_pipeline.ports.registry import Attachment, ImageRegistry

_FOR_COSIGN = frozenset({PROVENANCE, SBOM, VERIFICATION})
_READERS = {BUNDLE_MEDIA_TYPE: read_bundle, ENVELOPE_MEDIA_TYPE: read_envelope}


@dataclass(frozen=True)
class Attached:
    """Envelopes beside an image."""

    digests: tuple[str, ...]
    """Of the manifests that hold them in the registry."""
    note: str | None = None
    """Why they are not where cosign 2 and policy-controller look, if they aren't."""


def attach_envelopes(
    registry: ImageRegistry, repository: str, digest: str, envelopes: Sequence[tuple[Envelope, str]]
) -> Attached:
    """Attach envelopes, each with its predicate's type, to an image; again changes nothing.

    Raises as `ImageRegistry.attach_all` does.
    """
    attached = registry.attach_all(repository, digest, [_attachment(each, kind) for each, kind in envelopes])
    asked_for = {nameless(each).to_bytes(): kind for each, kind in envelopes if kind in _FOR_COSIGN}
    try:
        if asked_for:
            registry.keep_for_cosign(repository, digest, asked_for)
    except ToolUnavailable as error:
        return Attached(attached, f"Not where cosign 2 and policy-controller look: {error.what}")
    return Attached(attached)


def _attachment(envelope: Envelope, predicate_type: str) -> Attachment:
    about = {"dev.sigstore.bundle.content": "dsse-envelope", "dev.sigstore.bundle.predicateType": predicate_type}
    return Attachment(BUNDLE_MEDIA_TYPE, to_bundle(envelope), about)


def attached_envelopes(registry: ImageRegistry, repository: str, digest: str) -> tuple[Envelope, ...]:
    """The envelopes beside an image, by whomever; nothing is verified, and each payload with its signature counts once.

    What can't be read as an envelope proves nothing and is left out: whoever needs a statement misses it.
    """
    found: list[Envelope] = []
    for referrer in registry.referrers(repository, digest):
        if (read := _READERS.get(referrer.artifact_type)) is not None:
            with contextlib.suppress(UntrustedInput):
                found.append(read(registry.read_attached(repository, referrer.digest)))
    for content in registry.kept_for_cosign(repository, digest):
        with contextlib.suppress(UntrustedInput):
            found.append(read_envelope(content))
    by_content = {nameless(envelope).digest: envelope for envelope in reversed(found)}
    return tuple(reversed(by_content.values()))
