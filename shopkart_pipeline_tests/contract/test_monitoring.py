"""What is generated, before those who read it: promtool, amtool, and a running Prometheus and Alertmanager."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopkart_pipeline.adapters._prometheus_queries import Queries
from shopkart_pipeline.adapters.alertmanager import AlertmanagerReader
from shopkart_pipeline.adapters.monitoring import ALERTMANAGER, render_monitoring, rule_groups
from shopkart_pipeline.adapters.monitoring.alertmanager_routing import RECEIVER, alertmanager_configuration
from shopkart_pipeline.adapters.prometheus_text import exposition
from shopkart_pipeline.adapters.sqlite_metrics import SqliteMetricStore
from shopkart_pipeline.cli.demo.story import STOREFRONT
from shopkart_pipeline.domain.alerting import Alerting
from shopkart_pipeline.domain.burn_rate import PERIOD_SECONDS
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.incident import AlertState, IncidentSeverity
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.monitoring import Pace, targets_of
from shopkart_pipeline.domain.workload import Track
from shopkart_pipeline.services.accept_release import accept
from shopkart_pipeline.services.export_metrics import EXPORTED, OwnMetrics
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline_tests.contract.alertmanager_server import running_alertmanager, running_receiver
from shopkart_pipeline_tests.contract.loopback_servers import running_server
from shopkart_pipeline_tests.contract.prometheus_server import (
    MEMORY_BYTES,
    Exporter,
    ServicePool,
    running_prometheus,
    until,
)
from shopkart_pipeline_tests.fakes.memory_inbox import MemoryInbox
from shopkart_pipeline_tests.fakes.world import World

QUICK = Pace(1.0, rate_window_seconds=5.0, period_seconds=PERIOD_SECONDS / 30, unseen_seconds=120.0)
"""A thirtieth of the real windows: the shortest is ten seconds."""
STABLE, CANARY = "20261101-120000-0123456789ab", "20261102-120000-ba9876543210"
TOKEN = "a-token-of-the-tests"
GOOD, BROKEN = "/static/style.css", "/"
"""What the frontend answers by itself, and what it needs its backend for."""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return load(SHIPPED_DECLARATION, home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def rendered(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything that is generated from the shipped declaration."""
    folder = tmp_path_factory.mktemp("monitoring")
    for name, text in render_monitoring(targets_of(pipeline), pipeline.alerting, pipeline.recovery).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


def _run(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120, check=False)


def test_promtool_finds_nothing_wrong_with_the_rules(rendered: Path) -> None:
    done = _run("promtool", "check", "rules", "--lint-fatal", *sorted(rendered.glob("prometheus/*.rules.yaml")))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == 5


def test_nothing_fires_on_good_series_and_the_right_alerts_on_bad_ones(rendered: Path) -> None:
    """With objectives and a database, and without."""
    files = [
        rendered / f"prometheus/{name}.test.yaml" for name in ("production-backend", "staging-frontend", "pipeline")
    ]
    done = _run("promtool", "test", "rules", *files)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SUCCESS") == 3


@pytest.mark.parametrize(
    ("name", "written", "instead", "alert"),
    [
        ("staging-frontend", "< 0.15", "< 0", "ShopkartDiskFilling"),
        ("pipeline", "shopkart_inbox_deliveries[10m]) > 0", "shopkart_inbox_deliveries[10m]) > 9", "DeliveriesWait"),
        ("pipeline", "> 90000", "> 9e12", "ShopkartPipelineBackupOld"),
    ],
)
def test_a_rule_that_never_fires_would_have_been_found(
    rendered: Path, tmp_path: Path, name: str, written: str, instead: str, alert: str
) -> None:
    shutil.copytree(rendered / "prometheus", tmp_path, dirs_exist_ok=True)
    rules = tmp_path / f"{name}.rules.yaml"
    assert written in rules.read_text()
    rules.write_text(rules.read_text().replace(written, instead))
    done = _run("promtool", "test", "rules", tmp_path / f"{name}.test.yaml")
    assert done.returncode != 0
    assert alert in done.stdout + done.stderr


