"""Signatures of people: what OpenSSH made is read, what we make is what OpenSSH makes, and nothing else counts."""

import base64
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shopkart_pipeline.adapters.ssh_signature import NAMESPACE, SshSignatureVerifier, SshSigner, create_key
from shopkart_pipeline.domain.errors import ToolUnavailable, UntrustedInput
from shopkart_pipeline.verifier import people
from shopkart_pipeline.verifier.claims import Fault
from shopkart_pipeline_tests.scan_requests import SAMPLES

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
RECORDED = SAMPLES / "ssh"
MESSAGE = (RECORDED / "message.json").read_bytes()
MAYA = "maya@shopkart.example"


def recorded(name: str) -> str:
    return (RECORDED / name).read_text()


def signer_of(signature: str, allowed: Path, message: bytes = MESSAGE, now: datetime = NOON) -> str:
    """Who signed, as the pipeline says; the verifier that stands alone has to say the same."""
    alone = _alone(signature, allowed, message, now)
    try:
        person = SshSignatureVerifier().signer_of(message, signature, allowed, now)
    except UntrustedInput:
        assert alone is None
        raise
    assert alone == person
    return person


def _alone(signature: str, allowed: Path, message: bytes, now: datetime) -> str | None:
    """None: nobody."""
    try:
        return people.signer_of(message, signature, allowed.read_bytes(), now)
    except (Fault, OSError):
        return None


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Maya's private key; `allowed` beside it names her."""
    path = tmp_path / "keys" / "maya"
    (tmp_path / "allowed").write_text(create_key(path, MAYA))
    return path


@pytest.fixture
def allowed(tmp_path: Path, key: Path) -> Path:
    return tmp_path / "allowed"


@pytest.fixture
def public(allowed: Path) -> str:
    """Key type and key as they stand in a line."""
    return " ".join(allowed.read_text().split()[-2:])


# With OpenSSH.


@pytest.mark.parametrize(("name", "person"), [("maya", MAYA), ("jonas", "jonas@shopkart.example")])
def test_a_signature_of_openssh_is_read(name: str, person: str) -> None:
    assert signer_of(recorded(f"{name}.sig"), RECORDED / "allowed_signers") == person


def test_our_signature_is_the_one_that_openssh_makes(tmp_path: Path) -> None:
    path = tmp_path / "key"
    private = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    path.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    )

    assert SshSigner(path).sign(MESSAGE) == recorded("known-key.sig")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("other-namespace", "another namespace"), ("sha256", "another namespace or hash"), ("rsa", "no ed25519 key")],
)
def test_other_namespaces_hashes_and_keys_are_refused(name: str, reason: str) -> None:
    with pytest.raises(UntrustedInput, match=reason) as refused:
        signer_of(recorded(f"{name}.sig"), RECORDED / "allowed_signers")

    assert f"ssh-keygen -Y sign -n {NAMESPACE}" in refused.value.fix


_OPENSSH = shutil.which("ssh-keygen")


@pytest.mark.parametrize("program", [_OPENSSH] if _OPENSSH else [])
def test_the_installed_openssh_agrees(program: str, tmp_path: Path, key: Path, allowed: Path) -> None:
    """The recorded signatures stand for this where no client is installed."""
    (tmp_path / "ours.sig").write_text(SshSigner(key).sign(MESSAGE))
    verify = ["-Y", "verify", "-n", NAMESPACE, "-I", MAYA, "-f", str(allowed), "-s", str(tmp_path / "ours.sig")]
    sign = ["-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(key)]

    verified = subprocess.run([program, *verify], input=MESSAGE, capture_output=True, timeout=30, check=False)
    signed = subprocess.run([program, *sign], input=MESSAGE, capture_output=True, timeout=30, check=True)

    assert verified.returncode == 0, verified.stderr
    assert signer_of(signed.stdout.decode(), allowed) == MAYA


# Ours.


@given(message=st.binary(max_size=300))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_signed_is_verified(message: bytes, key: Path, allowed: Path) -> None:
    assert signer_of(SshSigner(key).sign(message), allowed, message) == MAYA


@given(place=st.integers(0, len(MESSAGE) - 1), bits=st.integers(1, 255))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_of_the_message_is_found(place: int, bits: int, key: Path, allowed: Path) -> None:
    changed = bytearray(MESSAGE)
    changed[place] ^= bits

    with pytest.raises(UntrustedInput):
        signer_of(SshSigner(key).sign(MESSAGE), allowed, bytes(changed))


_BLOB = base64.b64decode("".join(recorded("maya.sig").splitlines()[1:-1]))


def armoured(blob: bytes) -> str:
    return f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(blob).decode()}\n-----END SSH SIGNATURE-----\n"


