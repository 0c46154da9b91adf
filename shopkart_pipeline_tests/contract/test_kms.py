"""A key in AWS KMS, on moto: it is reached through securesystemslib."""

import hashlib

import pytest

from shopkart_pipeline.adapters.dsse import key_id_of
from shopkart_pipeline.adapters.signer_uri import KeyAtUri
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline_tests.contract.ecr_worlds import REGION, client_of


@pytest.fixture(autouse=True)
def aws(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL_KMS": moto,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)


def test_the_public_key_is_told_by_kms_and_every_signature_is_checked_against_it(moto: str) -> None:
    """moto hashes what it is told is a digest already, so its signatures are of something else."""
    made = client_of(moto, "kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["KeyId"]
    told = client_of(moto, "kms").get_public_key(KeyId=made)["PublicKey"]

    key = KeyAtUri(f"awskms:{made}", None)

    assert key_id_of(key.public) == hashlib.sha256(told).hexdigest()
    with pytest.raises(ToolUnavailable, match="that its public key does not verify"):
        key.sign(b"signed")


def test_a_key_that_kms_does_not_have_is_told_as_that() -> None:
    with pytest.raises(ToolUnavailable, match="The key of kind awskms in SHOPKART_SIGNER_URI can't be used"):
        KeyAtUri("awskms:nowhere", None)
