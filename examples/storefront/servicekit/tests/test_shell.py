"""What the shell adds to every answer, counts and logs."""

import httpx
import pytest

pytestmark = pytest.mark.anyio


async def test_every_answer_says_which_version_and_track_gave_it(sample):
    for path in ("/items/one", "/nothing-here", "/items/broken", "/health/live"):
        answer = await sample.client.get(path)
        assert answer.headers["x-shopkart-version"] == "7.1.0"
        assert answer.headers["x-shopkart-track"] == "canary"


async def test_a_failure_inside_is_answered_with_500_and_no_word_about_it(sample):
    answer = await sample.client.get("/items/broken")

    assert answer.status_code == 500
    assert "value" not in answer.text


async def test_a_failure_is_logged_by_signature_without_its_message(sample, log_lines):
    await sample.client.get("/items/broken", headers={"x-request-id": "abc-1"})

    (line,) = log_lines()
    assert line["level"] == "error"
    assert line["request_id"] == "abc-1"
    assert line["route"] == "/items/{name}"
    assert line["status"] == 500
    assert line["version"] == "7.1.0"
    assert line["error_signature"].startswith("KeyError@")
    assert "customer's value" not in str(line)


async def test_a_dependency_that_is_away_is_a_warning_with_a_signature(sample, log_lines):
    await sample.client.get("/away")

    (line,) = log_lines()
    assert line["level"] == "warning"
    assert line["error_signature"].startswith("servicekit.faults.Unavailable@")


async def test_a_request_id_that_could_forge_a_log_line_is_replaced(sample):
    answer = await sample.client.get("/items/one", headers={"x-request-id": 'x","level":"error'})

    assert len(answer.headers["x-request-id"]) == 32


async def test_probes_are_not_logged_and_are_not_traffic(sample, log_lines):
    before = sample.shell.traffic.last_seen_seconds

    await sample.client.get("/health/live")
    await sample.client.get("/metrics")

    assert log_lines() == []
    assert sample.shell.traffic.last_seen_seconds == before


async def test_a_draining_process_asks_clients_to_leave_and_still_answers(sample):
    sample.lifecycle.draining = True

    answer = await sample.client.get("/items/one")

    assert answer.status_code == 200
    assert answer.headers["connection"] == "close"


async def test_requests_are_counted_by_template_method_and_class(sample):
    await sample.client.get("/items/one")
    await sample.client.get("/items/two")
    await sample.client.get("/items/broken")
    await sample.client.get("/no/such/path")

    exposition = await metrics_of(sample.client)
    assert counted(exposition, "/items/{name}", "GET", "2xx") == 2
    assert counted(exposition, "/items/{name}", "GET", "5xx") == 1
    assert counted(exposition, "unmatched", "GET", "4xx") == 1


async def test_a_made_up_method_makes_no_new_series(sample):
    await sample.client.request("BREW", "/items/one")

    assert counted(await metrics_of(sample.client), "/items/{name}", "other", "4xx") == 1


async def test_series_of_declared_routes_exist_before_the_first_request(sample):
    exposition = await metrics_of(sample.client)

    assert counted(exposition, "/items/{name}", "GET", "5xx") == 0


async def test_the_process_describes_itself(sample):
    exposition = await metrics_of(sample.client)

    assert (
        'storefront_build_info{environment="test",service="sample",track="canary",version="7.1.0"} 1.0'
        in exposition
    )
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"):
        assert f"\n{name} " in exposition


async def metrics_of(client: httpx.AsyncClient) -> str:
    return (await client.get("/metrics")).text


def counted(exposition: str, route: str, method: str, status_class: str) -> float:
    series = (
        f'storefront_http_requests_total{{method="{method}",route="{route}",status_class="{status_class}"}} '
    )
    (value,) = [line.removeprefix(series) for line in exposition.splitlines() if line.startswith(series)]
    return float(value)
