"""`shopkart backups`: what is backed up, since when, and which of it was verified by a drill.

Exit code 1 where a database has no backup, the newest is too old, or something that should be one can't be used.
"""

import argparse
from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.domain.backup import BackedUp, Backup
from shopkart_pipeline.domain.verdict import GateResult, Outcome
from shopkart_pipeline.services.back_up import backups_of
from shopkart_pipeline.services.platform import Platform


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    databases = platform.pipeline.recovery.databases.values()
    fine = [_print_database(console, platform, database) for database in databases]
    return 0 if all(fine) else 1


def print_lines(console: Console, title: str, lines: Sequence[GateResult]) -> None:
    """What came of something, line by line."""
    console.print(f"[bold]{escape(title)}[/]")
    for line in lines:
        style = "green" if line.outcome is Outcome.PASS else "red"
        console.print(f"  [{style}]{line.stage}.{line.gate}: {line.outcome.value}[/]: {escape(line.reason)}")


def _print_database(console: Console, platform: Platform, database: BackedUp) -> bool:
    now = platform.clock.now()
    found, unreadable = backups_of(platform).store.backups(database.name)
    trouble = _trouble(database, found, now)
    console.print(f"[bold]{escape(database.name)}[/]  [{'red' if trouble else 'green'}]{trouble or 'backed up'}[/]")
    for backup in found:
        console.print(f"  {_row(backup)}", markup=False)
    for each in unreadable:
        console.print(f"  [red]{escape(each.name)}[/]: {escape(each.reason)}")
    return not trouble and not unreadable


def _row(backup: Backup) -> str:
    manifest, verified = backup.manifest, backup.verified_at
    size = f"{manifest.size_bytes / 1_000_000:.1f} MB"
    drilled = f"verified {verified:%Y-%m-%d %H:%M} UTC" if verified else "not verified"
    return (
        f"{manifest.name}  {manifest.taken_at:%Y-%m-%d %H:%M} UTC  {manifest.contents.all_rows} rows, {size}, {drilled}"
    )


def _trouble(database: BackedUp, found: Sequence[Backup], now: datetime) -> str:
    if not found:
        return "there is no backup"
    age_seconds = (now - found[0].manifest.taken_at).total_seconds()
    if age_seconds > database.maximum_age_seconds:
        most = f"{database.maximum_age_seconds / 3600:g}"
        return f"the newest backup is {age_seconds / 3600:.1f} h old (at most {most} h)"
    return ""
