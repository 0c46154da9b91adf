"""Loki as it answers badly: silence, parts, nonsense and strangers are `LogsMissing` with a reason."""

import json
import threading
from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters.loki import LokiLogs
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.domain.log_source import LokiSource
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogLine, LogsMissing
from shopkart_pipeline_tests.fakes.loki_server import FakeLoki, running_loki

SAMPLES = Path(__file__).parents[2] / "samples" / "loki"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9
STREAM = {"environment": "production", "service": "shop", "track": "canary", "pod": "shop-canary-7", "version": "abc"}


@pytest.fixture(scope="module")
def running() -> Generator[tuple[FakeLoki, str]]:
    loki = FakeLoki()
    with running_loki(loki) as address:
        yield loki, address


@pytest.fixture
def loki(running: tuple[FakeLoki, str]) -> FakeLoki:
    running[0].__dict__.update(FakeLoki().__dict__)
    return running[0]


@pytest.fixture
def address(running: tuple[FakeLoki, str]) -> str:
    return running[1]


def _errors(
    source: LokiSource, access: ServerAccess | None = None, page_lines: int = 100, request_seconds: float = 4.0
) -> tuple[LogLine, ...] | LogsMissing:
    with closing(LokiLogs(source, access or ServerAccess(), SystemClock(), page_lines, request_seconds)) as logs:
        return logs.errors("production", "shop", NOW - timedelta(hours=1), NOW + timedelta(hours=1), 50)


def _reason(answer: tuple[LogLine, ...] | LogsMissing) -> str:
    assert isinstance(answer, LogsMissing), answer
    return answer.reason


def test_the_published_examples_answer_is_understood(loki: FakeLoki, address: str) -> None:
    loki.answers = [(200, (SAMPLES / "query_range.json").read_bytes())]

    lines = _errors(LokiSource(address))

    assert not isinstance(lines, LogsMissing)
    assert [(line.message, line.level, line.track, line.replica, line.release_key) for line in lines] == [
        ("cart could not be read", "error", Track.CANARY, "backend-canary-5d9c7-x2x7z", "20260301-abc"),
        ("uncaught exception shop.errors.NoCart", "error", Track.CANARY, "backend-canary-5d9c7-x2x7z", "20260301-abc"),
    ]


def test_an_uncaught_exception_is_put_together_from_its_lines(loki: FakeLoki, address: str) -> None:
    text = "Traceback (most recent call last):\n  File x\n    main()\nKeyError: 'customer 4711'\nfine"
    for number, line in enumerate(text.split("\n")):
        loki.push(STREAM, NOW_NS + number, line)

    lines = _errors(LokiSource(address))

    assert not isinstance(lines, LogsMissing)
    assert [(line.message, line.release_key, line.at) for line in lines] == [
        ("uncaught exception KeyError", "abc", NOW)
    ]


def test_a_text_is_found_that_a_service_escapes_in_its_json(loki: FakeLoki, address: str) -> None:
    """Go writes `<`, `>` and `&` otherwise, others `=`, `'` and `/`."""
    text = r'{"time": "2026-03-01T12:00:00Z", "message": "GET \/cart?a\u003d1\u0026b is \u003c 7 \u0027s\u0027"}'
    loki.push(STREAM, NOW_NS, text)

    for wanted in ("/cart?a=1&b", "b is < 7", "'s'"):
        with closing(LokiLogs(LokiSource(address), ServerAccess(), SystemClock())) as logs:
            lines = logs.search("production", "shop", NOW, NOW, text=wanted, limit=9)
        assert not isinstance(lines, LogsMissing)
        assert [line.message for line in lines] == ["GET /cart?a=1&b is < 7 's'"]


def test_labels_may_be_called_otherwise_and_there_may_be_more_of_them(loki: FakeLoki, address: str) -> None:
    labels = {
        "app_kubernetes_io_instance": "production",
        "app_kubernetes_io_name": "shop",
        "shopkart_track": "canary",
        "k8s_pod_name": "shop-1",
        "cluster": "eu",
    }
    loki.push(labels, NOW_NS, json.dumps({"time": NOW.isoformat(), "level": "error", "message": "broken"}))
    source = LokiSource(
        address,
        labels={"cluster": "eu"},
        environment_label="app_kubernetes_io_instance",
        service_label="app_kubernetes_io_name",
        track_label="shopkart_track",
        pod_label="k8s_pod_name",
    )

    lines = _errors(source)

    assert not isinstance(lines, LogsMissing)
    assert [(line.track, line.replica) for line in lines] == [(Track.CANARY, "shop-1")]
    assert "otherwise than {cluster=" in _reason(_errors(LokiSource(address, labels={"cluster": "us"})))


