"""Links lead somewhere, or are not there."""

from dataclasses import replace

from shopkart_pipeline.domain.alerting import Alerting
from shopkart_pipeline.domain.code_host import CodeHostPolicy
from shopkart_pipeline.domain.incident import Alert, AlertState, IncidentSource
from shopkart_pipeline.services.gather_snapshot import gather_snapshot
from shopkart_pipeline.services.incident_links import change_url, incident_links
from shopkart_pipeline.services.raise_incident import raise_incident
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World


def test_dashboards_are_at_the_time_of_the_incident_and_the_change_at_the_code_host(world: World) -> None:
    world.released()
    release = world.released()
    world.pipeline = replace(
        world.pipeline, alerting=Alerting(grafana="https://grafana.example"), code_host=CodeHostPolicy()
    )
    alert = Alert("f1", "ErrorRatio", AlertState.FIRING, world.clock.now(), url="https://prometheus.example/graph")
    incident = raise_incident(
        world.platform, IncidentSource.ALERTMANAGER, "backend", PRODUCTION, "30 % fail", alerts=(alert,)
    )

    links = dict(incident_links(world.platform, gather_snapshot(world.platform, incident.id)))

    begin = (world.clock.now().timestamp() - 1800) * 1000
    assert links == {
        "dashboard": f"https://grafana.example/d/sk-backend/?var-environment={PRODUCTION}"
        f"&from={begin:.0f}&to={begin + 3_600_000:.0f}",
        "change": f"https://github.com/shopkart/storefront/compare/{release.previous_sha}...{release.sha}",
        "ErrorRatio": "https://prometheus.example/graph",
    }


def test_where_nothing_is_declared_nothing_is_linked(world: World) -> None:
    world.released()
    incident = raise_incident(world.platform, IncidentSource.PERSON, "backend", PRODUCTION, "it is slow")

    assert incident_links(world.platform, gather_snapshot(world.platform, incident.id)) == ()


def test_a_code_host_of_ones_own_is_linked_by_its_name(world: World) -> None:
    first = replace(world.released(), previous_sha=None)

    address = change_url(CodeHostPolicy(api="https://git.shopkart.example/api/v3"), first)

    assert address == f"https://git.shopkart.example/shopkart/storefront/commit/{first.sha}"