def test_rules_take_a_cluster_as_it_is(rendered: Path, tmp_path: Path) -> None:
    """With containerd nobody tells of a container's disk but of its logs, a container that was started again is told of
    twice, and two restarts are not more than two, whatever `increase` adds."""
    shutil.copy(rendered / "prometheus/production-backend.rules.yaml", tmp_path)
    tests = yaml.safe_load((rendered / "prometheus/production-backend.test.yaml").read_text())
    [well] = [each for each in tests["tests"] if each["name"].endswith("all is well")]
    series = {each["series"]: each["values"] for each in well["input_series"]}
    container = 'namespace="production",pod="replica-0",container="backend"'
    del series[f"container_fs_usage_bytes{{{container}}}"]
    series[f"kubelet_container_log_filesystem_used_bytes{{{container}}}"] = "2048x100"
    series[f"kube_pod_container_status_restarts_total{{{container}}}"] = "_x60 1x20 2x9 3x9"
    del series[f"container_memory_working_set_bytes{{{container}}}"]
    for number in (1, 2):
        series[f'container_memory_working_set_bytes{{{container},id="/{number}"}}'] = f"{2**30 - number}x100"
    own = 'environment="production",service="backend"'
    asked = {
        f'group by (alertname) (ALERTS{{alertstate="firing",{own}}})': ('{alertname="ShopkartMemoryNearLimit"}', 1),
        f"sum (shopkart:disk_usage_bytes{{{own}}})": ("{}", 2048),
        f"sum (shopkart:memory_usage_bytes{{{own}}})": ("{}", 2**30 - 1),
    }
    well["input_series"] = [{"series": name, "values": values} for name, values in series.items()]
    well["promql_expr_test"] = [
        {"expr": query, "eval_time": "25m", "exp_samples": [{"labels": labels, "value": value}]}
        for query, (labels, value) in asked.items()
    ]
    file = tmp_path / "cluster.test.yaml"
    file.write_text(json.dumps({**tests, "tests": [well]}))
    done = _run("promtool", "test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_replica_that_was_not_scraped_when_a_window_began_has_not_answered_all_it_ever_did_in_it(
    tmp_path: Path,
) -> None:
    labels = 'app_kubernetes_io_name="backend",app_kubernetes_io_instance="production",shopkart_track="stable"'
    seen, new = (f'storefront_http_requests_total{{{labels},status_class="5xx",pod="{pod}"}}' for pod in ("a", "b"))
    question = Queries(PrometheusSource(""), "production", "backend").answered(timedelta(minutes=10))
    part = 'label_replace(vector(1), "shopkart_part", "requests", "", "")'
    tests = {
        "interval": "15s",
        "input_series": [
            {"series": f"up{{{labels}}}", "values": "1x100"},
            {"series": seen, "values": "1000+1x35 stale _x9 1045+1x60"},
            {"series": new, "values": "_x60 7x40"},
        ],
        "promql_expr_test": [
            {
                "expr": f"round(sum (({question}) and on (shopkart_part) {part}), 10)",
                "eval_time": "20m",
                "exp_samples": [{"labels": "{}", "value": 40}],
            }
        ],
    }
    file = tmp_path / "window.test.yaml"
    file.write_text(json.dumps({"rule_files": [], "evaluation_interval": "5m", "tests": [tests]}))
    done = _run("promtool", "test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_amtool_finds_nothing_wrong_with_the_routing(rendered: Path) -> None:
    done = _run("amtool", "check-config", rendered / ALERTMANAGER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 inhibit rules" in done.stdout


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=ShopkartErrorBudgetBurns", "severity=critical"), RECEIVER),
        (("alertname=ShopkartNotMeasured", "severity=warning"), RECEIVER),
        (("alertname=SomebodyElses", "severity=critical"), "nobody"),
    ],
)
def test_only_our_alerts_come_to_the_pipeline(rendered: Path, labels: tuple[str, ...], receiver: str) -> None:
    done = _run("amtool", "config", "routes", "test", f"--config.file={rendered / ALERTMANAGER}", *labels)
    assert done.stdout.strip() == receiver, done.stderr


@dataclass
class Replica(Exporter):
    """A process of the storefront's frontend, that Prometheus scrapes."""

    address: str = ""

    def ask(self, path: str, times: int) -> None:
        """Have it answer some requests, well or not."""
        for _ in range(times):
            self._get(path)

    @property
    def page(self) -> str:
        """Its own, and what the kubelet would tell of its pod."""
        return f'{self._get("/metrics")}container_memory_working_set_bytes{{container="app"}} {MEMORY_BYTES}\n'

    def _get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=10) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.read().decode()


@contextmanager
def running_frontend(folder: Path, track: Track, version: str) -> Generator[Replica]:
    """The storefront's frontend as it is, whose backend is not where it was told to look."""
    sources = os.pathsep.join(str(STOREFRONT / part / "src") for part in ("frontend", "servicekit"))

    def variables(port: int) -> dict[str, str]:
        return {"PYTHONPATH": sources, "PORT": str(port), "BACKEND_URL": "http://127.0.0.1:9"}

    with running_server(
        lambda _: [sys.executable, "-m", "storefront_frontend"], folder, variables=variables
    ) as address:
        name = f"frontend-{track.value}"
        yield Replica("production", "frontend", track, name, is_up=True, version=version, address=address)


