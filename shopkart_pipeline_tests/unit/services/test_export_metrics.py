"""The pipeline's own metrics: counted once, whatever is killed in between, and never zero for what nobody can ask."""

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from shopkart_pipeline.adapters.prometheus_text import exposition
from shopkart_pipeline.adapters.sqlite_metrics import SqliteMetricStore
from shopkart_pipeline.domain.backup import BackedUp, Recovery
from shopkart_pipeline.domain.declaration import Phase, StageKind
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, Tool
from shopkart_pipeline.domain.incident import Incident
from shopkart_pipeline.domain.metric import Metric, MetricKind, Sample
from shopkart_pipeline.domain.notification import Notification
from shopkart_pipeline.domain.vitals import Vital
from shopkart_pipeline.hooks.exporter import create_exporter
from shopkart_pipeline.ports.ledger import Act
from shopkart_pipeline.ports.metric_store import Step
from shopkart_pipeline.services.back_up import back_up
from shopkart_pipeline.services.count_past import count_past
from shopkart_pipeline.services.export_metrics import EXPORTED, OwnMetrics
from shopkart_pipeline_tests.fakes.fake_database import BackupWorld
from shopkart_pipeline_tests.fakes.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> SqliteMetricStore:
    return SqliteMetricStore(tmp_path / "metrics.db")


def gathered(world: World, store: SqliteMetricStore) -> dict[str, float]:
    """Every series as the page writes it."""
    world.clock.advance(1)
    page = exposition(EXPORTED, OwnMetrics(world.platform, store).gather())
    lines = (line.rpartition(" ") for line in page.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in lines}


def test_a_release_is_counted_on_its_whole_way(world: World, store: SqliteMetricStore) -> None:
    release = world.released()
    found = gathered(world, store)
    assert found['shopkart_releases_total{kind="merged",service="backend"}'] == 1
    assert found['shopkart_releases{service="backend",state="in_production"}'] == 1
    assert found['shopkart_deployments_total{environment="production",outcome="promote",service="backend"}'] == 1
    assert found['shopkart_queue_seconds_count{service="backend"}'] == 1
    stages = [stage.name for stage in world.platform.service("backend").stages]
    for stage in stages:
        assert found[f'shopkart_stage_results_total{{outcome="passed",service="backend",stage="{stage}"}}'] == 1
        assert found[f'shopkart_stage_duration_seconds_count{{service="backend",stage="{stage}"}}'] == 1
    assert found['shopkart_delivery{measure="change_failure_ratio",service="backend"}'] == 0
    assert found['shopkart_delivery{measure="lead_time_seconds",team="shop"}'] > 0
    assert not [series for series in found if "shopkart_delivery" in series and "frontend" in series], release


def test_looking_again_counts_nothing_twice_and_a_restart_neither(
    world: World, store: SqliteMetricStore, tmp_path: Path
) -> None:
    world.released()
    first = gathered(world, store)
    assert gathered(world, store) == first
    assert gathered(world, SqliteMetricStore(tmp_path / "metrics.db")) == first


def test_of_two_who_count_the_same_one_does(world: World, store: SqliteMetricStore) -> None:
    sample = Sample("shopkart_releases_total", (("service", "backend"),), 1)
    assert store.apply(Step({"releases": 0}, {"releases": 5}, [sample]))
    assert not store.apply(Step({"releases": 0}, {"releases": 5}, [sample]))
    assert [each.value for each in store.totals()] == [1]
    assert store.positions() == {"releases": 5}


def test_a_gate_that_fails_is_counted_by_its_rule_and_stops_the_release(world: World, store: SqliteMetricStore) -> None:
    series = 'shopkart_gate_failures_total{gate="failed",outcome="fail",service="backend",stage="unit_tests"}'
    assert gathered(world, store)[series] == 0
    failing = Evidence(Tool("fake", "1"), "3 failed", {"tests": 40, "failed": 3})
    world.scanners[StageKind.UNIT_TESTS].result = failing
    world.merge()
    world.run(world.evidence.releases("backend")[0], Phase.CI)
    found = gathered(world, store)
    assert found[series] == 1
    assert found['shopkart_stage_results_total{outcome="failed",service="backend",stage="unit_tests"}'] == 1
    assert found['shopkart_releases{service="backend",state="stopped"}'] == 1
    world.scanners[StageKind.UNIT_TESTS].result = replace(failing, measures={"tests": 40, "failed": 0})
    world.run(world.evidence.releases("backend")[0], Phase.CI)
    found = gathered(world, store)
    assert found[series] == 1
    assert found['shopkart_releases{service="backend",state="ci"}'] == 1


