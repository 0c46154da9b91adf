"""`shopkart rescans [SERVICE]`: the work that rescans of production found. Exit code 1 while some of it is open."""

import argparse

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.scan_running import RESCAN
from shopkart_pipeline.services.work_items import ItemState, work_items


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", nargs="?", metavar="SERVICE", help="only this one")
    parser.add_argument("--all", action="store_true", help="what is done, too")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    names = [platform.service(options.service).name] if options.service else list(platform.pipeline.services)
    for name in names:
        _print_last(console, platform, name)
    states = [each for each in work_items(platform) if each.item.service in names]
    shown = [each for each in states if options.all or each.is_open]
    if shown:
        console.print(_table(shown))
    else:
        console.print("No work is open.")
    return 1 if any(each.is_open for each in states) else 0


def _print_last(console: Console, platform: Platform, service: str) -> None:
    """When it was looked at, as nothing open and nobody looked are two things."""
    last = platform.evidence.newest_notes(RESCAN, service, limit=1)
    words = f"{last[0].at:%Y-%m-%d %H:%M} UTC: {last[0].message}" if last else "was never scanned again"
    console.print(f"[bold]{escape(service)}[/]  {escape(words)}")


def _table(states: list[ItemState]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for title in ("item", "service", "release", "severity", "finding", "since", ""):
        table.add_column(title)
    for state in states:
        item = state.item
        since = f"{state.opened_at:%Y-%m-%d}"
        done = f"done: {state.closed_because}" if state.closed_at else "[red]open[/]"
        names = (item.id, item.service, item.release_key, item.severity, item.subject)
        table.add_row(*map(escape, names), since, done)
    return table
