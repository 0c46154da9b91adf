"""The real cosign verifies what the signer signs, and what cosign signs is verified here."""

import hashlib
import json
import os
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shopkart_pipeline.adapters.dsse import KeyFileVerifier, key_id_of, load_public, write_keys
from shopkart_pipeline.domain.attestation import PROVENANCE, SBOM, STAGE_RESULT, Statement, read_envelope
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.domain.trusted_key import TrustedKey
from shopkart_pipeline_tests.contract.conftest import COSIGN
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TYPES = {PROVENANCE: "slsaprovenance1", SBOM: SBOM, STAGE_RESULT: STAGE_RESULT}


@dataclass(frozen=True)
class Blob:
    """A file that things are stated about, and a folder for keys."""

    folder: Path
    attestor: FakeAttestor

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256((self.folder / 'blob').read_bytes()).hexdigest()}"

    def cosign(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COSIGN_PASSWORD": "", "HOME": str(self.folder)}
        return subprocess.run(
            [str(COSIGN), *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60
        )

    def verify(self, statement: Statement, public_pem: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "key.pem").write_text(public_pem)
        (self.folder / "envelope.json").write_bytes(self.attestor.sign(statement).to_bytes())
        kind = TYPES[statement.predicate_type]
        options = ["--key", "key.pem", "--insecure-ignore-tlog", "--type", kind, "--signature", "envelope.json"]
        return self.cosign("verify-blob-attestation", *options, "blob")


@pytest.fixture(scope="module")
def blob(tmp_path_factory: pytest.TempPathFactory) -> Blob:
    folder = tmp_path_factory.mktemp("cosign")
    (folder / "blob").write_bytes(b"the image's manifest")
    found = Blob(folder, FakeAttestor())
    made = found.cosign("generate-key-pair")
    assert made.returncode == 0, made.stderr
    return found


@pytest.mark.parametrize("kind", TYPES)
def test_cosign_verifies_what_is_signed_here(blob: Blob, kind: str) -> None:
    verified = blob.verify(Statement("shop", blob.digest, kind, {"is": "so"}), blob.attestor.key.public_pem)

    assert verified.returncode == 0, verified.stderr
    assert "Verified OK" in verified.stderr + verified.stdout


def test_cosign_refuses_another_key_and_another_subject(blob: Blob) -> None:
    statement = Statement("shop", blob.digest, PROVENANCE, {"is": "so"})
    elsewhere = Statement("shop", f"sha256:{'0' * 64}", PROVENANCE, {"is": "so"})

    assert blob.verify(statement, FakeAttestor().key.public_pem).returncode != 0
    assert "no matching subject" in blob.verify(elsewhere, blob.attestor.key.public_pem).stderr


def test_what_cosign_signs_is_verified_here(blob: Blob) -> None:
    (blob.folder / "predicate.json").write_text(json.dumps({"is": "so"}))
    options = ["--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format=false"]
    signed = blob.cosign(
        "attest-blob", "--yes", "--key", "cosign.key", "--predicate", "predicate.json", "--type", "https://shop.example/a",
        *options, "--output-signature", "signed.json", "blob",
    )  # fmt: skip
    assert signed.returncode == 0, signed.stderr
    public = (blob.folder / "cosign.pub").read_text()
    key = TrustedKey(key_id_of(load_public(public)), public, NOW)
    (blob.folder / "keys.json").write_bytes(write_keys([key]))
    envelope = read_envelope((blob.folder / "signed.json").read_bytes())

    verified = KeyFileVerifier(blob.folder / "keys.json").verified(envelope, NOW)

    assert verified.statement == Statement("blob", blob.digest, "https://shop.example/a", {"is": "so"})
    with pytest.raises(UntrustedInput):
        blob.attestor.verified(envelope, NOW)