def test_the_release_before_is_replaced_and_one_that_was_turned_back_says_so(
    world: World, store: SqliteMetricStore
) -> None:
    one, two = world.merge(), world.merge()
    for release, verb in ((one, "promote"), (two, "promote"), (two, "turn_back"), (one, "roll_back")):
        told = {"environment": "production", "commit": release.sha}
        world.ledger.append(Act(world.clock.now(), "pipeline", verb, "backend", release.key, "sha256:1", told))
        assert not count_past(world.platform, store)
    assert store.count() == {("backend", "in_production"): 1, ("backend", "turned_back"): 1}
    assert store.standing("backend", "in_production") == (one.key,)


def test_a_release_stands_where_the_ledger_says_however_far_each_source_is_read(
    world: World, store: SqliteMetricStore
) -> None:
    _, two = world.merge(), world.merge()
    told = {"environment": "production", "commit": two.sha}
    world.ledger.append(Act(world.clock.now(), "pipeline", "promote", "backend", two.key, "sha256:1", told))
    while count_past(world.platform, store, limit=1):
        pass
    assert store.count() == {("backend", "in_production"): 1, ("backend", "received"): 1}


def test_what_an_earlier_version_counted_does_not_take_the_page_away(world: World, store: SqliteMetricStore) -> None:
    store.apply(Step({}, {}, [Sample("shopkart_builds_total", (("service", "backend"),), 7)]))
    found = gathered(world, store)
    assert found['shopkart_source_up{source="past"}'] == 1
    assert not [series for series in found if "builds" in series]


def test_proposals_are_told_apart(world: World, store: SqliteMetricStore) -> None:
    world.merge()
    world.proposed()
    found = gathered(world, store)
    assert found['shopkart_releases_total{kind="proposed",service="backend"}'] == 1
    assert found['shopkart_releases{service="backend",state="received"}'] == 1


def test_a_long_past_is_counted_a_piece_at_a_time(world: World, store: SqliteMetricStore) -> None:
    world.released()
    assert count_past(world.platform, store, limit=5)
    assert 0 < sum(each.value for each in store.totals() if each.name == "shopkart_stage_results_total") <= 5
    while count_past(world.platform, store, limit=5):
        pass
    assert store.totals() == _whole(world)


def _whole(world: World) -> tuple[Sample, ...]:
    store = SqliteMetricStore(world.folder / "other.db")
    assert not count_past(world.platform, store)
    return store.totals()


