"""`shopkart incidents [ID]`: what went wrong, and what of it people could not be told; with an id, its postmortem."""

import argparse

from rich.console import Console
from rich.markdown import Markdown
from rich.markup import escape

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.cli.incident import find
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.services.silent_channels import silent_channels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("incident", nargs="?", metavar="ID", help="show the postmortem of this one; may be cut short")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    if options.incident:
        incident = find(platform, options.incident)
        console.print(Markdown(platform.incidents.postmortem(incident.id) or "There is no postmortem yet."))
        return 0
    incidents = platform.incidents.list()
    for incident in incidents:
        closed = f"closed {incident.closed_at:%Y-%m-%d %H:%M:%S}" if incident.closed_at else "[red]open[/]"
        since = f"since {incident.timeline[0].at:%Y-%m-%d %H:%M:%S} UTC"
        console.print(f"[bold]{incident.id}[/]  {since}, {incident.severity}, {closed}")
        console.print(f"  {escape(plain(incident.reason))}")
    if not incidents:
        console.print("There was no incident.")
    for name, reason in silent_channels(platform).items():
        console.print(f"[bold red]{name} does not get through:[/] {escape(plain(reason))}")
    return 0
