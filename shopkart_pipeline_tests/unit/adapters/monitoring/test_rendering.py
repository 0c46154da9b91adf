"""What is generated from a declaration: the same bytes each time, and nothing that the declaration does not say."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from shopkart_pipeline.adapters.monitoring import ALERTMANAGER, render_monitoring, rule_groups
from shopkart_pipeline.adapters.monitoring.alert_rules import budget_of
from shopkart_pipeline.domain.alerting import Alerting
from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.declaration import Pipeline
from shopkart_pipeline.domain.metrics_source import PrometheusSource
from shopkart_pipeline.domain.monitoring import Target, targets_of
from shopkart_pipeline.domain.pod import Autoscale
from shopkart_pipeline.domain.vitals import Vital
from shopkart_pipeline.services.export_metrics import EXPORTED
from shopkart_pipeline.settings import SHIPPED_DECLARATION
from shopkart_pipeline.spec.loader import load

WINDOWS = ("5m", "30m", "2h", "6h") * 2
"""The short ones of the published rules, for errors and for latency."""
DEPLOYED = Path(__file__).resolve().parents[4] / "deploy" / "monitoring"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    return load(SHIPPED_DECLARATION, home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def files(pipeline: Pipeline) -> dict[str, str]:
    return dict(render_monitoring(targets_of(pipeline), pipeline.alerting, pipeline.recovery))


@pytest.fixture
def target(pipeline: Pipeline) -> Target:
    return next(each for each in targets_of(pipeline, "production") if each.service == "backend")


def rules_of(target: Target, grafana: str = "") -> list[dict[str, Any]]:
    return [rule for group in rule_groups(target, Alerting(grafana=grafana)) for rule in group["rules"]]


def test_what_is_committed_is_what_the_shipped_declaration_generates(files: dict[str, str]) -> None:
    committed = {str(path.relative_to(DEPLOYED)): path.read_text() for path in DEPLOYED.rglob("*") if path.is_file()}
    listed = committed.pop("generated.txt").splitlines()
    assert committed == files, "run `shopkart monitoring --out deploy/monitoring`"
    assert listed == sorted(files)


def test_every_metric_is_recorded_by_environment_service_and_version(target: Target) -> None:
    records = {rule["record"]: rule for rule in rules_of(target) if "record" in rule}
    for vital in Vital:
        rule = records[f"shopkart:{vital.value}"]
        assert rule["labels"] == {"environment": "production", "service": "backend"}
        assert vital is Vital.DATABASE_CONNECTIONS or "by (version" in rule["expr"]


def test_every_alert_says_whom_it_concerns_and_how_much_it_hurts(target: Target) -> None:
    for rule in rules_of(target):
        if "alert" in rule:
            assert rule["labels"]["severity"] in ("critical", "warning")
            assert rule["labels"]["owner"] == "team:storefront"
            assert rule["annotations"]["summary"].startswith("backend in production: ")


def test_nothing_outside_of_production_is_critical(pipeline: Pipeline) -> None:
    rules = [rule for each in targets_of(pipeline, "staging") for rule in rules_of(each)]
    assert {rule["labels"]["severity"] for rule in rules if "alert" in rule} == {"warning"}


def test_an_objective_that_is_declared_otherwise_changes_its_alerts(target: Target) -> None:
    stricter = replace(target, deployment=replace(target.deployment, objectives=(Objective("error_ratio", 0.001, 60),)))
    burns = [rule["expr"] for rule in rules_of(stricter) if rule.get("alert") == "ShopkartErrorBudgetBurns"]
    pairs = zip(("0.0144", "0.006", "0.003", "0.001"), burns, strict=True)
    assert all(burn.count(f"> {limit} and") == 2 for limit, burn in pairs)
    assert not [rule for rule in rules_of(stricter) if rule.get("alert") == "ShopkartLatencyBudgetBurns"]


def test_a_generous_objective_can_still_be_missed(target: Target) -> None:
    """A tenth of all requests may fail: 14.4 times that is more than all of them."""
    generous = replace(target, deployment=replace(target.deployment, objectives=(Objective("error_ratio", 0.1, 60),)))
    [first, *_] = [rule["expr"] for rule in rules_of(generous) if rule.get("alert") == "ShopkartErrorBudgetBurns"]
    assert "> 0.9 and" in first


@pytest.mark.parametrize(("limit", "name"), [(1500.0, "1500000ms"), (0.25, "250ms"), (1e-5, "0_01ms")])
def test_every_limit_gives_a_series_its_name(target: Target, limit: float, name: str) -> None:
    promised = replace(target.deployment, objectives=(Objective("latency_p95_seconds", limit, 60),))
    records = [rule["record"] for rule in rules_of(replace(target, deployment=promised)) if "record" in rule]
    assert f"shopkart:slow_ratio_{name}:rate5m" in records
    assert all(re.fullmatch("[a-z_:][a-z0-9_:]*", record) for record in records)


def test_a_handful_of_requests_wakes_nobody(target: Target) -> None:
    burns = [rule["expr"] for rule in rules_of(target) if rule.get("alert", "").endswith("BudgetBurns")]
    own = '{environment="production",service="backend"}'
    pairs = zip(WINDOWS, burns, strict=True)
    assert all(f"and shopkart:requests:increase{window}{own} >= 10" in burn for window, burn in pairs)


def test_no_rule_is_over_fewer_scrapes_than_a_rate_needs(target: Target) -> None:
    """Scaled to a day, the shortest window of the published rules would be ten seconds."""
    of_a_day = replace(target.deployment, objectives=(Objective("error_ratio", 0.01, 86_400.0),))
    rules = rules_of(replace(target, deployment=of_a_day))
    windows = [rule["record"].rpartition("rate")[2] for rule in rules if "error_ratio:rate" in rule.get("record", "")]
    assert windows == ["1m", "4m", "12m", "48m", "144m"]
    assert len([rule for rule in rules if rule.get("alert") == "ShopkartErrorBudgetBurns"]) == 3


def test_the_budget_of_a_latency_is_what_its_quantile_leaves() -> None:
    assert budget_of(Objective("latency_p95_seconds", 0.5, 60)) == 0.05
    with pytest.raises(ValueError, match="no budget of request_rate"):
        budget_of(Objective("request_rate", 1, 60))


def test_declared_series_and_labels_are_used(target: Target) -> None:
    source = PrometheusSource("", {"cluster": 'a "quoted" one'}, "http_requests_total", "code")
    text = json.dumps(rules_of(replace(target, source=source)))
    assert "storefront_http_requests_total" not in text
    assert all(
        '{cluster="a \\"quoted\\" one",app_kubernetes_io_name="backend"' in rule["expr"]
        for rule in rules_of(replace(target, source=source))
        if "http_requests_total" in rule["expr"]
    )


def test_where_nothing_uses_a_database_nobody_waits_for_its_connections(target: Target) -> None:
    without = json.dumps(rules_of(replace(target, uses_database=False)))
    assert "database" not in without
    assert "ShopkartDatabaseConnections" in json.dumps(rules_of(target))


def test_alerts_link_to_the_dashboard_where_people_can_reach_it(target: Target, files: dict[str, str]) -> None:
    [rule, *_] = [rule for rule in rules_of(target, "https://grafana.example") if "alert" in rule]
    link = rule["annotations"]["dashboard"]
    uid = json.loads(files["grafana/sk-backend.json"])["uid"]
    assert link == f"https://grafana.example/d/{uid}/?var-environment=production"
    assert "dashboard" not in next(rule for rule in rules_of(target) if "alert" in rule)["annotations"]


def test_the_token_is_a_file_that_alertmanager_reads(files: dict[str, str]) -> None:
    [hook] = yaml.safe_load(files[ALERTMANAGER])["receivers"][1]["webhook_configs"]
    assert hook["http_config"]["authorization"] == {"type": "Bearer", "credentials_file": Alerting.token_file}
    values = yaml.safe_load(files["kubernetes/helm-values.yaml"])["alertmanager"]
    [secret] = values["alertmanagerSpec"]["secrets"]
    assert Alerting.token_file == f"/etc/alertmanager/secrets/{secret}/token"
    assert values["config"] == yaml.safe_load(files[ALERTMANAGER])


DASHBOARD_FIELDS = {
    "uid", "title", "description", "tags", "timezone", "schemaVersion", "editable", "graphTooltip", "refresh", "time",
    "templating", "annotations", "links", "panels",
}  # fmt: skip
"""Those of Grafana's published schema that are used; it takes no others."""
PANEL_FIELDS = {"id", "type", "title", "description", "datasource", "targets", "fieldConfig", "options", "gridPos"}


