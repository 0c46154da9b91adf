"""Dagster's web interface for auditors: everything is shown, nothing can be launched or changed.

Dagster's own `--read-only` leaves it to each mutation to ask for a permission, and some don't: one tries a sensor,
which runs its code, so ours would launch what waits in the inbox. Here there are no mutations at all: the schema that
is served has none, so neither are those there that a later version of Dagster adds. Of the other doors only those are
served that read: not the ones that report events, and not the one that reads notebooks from a path that it is given.
Dagster's permissions are withdrawn as well, so that the interface shows no buttons that do nothing.
"""

from collections.abc import Collection
from typing import Any

import graphene

# Private: Dagster's webserver is a command and no library. Its version is pinned.
from dagster_graphql.schema import types
from dagster_graphql.schema.roots.query import GrapheneQuery
from dagster_graphql.schema.roots.subscription import GrapheneSubscription
from dagster_webserver.webserver import DagsterWebserver
from graphql import ASTValidationRule, GraphQLError, OperationDefinitionNode, OperationType
from starlette.routing import BaseRoute, Route

REFUSAL = "This is the interface for auditors: nothing can be launched or changed here."
_READS = frozenset({"GET", "HEAD"})
_GRAPHQL = "graphql-http"
_FROM_A_PATH = ("/notebook", "/dagit/notebook")


class _NothingChanges(ASTValidationRule):
    """Says why a mutation is refused; without it too there would be none."""

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: object) -> None:
        if node.operation is OperationType.MUTATION:
            self.report_error(GraphQLError(REFUSAL, node))


class ReadOnlyWebserver(DagsterWebserver[Any, Any]):
    """Dagster's webserver without what changes anything."""

    def build_graphql_schema(self) -> graphene.Schema:
        return graphene.Schema(query=GrapheneQuery, subscription=GrapheneSubscription, types=types())

    def build_graphql_validation_rules(self) -> Collection[type[ASTValidationRule]]:
        return (_NothingChanges, *super().build_graphql_validation_rules())

    def build_routes(self) -> list[BaseRoute]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return [route for route in super().build_routes() if _only_reads(route)]


def _only_reads(route: BaseRoute) -> bool:
    """Whether a door may be there. GraphQL takes POST as well; what its schema has decides."""
    if not isinstance(route, Route) or route.name == _GRAPHQL:
        return True
    return route.path not in _FROM_A_PATH and set(route.methods or ()) <= _READS
