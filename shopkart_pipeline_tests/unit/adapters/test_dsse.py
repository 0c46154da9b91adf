"""Envelopes are accepted for a trusted key's signature over exactly these bytes at a moment that counts, and for no
other reason."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from shopkart_pipeline.adapters.dsse import (
    KeyFileVerifier,
    is_signed_by,
    key_id_of,
    public_pem_of,
    verify_envelope,
    write_keys,
)
from shopkart_pipeline.domain.attestation import (
    PAYLOAD_TYPE,
    Envelope,
    EnvelopeSignature,
    Statement,
    pre_authentication_encoding,
    read_envelope,
    read_statement,
)
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.trusted_key import TrustedKey, TrustedKeys
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATEMENT = Statement("shop", f"sha256:{'a' * 64}", "https://shop.example/claim", {"is": "so"})

# The published vector: DSSE v1.0.2, `protocol.md` and the doctest of `implementation/signing_spec.py`.
HELLO_TYPE, HELLO = "http://example.com/HelloWorld", b"hello world"
HELLO_KEY = ec.EllipticCurvePublicNumbers(
    46950820868899156662930047687818585632848591499744589407958293238635476079160,
    5640078356564379163099075877009565129882514886557779369047442380624545832820,
    ec.SECP256R1(),
).public_key()
HELLO_SIGNATURE = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="


def test_the_published_vector_has_this_encoding_and_this_signature() -> None:
    encoded = pre_authentication_encoding(HELLO_TYPE, HELLO)
    raw = base64.b64decode(HELLO_SIGNATURE)
    signature = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))

    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert is_signed_by(public_pem_of(HELLO_KEY), encoded, signature)
    assert not is_signed_by(public_pem_of(HELLO_KEY), encoded + b"!", signature)


def test_the_framework_s_example_statement_is_read() -> None:
    """in-toto Attestation Framework, `spec/v1/statement.md` and the SCAI examples: one subject, any predicate."""
    digest = "d4d5899a3868fbb6ae1856c3e55a32ce35913de3956d1973caccd37bd0174fa2"
    example = f"""{{
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{{"name": "curl-7.72.0.tar.bz2", "digest": {{"sha256": "{digest}"}}}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {{"buildDefinition": {{}}, "runDetails": {{}}}}
    }}"""

    read = read_statement(example.encode())

    assert read.subject_digest == f"sha256:{digest}"
    assert read.predicate_type == "https://slsa.dev/provenance/v1"


def test_a_trusted_signature_gives_the_statement_that_was_signed() -> None:
    signer = FakeAttestor()

    verified = signer.verified(read_envelope(signer.sign(STATEMENT).to_bytes()), NOW)

    assert (verified.statement, verified.key_id) == (STATEMENT, signer.key.key_id)


def test_the_name_of_a_key_decides_nothing() -> None:
    signer, other = FakeAttestor(), FakeAttestor()
    honest = signer.sign(STATEMENT)
    lying = other.sign(STATEMENT)

    renamed = replace(honest, signatures=(EnvelopeSignature("", honest.signatures[0].value),))
    posing = replace(lying, signatures=(EnvelopeSignature(signer.key.key_id, lying.signatures[0].value),))

    assert signer.verified(renamed, NOW).statement == STATEMENT
    with pytest.raises(UntrustedInput, match="No trusted key made this signature"):
        signer.verified(posing, NOW)


def test_every_changed_byte_of_payload_or_signature_is_refused() -> None:
    signer = FakeAttestor()
    whole = signer.sign(STATEMENT)
    [signature] = whole.signatures

    for position in range(len(whole.payload)):
        payload = bytearray(whole.payload)
        payload[position] ^= 1
        with pytest.raises(UntrustedInput):
            signer.verified(replace(whole, payload=bytes(payload)), NOW)
    for position in range(len(signature.value)):
        value = bytearray(signature.value)
        value[position] ^= 1
        with pytest.raises(UntrustedInput):
            signer.verified(replace(whole, signatures=(replace(signature, value=bytes(value)),)), NOW)


def test_another_type_of_payload_is_another_content() -> None:
    signer = FakeAttestor()

    with pytest.raises(UntrustedInput):
        signer.verified(replace(signer.sign(STATEMENT), payload_type="application/json"), NOW)


def test_what_a_trusted_key_signed_as_something_else_is_no_statement() -> None:
    """DSSE: whoever verifies has to know what he expects. Bytes of another format may look like a statement."""
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    payload, kind = STATEMENT.to_bytes(), "application/vnd.other+json"
    signature = key.sign(pre_authentication_encoding(kind, payload), ec.ECDSA(hashes.SHA256()))
    trusted = TrustedKeys((TrustedKey(key_id_of(public), public_pem_of(public), NOW),))
    envelope = Envelope(kind, payload, (EnvelopeSignature("", signature),))

    with pytest.raises(UntrustedInput, match=r"'application/vnd\.other\+json', which is no statement"):
        verify_envelope(trusted, envelope, NOW)


def test_base64_for_urls_is_read_as_well() -> None:
    """DSSE 1.0.2 allows both, and other signers write it."""
    signed = EnvelopeSignature("", b"\xfb\xff\xfe")
    envelope = Envelope("application/x", b"\xfb\xff\xfe?", (signed,))
    written = envelope.to_bytes()

    assert read_envelope(written.replace(b"+/", b"-_").replace(b"//", b"__")) == envelope
    assert b"-" in written.replace(b"+/", b"-_")


def test_a_key_counts_in_its_time_alone() -> None:
    signer = FakeAttestor(valid_from=NOW, valid_until=NOW + timedelta(days=1))
    envelope = signer.sign(STATEMENT)

    assert signer.verified(envelope, NOW).statement == STATEMENT
    for moment in (NOW - timedelta(seconds=1), NOW + timedelta(days=1)):
        with pytest.raises(UntrustedInput, match="was not trusted at"):
            signer.verified(envelope, moment)


@pytest.mark.parametrize("scheme", [padding.PKCS1v15(), padding.PSS(padding.MGF1(hashes.SHA256()), 32)])
def test_rsa_as_cosign_and_as_aws_make_it(scheme: padding.AsymmetricPadding) -> None:
    private = rsa.generate_private_key(65537, 2048)
    pem = public_pem_of(private.public_key())

    assert is_signed_by(pem, b"signed", private.sign(b"signed", scheme, hashes.SHA256()))
    assert not is_signed_by(pem, b"other", private.sign(b"signed", scheme, hashes.SHA256()))


def test_the_file_of_keys_is_read_again_once_it_has_changed(tmp_path: Path) -> None:
    signer, path = FakeAttestor(), tmp_path / "keys.json"
    path.write_bytes(write_keys(FakeAttestor().keys.keys))
    verifier = KeyFileVerifier(path)
    with pytest.raises(UntrustedInput):
        verifier.verified(signer.sign(STATEMENT), NOW)

    path.write_bytes(write_keys([*verifier.keys().keys, signer.key]))

    assert verifier.verified(signer.sign(STATEMENT), NOW).key_id == signer.key.key_id


def test_keys_are_written_as_they_are_read(tmp_path: Path) -> None:
    until = replace(FakeAttestor().key, valid_until=NOW)
    (tmp_path / "keys.json").write_bytes(write_keys([until, FakeAttestor().key]))

    assert until in KeyFileVerifier(tmp_path / "keys.json").keys().keys


def entry(**changes: object) -> list[dict[str, object]]:
    signer = FakeAttestor()
    return [{"keyid": signer.key.key_id, "public": signer.key.public_pem, "valid_from": NOW.isoformat(), **changes}]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        "[1]",
        json.dumps([{}]),
        json.dumps(entry(keyid="0" * 64)),
        json.dumps(entry(public="-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")),
        json.dumps(entry(valid_from="2026-01-01T00:00:00")),
        json.dumps(entry(valid_until="soon")),
        json.dumps(entry() * 2),
        "[" * 100_000,
    ],
)
def test_a_file_of_keys_that_is_odd_in_any_way_trusts_nobody(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)

    with pytest.raises(ToolUnavailable, match=r"keys\.json"):
        KeyFileVerifier(tmp_path / "keys.json").keys()


def test_a_file_of_keys_that_is_not_there_trusts_nobody(tmp_path: Path) -> None:
    with pytest.raises(ToolUnavailable, match="can't be read"):
        KeyFileVerifier(tmp_path / "keys.json").verified(FakeAttestor().sign(STATEMENT), NOW)


@pytest.mark.parametrize(
    "private", [rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP384R1())], ids=["short", "P-384"]
)
def test_other_kinds_of_keys_are_not_accepted(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    public = private.public_key()
    key = TrustedKey(key_id_of(public), public_pem_of(public), NOW)  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="not accepted"):
        verify_envelope(TrustedKeys((key,)), Envelope(PAYLOAD_TYPE, b"p", (EnvelopeSignature("", b"s"),)), NOW)
