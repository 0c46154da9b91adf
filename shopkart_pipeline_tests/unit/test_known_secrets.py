"""Secrets are found by value, in every usual encoding, and nothing else is taken away."""

import base64
import html
import json
import logging
import sqlite3
import sys
import threading
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.known_secrets import KnownSecrets, know, masked, masked_data, passwords_of
from shopkart_pipeline.masked_output import install, masked_streams
from shopkart_pipeline.masked_sqlite import MaskingConnection

SECRET = 'pa/ss+wö&rd "4f1d" <0c77>'
PLAIN = "planted-4f1d0c77"


@pytest.fixture
def known() -> KnownSecrets:
    known = KnownSecrets()
    known.add(SECRET, PLAIN)
    return known


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(json.dumps({"password": SECRET})),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote_plus(SECRET),
        html.escape(SECRET),
        SECRET.encode().hex(),
        base64.b64encode(f":{SECRET}".encode()).decode(),
        base64.urlsafe_b64encode(f"user:{SECRET}".encode()).decode(),
        base64.b64encode(f"robot:{SECRET}:x".encode()).decode(),
    ],
)
def test_a_secret_is_found_however_it_is_written(known: KnownSecrets, written: str) -> None:
    text = f"before {written} after"

    shown = known.masked(text)

    assert "[redacted]" in shown
    assert (shown.startswith("before"), shown.endswith("after")) == (True, True)
    assert "4f1d" not in shown
    assert known.masked(shown) == shown
    assert known.masked_bytes(text.encode()) == shown.encode()


@settings(max_examples=30)
@given(st.binary(max_size=20), st.text(st.characters(codec="utf-8"), min_size=12, max_size=40), st.binary(max_size=20))
def test_no_offset_of_base64_hides_a_secret(before: bytes, secret: str, after: bytes) -> None:
    secret = f"s3cret{secret.strip()}"
    known = KnownSecrets()
    known.add(secret)
    encoded = base64.b64encode(before + secret.encode() + after).decode()

    shown = known.masked(encoded)

    assert "[redacted]" in shown
    assert len(shown) < len(encoded) - len(secret) + 16


@given(st.lists(st.text(min_size=1), max_size=4), st.text())
def test_masking_again_changes_nothing(secrets: list[str], text: str) -> None:
    known = KnownSecrets()
    known.add(*secrets)

    once = known.masked(text)

    assert known.masked(once) == once or any(secret in "[redacted]" for secret in secrets)


@pytest.mark.parametrize("value", ["", "short", "1234567", "postgres", "production"])
def test_what_is_found_in_half_of_all_texts_is_not_looked_for(value: str) -> None:
    known = KnownSecrets()
    known.add(value)

    assert not known
    assert known.masked(f"a text with {value} in it") == f"a text with {value} in it"


def test_bytes_that_are_no_text_are_looked_for_as_they_are(known: KnownSecrets) -> None:
    value = b"planted-\xff\xfe-7d1f".decode(errors="surrogateescape")
    known.add(value)

    assert known.masked_bytes(b"a planted-\xff\xfe-7d1f b") == b"a [redacted] b"
    assert known.masked(f"a {value} b") == "a [redacted] b"


@pytest.mark.parametrize(("length", "shown"), [(16, "x [redacted]"), (12, "x [redacted]"), (8, "x [redacted]")])
def test_a_secret_that_a_limit_cuts_in_two_is_found(known: KnownSecrets, length: int, shown: str) -> None:
    assert known.masked(f"x {PLAIN}"[: 2 + length]) == shown
    assert known.masked(f"x {PLAIN[: length - 1]} y") == f"x {PLAIN[: length - 1]} y"


def test_of_tokens_that_replace_each_other_only_the_newest_are_kept(known: KnownSecrets) -> None:
    for number in range(100):
        known.add_passing(f"token-{number:03}-of-an-hour")

    assert known.masked("token-099-of-an-hour token-084-of-an-hour") == "[redacted] [redacted]"
    assert known.masked("token-083-of-an-hour") == "token-083-of-an-hour"
    assert known.masked(PLAIN) == "[redacted]"