def test_what_nobody_can_ask_is_left_out_and_said(
    world: World, store: SqliteMetricStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> int:
        raise ToolUnavailable("The database can't be reached.", "")

    world.released()
    monkeypatch.setattr(world.inbox, "waiting", away)
    found = gathered(world, store)
    assert "shopkart_inbox_deliveries" not in found
    assert found['shopkart_source_up{source="inbox"}'] == 0
    assert found['shopkart_source_up{source="past"}'] == 1
    assert found["shopkart_outbox_notices"] == 0


def test_a_backup_tells_its_moment_and_where_there_is_none_there_is_no_series(
    world: World, store: SqliteMetricStore, tmp_path: Path
) -> None:
    kept = BackupWorld(tmp_path / "backups", world.clock)
    world.backups = kept.backups
    world.pipeline = replace(world.pipeline, recovery=Recovery(databases={"shop": BackedUp("shop")}))
    assert not [series for series in gathered(world, store) if "backup" in series and "source" not in series]

    manifest = back_up(world.platform, "shop").manifest
    assert manifest is not None
    assert gathered(world, store)['shopkart_backup_taken_timestamp_seconds{database="shop"}'] == pytest.approx(
        manifest.taken_at.timestamp()
    )
    assert 'shopkart_backup_verified_timestamp_seconds{database="shop"}' not in gathered(world, store)

    kept.backups.store.verified(manifest, world.clock.now())
    assert gathered(world, store)['shopkart_backup_verified_timestamp_seconds{database="shop"}'] > 0


def test_what_runs_on_the_embedded_platform_is_told_under_the_names_of_the_rules(
    world: World, store: SqliteMetricStore
) -> None:
    release = world.released()
    world.vitals.readings[Vital.ERROR_RATIO] = {release.key: 0.25}
    found = gathered(world, store)
    where = 'environment="production",service="backend"'
    assert found[f'shopkart:error_ratio{{{where},version="{release.key}"}}'] == 0.25
    assert found[f'shopkart:replicas{{{where},track="stable",version="{release.key}"}}'] == 2
    assert not [series for series in found if series.startswith("shopkart:cpu")]


def test_on_kubernetes_prometheus_looks_for_itself(world: World, store: SqliteMetricStore) -> None:
    release = world.released()
    world.vitals.readings[Vital.ERROR_RATIO] = {release.key: 0.25}
    environments = {name: replace(each, platform="kubernetes") for name, each in world.pipeline.environments.items()}
    world.pipeline = replace(world.pipeline, environments=environments)
    assert not [series for series in gathered(world, store) if series.startswith("shopkart:")]


def test_no_series_tells_of_people_and_of_releases_those_that_run(world: World, store: SqliteMetricStore) -> None:
    release = world.released(message="Words of somebody")
    text = "\n".join(gathered(world, store))
    assert not [word for word in ("@", release.title) if word in text]
    assert {line.partition("{")[0] for line in text.splitlines() if release.key in line} == {"shopkart:replicas"}


def test_labels_may_hold_anything() -> None:
    metric = Metric("m", MetricKind.GAUGE, 'says "\n" \\')
    page = exposition([metric], [Sample("m", (("a", 'b"\\\nc'),), 0.5)])
    assert page == '# HELP m says "\\n" \\\\\n# TYPE m gauge\nm{a="b\\"\\\\\\nc"} 0.5\n'
    with pytest.raises(ValueError, match="there is no metric other"):
        exposition([metric], [Sample("other", (), 1)])


def test_the_page_is_served_and_nothing_else() -> None:
    async def asked() -> list[httpx.Response]:
        transport = httpx.ASGITransport(create_exporter(lambda: "m 1\n"))
        async with httpx.AsyncClient(transport=transport, base_url="http://exporter") as client:
            return [await client.get("/metrics"), await client.post("/metrics"), await client.get("/other")]

    page, written, other = asyncio.run(asked())
    assert (page.text, page.headers["content-type"]) == ("m 1\n", "text/plain; version=0.0.4; charset=utf-8")
    assert (written.status_code, other.status_code) == (405, 404)


def test_what_nobody_was_told_is_counted_by_channel(world: World, store: SqliteMetricStore) -> None:
    told = Notification("key", "incident", "subject", "body")
    world.notifications.put(told, ["oncall", "mail"], world.clock.now())
    queued = world.notifications.due("mail", world.clock.now())
    assert queued is not None
    world.notifications.give_up(queued.sequence, "refused", world.clock.now())
    found = gathered(world, store)
    assert found['shopkart_notifications_untold{channel="oncall",state="waiting"}'] == 1
    assert found['shopkart_notifications_untold{channel="mail",state="given_up"}'] == 1
    assert found['shopkart_notifications_untold{channel="lead",state="waiting"}'] == 0


def test_what_takes_long_is_asked_seldom_and_again_at_once_where_it_failed(
    world: World, store: SqliteMetricStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()

    def listed() -> tuple[Incident, ...]:
        asked.append("incidents")
        if len(asked) == 1:
            raise ToolUnavailable("The disk is gone.", "")
        return ()

    def nothing(*_: object) -> tuple[()]:
        return ()

    monkeypatch.setattr(world.incidents, "list", listed)
    monkeypatch.setattr("shopkart_pipeline.services.export_metrics.production_changes", nothing)
    metrics = OwnMetrics(world.platform, store)
    up = Sample("shopkart_source_up", (("source", "incidents"),), 1)
    assert replace(up, value=0) in metrics.gather()
    assert up in metrics.gather()
    metrics.gather()
    assert len(asked) == 2
    world.clock.advance(61)
    metrics.gather()
    assert len(asked) == 3
