"""Load tests as they are declared: the stage, its gates, and what is at fault."""

from pathlib import Path

import pytest

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.load_test import LoadObjective, LoadRequest, LoadTest
from shopkart_pipeline.domain.policy import Comparison, MeasureRule
from shopkart_pipeline_tests.unit.spec.declarations import (
    SMALLEST,
    faults_of,
    one_fault_of,
    service_fault_of,
    service_of,
)

SHORT = "peak: 120/s, requests: [{path: /}], objectives: {latency_p99: 300ms}"


def said(text: str = SHORT) -> str:
    return f"    stages: {{load_test: {{{text}}}}}\n"


def load_of(folder: Path, text: str = SHORT) -> LoadTest:
    load = service_of(folder, said(text)).stage("load_test").load
    assert load is not None
    return load


def test_nobody_has_a_load_test_without_asking_for_it(tmp_path: Path) -> None:
    service = service_of(tmp_path)
    assert "load_test" not in [stage.name for stage in service.stages]
    assert not [gate for gate in service.gates if gate.stage == "load_test"]
    assert not [line for line in service.left_out if line.stage == "load_test"]


def test_it_comes_after_the_tests_of_staging_and_nothing_passes_it_by(tmp_path: Path) -> None:
    service = service_of(tmp_path, said())
    stage = service.stage("load_test")
    assert stage.phase is Phase.STAGING
    assert stage.needs == ("integration_tests", "acceptance_tests")
    assert "load_test" in service.stage("staging_attestations").needs


def test_what_is_not_said_has_defaults(tmp_path: Path) -> None:
    load = load_of(tmp_path)
    assert load == LoadTest(
        multiples=(1.0,),
        ramp_seconds=10.0,
        hold_seconds=30.0,
        requests=(LoadRequest("/"),),
        objectives=(LoadObjective("latency_p99_seconds", 0.3),),
        peak_rate=120.0,
        peak_window_seconds=7 * 86_400.0,
    )


def test_everything_can_be_said(tmp_path: Path) -> None:
    load = load_of(
        tmp_path,
        "peak: production, window: 14d, multiples: [1, 2.5], duration: 60s, ramp: 0, connections: 50, "
        "request_timeout: 5s, objectives: {latency_p50: 50ms, latency_max: 2s, error_ratio: 0.1 %}, requests: ["
        "{path: '/products?page=2', weight: 9}, "
        '{path: /cart, method: POST, body: \'{"sku": "mug"}\', content_type: application/json}]',
    )
    assert (load.peak_rate, load.peak_window_seconds) == (None, 14 * 86_400.0)
    assert (load.multiples, load.hold_seconds, load.ramp_seconds) == ((1.0, 2.5), 60.0, 0.0)
    assert (load.connections, load.request_timeout_seconds) == (50, 5.0)
    assert load.requests[0] == LoadRequest("/products?page=2", weight=9)
    assert load.requests[1] == LoadRequest("/cart", "POST", 1, '{"sku": "mug"}', "application/json")
    assert {each.measure: each.limit for each in load.objectives} == {
        "latency_p50_seconds": 0.05,
        "latency_max_seconds": 2.0,
        "error_ratio": 0.001,
    }


@pytest.mark.parametrize(("written", "rate"), [("120/s", 120.0), ("90 / m", 1.5), ("1800/h", 0.5), ("0.5/s", 0.5)])
def test_a_peak_is_a_rate(tmp_path: Path, written: str, rate: float) -> None:
    assert load_of(tmp_path, SHORT.replace("120/s", written).replace("p99", "max")).peak_rate == rate


def test_every_objective_is_a_gate_at_every_multiple_beside_two_that_need_no_saying(tmp_path: Path) -> None:
    service = service_of(tmp_path, said(f"multiples: [1, 2], {SHORT}"))
    gates = {gate.name: gate.rule for gate in service.gates if gate.stage == "load_test"}
    assert set(gates) == {
        "x1_latency_p99_seconds",
        "x1_sent_ratio",
        "x2_latency_p99_seconds",
        "x2_sent_ratio",
        "restarts",
    }
    assert gates["x2_latency_p99_seconds"] == MeasureRule("x2_latency_p99_seconds", Comparison.AT_MOST, 0.3)
    assert gates["restarts"] == MeasureRule("restarts", Comparison.AT_MOST, 0.0)


def test_a_declared_gate_takes_the_place_of_one_of_the_same_name(tmp_path: Path) -> None:
    gates = "    gates: {load_test: {x1_latency_p99_seconds: {at_most: 0.5}, restarts: {disabled: staging is tiny}}}\n"
    service = service_of(tmp_path, said() + gates)
    found = {gate.name: gate.rule for gate in service.gates if gate.stage == "load_test"}
    assert set(found) == {"x1_latency_p99_seconds", "x1_sent_ratio"}
    assert found["x1_latency_p99_seconds"] == MeasureRule("x1_latency_p99_seconds", Comparison.AT_MOST, 0.5)
    assert [(line.gate, line.reason) for line in service.left_out if line.stage == "load_test"] == [
        ("restarts", "staging is tiny")
    ]


