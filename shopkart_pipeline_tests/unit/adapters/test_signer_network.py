"""The signer in the network: who asks and who answers both prove what they share, and it never crosses the wire."""

import socket
import threading
import time
from argparse import Namespace
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shopkart_pipeline.adapters import _signer_talk as talk
from shopkart_pipeline.adapters._signer_socket import REFUSED, SIGNED
from shopkart_pipeline.adapters.dsse import KeyFileVerifier
from shopkart_pipeline.adapters.signer_at_address import SignerAtAddress
from shopkart_pipeline.adapters.signer_keys import refuse_unless_trusted, trust_first, trust_next
from shopkart_pipeline.adapters.signer_listener import SignerListener
from shopkart_pipeline.adapters.signer_uri import GivenKey
from shopkart_pipeline.adapters.statement_signer import StatementSigner
from shopkart_pipeline.cli import signer as command
from shopkart_pipeline.domain.attestation import LEDGER_HEAD, Statement
from shopkart_pipeline.domain.errors import PipelineError, Refused, ToolUnavailable
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline_tests.fakes.fake_attestor import FakeAttestor

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET, NEXT = "s" * 32, "n" * 32
HEAD = Statement("ledger", f"sha256:{'a' * 64}", LEDGER_HEAD, {"sequence": 7, "signed_at": NOW.isoformat()})


def pem_of(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


PEM = pem_of(Ed25519PrivateKey.generate())


class Pod:
    """A signer without a home: its key and the trusted keys are given to it."""

    def __init__(self, folder: Path) -> None:
        self.keys_file = folder / "keys.json"
        self.key = GivenKey(PEM)
        trust_first(self.keys_file, self.key.public, NOW)

    @contextmanager
    def serving(self, *secrets: str) -> Generator[int]:
        signer = StatementSigner(self.keys_file, self.key, lambda: NOW)
        listener = SignerListener(signer.answer, secrets)
        port = listener.open("127.0.0.1", 0)
        thread = threading.Thread(target=listener.serve)
        thread.start()
        try:
            yield port
        finally:
            listener.close()
            thread.join(5)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def caller(port: int, secret: str = SECRET) -> SignerAtAddress:
    return SignerAtAddress("127.0.0.1", port, secret, pause_seconds=0.01)


def test_a_statement_is_signed_over_the_network_and_verifies(pod: Pod) -> None:
    with pod.serving(SECRET) as port:
        envelope = caller(port).sign(HEAD)

    assert KeyFileVerifier(pod.keys_file).verified(envelope, NOW).statement == HEAD


def test_secrets_rotate_without_a_gap(pod: Pod) -> None:
    with pod.serving(NEXT, SECRET) as port:
        assert caller(port, SECRET).sign(HEAD)
        assert caller(port, NEXT).sign(HEAD)


def test_a_caller_without_the_secret_is_refused_before_its_statement_is_read(
    pod: Pod, caplog: pytest.LogCaptureFixture
) -> None:
    with pod.serving(SECRET) as port, pytest.raises(ToolUnavailable, match="another secret") as told:
        caller(port, NEXT).sign(HEAD)
    assert SECRET not in str(told.value) + caplog.text
    assert NEXT not in str(told.value) + caplog.text
    assert "signed" not in caplog.text


def test_what_is_no_statement_of_ours_is_refused_by_name(pod: Pod) -> None:
    strange = replace(HEAD, predicate_type="https://elsewhere.example/claim")
    with pod.serving(SECRET) as port, pytest.raises(Refused, match="are not signed here"):
        caller(port).sign(strange)


@contextmanager
def between(port: int, spoil: bytes | None = None) -> Generator[tuple[int, list[bytes]]]:
    """Somebody on the way who reads along, and changes what the signer answers after its greeting."""
    heard: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def converse(near: socket.socket, far: socket.socket) -> None:
        near.sendall(talk.greeting(talk.read_greeting(far, time.monotonic() + 5)))
        asked = near.recv(1 << 16)
        while not asked.endswith(b"}"):
            asked += near.recv(1 << 16)
        far.sendall(asked)
        answered = b"".join(iter(lambda: far.recv(1 << 16), b""))
        heard.extend((asked, answered))
        near.sendall(answered if spoil is None else answered.replace(b"payload", spoil))

    def serve() -> None:
        while True:
            try:
                near, _ = listening.accept()
            except OSError:
                return
            with near, socket.create_connection(("127.0.0.1", port), timeout=5) as far, suppress(OSError):
                converse(near, far)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listening.getsockname()[1]), heard
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(5)


def test_nothing_that_was_heard_on_the_way_has_the_secret_or_can_be_said_again(pod: Pod) -> None:
    with pod.serving(SECRET) as port:
        with between(port) as (way, heard):
            caller(way).sign(HEAD)
        assert SECRET.encode() not in b"".join(heard)
        with socket.create_connection(("127.0.0.1", port), timeout=5) as again:
            again.recv(1000)
            again.sendall(heard[0])
            assert again.recv(1000).startswith(talk.UNKNOWN)


def test_an_answer_that_was_changed_on_the_way_signs_nothing(pod: Pod) -> None:
    with (
        pod.serving(SECRET) as port,
        between(port, spoil=b"pay1oad") as (way, _),
        pytest.raises(ToolUnavailable, match="something else answered"),
    ):
        caller(way).sign(HEAD)


