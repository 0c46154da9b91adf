"""`shopkart releases`: what came in, and where it stands."""

import argparse

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.cli.report import approvers_of, verdict_of
from shopkart_pipeline.cli.words import STYLES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--service", help="of this service only")
    parser.add_argument("--limit", type=int, default=20, help="how many of the newest (default 20)")


def run(options: argparse.Namespace) -> int:
    platform = open_platform()
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("release", no_wrap=True)
    for name in ("verdict", "approved by", "change"):
        table.add_column(name)
    for release in platform.evidence.releases(options.service, options.limit):
        verdict = verdict_of(platform, release)
        approvers = ", ".join(name.partition("@")[0] for name in approvers_of(platform, release))
        shown = f"[{STYLES[verdict]}]{verdict.replace('_', ' ')}[/]"
        table.add_row(release.name, shown, approvers, f"{escape(release.title)} ({escape(release.author.name)})")
    Console().print(table if table.row_count else "There is no release yet. Merge something, or run `shopkart demo`.")
    return 0
