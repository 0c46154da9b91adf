"""The signer answers its own clients, about statements of now, with a key that nobody else reads."""

import contextlib
import ctypes
import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from securesystemslib.signer import Key, SSlibKey
from securesystemslib.signer import Signature as LibrarySignature

from shopkart_pipeline.adapters._signer_socket import SignerPlaces, address_of
from shopkart_pipeline.adapters.dsse import KeyFileVerifier, load_public, public_pem_of, write_keys
from shopkart_pipeline.adapters.signer_client import SignerClient
from shopkart_pipeline.adapters.signer_keys import (
    end_rotation,
    make_folder,
    open_key,
    read_key,
    rotate_file_key,
    trust_first,
    trust_next,
)
from shopkart_pipeline.adapters.signer_server import SignerServer
from shopkart_pipeline.adapters.signer_uri import FileKey, KeyAtUri, SigningKey
from shopkart_pipeline.adapters.statement_signer import StatementSigner, hide_memory
from shopkart_pipeline.domain.attestation import LEDGER_HEAD, Envelope, Statement, pre_authentication_encoding
from shopkart_pipeline.domain.errors import Conflict, Refused, ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.signed_moment import moment_of
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def head(now: datetime = NOW, **predicate: object) -> Statement:
    return Statement(
        "ledger", f"sha256:{'a' * 64}", LEDGER_HEAD, {"sequence": 7, "signed_at": now.isoformat()} | predicate
    )


class Home:
    """A home with its signer's folder, its keys, and a clock that stands."""

    def __init__(self, folder: Path) -> None:
        self.places = SignerPlaces(folder / "signer")
        self.keys_file = folder / "trust" / "attestation-keys.json"
        self.now = NOW
        self.client, self.verifier = SignerClient(self.places.folder), KeyFileVerifier(self.keys_file)

    @contextmanager
    def serving(self, key: SigningKey | None = None, user: int | None = None) -> Generator[SignerServer]:
        if key is None:
            trust_first(self.keys_file, open_key(self.places).public_key(), NOW)
        signer = StatementSigner(self.keys_file, key or FileKey(self.places), lambda: self.now)
        server = SignerServer(self.places, signer.answer, user)
        server.open()
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield server
        finally:
            server.close()
            thread.join(5)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_statement_of_now_is_signed_and_verifies(home: Home) -> None:
    with home.serving():
        envelope = home.client.sign(head())

    assert home.verifier.verified(envelope, NOW).statement == head()


def test_another_library_verifies_what_is_signed_here(home: Home) -> None:
    with home.serving():
        envelope = home.client.sign(head())
    [signature] = envelope.signatures
    [trusted] = home.verifier.keys().keys

    key: Key = SSlibKey.from_crypto(load_public(trusted.public_pem), trusted.key_id)
    signed = pre_authentication_encoding(envelope.payload_type, envelope.payload)

    key.verify_signature(LibrarySignature(signature.key_id, signature.value.hex()), signed)


def test_key_token_and_socket_are_their_owner_s_alone(home: Home) -> None:
    with home.serving():
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.places.folder.iterdir()}
        folder = stat.S_IMODE(home.places.folder.stat().st_mode)

    assert folder == 0o700
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(home.keys_file.stat().st_mode) == 0o644


def test_a_caller_without_this_start_s_token_is_refused(home: Home) -> None:
    with home.serving():
        home.places.token.write_bytes(b"0" * 64)

        with pytest.raises(Refused, match="does not know the caller"):
            home.client.sign(head())


def test_the_token_is_another_one_after_each_start(home: Home) -> None:
    with home.serving():
        first = home.places.token.read_bytes()
    with home.serving():
        assert home.places.token.read_bytes() != first


def test_a_caller_of_another_user_is_told_nothing(home: Home) -> None:
    with home.serving(user=os.geteuid() + 1), pytest.raises(ToolUnavailable):
        home.client.sign(head())


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        (head(NOW - timedelta(minutes=6)), "off the clock"),
        (head(NOW + timedelta(minutes=6)), "off the clock"),
        (head(signed_at=None), "does not say when"),
        (head(signed_at="2026-03-01T12:00:00"), "does not say when"),
        (head(sequence=None), "has no sequence"),
        (replace(head(), predicate_type="https://elsewhere.example/claim"), "are not signed here"),
        (replace(head(), subject_digest="sha256:abc"), "no SHA-256 digest"),
    ],
)
def test_what_is_no_statement_of_ours_about_now_is_refused_by_name(home: Home, statement: Statement, why: str) -> None:
    with home.serving(), pytest.raises(Refused, match=why):
        home.client.sign(statement)