@given(place=st.integers(0, len(_BLOB) - 1), bits=st.integers(1, 255))
@settings(max_examples=300)
def test_a_changed_byte_of_the_signature_is_found(place: int, bits: int) -> None:
    changed = bytearray(_BLOB)
    changed[place] ^= bits

    with pytest.raises(UntrustedInput):
        signer_of(armoured(bytes(changed)), RECORDED / "allowed_signers")


@given(st.integers(0, len(_BLOB) - 1))
def test_a_signature_that_is_cut_short_or_goes_on_is_refused(length: int) -> None:
    for blob in (_BLOB[:length], _BLOB + _BLOB[:length] + b"\0"):
        with pytest.raises(UntrustedInput):
            signer_of(armoured(blob), RECORDED / "allowed_signers")


@given(st.text(max_size=200) | st.binary(max_size=200).map(armoured))
def test_anything_else_is_refused(signature: str) -> None:
    with pytest.raises(UntrustedInput):
        signer_of(signature, RECORDED / "allowed_signers")


def test_white_space_around_a_signature_makes_no_difference() -> None:
    spaced = "\r\n" + recorded("maya.sig").replace("\n", "\r\n") + "\n\n"

    assert signer_of(spaced, RECORDED / "allowed_signers") == MAYA


def test_a_key_of_nobody_in_the_list_is_refused(tmp_path: Path, allowed: Path) -> None:
    create_key(tmp_path / "mallory", "mallory@elsewhere.example")

    with pytest.raises(UntrustedInput, match="nobody in the allowed-signers file"):
        signer_of(SshSigner(tmp_path / "mallory").sign(MESSAGE), allowed)


def test_another_persons_signature_is_not_mine(tmp_path: Path, key: Path, allowed: Path) -> None:
    line = create_key(tmp_path / "jonas", "jonas@shopkart.example")
    allowed.write_text(allowed.read_text() + line)

    assert signer_of(SshSigner(tmp_path / "jonas").sign(MESSAGE), allowed) == "jonas@shopkart.example"
    assert signer_of(SshSigner(key).sign(MESSAGE), allowed) == MAYA


# Keys.


def test_a_new_key_is_its_owners_alone(key: Path) -> None:
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_overwritten(key: Path) -> None:
    before = key.read_bytes()

    with pytest.raises(FileExistsError):
        create_key(key, MAYA)

    assert key.read_bytes() == before


@pytest.mark.parametrize("content", [None, b"", b"no key", b"-----BEGIN OPENSSH PRIVATE KEY-----\n"])
def test_a_key_that_can_not_be_read_is_an_error_with_a_fix(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ToolUnavailable, match="can't be read") as caught:
        SshSigner(path).sign(MESSAGE)

    assert "ed25519" in caught.value.fix


def test_a_key_with_a_passphrase_is_an_error_that_shows_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )

    with pytest.raises(ToolUnavailable) as caught:
        SshSigner(path).sign(MESSAGE)

    assert "hunter2" not in str(caught.value)


# The list of people.


def test_a_list_that_is_not_there_is_an_error_with_a_fix(tmp_path: Path, key: Path) -> None:
    with pytest.raises(ToolUnavailable, match="can't be read") as caught:
        signer_of(SshSigner(key).sign(MESSAGE), tmp_path / "nowhere")

    assert "one line per person" in caught.value.fix


_KEY = "{public}"


@pytest.mark.parametrize(
    "lines",
    [
        f"{MAYA} {_KEY}",
        f"{MAYA} {_KEY} Maya's laptop \"unfinished",
        f"  {MAYA}\t{_KEY}  \r\n",
        f"# people\n\n   # more\n{MAYA} {_KEY}\n",
        f"{MAYA},m@shopkart.example {_KEY}",
        f'"{MAYA}" {_KEY}',
        f'{MAYA} namespaces="file,shopkart-approval" {_KEY}',
        f'{MAYA} valid-after="20250101",valid-before="20260101" {_KEY}',
        f'{MAYA} NAMESPACES="shopkart-approval",Valid-After="20250101" {_KEY}',
        f"somebody ssh-rsa AAAA\n{MAYA} {_KEY}",
        f"somebody ssh-ed25519 AAAA\n{MAYA} {_KEY}",
        f"nonsense\n{MAYA} {_KEY}",
        f"somebody@else.example cert-authority {_KEY}\n{MAYA} {_KEY}",
    ],
)
def test_a_person_is_found(lines: str, key: Path, allowed: Path, public: str) -> None:
    allowed.write_text(lines.replace(_KEY, public))

    assert signer_of(SshSigner(key).sign(MESSAGE), allowed) == MAYA


