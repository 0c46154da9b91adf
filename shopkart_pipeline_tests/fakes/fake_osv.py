"""An advisory service that speaks OSV's protocol about a handful of advisories.

It also knows of the packages that show whether a service knows anything.
"""

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from shopkart_pipeline.adapters._advisories import index_of, vulnerabilities
from shopkart_pipeline.adapters._osv_documents import Advisory
from shopkart_pipeline.adapters._packages import Ecosystem, Package
from shopkart_pipeline_tests.advisory_snapshots import an_advisory
from shopkart_pipeline_tests.fakes.servers import JsonHandler, served

MODIFIED = "2025-02-03T04:05:06.789Z"
KNOWN = (
    an_advisory("PYSEC-2014-8", "jinja2", events=[{"introduced": "0"}, {"fixed": "2.7.2"}]),
    an_advisory("GHSA-vh95-rmgr-6w4m", "minimist", ecosystem="npm", events=[{"introduced": "0"}, {"fixed": "0.2.1"}]),
)


@dataclass
class FakeOsv:
    """What the service knows, how it answers, and what it was asked."""

    advisories: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    page_size: int = 1000
    replies: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """Answers by path that are given instead of the true ones."""
    paths: list[str] = field(default_factory=list[str])
    batches: list[int] = field(default_factory=list[int])

    def learn(self, *advisories: Mapping[str, Any]) -> None:
        self.advisories |= {one["id"]: {"modified": MODIFIED, **one} for one in advisories}

    def concerned(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Advisories about one version of one package, each for itself."""
        ecosystem = Ecosystem(query["package"]["ecosystem"])
        package = Package(query["package"]["name"], query["version"], ecosystem=ecosystem)
        return [
            one
            for one in self.advisories.values()
            if vulnerabilities(index_of([Advisory.model_validate(one)]), [package])
        ]

    def result(self, query: Mapping[str, Any]) -> dict[str, Any]:
        start = int(query.get("page_token") or 0)
        found = self.concerned(query)
        page = [{"id": one["id"], "modified": one["modified"]} for one in found[start : start + self.page_size]]
        end = start + self.page_size
        return ({"vulns": page} if page else {}) | ({"next_page_token": str(end)} if end < len(found) else {})


@contextmanager
def osv_service(service: FakeOsv) -> Generator[str]:
    """Serve it; gives the address."""

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.body())
            service.paths.append(self.path)
            if self.path in service.replies:
                self.answer(200, service.replies[self.path])
            elif self.path == "/v1/query":
                found = service.concerned(asked)
                self.answer(200, json.dumps({"vulns": found} if found else {}).encode())
            else:
                service.batches.append(len(asked["queries"]))
                results = [service.result(query) for query in asked["queries"]]
                self.answer(200, json.dumps({"results": results}).encode())

        def do_GET(self) -> None:
            service.paths.append(self.path)
            found = service.advisories.get(unquote(self.path.rpartition("/")[2]))
            if self.path in service.replies:
                self.answer(200, service.replies[self.path])
            else:
                self.answer(200 if found else 404, json.dumps(found or {"code": 5}).encode())

    with served(Handler) as address:
        yield address


def a_service(*advisories: Mapping[str, Any], **details: Any) -> FakeOsv:
    """A service that knows of these advisories."""
    service = FakeOsv(**details)
    service.learn(*KNOWN, *advisories)
    return service
