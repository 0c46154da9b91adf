"""Serves Dagster's web interface, whole or for auditors, guarded against pages of others (`own_requests`), and without
known secrets in what it answers.

It has a code location of its own, so it runs beside a pipeline or without one.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvicorn
from dagster import DagsterInstance, __version__

# Private: Dagster's webserver is a command and no library. Its version is pinned.
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget, WorkspaceLoadTarget
from dagster_webserver.webserver import DagsterWebserver
from starlette.types import ASGIApp

from shopkart_pipeline import masked_output
from shopkart_pipeline.engine.code_server_watch import code_servers_watched
from shopkart_pipeline.engine.instance import open_instance
from shopkart_pipeline.engine.own_requests import OwnRequests
from shopkart_pipeline.engine.read_only_web import ReadOnlyWebserver
from shopkart_pipeline.engine.web_options import WORKSPACE, WebOptions
from shopkart_pipeline.masked_answers import MaskedAnswers

_STOP_SECONDS = 5


def web_app(
    instance: DagsterInstance, target: WorkspaceLoadTarget, options: WebOptions
) -> tuple[ASGIApp, WorkspaceProcessContext]:
    """The interface as an ASGI application, and what holds its code location; the caller closes that, best with
    `with`."""
    context = WorkspaceProcessContext(instance, target, version=__version__, read_only=options.read_only)
    server: DagsterWebserver[Any, Any] = (ReadOnlyWebserver if options.read_only else DagsterWebserver)(context)
    app = server.create_asgi_app()  # pyright: ignore[reportUnknownMemberType]
    return OwnRequests(MaskedAnswers(app), options.names), context


def serve(dagster_home: Path, options: WebOptions) -> None:
    """Serve the interface of an instance's home, which is made when it does not exist, until the process is told to
    end."""
    with open_instance(dagster_home) as instance:
        app, context = web_app(instance, WorkspaceFileTarget([str(options.workspace)]), options)
        with context, code_servers_watched(context):
            config = uvicorn.Config(
                app,
                options.host,
                options.port,
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
            uvicorn.Server(config).run()


def main(arguments: Sequence[str]) -> int:
    """`python -m shopkart_pipeline.engine.web HOME`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--name", action="append", default=[])
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--workspace", type=Path, default=WORKSPACE)
    given = parser.parse_args(arguments)
    masked_output.install()
    serve(given.home, WebOptions(given.host, given.port, tuple(given.name), given.read_only, given.workspace))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
