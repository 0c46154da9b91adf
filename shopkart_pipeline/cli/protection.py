"""`shopkart protection`: how the branches that releases come from are protected, beside what is declared.

Exit code 1 where a branch is not protected as declared, or where that can't be read.
"""

import argparse

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.services.check_branches import BranchReport, check_branch, release_branches


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    branches = release_branches(platform.pipeline)
    if not branches:
        console.print("No code host is declared: add `github` to the declaration.")
        return 1
    reports = [check_branch(platform, branch) for branch in branches]
    for report in reports:
        print_report(console, report)
    return 0 if all(report.is_protected for report in reports) else 1


def print_report(console: Console, report: BranchReport) -> None:
    """One branch for people."""
    style = "green" if report.is_protected else "red"
    console.print(f"[bold]{escape(str(report.branch))}[/]  [{style}]{escape(report.words)}[/]")
    if not report.lines:
        return
    table = Table(box=None, padding=(0, 1, 0, 2))
    for name in ("setting", "wanted", "found"):
        table.add_column(name)
    for line in report.lines:
        table.add_row(
            f"[{'green' if line.is_met else 'red'}]{line.setting}[/]", escape(line.wanted), escape(line.found)
        )
    console.print(table)
    for line in report.drift:
        console.print(f"  [red]{line.setting}[/]: {escape(line.fix)}")
