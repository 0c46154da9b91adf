"""Secrets of well-known shapes are masked wherever they stand, and what is none stays readable."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shopkart_pipeline.domain.secret_shapes import without_secrets

PASSWORD = "hunter2-Zx9"
BEGIN, END = "-----BEGIN RSA PRIVATE" + " KEY-----", "-----END RSA PRIVATE" + " KEY-----"
PEM = f"{BEGIN}\nMIIEowIBAAKCAQEA7\nq2w3e4r5\n{END}"
SECRETS = (
    "AKIA" + "IOSFODNN7EXAMPLE",
    "ghp_" + "a1B2" * 9,
    "github_pat_" + "11ABCDEFG0" * 4,
    "glpat-" + "x1Y2z3W4v5U6t7S8r9",
    "xoxb-" + "123456789012-abcdefGHIJ",
    "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "AIza" + "SyA1234567890abcdefghijklmnopqrstuv",
    "npm_" + "a1B2c3" * 6,
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0." + "dBjftJeZ4CVPmB92K27uhbUJU1p1r_wW",
    "SG." + "a1b2c3d4e5f6g7h8i9j0k1." + "a1b2c3d4e5f6g7h8i9j0k1",
)


@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret[:6])
def test_a_token_is_known_by_how_it_begins(secret: str) -> None:
    assert without_secrets(f"refused ({secret}), try again") == "refused ([redacted]), try again"


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (f"password={PASSWORD}", "password="),
        (f"DB_PASSWORD: '{PASSWORD} and more' for shop", "for shop"),
        (f'{{"password": "{PASSWORD}", "user": "shop"}}', '"user": "shop"'),
        (f"{{'client_secret': '{PASSWORD}', 'id': 7}}", "'id': 7"),
        (f"GET /orders?access_token={PASSWORD}&page=2", "&page=2"),
        (f"https://b.s3.amazonaws.com/x?X-Amz-Signature={PASSWORD}&a=1", "&a=1"),
        (f"postgresql://shop:{PASSWORD}@db:5432/shop refused", "postgresql://db:5432/shop refused"),
        (f"redis://:{PASSWORD}@cache:6379", "redis://cache:6379"),
        (f"Authorization: Bearer {PASSWORD}", "Authorization: "),
        (f"{{'authorization': 'Basic {PASSWORD}', 'accept': '*/*'}}", "'accept': '*/*'"),
        (f"sent bearer {PASSWORD} to it", "to it"),
        (f"Set-Cookie: session={PASSWORD}; Path=/", "Set-Cookie: "),
        (f"Cookie: id={SECRETS[0]}; session={PASSWORD}", "Cookie: "),
        (f"X-Api-Key: {PASSWORD}", "X-Api-Key: "),
        (f"aws_secret_access_key = {PASSWORD}", "aws_secret_access_key = "),
        (f"ran tool --db-password {PASSWORD} --fast", "--fast"),
        (f"https://hooks.slack.com/services/T0/B0/{PASSWORD.replace('-', '')}", "hooks.slack.com/services/"),
    ],
)
def test_what_stands_beside_a_word_is_masked_and_the_rest_is_kept(written: str, kept: str) -> None:
    shown = without_secrets(written)

    assert "hunter2" not in shown
    assert kept in shown


def test_a_private_key_is_masked_whole_and_line_by_line() -> None:
    assert without_secrets(f"key {PEM} end") == "key [redacted] end"
    assert without_secrets(f"private_key: {PEM}") == "private_key: [redacted]"
    assert without_secrets("MIIEowIBAAKCAQEA7q2w3e4r5t6y7u8i9o0pASDFGHJKLzxcvbnm1234567890+/") == "[redacted]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cart 17 can't be read: KeyError 'shoes'",
        "basic authentication failed",
        "the bearer token is missing, or not the one",
        "password authentication failed for user shop",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "https://grafana.example/d/sk-recommendation-engine/?from=1&to=2",
        "mail to maya@shop.example at https://shop.example/help",
        "GET /keys?page=2 took 3 s",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


WORDS = (
    "password",
    "token=",
    ": ",
    "'",
    '"',
    "[redacted]",
    "://",
    "@",
    "Bearer ",
    "Cookie:",
    "--secret ",
    "x1Y2z3W4",
    *SECRETS,
)


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=3), max_size=8).map("".join))
def test_masking_again_changes_nothing(text: str) -> None:
    masked = without_secrets(text)

    assert without_secrets(masked) == masked


def test_what_a_mask_lays_open_is_masked_as_well() -> None:
    assert without_secrets(f"{SECRETS[5]}--secret {PASSWORD}") == "[redacted]--secret [redacted]"


def test_a_long_line_takes_no_time() -> None:
    began = time.process_time()
    for part in (
        "a",
        "token",
        "://",
        "a@",
        "--",
        BEGIN,
        "eyJ",
        "cookie",
        "'",
        "password='",
        "sk-",
        "A3T",
        "bearer ",
        SECRETS[5] + "--secret ",
    ):
        without_secrets(part * (8192 // len(part)))
    assert time.process_time() - began < 1.0
