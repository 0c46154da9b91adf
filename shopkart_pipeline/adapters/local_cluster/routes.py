"""What the load balancer is told: one plain address for each service, its traffic split between two sets of replicas.

Every service of an environment has an entry point of its own. Traefik declares entry points at its start alone, so
a pool of them is declared and handed out. A configuration carries a revision as the name of a middleware that nobody
uses: when Traefik's interface shows that name, the whole configuration is in force.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shopkart_pipeline.adapters.local_cluster.ports import HOST
from shopkart_pipeline.domain.workload import Track

OWN_PORT = "balancer"
"""Name of the port where Traefik answers about itself."""
_IDLE_CONNECTION_SECONDS = 3
"""Shorter than the five seconds after which common Python servers close an idle connection: they never close one that
is about to be used."""
_CONNECT_SECONDS = 2
_LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Those of Prometheus' own clients; Traefik's four are too coarse to compare quantiles."""


@dataclass(frozen=True)
class Route:
    """Where the requests of one service go."""

    entry: str
    """Name of its entry point."""
    targets: Mapping[Track, tuple[int, ...]]
    """Ports of the replicas that are ready, for each track that exists."""
    canary_weight_percent: int
    """The share that is asked for. Without a ready replica the canary gets none, whatever is asked."""

    @property
    def effective_weight_percent(self) -> int:
        """The share of the canary that this route really gives."""
        return self.canary_weight_percent if self.targets.get(Track.CANARY) else 0

    def serves(self, port: int) -> bool:
        """Whether requests may go to this port."""
        return any(port in ports for ports in self.targets.values())


def target_name(route: str, track: Track) -> str:
    """What Traefik calls one track of a route, in its metrics too."""
    return f"{route}.{track.value}"


def route_name(environment: str, service: str) -> str:
    """What Traefik calls a service of an environment."""
    return f"{environment}.{service}"


def revision_name(revision: int) -> str:
    """The middleware that shows which configuration is in force."""
    return f"revision-{revision}"


def dynamic_configuration(revision: int, routes: Mapping[str, Route]) -> bytes:
    """The part of the configuration that Traefik follows while it runs."""
    services: dict[str, object] = {}
    routers: dict[str, object] = {}
    for name, route in routes.items():
        for track, ports in route.targets.items():
            servers = [{"url": f"http://{HOST}:{port}"} for port in ports]
            services[target_name(name, track)] = {"loadBalancer": {"servers": servers}}
        if route.targets:
            services[name] = {"weighted": {"services": _shares(name, route)}}
            routers[name] = {"entryPoints": [route.entry], "rule": "PathPrefix(`/`)", "service": name}
    mark = {revision_name(revision): {"headers": {"customRequestHeaders": {"X-Revision": str(revision)}}}}
    http = {"middlewares": mark, **({"routers": routers, "services": services} if routers else {})}
    return json.dumps({"http": http}, indent=1).encode()


def _shares(name: str, route: Route) -> list[dict[str, object]]:
    canary = route.effective_weight_percent if Track.STABLE in route.targets else 100
    shares = {Track.STABLE: 100 - canary, Track.CANARY: canary}
    return [{"name": target_name(name, track), "weight": share} for track, share in shares.items() if share > 0]


def static_configuration(entries: Mapping[str, int], own_port: int, dynamic: Path) -> bytes:
    """The part of the configuration that Traefik reads at its start.

    Args:
        entries: port by name of an entry point.
        own_port: where it answers about itself: interface and metrics.
        dynamic: the file that it follows.
    """
    document = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "WARN", "noColor": True},
        "api": {"insecure": True, "dashboard": False},
        "metrics": {"prometheus": {"entryPoint": "traefik", "addEntryPointsLabels": False, "buckets": _LATENCY_BOUNDS}},
        "entryPoints": {
            "traefik": {"address": f"{HOST}:{own_port}"},
            **{
                name: {"address": f"{HOST}:{port}", "transport": {"lifeCycle": {"graceTimeOut": "5s"}}}
                for name, port in entries.items()
            },
        },
        "serversTransport": {
            "forwardingTimeouts": {
                "idleConnTimeout": f"{_IDLE_CONNECTION_SECONDS}s",
                "dialTimeout": f"{_CONNECT_SECONDS}s",
            }
        },
        "providers": {"providersThrottleDuration": "10ms", "file": {"filename": str(dynamic), "watch": True}},
    }
    return json.dumps(document, indent=1).encode()