def test_a_dashboard_shows_every_metric_with_the_canary_beside_stable(files: dict[str, str]) -> None:
    dashboard = json.loads(files["grafana/sk-backend.json"])
    assert set(dashboard) == DASHBOARD_FIELDS
    panels = {panel["title"]: panel for panel in dashboard["panels"]}
    assert {vital.words for vital in Vital} < set(panels)
    assert all(set(panel) <= PANEL_FIELDS for panel in panels.values())
    tracks = [target["legendFormat"] for target in panels["Error ratio"]["targets"]]
    assert tracks == ["stable {{version}}", "canary {{version}}", "objective of production"]
    assert panels["Error ratio"]["targets"][2]["expr"] == "vector(0.01)"


def test_a_dashboard_shows_no_series_that_no_rule_records(files: dict[str, str]) -> None:
    groups = yaml.safe_load(files["prometheus/production-backend.rules.yaml"])["groups"]
    recorded = {rule.get("record") for group in groups for rule in group["rules"]}
    panels = json.loads(files["grafana/sk-backend.json"])["panels"]
    queries = [target["expr"] for panel in panels for target in panel["targets"]]
    shown = {name for query in queries for name in re.findall(r"shopkart:[a-z0-9_:]+", query)}
    assert "shopkart:error_ratio:rate3d" in shown
    assert shown <= recorded


