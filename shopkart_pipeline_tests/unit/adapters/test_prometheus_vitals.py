"""A metrics server that dies, lies or is slow: each metric is missing with the reason, and never a zero."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from shopkart_pipeline.adapters import _prometheus_api
from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters.prometheus_vitals import PrometheusVitals
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.vitals import PeakRate, Vital, VitalMissing, VitalReading, VitalSeries
from shopkart_pipeline_tests.fakes.servers import JsonHandler, served

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_AT = NOW.timestamp()
_MINUTE = (NOW - timedelta(minutes=1), NOW)


class Server:
    """Answers every question with the same."""

    status, content = 200, b""

    def says(self, *result: dict[str, Any], **more: object) -> None:
        kind = "matrix" if any("values" in each for each in result) else "vector"
        self.content = json.dumps(
            {"status": "success", "data": {"resultType": kind, "result": list(result)}, **more}
        ).encode()


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Server, str]]:
    server = Server()

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            self.body()
            self.answer(server.status, server.content)

    with served(Handler) as address:
        yield server, address


@pytest.fixture
def server(running: tuple[Server, str]) -> Server:
    running[0].status, running[0].content = 200, b""
    return running[0]


@pytest.fixture
def vitals(running: tuple[Server, str]) -> Iterator[PrometheusVitals]:
    with closing(PrometheusVitals(PrometheusSource(running[1]), ServerAccess())) as found:
        yield found


def recorded(vital: Vital, value: str, version: str = "r1", age_seconds: float = 5.0) -> list[dict[str, Any]]:
    labels = {"environment": "production", "service": "backend", "version": version}
    return [
        {"metric": {**labels, "shopkart_part": vital.value}, "value": [_AT, value]},
        {"metric": {**labels, "shopkart_part": f"recorded_{vital}"}, "value": [_AT, f"{_AT - age_seconds}"]},
    ]


def part(name: str, value: str = "1", **labels: str) -> dict[str, Any]:
    return {"metric": {"shopkart_part": name, **labels}, "value": [_AT, value]}


def requests(value: str, status: str = "2xx", version: str = "r1") -> dict[str, Any]:
    return part("requests", value, status_class=status, app_kubernetes_io_version=version)


SCRAPED = (part("up", "2"), part("scraped", f"{_AT - 2}"))


def _now(vitals: PrometheusVitals, vital: Vital) -> tuple[VitalReading, ...] | VitalMissing:
    found = vitals.now("production", "backend", NOW)
    assert set(found) == set(Vital)
    return found[vital]


def test_a_recorded_metric_is_a_reading_for_each_version(server: Server, vitals: PrometheusVitals) -> None:
    server.says(*recorded(Vital.REQUEST_RATE, "4.5"), *recorded(Vital.REQUEST_RATE, "0.5", "r2"))
    at = NOW - timedelta(seconds=5)
    assert _now(vitals, Vital.REQUEST_RATE) == (VitalReading(at, 4.5, "r1"), VitalReading(at, 0.5, "r2"))
    assert _now(vitals, Vital.ERROR_RATIO) == VitalMissing(NOW, "Prometheus has no series shopkart:error_ratio of it")


@pytest.mark.parametrize(
    ("value", "age_seconds", "reason"),
    [
        ("NaN", 5.0, "says nan"),
        ("+Inf", 5.0, "says inf"),
        ("-1", 5.0, "says -1.0"),
        ("0.5", 61.0, "is of another time, 61 s away"),
        ("0.5", -9e9, "is of another time"),
    ],
)
def test_a_lie_makes_one_metric_missing_and_leaves_the_others(
    server: Server, vitals: PrometheusVitals, value: str, age_seconds: float, reason: str
) -> None:
    server.says(*recorded(Vital.ERROR_RATIO, value, age_seconds=age_seconds), *recorded(Vital.REQUEST_RATE, "4.5"))
    found = _now(vitals, Vital.ERROR_RATIO)
    assert isinstance(found, VitalMissing)
    assert reason in found.reason
    assert not isinstance(_now(vitals, Vital.REQUEST_RATE), VitalMissing)


def test_a_metric_that_is_recorded_twice_is_none(server: Server, vitals: PrometheusVitals) -> None:
    server.says(*recorded(Vital.REQUEST_RATE, "4.5"), *recorded(Vital.REQUEST_RATE, "0"))
    assert _now(vitals, Vital.REQUEST_RATE) == VitalMissing(NOW, "shopkart:request_rate is recorded twice")


def test_a_reading_without_its_time_is_none(server: Server, vitals: PrometheusVitals) -> None:
    server.says(recorded(Vital.REQUEST_RATE, "4.5")[0])
    assert isinstance(_now(vitals, Vital.REQUEST_RATE), VitalMissing)


def test_a_series_leaves_out_what_makes_no_sense(server: Server, vitals: PrometheusVitals) -> None:
    values = [[_AT - 10, "1"], [_AT - 5, "NaN"], [_AT, "2"]]
    server.says(
        {"metric": {"version": "r1"}, "values": values}, {"metric": {"version": "r2"}, "values": [[_AT, "NaN"]]}
    )
    found = vitals.series("production", "backend", Vital.REQUEST_RATE, *_MINUTE)
    points = ((NOW - timedelta(seconds=10), 1.0), (NOW, 2.0))
    assert found == (VitalSeries(Vital.REQUEST_RATE, "r1", points),)


def test_a_peak_is_told_with_how_much_of_the_time_is_known(server: Server, vitals: PrometheusVitals) -> None:
    week = (NOW - timedelta(days=7), NOW)
    server.says(part("peak", "118.4"), part("covered", "9072"))
    assert vitals.peak_rate("production", "backend", *week) == PeakRate(118.4, 0.9)
    server.says(part("peak", "118.4"), part("covered", "10081"))
    assert vitals.peak_rate("production", "backend", *week) == PeakRate(118.4, 1.0)


@pytest.mark.parametrize("result", [[], [part("peak", "118.4")], [part("peak", "NaN"), part("covered", "9072")]])
def test_a_peak_that_nobody_recorded_is_missing_rather_than_zero(
    server: Server, vitals: PrometheusVitals, result: list[dict[str, Any]]
) -> None:
    server.says(*result)
    assert isinstance(vitals.peak_rate("production", "backend", *_MINUTE), VitalMissing)
    server.status = 503
    assert isinstance(vitals.peak_rate("production", "backend", *_MINUTE), VitalMissing)


def test_what_was_answered_is_told_by_version(server: Server, vitals: PrometheusVitals) -> None:
    latency = [
        part("latency", value, le=bound, app_kubernetes_io_version="r1")
        for bound, value in (("0.1", "60"), ("+Inf", "70"))
    ]
    server.says(*SCRAPED, requests("60"), requests("10", "5xx"), requests("7", version="r2"), *latency)
    found = vitals.answered("production", "backend", *_MINUTE)
    assert not isinstance(found, VitalMissing)
    assert (found["r1"].requests, found["r1"].errors, found["r2"]) == (70, 10, Counts(7, 0))
    assert found["r1"].latency is not None
    assert found["r1"].latency.counts == (60, 10)


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        ([], "scraped no replica 60 s ago"),
        ([SCRAPED[1], requests("7")], "scraped no replica 60 s ago"),
        ([*SCRAPED], "no replica counts storefront_http_requests_total"),
        ([*SCRAPED, part("down", "1"), requests("7")], "can't scrape 1 of its replicas"),
        ([SCRAPED[0], requests("7")], "scrapes no replica of it"),
        ([SCRAPED[0], part("scraped", f"{_AT - 61}"), requests("7")], "scrapes no replica of it"),
        ([*SCRAPED, requests("NaN")], "counts 'NaN', which is no count"),
        ([*SCRAPED, requests("-7")], "counts '-7', which is no count"),
        ([*SCRAPED, requests("7", "teapot")], "which is no status"),
    ],
)
def test_a_window_that_was_not_wholly_seen_is_missing(
    server: Server, vitals: PrometheusVitals, result: list[dict[str, Any]], reason: str
) -> None:
    server.says(*result)
    found = vitals.answered("production", "backend", *_MINUTE)
    assert isinstance(found, VitalMissing)
    assert reason in found.reason


def _all_missing(vitals: PrometheusVitals, reason: str) -> None:
    now = vitals.now("production", "backend", NOW)
    series = vitals.series("production", "backend", Vital.REQUEST_RATE, *_MINUTE)
    answers = [*now.values(), series, vitals.answered("production", "backend", *_MINUTE)]
    for each in answers:
        assert isinstance(each, VitalMissing)
        assert reason in each.reason


def test_an_answer_in_part_is_none(server: Server, vitals: PrometheusVitals) -> None:
    server.says(*recorded(Vital.REQUEST_RATE, "4.5"), *SCRAPED, requests("7"), warnings=["2 of 3 stores answered"])
    _all_missing(vitals, "is not whole: 2 of 3 stores answered")


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [
        (200, b"<html>Sign in</html>", "not one of its API"),
        (200, b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}', "no"),
        (503, b"no healthy upstream", "answered 503"),
    ],
)
def test_what_is_no_answer_is_missing(
    server: Server, vitals: PrometheusVitals, status: int, content: bytes, reason: str
) -> None:
    server.status, server.content = status, content
    _all_missing(vitals, reason)


def test_a_server_that_died_is_missing() -> None:
    with served(BaseHTTPRequestHandler) as address:
        pass
    with closing(PrometheusVitals(PrometheusSource(address), ServerAccess())) as vitals:
        found = _now(vitals, Vital.REQUEST_RATE)
    assert isinstance(found, VitalMissing)
    assert "Prometheus does not answer" in found.reason


def test_a_server_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_prometheus_api, "TIMEOUT_SECONDS", 0.1)
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        source = PrometheusSource(f"http://127.0.0.1:{listening.getsockname()[1]}")
        with closing(PrometheusVitals(source, ServerAccess())) as vitals:
            found = _now(vitals, Vital.REQUEST_RATE)
    assert isinstance(found, VitalMissing)
    assert "Prometheus does not answer" in found.reason
