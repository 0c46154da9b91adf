"""`shopkart affected CVE-…` or `--package NAME`: which environments and releases hold what an advisory means.

Exit code 1 where something that runs is affected, or has no bill of materials so that nobody can tell.
"""

import argparse
import json
from collections import Counter
from dataclasses import asdict
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.domain.affected import AffectedReport, Effect
from shopkart_pipeline.domain.errors import UntrustedInput
from shopkart_pipeline.services.find_affected import affected_by_advisory, affected_by_package
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.rebuild_components import rebuild_index

_COLOURS = {Effect.AFFECTED: "red", Effect.UNKNOWN: "yellow", Effect.CLEAR: "green", Effect.EMPTY: "dim"}
_MOST_PACKAGES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("advisory", nargs="?", metavar="ADVISORY", help="any name of it, such as CVE-2024-1234")
    parser.add_argument("--package", metavar="NAME", help="ask for a package instead")
    parser.add_argument("--version", metavar="RANGE", help="only versions in this range, such as '<2.32'")
    parser.add_argument("--rebuild", action="store_true", help="make the index anew from the stored bills first")
    parser.add_argument("--all", action="store_true", help="list every release")
    parser.add_argument("--json", action="store_true", help="print the same as JSON")


def run(options: argparse.Namespace) -> int:
    return show_affected(open_platform(), options)


def show_affected(platform: Platform, options: argparse.Namespace) -> int:
    """Print the answer."""
    console = Console(soft_wrap=True, highlight=False)
    if options.rebuild:
        count, problems = rebuild_index(platform)
        errors = Console(stderr=True, soft_wrap=True, highlight=False)
        errors.print(f"The index knows {count} releases.")
        for problem in problems:
            errors.print(problem, style="yellow", markup=False)
        if options.advisory is None and options.package is None:
            return 1 if problems else 0
    report = _asked(platform, options)
    if options.json:
        print(json.dumps({**asdict(report), "is_clear": report.is_clear}, indent=2))
    else:
        _print(console, report, everything=options.all)
    return 0 if report.is_clear else 1


def _asked(platform: Platform, options: argparse.Namespace) -> AffectedReport:
    if (options.advisory is None) == (options.package is None) or (options.version and options.package is None):
        fix = "Write `shopkart affected CVE-2024-1234`, or `shopkart affected --package requests --version '<2.32'`."
        raise UntrustedInput("Nothing was asked for, or two things at once.", fix)
    if options.advisory is not None:
        return affected_by_advisory(platform, options.advisory)
    return affected_by_package(platform, options.package, options.version)


def _print(console: Console, report: AffectedReport, *, everything: bool) -> None:
    console.print(f"[bold]{escape(report.question)}[/]  by {escape('; '.join(report.sources))}")
    for each in report.packages[:_MOST_PACKAGES]:
        package = each.package
        console.print(escape(f"  {package.ecosystem} {package.name} {package.version}  {each.reason}"))
    if len(report.packages) > _MOST_PACKAGES:
        console.print(f"  and {len(report.packages) - _MOST_PACKAGES} more versions")
    console.print(_running(report))
    _print_releases(console, report, everything=everything)
    for note in report.notes:
        console.print(note, style="yellow", markup=False)


def _running(report: AffectedReport) -> Table:
    table = Table("service", "environment", "runs", "", "by", box=None, padding=(0, 1, 0, 0))
    for each in report.running:
        colour = _COLOURS[each.effect]
        packages = ", ".join(f"{one.name} {one.version}" for one in each.packages)
        words = packages or ("its image has no bill of materials" if each.effect is Effect.UNKNOWN else "")
        table.add_row(
            escape(each.service),
            escape(each.environment),
            each.release_key or "nothing",
            f"[{colour}]{each.effect.value}[/]",
            escape(words),
        )
    return table


def _print_releases(console: Console, report: AffectedReport, *, everything: bool) -> None:
    unknown = Counter(name.partition("@")[0] for name in report.unknown)
    for service, group in groupby(report.releases, key=lambda each: each.service):
        releases = list(group)
        console.print(
            f"{service}: {len(releases)} releases hold it, {releases[-1].release_key} to {releases[0].release_key}",
            markup=False,
        )
        for each in releases if everything else ():
            packages = ", ".join(f"{one.name} {one.version}" for one in each.packages)
            console.print(f"  {each.release_key}  {each.digest}  {packages}", markup=False)
    if not report.releases:
        console.print("No release with a bill of materials holds it.")
    for service, count in unknown.items():
        words = "no bill of materials (no image was built, or it was built before there were bills)"
        console.print(f"[yellow]{escape(service)}: nobody can tell of {count} releases: {words}[/]")
