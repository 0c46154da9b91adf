"""`shopkart health`: the eight metrics of what runs, and whether it keeps what is promised.

Exit code 1 where an objective is not met, or could not be measured.
"""

import argparse

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.domain.declaration import Deployment
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.show_health import vital_rows
from shopkart_pipeline.services.watch_health import HealthReport, look_at_health


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", nargs="?", metavar="SERVICE", help="this one only")
    parser.add_argument("--environment", help="there only (default: wherever something is promised)")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    chosen = _chosen(platform, options.service, options.environment)
    if not chosen:
        console.print("Nothing is promised there: declare `objectives`, or name an environment.")
        return 1
    reports = [look_at_health(platform, service, deployment) for service, deployment in chosen]
    for report in reports:
        print_report(console, report)
    return 0 if all(report.is_healthy for report in reports) else 1


def _chosen(platform: Platform, service: str | None, environment: str | None) -> list[tuple[str, Deployment]]:
    if environment is not None and environment not in platform.pipeline.environments:
        known = ", ".join(platform.pipeline.environments)
        raise NotFound(f"No environment {environment!r} is declared.", f"Declared are: {known}.")
    services = platform.pipeline.services.values() if service is None else [platform.service(service)]
    return [
        (each.name, deployment)
        for each in services
        for deployment in each.deployments.values()
        if (deployment.environment == environment if environment is not None else deployment.objectives)
    ]


def print_report(console: Console, report: HealthReport) -> None:
    """One deployment for people."""
    style, state = ("green", "healthy") if report.is_healthy else ("red", "not healthy")
    state = state if report.objectives else report.words
    console.print(f"[bold]{escape(report.service)}[/] in {escape(report.environment)}  [{style}]{state}[/]")
    for each in report.objectives:
        console.print(f"  [{'green' if each.is_met else 'red'}]{escape(each.words)}[/]")
    table = Table(box=None, padding=(0, 1, 0, 2))
    for name in ("metric", "version", "value"):
        table.add_column(name)
    for row in vital_rows(report):
        value = f"[yellow]missing: {escape(row.missing)}[/]" if row.missing else escape(row.value)
        table.add_row(row.metric, escape(row.version), value)
    console.print(table)
