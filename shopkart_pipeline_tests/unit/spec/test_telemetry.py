"""Who counts the requests of an environment: what may be declared, and what is told where nobody does."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from shopkart_pipeline.cli.plan import plan_of, print_plan
from shopkart_pipeline.cli.validate import validate
from shopkart_pipeline.domain.health_watch import HealthWatch
from shopkart_pipeline.domain.log_source import LokiSource
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline_tests.unit.spec.declarations import HOME, SMALLEST, one_fault_of, pipeline_of

_KUBERNETES = "environments:\n  staging: {platform: local}\n  production:\n    platform: kubernetes\n"


def _declared(folder: Path, telemetry: str) -> PrometheusSource | None:
    text = f"{SMALLEST}{_KUBERNETES}    telemetry: {{{telemetry}}}\n"
    return pipeline_of(folder, text).environments["production"].telemetry


def test_an_address_is_enough(tmp_path: Path) -> None:
    source = _declared(tmp_path, "prometheus: 'https://prometheus.example/prometheus/'")
    assert source == PrometheusSource("https://prometheus.example/prometheus")


def test_names_of_series_and_labels_can_be_others(tmp_path: Path) -> None:
    source = _declared(
        tmp_path,
        "prometheus: 'http://prometheus-k8s.monitoring.svc:9090', labels: {cluster: eu-1}, "
        "requests: http_requests_total, status_label: code, "
        "method_label: verb, latency_buckets: http_seconds_bucket, maximum_age: 2m",
    )
    assert source == PrometheusSource(
        "http://prometheus-k8s.monitoring.svc:9090",
        {"cluster": "eu-1"},
        "http_requests_total",
        "code",
        "verb",
        "http_seconds_bucket",
        120.0,
    )


@pytest.mark.parametrize(
    ("telemetry", "key", "message"),
    [
        ("requests: x", "prometheus", "this key has to be written"),
        ("prometheus: 'http://prometheus.example:9090'", "prometheus", "without encryption Prometheus may only be on"),
        ("prometheus: 'https://user:secret@prometheus.example'", "prometheus", "address without a password"),
        ("prometheus: 'https://prometheus.example', requests: 'sum(x)'", "requests", "the name of a metric"),
        ("prometheus: 'https://prometheus.example', labels: {a-b: c}", "labels.a-b", "the name of a label"),
        ("prometheus: 'https://prometheus.example', maximum_age: 1s", "maximum_age", "5"),
    ],
)
def test_a_fault_is_told_with_its_line(tmp_path: Path, telemetry: str, key: str, message: str) -> None:
    fault = one_fault_of(tmp_path, f"{SMALLEST}{_KUBERNETES}    telemetry: {{{telemetry}}}\n")
    assert fault.path == f"environments.production.telemetry.{key}"
    assert message in fault.message
    assert fault.line == SMALLEST.count("\n") + 5


def test_the_embedded_platform_counts_itself(tmp_path: Path) -> None:
    fault = one_fault_of(
        tmp_path,
        f"{SMALLEST}environments: {{production: {{telemetry: {{prometheus: 'https://a.example'}}}}, staging: {{}}}}",
    )
    assert fault.path == "environments.production.telemetry"
    assert "counts requests itself" in fault.message


def test_a_canary_that_nobody_counts_is_told_before_there_is_one(tmp_path: Path) -> None:
    file, output = tmp_path / "shopkart.yaml", io.StringIO()
    console = Console(file=output, soft_wrap=True, width=40)
    file.write_text(SMALLEST + _KUBERNETES)

    assert validate(file, HOME, console) == 0
    assert "warning: services.catalog.environments.production: nobody counts requests" in output.getvalue()
    print_plan(console, plan_of(pipeline_of(tmp_path, SMALLEST + _KUBERNETES)))
    assert output.getvalue().count("nobody counts requests") == 2


@pytest.mark.parametrize("more", ["    telemetry: {prometheus: 'https://a.example'}\n", None])
def test_nothing_is_told_where_somebody_counts_or_there_is_no_canary(tmp_path: Path, more: str | None) -> None:
    without = SMALLEST.replace("approvers: [maya@shopkart.example]}", "approvers: [maya@shopkart.example]}, canary: []")
    text = SMALLEST + _KUBERNETES + more if more else without + _KUBERNETES
    file, output = tmp_path / "shopkart.yaml", io.StringIO()
    file.write_text(text)
    assert validate(file, HOME, Console(file=output, soft_wrap=True)) == 0
    assert "nobody counts" not in output.getvalue()


def _watched(folder: Path, health: str) -> HealthWatch | None:
    text = f"{SMALLEST}environments:\n  staging:\n  production: {{health: {{{health}}}}}\n"
    return pipeline_of(folder, text).environments["production"].health


def test_how_long_a_release_is_watched_is_declared(tmp_path: Path) -> None:
    assert _watched(tmp_path, "bake: 10m") == HealthWatch(600.0, 60.0)
    assert _watched(tmp_path, "bake: 2m, every: 10s") == HealthWatch(120.0, 10.0)
    assert pipeline_of(tmp_path, SMALLEST).environments["production"].health is None


def test_a_watch_that_would_never_look_is_a_fault(tmp_path: Path) -> None:
    text = f"{SMALLEST}environments:\n  staging:\n  production: {{health: {{bake: 30s}}}}\n"
    assert "a look every 60 s never comes within 30 s" in one_fault_of(tmp_path, text).message


def test_logs_may_be_in_loki(tmp_path: Path) -> None:
    text = (
        f"{SMALLEST}{_KUBERNETES}    telemetry:\n      prometheus: 'https://prometheus.example'\n"
        "      loki: {address: 'http://loki.monitoring.svc:3100/', tenant: shop, labels: {cluster: eu-1}, "
        "service_label: app_kubernetes_io_name, pod_label: k8s_pod_name}\n"
    )
    environments = pipeline_of(tmp_path, text).environments

    assert environments["staging"].log_source is None
    assert environments["production"].log_source == LokiSource(
        "http://loki.monitoring.svc:3100",
        "shop",
        {"cluster": "eu-1"},
        service_label="app_kubernetes_io_name",
        pod_label="k8s_pod_name",
    )


@pytest.mark.parametrize(
    ("loki", "key", "message"),
    [
        ("tenant: shop", "address", "this key has to be written"),
        ("address: 'http://loki.example:3100'", "address", "without encryption Loki may only be on"),
        ("address: 'https://loki.example', tenant: 'a b'", "tenant", "the name of a tenant"),
        ("address: 'https://loki.example', pod_label: 'a\"b'", "pod_label", "the name of a label"),
    ],
)
def test_a_fault_about_loki_is_told_at_its_place(tmp_path: Path, loki: str, key: str, message: str) -> None:
    telemetry = f"prometheus: 'https://a.example', loki: {{{loki}}}"
    fault = one_fault_of(tmp_path, f"{SMALLEST}{_KUBERNETES}    telemetry: {{{telemetry}}}\n")
    assert fault.path == f"environments.production.telemetry.loki.{key}"
    assert message in fault.message


def test_a_watch_where_nothing_is_promised_is_a_fault(tmp_path: Path) -> None:
    text = f"{SMALLEST}environments:\n  staging: {{health: {{bake: 10m}}}}\n  production:\n"
    fault = one_fault_of(tmp_path, text)
    assert fault.message.startswith("no service promises anything in staging")
    assert fault.path == "environments.staging.health"


def test_the_plan_tells_how_a_release_is_watched(tmp_path: Path) -> None:
    text = f"{SMALLEST}environments:\n  staging:\n  production: {{health: {{bake: 10m}}}}\n"
    output = io.StringIO()
    print_plan(Console(file=output, width=1000), plan_of(pipeline_of(tmp_path, text)))
    assert "watched for 10m after a release, every 1m" in output.getvalue()
