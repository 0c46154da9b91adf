"""A Prometheus that sees the pods of an emulated cluster, each of which answers so many requests a second.

It understands the questions of `_prometheus_queries` by what they are about, and evaluates no PromQL: that a real one
gives these answers is what `contract/test_prometheus` shows.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from shopkart_pipeline_tests.fakes.kubernetes_server import KubernetesWorld
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import POD
from shopkart_pipeline_tests.fakes.servers import JsonHandler, served

_SERVICE = re.compile(r'app_kubernetes_io_name="([a-z0-9-]+)"')


class FakePrometheus:
    """What it has collected.

    Args:
        world: the cluster.
        requests_per_second: of each ready pod.
    """

    def __init__(self, world: KubernetesWorld, requests_per_second: float = 20.0) -> None:
        self._world, self._rate = world, requests_per_second
        self.error_ratios: dict[str, float] = {}
        """By the digest of a pod's image."""
        self.on_errors: Callable[[str, datetime], None] = lambda digest, at: None
        """Told when pods of an image have answered with errors."""
        self.silent = False
        self._counted: dict[str, Counter[str]] = {}
        self._scraped: dict[str, float] = {}

    def answer(self, query: str, at: float) -> dict[str, Any]:
        """The answer to a question about a service."""
        if self.silent:
            return {"status": "error", "errorType": "internal", "error": "the disk is full"}
        named = _SERVICE.search(query)
        assert named is not None, query
        result: list[dict[str, Any]] = []
        for pod in self._world.list(POD):
            labels, name = pod["metadata"]["labels"], pod["metadata"]["name"]
            if labels["app.kubernetes.io/name"] == named[1] and _is_ready(pod):
                self._scrape(name, pod["spec"]["containers"][0]["image"].partition("@")[2], at)
                told = {"pod": name, "shopkart_track": labels["shopkart/track"]}
                result += [
                    _sample(at, told, count, shopkart_part="requests", method="GET", status_class=status)
                    for status, count in self._counted[name].items()
                ]
                for part, value in (("up", 1), ("scraped", at), ("targets", 1)):
                    result.append(_sample(at, told, value, shopkart_part=part))
        return {"status": "success", "data": {"resultType": "vector", "result": result}}

    def _scrape(self, pod: str, digest: str, at: float) -> None:
        since = self._scraped.get(pod, at)
        requests = int((at - since) * self._rate)
        errors = int(requests * self.error_ratios.get(digest, 0.0))
        counted = self._counted.setdefault(pod, Counter({"2xx": 0, "5xx": 0}))
        counted["2xx"] += requests - errors
        counted["5xx"] += errors
        self._scraped[pod] = at
        if errors:
            self.on_errors(digest, datetime.fromtimestamp(at, UTC))


def _is_ready(pod: dict[str, Any]) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", []))


def _sample(at: float, told: dict[str, str], value: float, **labels: str) -> dict[str, Any]:
    return {"metric": {**told, **labels}, "value": [at, f"{value:.3f}"]}


@contextmanager
def running_fake_prometheus(fake: FakePrometheus) -> Generator[str]:
    """Serve it; gives the address."""

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.body().decode())
            if self.path.endswith("query_range"):
                document: dict[str, Any] = {"status": "success", "data": {"resultType": "matrix", "result": []}}
            else:
                document = fake.answer(form["query"][0], float(form["time"][0]))
            self.answer(200, json.dumps(document).encode())

    with served(Handler) as address:
        yield address
