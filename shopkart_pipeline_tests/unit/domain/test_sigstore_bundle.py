"""Envelopes in sigstore bundles: the same bytes come out, no key is named inside, and what is none is refused."""

import json

import pytest

from shopkart_pipeline.domain.attestation import PAYLOAD_TYPE, Envelope, EnvelopeSignature
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.sigstore_bundle import read_bundle, to_bundle

_ENVELOPE = Envelope(PAYLOAD_TYPE, b'{"a": 1}', (EnvelopeSignature("f" * 64, b"signature"),))


def test_an_envelope_comes_out_of_its_bundle_byte_for_byte() -> None:
    assert read_bundle(to_bundle(_ENVELOPE)) == _ENVELOPE


def test_the_key_is_hinted_at_and_not_named_in_the_envelope() -> None:
    bundle = json.loads(to_bundle(_ENVELOPE))

    assert bundle["verificationMaterial"] == {"publicKey": {"hint": "f" * 64}}
    assert [each["keyid"] for each in bundle["dsseEnvelope"]["signatures"]] == [""]


@pytest.mark.parametrize("number", [0, 2])
def test_a_bundle_has_one_signature(number: int) -> None:
    with pytest.raises(UntrustedInput, match=f"this has {number}"):
        to_bundle(Envelope(PAYLOAD_TYPE, b"{}", _ENVELOPE.signatures * number))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"mediaType": "application/json", "verificationMaterial": {}, "dsseEnvelope": {}}',
        to_bundle(_ENVELOPE).replace(b'"dsseEnvelope"', b'"messageSignature"'),
        to_bundle(_ENVELOPE).replace(b'"payloadType"', b'"payload_type"'),
        to_bundle(_ENVELOPE).replace(b'{"hint"', b'[{"hint"').replace(b'"}}', b'"}]}'),
    ],
)
def test_what_is_no_bundle_of_an_envelope_is_refused(content: bytes) -> None:
    with pytest.raises(UntrustedInput):
        read_bundle(content)
