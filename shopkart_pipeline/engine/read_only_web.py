"""Dagster's web interface for auditors: everything is shown, nothing can be launched or changed.

Dagster's own `--read-only` leaves it to each mutation to ask for a permission, and some don't: one tries a sensor,
which runs its code, so ours would launch what waits in the inbox. Here there are no mutations at all: the schema that
is served has none, so neither are those there that a later version of Dagster adds. Of the other doors only those are
served that read: not the ones that report events, and not the one that reads notebooks from a path that it is given.
Dagster's permissions are withdrawn as well, so that the interface shows no buttons that do nothing.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import graphene
import uvicorn
from dagster import DagsterInstance, __version__

# Private: Dagster's webserver is a command and no library. Its version is pinned.
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget, WorkspaceLoadTarget
from dagster_graphql.schema import types
from dagster_graphql.schema.roots.query import GrapheneQuery
from dagster_graphql.schema.roots.subscription import GrapheneSubscription
from dagster_webserver.webserver import DagsterWebserver
from graphql import ASTValidationRule, GraphQLError, OperationDefinitionNode, OperationType
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from shopkart_pipeline.engine.instance import open_instance
from shopkart_pipeline.masked_answers import MaskedAnswers

WORKSPACE = Path(__file__).resolve().parents[2] / "workspace.yaml"
REFUSAL = "This is the interface for auditors: nothing can be launched or changed here."
_READS = frozenset({"GET", "HEAD"})
_GRAPHQL = "graphql-http"
_FROM_A_PATH = ("/notebook", "/dagit/notebook")
_STOP_SECONDS = 5


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

    def build_middleware(self) -> list[Middleware]:
        return [Middleware(MaskedAnswers), *super().build_middleware()]

    def build_routes(self) -> list[BaseRoute]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return [route for route in super().build_routes() if _only_reads(route)]


class KnownHosts:
    """Middleware that answers only to names by which it is known, so that no web page that has its own name lead to
    this machine reads what is shown here (DNS rebinding). Without names it answers to all."""

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app, self._names = app, frozenset(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not self._names:
            return await self._app(scope, receive, send)
        host = _host_of(Headers(scope=scope).get("host", ""))
        if host in self._names:
            return await self._app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        return await PlainTextResponse(f"This is not {host}.\n", 421)(scope, receive, send)


def read_only_app(
    instance: DagsterInstance, target: WorkspaceLoadTarget, names: Collection[str] = ()
) -> tuple[ASGIApp, WorkspaceProcessContext]:
    """The interface as an ASGI application, and what holds its code location; the caller closes that, best with
    `with`.

    Args:
        instance: to look at.
        target: which code locations to show.
        names: to which it answers; empty: all.
    """
    context = WorkspaceProcessContext(instance, target, version=__version__, read_only=True)
    app = ReadOnlyWebserver(context).create_asgi_app()  # pyright: ignore[reportUnknownMemberType]
    return KnownHosts(app, names), context


def serve_read_only(
    dagster_home: Path, host: str, port: int, names: Collection[str], workspace: Path = WORKSPACE
) -> None:
    """Serve the interface until the process is told to end.

    Args:
        dagster_home: the instance's home; made when it does not exist.
        host: address to listen on.
        port: port to listen on.
        names: to which it answers; empty: all.
        workspace: which code locations to show.
    """
    with open_instance(dagster_home) as instance:
        app, context = read_only_app(instance, WorkspaceFileTarget([str(workspace)]), names)
        with context:
            config = uvicorn.Config(
                app, host, port, log_level="warning", access_log=False, timeout_graceful_shutdown=_STOP_SECONDS
            )
            uvicorn.Server(config).run()


def _host_of(header: str) -> str:
    """The name in a `Host` header, without its port; empty for what is none."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _only_reads(route: BaseRoute) -> bool:
    """Whether a door may be there. GraphQL takes POST as well; what its schema has decides."""
    if not isinstance(route, Route) or route.name == _GRAPHQL:
        return True
    return route.path not in _FROM_A_PATH and set(route.methods or ()) <= _READS
