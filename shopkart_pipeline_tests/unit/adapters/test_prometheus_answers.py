"""What a server may answer that is no Prometheus, or a broken one: never an exception, and never a zero."""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from shopkart_pipeline.adapters._bearer import ServerAccess
from shopkart_pipeline.adapters.prometheus import PrometheusMetrics
from shopkart_pipeline.domain.judge_policy import EventRule
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.traffic import MetricsMissing, TrafficSample
from shopkart_pipeline_tests.fakes.servers import JsonHandler, served

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_AT = NOW.timestamp()


class Server:
    """Answers every question with the same."""

    def __init__(self) -> None:
        self.status, self.content = 200, b""
        self.asked: list[dict[str, list[str]]] = []
        self.authorization: str | None = None
        self.ports: set[int] = set()
        """Of those who asked, one for each connection."""

    def says(self, document: object) -> None:
        self.content = json.dumps(document).encode()


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Server, str]]:
    server = Server()

    class Handler(JsonHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # Too much is not read to its end.
                super().handle()

        def do_POST(self) -> None:
            server.asked.append(parse_qs(self.body().decode()))
            server.ports.add(self.client_address[1])
            server.authorization = self.headers["Authorization"]
            self.answer(server.status, server.content)

    with served(Handler) as address:
        yield server, address


@pytest.fixture
def server(running: tuple[Server, str]) -> Server:
    found, _ = running
    found.status, found.content, found.authorization = 200, b"", None
    found.asked.clear()
    found.ports.clear()
    return found


@pytest.fixture
def metrics(running: tuple[Server, str]) -> Iterator[PrometheusMetrics]:
    with closing(PrometheusMetrics(PrometheusSource(running[1]), ServerAccess(), timedelta(0))) as found:
        yield found


def part(name: str, value: str = "1", track: str = "stable", pod: str = "backend-1", **labels: str) -> dict[str, Any]:
    told = {"shopkart_part": name, "shopkart_track": track, "pod": pod, **labels}
    return {"metric": told, "value": [_AT, value]}


def requests(value: str = "7", status: str = "2xx", **labels: str) -> dict[str, Any]:
    return part("requests", value, status_class=status, method="GET", **labels)


def vector(*result: dict[str, Any], **more: object) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "vector", "result": list(result)}, **more}


def track(name: str, pod: str) -> tuple[dict[str, Any], ...]:
    return (
        part("up", "1", name, pod),
        part("scraped", str(_AT - 1), name, pod),
        part("targets", "1", name, pod),
        requests(track=name, pod=pod),
    )


WHOLE = (*track("stable", "backend-1"), *track("canary", "backend-canary-1"))


def traffic(metrics: PrometheusMetrics) -> TrafficSample | MetricsMissing:
    return metrics.traffic("production", "backend", NOW, NOW)


def test_a_whole_answer_is_counts(server: Server, metrics: PrometheusMetrics) -> None:
    server.says(vector(*WHOLE, infos=["PromQL info: a name does not end in _total"]))
    sample = traffic(metrics)
    assert isinstance(sample, TrafficSample)
    assert (sample.canary.requests, sample.stable.requests) == (7, 7)
    assert sample.at == NOW - timedelta(seconds=1)


def _changed(change: Callable[[list[dict[str, Any]]], object]) -> dict[str, Any]:
    result = json.loads(json.dumps(WHOLE))
    change(result)
    return vector(*result)