def test_whoever_sends_something_else_is_hung_up_on_and_the_next_one_is_served(home: Home) -> None:
    with home.serving():
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"x" * 300, home.places.token.read_bytes() + b" 99999999999\n"):
            with socket.socket(socket.AF_UNIX) as connection, address_of(home.places.socket) as address:
                connection.settimeout(3)
                connection.connect(address)
                connection.sendall(said)
                connection.shutdown(socket.SHUT_WR)
                assert not connection.recv(100).startswith(b"ok")

        assert home.client.sign(head()).signatures


def test_a_moment_without_a_free_descriptor_does_not_end_the_signer(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept, failures = socket.socket.accept, [OSError(24, "Too many open files")]

    def scarce(listening: socket.socket) -> tuple[socket.socket, object]:
        if failures:
            raise failures.pop()
        return accept(listening)

    monkeypatch.setattr(socket.socket, "accept", scarce)
    with home.serving():
        assert home.client.sign(head()).signatures
    assert not failures


def test_many_callers_at_once_are_all_served(home: Home) -> None:
    signed: list[int] = []
    with home.serving():
        callers = [
            threading.Thread(target=lambda: signed.append(len(home.client.sign(head()).signatures))) for _ in range(24)
        ]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join(10)

    assert signed == [1] * 24


def test_no_signer_and_no_home_is_told_at_once(home: Home) -> None:
    with pytest.raises(ToolUnavailable, match="shopkart signer"):
        home.client.sign(head())


def test_a_second_signer_of_a_home_is_refused(home: Home) -> None:
    with home.serving(), pytest.raises(Conflict, match="Another signer"), home.serving():
        pass


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o666])
def test_a_key_that_others_may_read_is_refused(home: Home, mode: int) -> None:
    open_key(home.places)
    home.places.key.chmod(mode)

    with pytest.raises(Refused, match="open to others"):
        open_key(home.places)


def test_a_folder_that_is_open_to_others_is_refused(home: Home) -> None:
    open_key(home.places)
    home.places.folder.chmod(0o750)

    with pytest.raises(Refused, match="open to others"):
        open_key(home.places)


def test_a_key_behind_a_link_is_refused(home: Home, tmp_path: Path) -> None:
    make_folder(home.places)
    (tmp_path / "elsewhere.pem").write_text("x")
    home.places.key.symlink_to(tmp_path / "elsewhere.pem")

    with pytest.raises(Refused, match="can't be read"):
        open_key(home.places)


def test_a_key_that_the_trusted_keys_do_not_name_signs_nothing(home: Home) -> None:
    trust_first(home.keys_file, open_key(home.places).public_key(), NOW)
    home.places.key.unlink()

    with pytest.raises(Refused, match="is not trusted now"):
        trust_first(home.keys_file, open_key(home.places).public_key(), NOW)


def test_after_a_rotation_old_and_new_signatures_count_each_in_its_time(home: Home) -> None:
    later = NOW + timedelta(hours=1)
    with home.serving():
        old = home.client.sign(head())
        rotate_file_key(home.places, home.keys_file, later)
        home.now = later
        new = home.client.sign(head(later))

    assert old.signatures[0].key_id != new.signatures[0].key_id
    for envelope in (old, new):
        statement = home.verifier.verified(envelope, moment_of(head() if envelope is old else head(later))).statement
        assert statement in (head(), head(later))
    with pytest.raises(UntrustedInput, match="was not trusted at"):
        home.verifier.verified(old, later)
    with pytest.raises(UntrustedInput, match="was not trusted at"):
        home.verifier.verified(new, NOW)


def test_a_statement_from_before_the_rotation_is_to_be_signed_again(home: Home) -> None:
    with home.serving():
        rotate_file_key(home.places, home.keys_file, NOW + timedelta(seconds=1))
        home.now = NOW + timedelta(seconds=2)

        with pytest.raises(Refused, match="was not trusted"):
            home.client.sign(head())