@pytest.mark.parametrize("kind", [SIGNED, REFUSED])
def test_whoever_stands_in_for_the_signer_without_its_secret_is_not_believed(kind: bytes) -> None:
    envelope = FakeAttestor().sign(HEAD).to_bytes()
    listener = SignerListener(lambda _: (kind, envelope), [NEXT])
    # It claims to know the caller.
    listener._secret_of = lambda asked, of_signer: NEXT  # type: ignore[method-assign]  # pyright: ignore
    port = listener.open("127.0.0.1", 0)
    thread = threading.Thread(target=listener.serve)
    thread.start()
    try:
        with pytest.raises(ToolUnavailable, match="something else answered"):
            caller(port).sign(HEAD)
    finally:
        listener.close()
        thread.join(5)


def test_whoever_sends_something_else_is_hung_up_on_and_the_next_one_is_served(pod: Pod) -> None:
    with pod.serving(SECRET) as port:
        for said in (b"", b"GET / HTTP/1.1\r\n\r\n", b"x" * 400, b"\xff" * 10 + b"\n"):
            with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
                assert connection.recv(1000).startswith(b"shopkart-signer/1 ")
                connection.sendall(said)
                connection.shutdown(socket.SHUT_WR)
                with suppress(ConnectionResetError):
                    assert connection.recv(1000) == b""
        assert caller(port).sign(HEAD)


def test_another_statement_under_the_same_seal_is_not_signed(pod: Pod) -> None:
    with pod.serving(SECRET) as port, socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        numbers = talk.Numbers(talk.read_greeting(connection, time.monotonic() + 5), talk.fresh_number())
        payload = HEAD.to_bytes()
        connection.sendall(talk.request(SECRET, numbers, payload) + payload.replace(b"7", b"8"))
        with suppress(ConnectionResetError):
            assert connection.recv(1000) == b""


def test_a_signer_that_is_away_is_asked_again_and_then_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = int(closed.getsockname()[1])
    with pytest.raises(ToolUnavailable, match="ConnectionRefusedError") as told:
        caller(port).sign(HEAD)
    assert f"127.0.0.1:{port}" in told.value.fix


def test_a_key_that_nobody_trusts_does_not_begin_to_sign(pod: Pod) -> None:
    stranger = GivenKey(pem_of(Ed25519PrivateKey.generate()))
    with pytest.raises(Refused, match="is not trusted now by") as told:
        refuse_unless_trusted(pod.keys_file, stranger.public, NOW)
    assert "shopkart signer keys" in told.value.fix
    trust_next(pod.keys_file, stranger.public, NOW, instead_of=None)
    refuse_unless_trusted(pod.keys_file, stranger.public, NOW)


def test_the_trusted_keys_are_printed_with_the_one_that_is_given(
    pod: Pod, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOPKART_TRUSTED_KEYS", str(pod.keys_file))
    monkeypatch.setenv("SHOPKART_SIGNER_KEY", pem_of(Ed25519PrivateKey.generate()))
    assert command.run(Namespace(act="keys", host="")) == 0
    told = capsys.readouterr().out
    pod.keys_file.write_text(told)
    assert len(KeyFileVerifier(pod.keys_file).keys().keys) == 2
    assert command.run(Namespace(act="keys", host="")) == 0
    assert capsys.readouterr().out == told


def test_a_signer_in_the_network_keeps_no_key_and_serves_nobody_without_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "hide_memory", lambda: None)
    monkeypatch.setenv("SHOPKART_HOME", str(tmp_path))
    with pytest.raises(PipelineError, match="keeps no key of its own"):
        command.run(Namespace(act="serve", host="127.0.0.1"))
    assert not list(tmp_path.iterdir())
    with pytest.raises(PipelineError, match="SHOPKART_SIGNER_TOKEN is not set"):
        SignerListener(lambda _: (REFUSED, b""), [])


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"SHOPKART_SIGNER_ADDRESS": "signer:3004"}, "SHOPKART_SIGNER_TOKEN is not set"),
        ({"SHOPKART_SIGNER_ADDRESS": "signer", "SHOPKART_SIGNER_TOKEN": SECRET}, "HOST:PORT"),
        ({"SHOPKART_SIGNER_ADDRESS": "signer:70000", "SHOPKART_SIGNER_TOKEN": SECRET}, "HOST:PORT"),
        ({"SHOPKART_SIGNER_TOKEN": f"{SECRET},short"}, "shorter than 32"),
        ({"SHOPKART_SIGNER_URI": "awskms:x", "SHOPKART_SIGNER_KEY": PEM}, "Take one of them away"),
    ],
)
def test_what_can_not_be_meant_is_refused(given: dict[str, str], why: str) -> None:
    with pytest.raises(PipelineError, match="SHOPKART_SIGNER") as told:
        from_environment(given)
    assert why in f"{told.value.what} {told.value.fix}"
    assert SECRET not in str(told.value)


def test_a_given_key_is_an_ed25519_key() -> None:
    with pytest.raises(Refused, match="no private key"):
        GivenKey("nothing")
    with pytest.raises(Refused, match="not an Ed25519 key"):
        GivenKey(pem_of(ec.generate_private_key(ec.SECP256R1())))
