"""`shopkart receive`: the webhook receiver alone."""

import argparse
import logging

import uvicorn

from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.cli.listening import add_host, warn_where_open
from shopkart_pipeline.engine.doorbell import ring
from shopkart_pipeline.hooks.receiver import SonarQubeDoor, create_app
from shopkart_pipeline.hooks.server import configured
from shopkart_pipeline.receiver_wiring import build_inbox, sonarqube_hints
from shopkart_pipeline.settings import from_environment, webhook_secrets_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_host(parser, "the receiver")


def run(options: argparse.Namespace) -> int:
    settings = from_environment()
    warn_where_open("The receiver", options.host, settings.proxy, asks=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    inbox = build_inbox(settings)
    door = SonarQubeDoor(settings.sonar_webhook_secrets, sonarqube_hints(settings).leave)
    app = create_app(
        inbox,
        webhook_secrets_of(settings),
        SystemClock(),
        lambda: ring(settings.dagster_home),
        door,
        alertmanager_tokens=settings.alertmanager_tokens,
    )
    uvicorn.Server(configured(app, options.host, settings.receiver_port)).run()
    return 0