def test_a_tenant_and_a_token_are_sent(loki: FakeLoki, address: str, tmp_path: Path) -> None:
    loki.tenant, loki.token = "shop", "s3cret"
    loki.push(STREAM, NOW_NS, "fine")
    token = tmp_path / "token"
    token.write_text("s3cret\n")

    assert _errors(LokiSource(address, "shop"), ServerAccess(token_file=token)) == ()
    assert "401" in _reason(_errors(LokiSource(address), ServerAccess(token="s3cret")))
    wrong = _reason(_errors(LokiSource(address, "shop"), ServerAccess(token="wr0ng")))
    assert "401" in wrong
    assert "wr0ng" not in wrong


def test_a_token_goes_nowhere_without_encryption() -> None:
    reason = _reason(_errors(LokiSource("http://loki.example:3100"), ServerAccess(token="s3cret")))

    assert "A token would go to Loki without encryption" in reason


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [
        (403, b"too many outstanding requests", "too many outstanding requests"),
        (400, b"parse error at line 1", "parse error"),
        (200, b"", "not one of its API"),
        (200, b"<html>", "not one of its API"),
        (200, b"[" * 200_000, "not one of its API"),
        (200, b'{"status": "success", "data": {"resultType": "matrix", "result": []}}', "data.resultType"),
        (200, b'{"status": "error", "errorType": "timeout", "error": "context deadline"}', "status"),
        (
            200,
            b'{"status": "success", "warnings": ["partial results: 1 of 3 queriers"],'
            b' "data": {"resultType": "streams", "result": []}}',
            "not whole: partial results",
        ),
        (
            200,
            b'{"status": "success", "data": {"resultType": "streams", "result":'
            b' [{"stream": {}, "values": [["now", "x"]]}]}}',
            "a line without a time",
        ),
    ],
)
def test_what_is_no_whole_answer_is_missing(
    loki: FakeLoki, address: str, status: int, content: bytes, reason: str
) -> None:
    loki.answers = [(status, content)] * 10

    assert reason in _reason(_errors(LokiSource(address)))


def test_an_answer_that_breaks_off_after_the_first_page_is_missing(loki: FakeLoki, address: str) -> None:
    for number in range(10):
        loki.push(STREAM, NOW_NS + number, "an error that is none")
    first = loki.answer(
        {"query": '{service="shop"}', "start": "0", "end": str(2 * NOW_NS), "limit": "3", "direction": "forward"}
    )
    loki.answers = [first, *[(400, b"gone")] * 3]

    assert "gone" in _reason(_errors(LokiSource(address), page_lines=3))


def test_pages_go_on_until_there_are_enough_and_lose_nothing_at_their_ends(loki: FakeLoki, address: str) -> None:
    for number in range(16):
        text = json.dumps({"time": NOW.isoformat(), "level": "error", "message": f"error {number}"})
        loki.push(STREAM, NOW_NS + number // 2, text)

    lines = _errors(LokiSource(address), page_lines=4)

    assert not isinstance(lines, LogsMissing)
    assert sorted(line.message for line in lines) == sorted(f"error {number}" for number in range(16))


def test_more_lines_of_one_moment_than_come_at_once_are_missing_rather_than_some(loki: FakeLoki, address: str) -> None:
    for number in range(10):
        loki.push(STREAM, NOW_NS, f"error {number}")

    assert "more lines of one moment" in _reason(_errors(LokiSource(address), page_lines=4))


def test_a_server_that_is_not_there_is_missing() -> None:
    reason = _reason(_errors(LokiSource("http://127.0.0.1:1"), request_seconds=0.2))

    assert "Loki does not answer" in reason


def test_a_server_that_hangs_is_missing_after_the_deadline(loki: FakeLoki, address: str) -> None:
    loki.hang = threading.Event()
    try:
        assert "it ran out of time" in _reason(_errors(LokiSource(address), request_seconds=0.1))
    finally:
        loki.hang.set()