NOT_WHOLE: Mapping[str, tuple[object, str]] = {
    "a query that failed": ({"status": "error", "errorType": "execution", "error": "x"}, "not one of its API: status"),
    "nothing": (vector(), "scrapes no replica of stable"),
    "a part": (vector(*WHOLE, warnings=["2 of 3 stores answered"]), "is not whole: 2 of 3 stores answered"),
    "one track": (vector(*WHOLE[:4]), "scrapes no replica of canary"),
    "the canary alone": (vector(*WHOLE[4:]), "scrapes no replica of stable"),
    "a scalar": ({"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}}, "resultType"),
    "a list": ([], "not one of its API"),
    "NaN": (_changed(lambda all: all[3].update(value=[_AT, "NaN"])), "counts 'NaN', which is no count"),
    "infinity": (_changed(lambda all: all[3].update(value=[_AT, "+Inf"])), "counts '+Inf'"),
    "less than nothing": (_changed(lambda all: all[3].update(value=[_AT, "-5"])), "counts '-5'"),
    "more than can be": (_changed(lambda all: all[3].update(value=[_AT, "1e300"])), "counts '1e300'"),
    "words": (_changed(lambda all: all[3].update(value=[_AT, "\x1b[31mseven"])), "counts "),
    "a number instead of text": (_changed(lambda all: all[3].update(value=[_AT, 7])), "not one of its API"),
    "no value": (_changed(lambda all: all[3].pop("value")), "a series without a value"),
    "a series twice": (vector(*WHOLE, WHOLE[3]), "the same series twice"),
    "no pod": (_changed(lambda all: all[3]["metric"].pop("pod")), "no label `pod`"),
    "a pod that is none": (_changed(lambda all: all[3]["metric"].update(pod='x",a="b')), "no label `pod`"),
    "a third track": (_changed(lambda all: all[3]["metric"].update(shopkart_track="blue")), "no track"),
    "no status": (_changed(lambda all: all[3]["metric"].update(status_class="")), "which is no status"),
    "a replica that is down": (_changed(lambda all: all[4].update(value=[_AT, "0"])), "can't scrape backend-canary-1"),
    "old counts": (_changed(lambda all: all[1].update(value=[_AT, str(_AT - 61)])), "61 s away (limit 60 s)"),
    "counts of the future": (_changed(lambda all: all[1].update(value=[_AT, str(_AT + 9e12)])), "s away"),
    "no time of a scrape": (_changed(lambda all: all.pop(1)), "s away"),
    "two scrapes": (_changed(lambda all: all[2].update(value=[_AT, "2"])), "counted by 2 scrapes at once"),
    "no counter": (_changed(lambda all: all.pop(3)), "no replica of stable counts storefront_http_requests_total"),
}


@pytest.mark.parametrize(("document", "reason"), NOT_WHOLE.values(), ids=NOT_WHOLE)
def test_what_is_no_whole_answer_is_missing_with_the_reason(
    server: Server, metrics: PrometheusMetrics, document: object, reason: str
) -> None:
    server.says(document)
    sample = traffic(metrics)
    assert isinstance(sample, MetricsMissing)
    assert reason in sample.reason
    assert sample.reason.startswith("backend in production: ")
    assert sample.reason.isprintable()
    rules = [EventRule("checkouts", "POST", (300, 399))]
    assert isinstance(metrics.events("production", "backend", NOW, rules, NOW), MetricsMissing)


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [
        (200, b"<html>Sign in</html>", "not one of its API"),
        (200, b"", "not one of its API"),
        (200, json.dumps(vector(*WHOLE)).encode()[:-20], "not one of its API"),
        (200, b"[" * 100_000, "not one of its API"),
        (200, b'{"status":"success","data":{"resultType":"vector","result":[]},"x":"' + b"a" * 17_000_000, "more than"),
        (302, b"", "answered 302"),
        (400, b'{"status":"error","errorType":"bad_data","error":"parse error"}', "answered 400"),
        (401, b"who are you?", "answered 401"),
        (422, b'{"status":"error","error":"too many samples"}', "too many samples"),
        (503, b"no healthy upstream", "answered 503"),
    ],
)
def test_what_is_no_answer_of_prometheus_is_missing_with_the_reason(
    server: Server, metrics: PrometheusMetrics, status: int, content: bytes, reason: str
) -> None:
    server.status, server.content = status, content
    for answer in (traffic(metrics), metrics.history("production", "backend", NOW - timedelta(hours=1), NOW, ())):
        assert isinstance(answer, MetricsMissing)
        assert reason in answer.reason


def test_a_server_that_is_not_there_is_missing(running: tuple[Server, str]) -> None:
    with served(BaseHTTPRequestHandler) as address:
        pass
    with closing(PrometheusMetrics(PrometheusSource(address), ServerAccess())) as metrics:
        sample = traffic(metrics)
    assert isinstance(sample, MetricsMissing)
    assert "Prometheus does not answer" in sample.reason


def test_a_token_is_read_for_each_request_and_appears_in_no_reason(
    server: Server, running: tuple[Server, str], tmp_path: Path
) -> None:
    file = tmp_path / "token"
    access = ServerAccess(token_file=file)
    with closing(PrometheusMetrics(PrometheusSource(running[1]), access, timedelta(0))) as metrics:
        missing = traffic(metrics)
        assert isinstance(missing, MetricsMissing)
        assert "token for Prometheus can't be read" in missing.reason
        assert not server.asked
        file.write_text("s3cret-1\n")
        server.says(vector(*WHOLE))
        assert isinstance(traffic(metrics), TrafficSample)
        assert server.authorization == "Bearer s3cret-1"
        file.write_text("s3cret-2\n")
        server.status, server.content = 403, b"s3cret-2 may not read this"
        denied = traffic(metrics)
        assert server.authorization == "Bearer s3cret-2"
    assert isinstance(denied, MetricsMissing)
    assert "answered 403" in denied.reason
    assert "s3cret" not in denied.reason


def test_a_token_does_not_travel_without_encryption() -> None:
    source = PrometheusSource("http://prometheus.monitoring.svc:9090")
    with closing(PrometheusMetrics(source, ServerAccess(token="s3cret"))) as metrics:
        sample = traffic(metrics)
    assert isinstance(sample, MetricsMissing)
    assert "without encryption" in sample.reason


def test_certificates_that_can_not_be_read_are_a_reason(tmp_path: Path) -> None:
    metrics = PrometheusMetrics(PrometheusSource("https://127.0.0.1:1"), ServerAccess(ca_file=tmp_path / "ca.pem"))
    sample = traffic(metrics)
    assert isinstance(sample, MetricsMissing)
    assert "certificates can't be read from ca.pem" in sample.reason


def test_a_look_stays_until_every_replica_was_scraped_again(server: Server, metrics: PrometheusMetrics) -> None:
    """What one replica answered is not held against what nobody has counted yet of the others."""
    server.says(vector(*WHOLE))
    first = traffic(metrics)
    later = [json.loads(json.dumps(each)) for each in WHOLE]
    later[1]["value"], later[3]["value"] = [_AT, str(_AT)], [_AT, "90"]
    server.says(vector(*later))
    assert traffic(metrics) == first
    later[5]["value"], later[7]["value"] = [_AT, str(_AT)], [_AT, "17"]
    server.says(vector(*later))
    second = traffic(metrics)
    assert isinstance(second, TrafficSample)
    assert (second.canary.requests, second.stable.requests, second.at) == (17, 90, NOW)


def test_two_servers_at_one_address_that_know_different_things_are_found_out(
    server: Server, metrics: PrometheusMetrics
) -> None:
    server.says(vector(*WHOLE))
    assert isinstance(traffic(metrics), TrafficSample)
    older = [json.loads(json.dumps(each)) for each in WHOLE]
    older[1]["value"] = older[5]["value"] = [_AT, str(_AT)]
    older[3]["value"] = [_AT, "6"]
    server.says(vector(*older))
    sample = traffic(metrics)
    assert isinstance(sample, MetricsMissing)
    assert "counts went back" in sample.reason


def test_prometheus_is_not_asked_at_every_tick(server: Server, running: tuple[Server, str]) -> None:
    server.says(vector(*WHOLE))
    with closing(PrometheusMetrics(PrometheusSource(running[1]), ServerAccess())) as metrics:
        samples = [
            metrics.traffic("production", "backend", NOW + timedelta(seconds=seconds), NOW)
            for seconds in (0.0, 0.25, 1.75, 2.0)
        ]
        metrics.events("production", "backend", NOW + timedelta(seconds=2), (), NOW)
    assert all(sample == samples[0] for sample in samples)
    assert len(server.asked) == 2


def test_a_process_that_was_forked_speaks_over_connections_of_its_own(
    server: Server, metrics: PrometheusMetrics
) -> None:
    server.says(vector(*WHOLE))
    traffic(metrics)
    child = os.fork()
    if child == 0:
        os._exit(0 if isinstance(traffic(metrics), TrafficSample) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert isinstance(traffic(metrics), TrafficSample)
    assert len(server.ports) == 2


def test_without_a_canary_looks_belong_together_until_nobody_looks_for_a_while(
    server: Server, metrics: PrometheusMetrics
) -> None:
    server.says(vector(*WHOLE))
    for seconds in (0, 30, 60, 3600):
        metrics.traffic("production", "backend", NOW + timedelta(seconds=seconds))
    windows = [re.findall(r"\[(\d+)ms]", asked["query"][0])[0] for asked in server.asked]
    assert windows == ["300000", "330000", "360000", "300000"]


def test_a_look_is_one_question_about_one_moment(server: Server, metrics: PrometheusMetrics) -> None:
    server.says(vector(*WHOLE))
    traffic(metrics)
    [asked] = server.asked
    assert asked["time"] == [f"{_AT:.3f}"]
    assert "[300000ms]" in asked["query"][0], "from five minutes before the canary had traffic"
    assert 'app_kubernetes_io_name="backend"' in asked["query"][0]
