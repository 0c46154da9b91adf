"""`shopkart incidents [ID]`: what went wrong; with an id, its postmortem."""

import argparse

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape

from shopkart_pipeline.cli.arguments import open_platform


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("incident", nargs="?", metavar="ID", help="show this one with its postmortem")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    if options.incident:
        console.print(Markdown(platform.incidents.postmortem(options.incident) or "There is no postmortem yet."))
        return 0
    incidents = platform.incidents.list()
    for incident in incidents:
        closed = f"closed {incident.closed_at:%Y-%m-%d %H:%M:%S}" if incident.closed_at else "[red]open[/]"
        since = f"since {incident.timeline[0].at:%Y-%m-%d %H:%M:%S} UTC"
        console.print(f"[bold]{incident.id}[/]  {since}, {incident.severity}, {closed}")
        console.print(f"  {escape(incident.reason)}")
    if not incidents:
        console.print("There was no incident.")
    return 0
