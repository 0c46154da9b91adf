"""`shopkart incidents [ID]`: what went wrong; with an id, its postmortem."""

import argparse

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from shopkart_pipeline.cli.arguments import open_platform


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("incident", nargs="?", metavar="ID", help="show this one with its postmortem")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console()
    if options.incident:
        console.print(Markdown(platform.incidents.postmortem(options.incident) or "There is no postmortem yet."))
        return 0
    table = Table("incident", "since (UTC)", "reason", box=None)
    for incident in platform.incidents.list():
        table.add_row(incident.id, f"{incident.timeline[0].at:%Y-%m-%d %H:%M:%S}", incident.reason)
    console.print(table if table.row_count else "There was no incident.")
    return 0
