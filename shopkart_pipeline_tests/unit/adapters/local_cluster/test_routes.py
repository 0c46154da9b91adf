"""What the load balancer is told."""

import json
from typing import Any

import pytest

from shopkart_pipeline.adapters.local_cluster.routes import Route, dynamic_configuration
from shopkart_pipeline.domain.workload import Track

STABLE, CANARY = Track.STABLE, Track.CANARY


def configured(route: Route) -> dict[str, Any]:
    return json.loads(dynamic_configuration(7, {"production.shop": route}))["http"]


def shares(route: Route) -> dict[str, int]:
    weighted = configured(route)["services"]["production.shop"]["weighted"]["services"]
    return {share["name"].rpartition(".")[2]: share["weight"] for share in weighted}


@pytest.mark.parametrize(
    ("weight", "expected"), [(0, {"stable": 100}), (5, {"stable": 95, "canary": 5}), (100, {"canary": 100})]
)
def test_traffic_is_split_as_asked(weight: int, expected: dict[str, int]) -> None:
    assert shares(Route("entry-01", {STABLE: (1,), CANARY: (2,)}, weight)) == expected


def test_a_canary_without_ready_replicas_gets_nothing_whatever_is_asked() -> None:
    route = Route("entry-01", {STABLE: (1,), CANARY: ()}, 50)
    assert shares(route) == {"stable": 100}
    assert route.effective_weight_percent == 0


def test_every_ready_replica_is_a_server_behind_the_entry_point_of_its_service() -> None:
    told = configured(Route("entry-04", {STABLE: (1, 2)}, 0))
    servers = told["services"]["production.shop.stable"]["loadBalancer"]["servers"]
    assert [server["url"] for server in servers] == ["http://127.0.0.1:1", "http://127.0.0.1:2"]
    assert told["routers"]["production.shop"]["entryPoints"] == ["entry-04"]


def test_the_revision_is_in_the_configuration() -> None:
    assert "revision-7" in configured(Route("entry-01", {STABLE: (1,)}, 0))["middlewares"]
    assert json.loads(dynamic_configuration(8, {}))["http"].keys() == {"middlewares"}