@pytest.mark.parametrize(
    "lines",
    [
        "",
        f"# {MAYA} {_KEY}",
        f"#{MAYA} {_KEY}",
        f"# a note\x0c{MAYA} {_KEY}",
        f"# a note\x1c{MAYA} {_KEY}",
        f"# a note\u2028{MAYA} {_KEY}",
        f"# a note\x85{MAYA} {_KEY}",
        f"# a note\r{MAYA} {_KEY}",
        f"{_KEY}",
        f"{_KEY} comment",
        f"{MAYA} cert-authority {_KEY}",
        f'{MAYA} namespaces="shopkart-approval",cert-authority {_KEY}',
        f'{MAYA} cert-authority,namespaces="shopkart-approval" {_KEY}',
        f'{MAYA} namespaces="file" {_KEY}',
        f'{MAYA} namespaces="" {_KEY}',
        f'{MAYA} namespaces="shopkart-*" {_KEY}',
        f"{MAYA} namespaces=shopkart-approval {_KEY}",
        f'{MAYA} namespaces="shopkart-approval {_KEY}',
        f'{MAYA} namespaces="shopkart-approval",namespaces="file" {_KEY}',
        f'{MAYA} namespaces="shopkart-approval", {_KEY}',
        f'{MAYA} ,namespaces="shopkart-approval" {_KEY}',
        f'{MAYA} touch-required="yes" {_KEY}',
        f'{MAYA} valid-after="2025" {_KEY}',
        f'{MAYA} valid-after="20251301" {_KEY}',
        f'{MAYA} valid-after="yesterday" {_KEY}',
        f'{MAYA} valid-after="2025 101" {_KEY}',
        f'{MAYA} valid-after="" {_KEY}',
        f"*@shopkart.example {_KEY}",
        f"!{MAYA} {_KEY}",
        f"{MAYA},!mallory@elsewhere.example {_KEY}",
        f", {_KEY}",
        f'"" {_KEY}',
        f"{MAYA} options more {_KEY}",
        f"{MAYA} {_KEY}AA",
        f"{MAYA} {_KEY}=",
    ],
)
def test_an_odd_line_allows_nobody(lines: str, key: Path, allowed: Path, public: str) -> None:
    allowed.write_text(lines.replace(_KEY, public), encoding="utf-8", newline="")

    with pytest.raises(UntrustedInput, match="nobody"):
        signer_of(SshSigner(key).sign(MESSAGE), allowed)


@pytest.mark.parametrize(
    ("options", "now", "holds"),
    [
        ('valid-after="20250304120000Z"', NOON, True),
        ('valid-after="20250304120000Z"', NOON - timedelta(seconds=1), False),
        ('valid-after="202503041200"', NOON, True),
        ('valid-after="20250305"', NOON, False),
        ('valid-before="20250304120000"', NOON, False),
        ('valid-before="20250304120000"', NOON - timedelta(seconds=1), True),
        ('valid-before="20250305Z"', NOON, True),
        ('valid-after="20250101",valid-before="20250201"', NOON, False),
    ],
)
def test_a_key_counts_while_it_is_valid(
    options: str, now: datetime, holds: bool, key: Path, allowed: Path, public: str
) -> None:
    allowed.write_text(f"{MAYA} {options} {public}\n")
    signature = SshSigner(key).sign(MESSAGE)

    if holds:
        assert signer_of(signature, allowed, now=now) == MAYA
    else:
        with pytest.raises(UntrustedInput):
            signer_of(signature, allowed, now=now)


def test_a_key_that_ended_may_have_a_line_that_goes_on(key: Path, allowed: Path, public: str) -> None:
    allowed.write_text(f'{MAYA} valid-before="20240101" {public}\n{MAYA} valid-after="20250101" {public}\n')

    assert signer_of(SshSigner(key).sign(MESSAGE), allowed) == MAYA


@given(noise=st.text(max_size=120))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_line_breaks_the_reading_of_the_others(noise: str, key: Path, allowed: Path, public: str) -> None:
    lines = f"{noise}\n{MAYA} {public}\n"
    allowed.write_text(lines, encoding="utf-8", errors="replace", newline="")

    assert signer_of(SshSigner(key).sign(MESSAGE), allowed) == MAYA