def test_how_an_address_begins_is_no_secret() -> None:
    known = KnownSecrets()
    known.add("postgresql://shop:planted-7d1f@db.example/shop")

    assert known.masked("the backend uses postgresql://") == "the backend uses postgresql://"
    assert known.masked("see postgresql://shop:planted-7d1") == "see [redacted]"


def test_of_a_private_key_each_line_counts_by_itself(known: KnownSecrets) -> None:
    line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
    known.add(f"-----BEGIN PRIVATE KEY-----\n{line}\n{line[::-1]}\n-----END PRIVATE KEY-----\n")

    assert known.masked(f"| {line[::-1]} |") == "| [redacted] |"
    assert known.masked("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


def test_passwords_are_found_in_addresses() -> None:
    found = set(passwords_of("postgresql://shop:ge%2Fheim-1234@db.example/shop"))

    assert {"ge%2Fheim-1234", "ge/heim-1234"} <= found
    assert "geheim" in passwords_of("host=db password='geheim' user=x")
    assert "geheim" in passwords_of("postgresql://db.example/shop?user=x&password=geheim&sslmode=require")
    assert list(passwords_of("dbname=x")) == []


def test_a_file_is_blotted_in_place_also_where_pieces_meet(
    known: KnownSecrets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shopkart_pipeline.known_secrets._PIECE_BYTES", 64)
    path, kept = tmp_path / "log", f"{PLAIN} of somebody else\n"
    path.write_text(kept + "".join(f"{'x' * length}{PLAIN}\n" for length in range(150)))
    size_bytes = path.stat().st_size

    known.blot_file(path, len(kept))

    assert path.stat().st_size == size_bytes
    assert path.read_text().startswith(kept)
    assert PLAIN not in path.read_text()[len(kept) :]
    assert path.read_text().count("*" * len(PLAIN)) == 150


@dataclass(frozen=True)
class Told:
    words: str
    parts: tuple[str, ...]
    measures: dict[str, float]


def test_plain_data_is_masked_in_depth() -> None:
    know(PLAIN)

    told = masked_data(Told(f"a {PLAIN}", (PLAIN, "b"), {PLAIN: 1.0}))

    assert told == Told("a [redacted]", ("[redacted]", "b"), {"[redacted]": 1.0})


def test_nothing_gets_into_a_database_and_is_found_there_again(tmp_path: Path) -> None:
    know(PLAIN)
    connection = sqlite3.connect(tmp_path / "x.db", factory=MaskingConnection)
    connection.execute("CREATE TABLE t (name TEXT, content BLOB)")
    connection.execute("INSERT INTO t VALUES (?, ?)", (PLAIN, PLAIN.encode()))
    connection.execute("INSERT INTO t VALUES (:name, :content)", {"name": f"x{PLAIN}", "content": None})
    connection.cursor().executemany("INSERT INTO t VALUES (?, ?)", [(f"y{PLAIN}", 1)])
    connection.commit()

    found = connection.execute("SELECT count(*) FROM t WHERE name = ?", (PLAIN,)).fetchone()
    connection.close()

    assert found == (1,)
    assert PLAIN.encode() not in (tmp_path / "x.db").read_bytes()


def test_logs_tracebacks_and_output_are_masked(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = logging.getLogRecordFactory()
    know(PLAIN)
    install()
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    log = logging.getLogger("shopkart.somebody")
    log.addHandler(handler)
    try:
        log.warning("it is %s", PLAIN)
        try:
            raise ValueError(f"no {PLAIN}")
        except ValueError:
            log.exception("it failed")
        with masked_streams():
            print(f"out {PLAIN}")
            print(f"err {PLAIN}", file=sys.stderr)
        error = ValueError(PLAIN)
        sys.excepthook(ValueError, error, None)
        threading.excepthook(threading.ExceptHookArgs((ValueError, error, None, None)))
    finally:
        log.removeHandler(handler)
        logging.setLogRecordFactory(plain)
        monkeypatch.undo()
        sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__

    out, err = capsys.readouterr()
    everything = stream.getvalue() + caplog.text + out + err
    assert PLAIN not in everything
    assert (out, "it is [redacted]" in stream.getvalue(), "ValueError: no [redacted]" in stream.getvalue()) == (
        "out [redacted]\n",
        True,
        True,
    )
    assert masked(PLAIN) == "[redacted]"
