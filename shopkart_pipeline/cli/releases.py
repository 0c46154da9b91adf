"""`shopkart releases`: what came in, where it stands, and whom it did not concern."""

import argparse
from datetime import datetime

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.cli.report import approvers_of, verdict_of
from shopkart_pipeline.cli.words import STYLES
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.affected_services import NOT_AFFECTED
from shopkart_pipeline.services.platform import Platform

_SERVICES_NAMED = 3
_NOTES_PER_ROW = 50
Row = tuple[str, str, str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--service", help="of this service only")
    parser.add_argument("--limit", type=int, default=20, help="how many of the newest (default 20)")


def run(options: argparse.Namespace) -> int:
    platform = open_platform()
    releases = platform.evidence.releases(options.service, options.limit)
    dated = [(release.received_at, _row(platform, release)) for release in releases]
    dated += _untouched(platform, options.service, options.limit)
    dated.sort(key=lambda entry: entry[0], reverse=True)
    table = Table(box=None, padding=(0, 1, 0, 0))
    table.add_column("release", no_wrap=True)
    for name in ("verdict", "approved by", "change"):
        table.add_column(name)
    for _, row in dated[: options.limit]:
        table.add_row(*row)
    Console().print(table if table.row_count else "There is no release yet. Merge something, or run `shopkart demo`.")
    return 0


def _row(platform: Platform, release: Release) -> Row:
    approvers = ", ".join(name.partition("@")[0] for name in approvers_of(platform, release))
    change = f"{escape(release.title)} ({escape(release.author.name)})"
    return release.name, _styled(verdict_of(platform, release)), approvers, change


def _untouched(platform: Platform, service: str | None, limit: int) -> list[tuple[datetime, Row]]:
    """One row for each commit: in a large repository most services are not affected by most changes."""
    notes: dict[str, list[Note]] = {}
    for note in platform.evidence.newest_notes(NOT_AFFECTED, service, limit * _NOTES_PER_ROW):
        notes.setdefault(note.release_key, []).append(note)
    return [(found[0].at, _untouched_row(key, found)) for key, found in notes.items()]


def _untouched_row(key: str, notes: list[Note]) -> Row:
    names = sorted({note.service for note in notes})
    more = f" and {len(names) - _SERVICES_NAMED} more" if len(names) > _SERVICES_NAMED else ""
    services = ", ".join(names[:_SERVICES_NAMED]) + more
    name, change = (f"{names[0]}@{key}", notes[0].message) if len(names) == 1 else (f"@{key}", services)
    return name, _styled(NOT_AFFECTED), "", escape(change)


def _styled(verdict: str) -> str:
    return f"[{STYLES[verdict]}]{verdict.replace('_', ' ')}[/]"
