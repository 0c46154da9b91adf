"""`shopkart receive`: the webhook receiver alone."""

import argparse
import logging

import uvicorn

from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.engine.doorbell import ring
from shopkart_pipeline.hooks.receiver import SonarQubeDoor, create_app
from shopkart_pipeline.receiver_wiring import build_inbox, sonarqube_hints
from shopkart_pipeline.settings import from_environment, webhook_secrets_of

_MOST_CONNECTIONS = 512
"""Further ones are answered with 503."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")


def run(options: argparse.Namespace) -> int:
    settings = from_environment()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    inbox = build_inbox(settings)
    door = SonarQubeDoor(settings.sonar_webhook_secrets, sonarqube_hints(settings).leave)
    app = create_app(inbox, webhook_secrets_of(settings), SystemClock(), lambda: ring(settings.dagster_home), door)
    uvicorn.run(
        app,
        host=options.host,
        port=settings.receiver_port,
        log_level="warning",
        access_log=False,
        # The one of uvicorn's parsers that bounds a request's headers; the other keeps as many as a sender sends.
        http="h11",
        ws="none",
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=10,
    )
    return 0
