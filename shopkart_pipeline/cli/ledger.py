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
    table = Table("#", "at (UTC)", "who", "did", "where", "release", box=None, padding=(0, 1, 0, 0))
    for entry in entries:
        act = entry.act
        who, where = act.actor.partition("@")[0], act.body.get("environment", "")
        at, release = f"{act.at:%m-%d %H:%M:%S}", f"{act.service}@{act.release_key[-12:]}"
        table.add_row(str(entry.sequence), at, who, act.verb, where, release)
    console.print(table)
    return 0