@dataclass
class Watched:
    """A service, who watches it, and who is told."""

    prometheus: str
    inbox: MemoryInbox
    stable: Replica
    canary: Replica

    def ask(self, query: str) -> list[dict[str, Any]]:
        url = f"{self.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            return []  # It has not read its storage yet.

    def serve(self, canary: str = GOOD) -> None:
        """Another moment of traffic."""
        self.stable.ask(GOOD, 5)
        self.canary.ask(canary, 5)

    def ratios(self) -> dict[str, float]:
        return {
            each["metric"]["version"]: float(each["value"][1])
            for each in self.ask('shopkart:error_ratio{environment="production",service="frontend"}')
        }


@pytest.fixture(scope="module")
def watched(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    [target] = [each for each in targets_of(pipeline, "production") if each.service == "frontend"]
    rules, token = folder / "rules.json", folder / "token"
    rules.write_text(json.dumps({"groups": rule_groups(target, Alerting(grafana="https://grafana.example"), QUICK)}))
    token.write_text(TOKEN)
    with ExitStack() as stack:
        stable = stack.enter_context(running_frontend(folder / "stable", Track.STABLE, STABLE))
        canary = stack.enter_context(running_frontend(folder / "canary", Track.CANARY, CANARY))
        inbox = MemoryInbox()
        receiver = stack.enter_context(running_receiver(inbox, TOKEN))
        alerting = Alerting(f"{receiver}/webhooks/alertmanager", str(token))
        routing = alertmanager_configuration(alerting, first_wait="0s")
        alertmanager = stack.enter_context(running_alertmanager(folder / "alertmanager", routing))
        configured = {
            "rule_files": [str(rules)],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}]},
        }
        prometheus = stack.enter_context(
            running_prometheus(folder, ServicePool.of_replicas(stable, canary), **configured)
        )
        yield Watched(prometheus, inbox, stable, canary)


def test_a_bad_release_fires_and_the_pipeline_opens_an_incident(watched: Watched, tmp_path: Path) -> None:
    def healthy() -> bool:
        watched.serve()
        return watched.ratios() == {STABLE: 0.0, CANARY: 0.0}

    def telling() -> bool:
        watched.serve(canary=BROKEN)
        return bool(watched.inbox.pending())

    until(healthy)
    assert watched.inbox.pending() == ()
    until(telling)
    assert watched.ratios()[CANARY] > watched.ratios()[STABLE] == 0.0
    [told] = {each.alert.name: each for each in AlertmanagerReader().read(watched.inbox.pending()[0]).alerts}.values()
    assert (told.service, told.environment, told.severity) == ("frontend", "production", IncidentSeverity.CRITICAL)
    assert (told.alert.name, told.alert.state) == ("ShopkartErrorBudgetBurns", AlertState.FIRING)
    assert told.alert.summary.startswith("frontend in production: the share of requests that failed is above 0.")
    assert told.alert.url == "https://grafana.example/d/sk-frontend/?var-environment=production"
    world = World(tmp_path)
    accept(world.platform, watched.inbox.pending()[0])
    [incident] = world.incidents.list()
    assert (incident.service, incident.environment, incident.is_open) == ("frontend", "production", True)
    assert [alert.fingerprint for alert in incident.firing] == [told.alert.fingerprint]


def test_promtool_reads_the_page_of_the_pipelines_own_metrics(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.released()
    page = exposition(EXPORTED, OwnMetrics(world.platform, SqliteMetricStore(tmp_path / "metrics.db")).gather())
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, timeout=60)
    """It finds fault with a colon alone, which stands where the exporter speaks for the rules that record elsewhere."""
    faults = {line for line in (done.stdout + done.stderr).splitlines() if "should not contain ':'" not in line}
    assert faults == set()


def test_every_query_of_a_dashboard_is_promql(rendered: Path, tmp_path: Path) -> None:
    rules = list[dict[str, str]]()
    for path in sorted(rendered.glob("grafana/*.json")):
        shown = json.loads(path.read_text())
        queries = [
            target["expr"] for panel in shown["panels"] if panel["type"] != "logs" for target in panel["targets"]
        ]
        queries += [each["expr"] for each in shown["annotations"]["list"]]
        rules += [{"record": f"query_{len(rules) + number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "queries.json"
    file.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    done = _run("promtool", "check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules)} rules found" in done.stdout
    assert len(rules) > 50
