"""`shopkart receive`: the webhook receiver alone."""

import argparse
import logging

import uvicorn

from shopkart_pipeline.adapters.sqlite_inbox import SqliteInbox
from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.engine.doorbell import ring
from shopkart_pipeline.hooks.receiver import SonarQubeDoor, create_app
from shopkart_pipeline.settings import from_environment, webhook_secrets_of
from shopkart_pipeline.wiring import inbox_path, sonarqube_hints


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")


def run(options: argparse.Namespace) -> int:
    settings = from_environment()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    inbox = SqliteInbox(inbox_path(settings))
    door = SonarQubeDoor(settings.sonar_webhook_secrets, sonarqube_hints(settings).leave)
    app = create_app(inbox, webhook_secrets_of(settings), SystemClock(), lambda: ring(settings.dagster_home), door)
    uvicorn.run(app, host=options.host, port=settings.receiver_port, log_level="warning", access_log=False)
    return 0
