"""A key in AWS KMS, on moto: it signs through securesystemslib, and what it signs is verified like anything else."""

import pytest

from shopkart_pipeline.adapters.dsse import is_signed_by, public_pem_of
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


@pytest.mark.parametrize("kind", ["ECC_NIST_P256", "RSA_2048"])
def test_a_key_in_kms_signs_and_its_public_key_is_told_by_kms(moto: str, kind: str) -> None:
    made = client_of(moto, "kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec=kind)
    key = KeyAtUri(f"awskms:{made['KeyMetadata']['KeyId']}", None)

    public, signature = key.sign(b"signed")

    assert is_signed_by(public_pem_of(public), b"signed", signature)
    assert not is_signed_by(public_pem_of(public), b"other", signature)


def test_a_key_that_kms_does_not_have_is_told_as_that() -> None:
    with pytest.raises(ToolUnavailable, match="The key of kind awskms in SHOPKART_SIGNER_URI can't be used"):
        KeyAtUri("awskms:nowhere", None)
