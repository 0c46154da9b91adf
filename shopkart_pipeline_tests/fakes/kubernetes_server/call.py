"""A request that got through, and its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shopkart_pipeline_tests.fakes.kubernetes_server.ownership import Manager
from shopkart_pipeline_tests.fakes.kubernetes_server.resources import Resource
from shopkart_pipeline_tests.fakes.kubernetes_server.world import KubernetesWorld, User


def is_true(value: str) -> bool:
    """A word as the API server reads it."""
    return value in ("1", "t", "T", "true", "TRUE", "True")


@dataclass(frozen=True)
class Call:
    """A request that got through."""

    world: KubernetesWorld
    user: User
    verb: str
    resource: Resource
    namespace: str
    name: str
    part: str
    """The subresource."""
    rest: str
    """The path behind `proxy`."""
    query: Mapping[str, str]
    content_type: str
    body: Any
    agent: str
    """The client's name, from its `User-Agent`."""

    @property
    def dry(self) -> bool:
        return self.query.get("dryRun") == "All"

    def asks(self, name: str) -> bool:
        """A query parameter that is yes or no."""
        return is_true(self.query.get(name, ""))

    def manager(self, operation: str = "Update") -> Manager:
        """Who writes, and how."""
        name = self.query.get("fieldManager") or self.agent
        return Manager(name, operation, self.resource.api_version, self.part)


@dataclass(frozen=True)
class Answer:
    """An answer that is no error."""

    body: Any
    status: int = 200
    warnings: tuple[str, ...] = ()
