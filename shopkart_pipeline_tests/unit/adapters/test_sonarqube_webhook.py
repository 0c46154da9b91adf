"""SonarQube's webhooks and the hints that they leave."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._sonarqube_hints import Hints
from shopkart_pipeline.adapters.sonarqube_webhook import is_signed, signature_of, task_of
from shopkart_pipeline.domain.errors import UntrustedInput

VECTOR = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
"""HMAC-SHA256 of a well-known sentence under the key `key`."""
SENTENCE = b"The quick brown fox jumps over the lazy dog"


def test_the_signature_is_the_hexadecimal_hmac_of_the_body() -> None:
    assert signature_of(SENTENCE, "key") == VECTOR
    assert is_signed(SENTENCE, VECTOR, ["old", "key"])


@pytest.mark.parametrize("signature", [None, "", VECTOR.upper(), f"sha256={VECTOR}", VECTOR[:-1], "é"])
def test_nothing_else_is_a_signature(signature: str | None) -> None:
    assert not is_signed(SENTENCE, signature, ["key"])


def test_without_a_secret_nothing_is_signed() -> None:
    assert not is_signed(SENTENCE, VECTOR, [])


def test_the_task_is_read() -> None:
    payload = {"serverUrl": "http://localhost:9000", "taskId": "AVh21JS2JepAEhwQ-b3u", "status": "SUCCESS"}

    assert task_of(json.dumps(payload).encode()) == "AVh21JS2JepAEhwQ-b3u"


def test_a_delivery_about_no_task_names_none() -> None:
    assert task_of(b'{"qualityGate": {"status": "OK"}}') is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b"[" * 5000, b'{"taskId": 7}', b'{"taskId": "../../x"}', b'{"taskId": ""}'],
)
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(UntrustedInput):
        task_of(body)


def test_a_hint_is_taken_once(tmp_path: Path) -> None:
    hints = Hints(tmp_path / "sonarqube")
    hints.leave("AY-1")
    hints.leave("AY-1")

    assert [hints.take("AY-1"), hints.take("AY-1"), hints.take("AY-2")] == [True, False, False]


@pytest.mark.parametrize("task_id", ["", "..", "a/b", "a" * 81, "a\0b"])
def test_a_hint_is_named_by_nothing_but_a_task(tmp_path: Path, task_id: str) -> None:
    with pytest.raises(ValueError, match="not a task id"):
        Hints(tmp_path).leave(task_id)


def test_hints_that_nobody_takes_are_swept_after_a_day(tmp_path: Path) -> None:
    hints, now = Hints(tmp_path), datetime(2025, 3, 4, 12, 0, tzinfo=UTC)
    for name, age in (("old", timedelta(hours=25)), ("young", timedelta(hours=23))):
        hints.leave(name)
        moment = (now - age).timestamp()
        os.utime(tmp_path / name, (moment, moment))

    hints.sweep(now)

    assert [hint.name for hint in tmp_path.iterdir()] == ["young"]


def test_sweeping_where_no_hint_ever_was_is_fine(tmp_path: Path) -> None:
    Hints(tmp_path / "nowhere").sweep(datetime(2025, 3, 4, tzinfo=UTC))