def test_it_can_be_left_out_with_a_reason(tmp_path: Path) -> None:
    service = service_of(tmp_path, said("disabled: nothing is on sale"))
    assert [(each.stage, each.reason) for each in service.left_out if each.stage == "load_test"] == [
        ("load_test", "nothing is on sale")
    ]


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("requests: [{path: /}], objectives: {latency_p99: 1s}", "stages.load_test.peak", "say production's peak"),
        ("peak: 9/s, objectives: {latency_p99: 1s}", "stages.load_test.requests", "say what is sent"),
        ("peak: 9/s, requests: [{path: /}]", "stages.load_test.objectives", "say what has to hold"),
        (SHORT.replace("120/s", "120"), "stages.load_test.peak", "120 is not a rate; write 120/s"),
        (SHORT.replace("120/s", "staging"), "stages.load_test.peak", "is not a rate"),
        (SHORT.replace("300ms", "300"), "stages.load_test.objectives.latency_p99", "is not a latency; write 300ms"),
        (SHORT.replace("latency_p99: 300ms", "error_ratio: 2"), "stages.load_test.objectives.error_ratio", "0.1 %"),
        (f"window: 3d, {SHORT}", "stages.load_test.window", "only a peak from production has a window"),
        (f"multiples: [2, 1], {SHORT}", "stages.load_test.multiples", "have to grow"),
        (f"duration: 0.9s, {SHORT}", "stages.load_test.duration", "less than a second says nothing"),
        (f"duration: 20m, {SHORT}", "stages.load_test.duration", "the test takes 1220s, and may take 15m"),
        (f"timeout: 30s, {SHORT}", "stages.load_test.timeout", "the test takes 50s, and may take 30s"),
        (SHORT.replace("120/s", "3/s"), "stages.load_test.peak", "90 requests at 1 times the peak are too few for"),
        (SHORT.replace("120/s", "90000/s"), "stages.load_test.peak", "the test would send 3150000 requests"),
        (SHORT.replace("path: /", "path: shop"), "stages.load_test.requests[0].path", "is not a URL's path"),
        (SHORT.replace("path: /", "path: /, body: x"), "stages.load_test.requests[0].content_type", "go together"),
        (
            SHORT.replace("path: /", "path: /, body: x, content_type: text/plain"),
            "stages.load_test.requests[0].body",
            "GET has no body",
        ),
        (SHORT.replace("path: /", "path: /, url: http://shop"), "stages.load_test.requests[0].url", "unknown key"),
    ],
)
def test_faults_say_what_is_wrong_and_how_to_say_it(tmp_path: Path, text: str, path: str, words: str) -> None:
    fault = service_fault_of(tmp_path, said(text))
    assert fault.path == path
    assert words in fault.message


def test_there_is_no_way_to_say_where_the_load_goes(tmp_path: Path) -> None:
    for key in ("url", "environment", "target", "phase"):
        assert f"stages.load_test.{key}" == service_fault_of(tmp_path, said(f"{key}: production, {SHORT}")).path


KUBERNETES = """\
environments:
  staging: {{phase: staging, platform: kubernetes, options: {{namespace: {}}}}}
  production: {{phase: production, platform: kubernetes, options: {{namespace: {}}}}}
"""
WATCHED = "approvals: {approvers: [maya@shopkart.example]}"


def test_one_namespace_for_both_would_bring_the_load_to_production(tmp_path: Path) -> None:
    service = SMALLEST.replace(WATCHED, f"canary: [], {WATCHED}") + said()
    fault = one_fault_of(tmp_path, service + KUBERNETES.format("shop", "shop"))
    assert fault.path == "environments.staging.options.namespace"
    assert "production is there as well, so the load test of catalog would meet it" in fault.message
    assert faults_of(tmp_path, service + KUBERNETES.format("shop-staging", "shop")) == ()


@pytest.mark.parametrize(
    "production", ["route: {kind: gateway, gateway: edge, host: shop.example}", "url: https://shop.example/"]
)
def test_one_host_for_both_would_bring_the_load_to_production(tmp_path: Path, production: str) -> None:
    route = "route: {kind: gateway, gateway: edge, host: shop.example}"
    both = f"staging: {{{route}}}\n      production: {{{production}, canary: [], {WATCHED}}}"
    text = SMALLEST.replace(f"production: {{{WATCHED}}}", both) + said()
    fault = one_fault_of(tmp_path, text)
    assert fault.path == "services.catalog.environments.staging.route.host"
    assert "shop.example is catalog in production: the load test would meet it" in fault.message
    assert faults_of(tmp_path, text.replace(f"staging: {{{route}}}", "staging: {replicas: 1}")) == ()
