"""`shopkart exporter`: the pipeline's own metrics for Prometheus, at `/metrics`; with `--once` they are printed."""

import argparse
import sys

import uvicorn

from shopkart_pipeline.adapters.prometheus_text import exposition
from shopkart_pipeline.adapters.sqlite_metrics import SqliteMetricStore
from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.cli.listening import add_host, warn_where_open
from shopkart_pipeline.hooks.exporter import create_exporter
from shopkart_pipeline.hooks.server import configured
from shopkart_pipeline.services.export_metrics import EXPORTED, OwnMetrics
from shopkart_pipeline.settings import from_environment


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_host(parser, "the exporter")
    parser.add_argument("--once", action="store_true", help="print the page and end")


def run(options: argparse.Namespace) -> int:
    settings = from_environment()
    metrics = OwnMetrics(open_platform(), SqliteMetricStore(settings.home / "metrics.db"))

    def page() -> str:
        return exposition(EXPORTED, metrics.gather())

    if options.once:
        sys.stdout.write(page())
        return 0
    warn_where_open("The exporter", options.host, settings.proxy)
    uvicorn.Server(configured(create_exporter(page), options.host, settings.exporter_port)).run()
    return 0