def test_the_pipeline_has_a_dashboard_of_what_it_exports(files: dict[str, str]) -> None:
    text = files["grafana/sk-pipeline.json"]
    exported = {metric.name for metric in EXPORTED}
    shown = set(re.findall(r"shopkart_[a-z_]+", text))
    assert {re.sub("_bucket$", "", name) for name in shown} <= exported
    assert all(name in text for name in ("lead_time_seconds", "rework_ratio", "shopkart_gate_failures_total"))


@pytest.mark.parametrize("name", ["sk-backend", "sk-pipeline"])
def test_panels_do_not_cover_each_other(files: dict[str, str], name: str) -> None:
    panels = json.loads(files[f"grafana/{name}.json"])["panels"]
    cells = [
        (panel["gridPos"]["x"] + column, panel["gridPos"]["y"] + row)
        for panel in panels
        for column in range(panel["gridPos"]["w"])
        for row in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert {panel["id"] for panel in panels} == set(range(1, len(panels) + 1))


def test_releases_are_markers(files: dict[str, str]) -> None:
    [marker] = json.loads(files["grafana/sk-backend.json"])["annotations"]["list"]
    assert marker["enable"]
    assert "unless on (version, track) shopkart:replicas" in marker["expr"]


def test_the_operators_objects_hold_the_same_rules_and_dashboards(files: dict[str, str]) -> None:
    objects = list(yaml.safe_load_all(files["kubernetes/manifests.yaml"]))
    by_name = {(each["kind"], each["metadata"]["name"]): each for each in objects}
    assert len(by_name) == len(objects)
    rules = by_name["PrometheusRule", "shopkart-production-backend"]["spec"]
    assert rules == yaml.safe_load(files["prometheus/production-backend.rules.yaml"])
    kept = by_name["ConfigMap", "dashboard-sk-backend"]
    assert kept["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(kept["data"]["sk-backend.json"]) == json.loads(files["grafana/sk-backend.json"])
    assert sum(len(each["data"]["sk-backend.json"]) for each in [kept]) < 1_000_000  # A ConfigMap holds one MiB.
    monitor = by_name["PodMonitor", "shopkart"]["spec"]
    assert "app.kubernetes.io/version" in monitor["podTargetLabels"]


def test_loki_keeps_lines_for_a_time_and_its_collector_takes_the_labels_of_pods(files: dict[str, str]) -> None:
    loki = yaml.safe_load(files["loki/loki.yaml"])
    assert loki["compactor"]["retention_enabled"]
    assert loki["limits_config"]["retention_period"] == "720h"
    assert loki["schema_config"]["configs"][0]["schema"] == "v13"
    collector = files["loki/collector.alloy"]
    assert collector.count("{") == collector.count("}")
    for label in ("environment", "service", "version", "track"):
        assert f'target_label  = "{label}"' in collector


def test_one_environment_alone_can_be_rendered(pipeline: Pipeline) -> None:
    files = render_monitoring(targets_of(pipeline, "production"), pipeline.alerting, pipeline.recovery)
    assert "prometheus/production-backend.rules.yaml" in files
    assert not [name for name in files if "staging" in name]
    assert '"staging"' not in files["grafana/sk-backend.json"]


def test_an_objective_over_days_has_its_budget_over_them_in_rules_and_dashboard(target: Target) -> None:
    of_days = replace(target.deployment, objectives=(Objective("error_ratio", 0.01, 15 * 86_400.0),))
    rules = rules_of(replace(target, deployment=of_days))

    windows = [rule["record"].rpartition("rate")[2] for rule in rules if "error_ratio:rate" in rule.get("record", "")]
    assert windows == ["150s", "15m", "30m", "1h", "3h", "12h", "36h"]
    burns = [rule["expr"] for rule in rules if rule.get("alert") == "ShopkartErrorBudgetBurns"]
    assert len(burns) == 4
    assert "rate30m" in burns[0]
    assert "rate150s" in burns[0]


def test_a_service_that_is_scaled_by_its_requests_has_them_told_by_its_own_counter(
    pipeline: Pipeline, target: Target
) -> None:
    scaled = replace(target, deployment=replace(target.deployment, autoscale=Autoscale(2, 9, 70, 40)))
    files = render_monitoring((scaled,), pipeline.alerting, pipeline.recovery)
    [rule] = yaml.safe_load(files["kubernetes/adapter-values.yaml"])["rules"]["custom"]
    assert rule["seriesQuery"].startswith(f"{target.source.requests}{{")
    assert rule["name"] == {"as": "shopkart_requests_per_second"}
    by_processor = replace(target, deployment=replace(target.deployment, autoscale=Autoscale(2, 9, 70)))
    assert "kubernetes/adapter-values.yaml" not in render_monitoring(
        (by_processor,), pipeline.alerting, pipeline.recovery
    )
