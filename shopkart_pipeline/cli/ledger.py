"""`shopkart ledger show|verify`: who did what to what may run, and whether the record was touched."""

import argparse

from rich.console import Console
from rich.table import Table

from shopkart_pipeline.cli.arguments import open_platform


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["show", "verify"])


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console()
    entries = platform.ledger.entries()
    if options.what == "verify":
        fault = platform.ledger.verify()
        console.print(fault or f"{len(entries)} entries, the chain is whole.")
        return 1 if fault else 0
    table = Table("#", "at (UTC)", "who", "did", "release", "image", box=None)
    for entry in entries:
        act = entry.act
        release = f"{act.service}@{act.release_key}"
        table.add_row(str(entry.sequence), f"{act.at:%Y-%m-%d %H:%M:%S}", act.actor, act.verb, release, act.digest[:19])
    console.print(table)
    return 0
