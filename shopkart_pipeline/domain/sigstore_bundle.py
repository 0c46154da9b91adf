"""A signed envelope as sigstore's tools keep it beside an image: with a hint at the key, and nothing of a log.

The hint and the envelope's own name of the key say the same, so an envelope goes in and comes out byte for byte. Inside
of the bundle the name is left out: cosign 3 passes over a signature that names a key otherwise than it does itself.

Source: sigstore's protobuf-specs, `sigstore_bundle.proto` (v0.3); cosign, `specs/BUNDLE_SPEC.md`.
"""

import json
from dataclasses import replace
from typing import Any

from shopkart_pipeline.domain.attestation import Envelope, EnvelopeSignature, read_envelope
from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.errors import UntrustedInput

BUNDLE_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_FIX = "Sign it once, with one key."


def to_bundle(envelope: Envelope) -> bytes:
    """The bundle of an envelope. Raises `UntrustedInput` unless it has one signature, as bundles have."""
    (signature,) = _only(envelope).signatures
    return canonical_json(
        {
            "mediaType": BUNDLE_MEDIA_TYPE,
            "verificationMaterial": {"publicKey": {"hint": signature.key_id}},
            "dsseEnvelope": json.loads(nameless(envelope).to_bytes()),
        }
    )


def read_bundle(content: bytes) -> Envelope:
    """The envelope in a bundle; nothing is verified. Raises `UntrustedInput` for what is no bundle of an envelope."""
    try:
        found: dict[str, Any] = json.loads(content)
        kind, inner = str(found["mediaType"]), found["dsseEnvelope"]
        hint = str(found["verificationMaterial"].get("publicKey", {}).get("hint", ""))
        if not kind.startswith("application/vnd.dev.sigstore.bundle"):
            raise ValueError("another type")
        held = json.dumps(inner).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UntrustedInput(f"This is no sigstore bundle of an envelope: {type(error).__name__}.", _FIX) from error
    envelope = _only(read_envelope(held))
    (signature,) = envelope.signatures
    return replace(envelope, signatures=(replace(signature, key_id=signature.key_id or hint),))


def nameless(envelope: Envelope) -> Envelope:
    """The envelope without the names of its keys."""
    return replace(envelope, signatures=tuple(EnvelopeSignature("", each.value) for each in envelope.signatures))


def _only(envelope: Envelope) -> Envelope:
    if len(envelope.signatures) != 1:
        raise UntrustedInput(f"A bundle has one signature; this has {len(envelope.signatures)}.", _FIX)
    return envelope