def test_a_rotation_that_was_broken_off_is_ended_by_the_next_start(home: Home) -> None:
    trust_first(home.keys_file, open_key(home.places).public_key(), NOW)
    old, later = home.places.key.read_bytes(), NOW + timedelta(hours=1)
    rotate_file_key(home.places, home.keys_file, later)
    new = home.places.key.read_bytes()

    home.places.next_key.write_bytes(new)
    home.places.next_key.chmod(0o600)
    home.places.key.write_bytes(old)
    end_rotation(home.places, home.keys_file, later)

    assert home.places.key.read_bytes() == new
    assert not home.places.next_key.exists()


def test_a_next_key_that_nobody_trusts_is_thrown_away(home: Home) -> None:
    trust_first(home.keys_file, open_key(home.places).public_key(), NOW)
    old = home.places.key.read_bytes()
    other = SignerPlaces(home.places.folder.parent / "other")
    open_key(other)
    other.key.rename(home.places.next_key)

    end_rotation(home.places, home.keys_file, NOW)

    assert (home.places.key.read_bytes(), home.places.next_key.exists()) == (old, False)


def test_a_key_at_a_uri_signs_through_the_library(home: Home, tmp_path: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    unsealed = serialization.NoEncryption()
    pem = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unsealed)
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "public.pem").write_text(public_pem_of(private.public_key()))
    key = KeyAtUri(f"file2:{tmp_path / 'key.pem'}", tmp_path / "public.pem")
    make_folder(home.places)
    trust_first(home.keys_file, key.public, NOW)

    with home.serving(key):
        envelope = home.client.sign(head())

    assert home.verifier.verified(envelope, NOW).statement == head()


@pytest.mark.parametrize("uri", ["nowhere:SECRET", "file2:/does/not/exist/SECRET", "file2:SECRET"])
def test_a_key_that_can_not_be_reached_is_told_without_its_uri(tmp_path: Path, uri: str) -> None:
    public = tmp_path / "public.pem"
    public.write_text(public_pem_of(ec.generate_private_key(ec.SECP256R1()).public_key()))

    with pytest.raises(ToolUnavailable) as told:
        KeyAtUri(uri, public)

    assert "SECRET" not in str(told.value)


def test_the_keys_of_others_stay_when_one_is_added(home: Home) -> None:
    signer = open_key(home.places)
    trust_first(home.keys_file, signer.public_key(), NOW)
    [first] = home.verifier.keys().keys
    other, later = FakeAttestor().key, NOW + timedelta(hours=1)
    home.keys_file.write_bytes(write_keys([first, other]))
    rotate_file_key(home.places, home.keys_file, later)

    [ended, kept, added] = home.verifier.keys().keys

    assert (ended, kept) == (replace(first, valid_until=later), other)
    assert (added.valid_from, added.valid_until) == (later, None)
    assert read_key(home.places.key).public_key() != signer.public_key()


def test_a_key_that_is_trusted_already_is_no_next_key(home: Home) -> None:
    signer = open_key(home.places)
    trust_first(home.keys_file, signer.public_key(), NOW)

    with pytest.raises(Refused, match="already"):
        trust_next(home.keys_file, signer.public_key(), NOW + timedelta(hours=1), instead_of=None)


def test_no_other_process_reads_the_memory_of_one_that_signs() -> None:
    child = os.fork()
    if child == 0:
        hide_memory()
        os._exit(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_command_makes_its_key_signs_and_ends_when_it_is_told_to(home: Home, tmp_path: Path) -> None:
    words = [sys.executable, "-c", "from shopkart_pipeline.cli.main import main; main(['signer'])"]
    environment = {**os.environ, "SHOPKART_HOME": str(tmp_path)}
    statement = head(datetime.now(UTC))
    with subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            home.places.folder.mkdir(mode=0o700)  # So that the client waits for it.
            envelope = _patiently(lambda: home.client.sign(statement))
        finally:
            process.terminate()
        _, said = process.communicate(timeout=20)

    assert home.verifier.verified(envelope, moment_of(statement)).statement == statement
    assert f"signed {LEDGER_HEAD} about {statement.subject_digest}" in said
    assert "sequence" not in said
    assert not home.places.socket.exists()


def _patiently(sign: Callable[[], Envelope]) -> Envelope:
    """A start takes longer than the client waits where the machine is busy."""
    for _ in range(20):
        with contextlib.suppress(ToolUnavailable):
            return sign()
    return sign()
