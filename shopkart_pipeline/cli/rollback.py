"""`shopkart rollback SERVICE`: production goes back to the release before."""

import argparse
from uuid import uuid4

from rich.console import Console

from shopkart_pipeline.cli.arguments import add_key, open_platform, who_asks
from shopkart_pipeline.domain.release_unit import short
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.services.roll_back import roll_back


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument("--reason", required=True, help="why; it goes into the ledger")
    add_key(parser)


def run(options: argparse.Namespace) -> int:
    platform = open_platform()
    service = platform.service(options.service).name
    actor = who_asks(platform, options, Verb.ROLL_BACK, service, reason=options.reason)
    placed = roll_back(platform, service, actor, options.reason, f"rollback-{uuid4()}")
    unit = f"  image {placed.digest}\n  configuration {short(placed.configuration)}"
    Console(soft_wrap=True).print(f"{options.service} goes back to {placed.release_key}\n{unit}")
    return 0
