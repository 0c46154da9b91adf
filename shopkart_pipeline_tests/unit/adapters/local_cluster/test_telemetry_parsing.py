"""What the load balancer's page and the replicas' logs are taken for."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.adapters._log_lines import Written, parse_errors
from shopkart_pipeline.adapters.local_cluster import LocalLogs, LocalMetrics
from shopkart_pipeline.adapters.local_cluster.log_files import MOST_BYTES, begin_log, forget_old, last_words, rotate
from shopkart_pipeline.adapters.local_cluster.metrics import sample
from shopkart_pipeline.adapters.local_cluster.state import OBSERVED, ObservedService
from shopkart_pipeline.domain.latency import Histogram
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.ports.telemetry import LogsMissing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PAGE = """\
# HELP traefik_config_reloads_total Config reloads
traefik_config_reloads_total 10
traefik_service_requests_total{code="200",method="GET",protocol="http",service="production.shop.canary@file"} 7
traefik_service_requests_total{code="404",method="GET",protocol="http",service="production.shop.canary@file"} 1
traefik_service_requests_total{code="500",method="POST",protocol="http",service="production.shop.canary@file"} 2
traefik_service_requests_total{code="502",method="GET",protocol="http",service="production.shop.canary@file"} 1
traefik_service_requests_total{code="200",method="GET",protocol="http",service="production.shop.stable@file"} 1.2e+06
traefik_service_requests_total{code="200",method="GET",protocol="http",service="staging.shop.stable@file"} 99
"""


def test_server_errors_are_those_from_500_on() -> None:
    found = sample(PAGE, "production.shop", NOW)
    assert (found.canary, found.stable) == (Counts(11, 3), Counts(1_200_000, 0))


BUCKETS = "".join(
    f'traefik_service_request_duration_seconds_bucket{{code="{code}",method="GET",protocol="http",'
    f'service="production.shop.stable@file",le="{bound}"}} {count}\n'
    for code, counts in (("200", (7, 9, 10)), ("500", (1, 1, 1)))
    for bound, count in zip(("0.1", "0.5", "+Inf"), counts, strict=True)
)


def test_cumulative_buckets_of_all_statuses_become_one_histogram() -> None:
    found = sample(PAGE + BUCKETS, "production.shop", NOW)
    assert found.stable.latency == Histogram((0.1, 0.5), (8, 2, 1))
    assert found.canary.latency is None


def test_a_histogram_without_its_last_bucket_is_none() -> None:
    cut = "".join(line for line in BUCKETS.splitlines(keepends=True) if "+Inf" not in line)
    assert sample(PAGE + cut, "production.shop", NOW).stable.latency is None


def test_a_track_without_a_counter_has_answered_nothing() -> None:
    assert sample(PAGE, "staging.shop", NOW).canary == Counts(0, 0)


@pytest.mark.parametrize("page", ["", "<html>hello</html>", "go_goroutines 4\n"])
def test_a_page_that_is_not_the_load_balancers_says_nothing(page: str) -> None:
    with pytest.raises(ValueError, match="empty or somebody else's"):
        sample(page, "production.shop", NOW)


@pytest.mark.parametrize("value", ["many", "NaN", "+Inf", ""])
def test_a_value_that_makes_no_sense_is_an_error(value: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        sample(PAGE.replace('"} 7', f'"}} {value}'), "production.shop", NOW)


def test_a_load_balancer_that_is_not_there_is_missing_metrics(tmp_path: Path) -> None:
    observed = tmp_path / "cluster" / "observed" / "production" / "shop.json"
    OBSERVED.write(observed, ObservedService("http://127.0.0.1:1"), durable=False)
    assert isinstance(LocalMetrics(tmp_path).traffic("production", "shop", NOW), MetricsMissing)
    (tmp_path / "cluster" / "ports.json").write_text('{"ports": {"balancer": 1}}')
    answer = LocalMetrics(tmp_path).traffic("production", "shop", NOW)
    assert isinstance(answer, MetricsMissing)
    assert "does not answer" in answer.reason


def test_errors_are_found_and_everything_else_is_passed_over() -> None:
    lines = [
        '{"time": "2026-03-01T12:00:00+00:00", "level": "info", "message": "starts", "version": "v1"}',
        "a line without structure",
        '{"broken": ',
        "[1, 2]",
        '{"level": "error", "message": "without a time"}',
        '{"time": "2026-03-01T12:00:01Z", "level": "ERROR", "message": "no", "error_signature": "KeyError@cart.read"}',
        '{"time": "2026-03-01T12:00:02Z", "level": "critical", "message": "down", "version": "v2"}',
    ]
    found = list(parse_errors(map(Written, lines), Track.CANARY, "canary-3"))
    assert [(line.at.second, line.release_key, line.level, line.signature) for line in found] == [
        (1, "v1", "error", "KeyError@cart.read"),
        (2, "v2", "critical", None),
    ]
    assert {(line.track, line.replica) for line in found} == {(Track.CANARY, "canary-3")}


def test_an_uncaught_exception_is_an_error_without_its_message() -> None:
    lines = [
        '{"time": "2026-03-01T12:00:00+00:00", "level": "info", "message": "starts", "version": "v1"}\n',
        "Traceback (most recent call last):\n",
        '  File "/app/app/shop/__main__.py", line 1, in <module>\n',
        "    main()\n",
        "shop.errors.NoCart: customer 4711 has none\n",
    ]
    (found,) = parse_errors(map(Written, lines), Track.STABLE, "stable-1")
    assert (found.level, found.signature, found.release_key) == ("error", "shop.errors.NoCart", "v1")
    assert "4711" not in found.message


def test_lines_are_found_in_both_halves_of_a_log_that_was_cut(tmp_path: Path) -> None:
    log = tmp_path / "cluster" / "logs" / "production" / "shop" / "stable-1.log"
    log.parent.mkdir(parents=True)
    line = '{{"time": "{}", "level": "error", "message": "{}"}}\n'
    with log.open("w") as stream:
        stream.write(line.format(NOW.isoformat(), "older"))
        stream.write("x" * MOST_BYTES + "\n")
    rotate(tmp_path)
    with log.open("a") as stream:
        stream.write(line.format((NOW + timedelta(seconds=1)).isoformat(), "newer"))
    assert log.stat().st_size < 1000
    found = LocalLogs(tmp_path).errors("production", "shop", NOW, NOW + timedelta(minutes=1), 10)
    assert not isinstance(found, LogsMissing)
    assert [one.message for one in found] == ["older", "newer"]


def test_the_last_words_of_a_replica_are_its_own(tmp_path: Path) -> None:
    log = tmp_path / "stable-1.log"
    assert last_words(log) == ""
    begin_log(log, "stable-1", "v1", NOW)
    assert last_words(log) == ""
    with log.open("a") as stream:
        stream.write('{"message": "can\'t start", "error_signature": "KeyError@shop.main"}\n')
        assert last_words(log) == ""
        stream.flush()
        assert last_words(log) == "can't start (KeyError@shop.main)"
        stream.write("ValueError: no\n\n  \n")
    assert last_words(log) == "ValueError: no"


def test_logs_of_living_replicas_are_kept_however_old(tmp_path: Path) -> None:
    for number in range(60):
        begin_log(tmp_path / f"stable-{number}.log", f"stable-{number}", "v1", NOW)
        os.utime(tmp_path / f"stable-{number}.log", (number, number))
    forget_old(tmp_path, {"stable-0"})
    kept = {path.stem for path in tmp_path.glob("*.log")}
    assert kept == {"stable-0", *(f"stable-{number}" for number in range(20, 60))}


def test_secrets_that_a_service_logs_are_masked_wherever_its_lines_go(tmp_path: Path) -> None:
    line = '{"time": "2026-03-01T12:00:01Z", "level": "error", "message": "SECRET", "signature": "Refused(SECRET)"}'
    told = [f"token={number}-hunter2" for number in range(2)]
    lines = [line.replace("SECRET", each) for each in told]

    found = list(parse_errors(map(Written, [*lines, "plain redis://:hunter2@cache"]), Track.STABLE, "stable-1"))
    log = tmp_path / "stable-1.log"
    log.write_text("\n".join(["plain redis://:hunter2@cache", lines[0]]) + "\n")

    assert [(each.message, each.signature) for each in found] == [("token=[redacted]", "Refused(token=[redacted]")] * 2
    assert "hunter2" not in last_words(log)


def test_a_time_that_no_store_can_hold_makes_no_structured_line() -> None:
    line = '{"time": "0001-01-01T00:00:00+14:00", "level": "error", "message": "never"}'

    assert list(parse_errors([Written(line)], Track.STABLE, "stable-1")) == []
