"""`shopkart logs SERVICE`: what a service wrote into its logs lately; with `--errors` also by kind, against the time
before."""

import argparse
from datetime import datetime, timedelta

from pydantic_core import PydanticCustomError
from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.error_clusters import ErrorCluster, Trend
from shopkart_pipeline.domain.errors import NotFound, PipelineError
from shopkart_pipeline.domain.plain_text import plain
from shopkart_pipeline.ports.telemetry import LogLine, LogsMissing
from shopkart_pipeline.services.error_signatures import errors_against_before
from shopkart_pipeline.services.platform import Platform, Site
from shopkart_pipeline.spec.durations import parse_duration

_MOST = 10_000
_STYLES = {"critical": "bold red", "fatal": "bold red", "error": "red", "warning": "yellow"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", metavar="SERVICE")
    parser.add_argument("--environment", metavar="NAME", help="where it runs; default: the production environment")
    parser.add_argument("--since", default="15m", metavar="DURATION", help="how far back, such as 90s, 15m, 2h or 7d")
    parser.add_argument("--match", default="", metavar="TEXT", help="only lines with this text, whatever its case")
    parser.add_argument("--errors", action="store_true", help="only errors, and their kinds against the time before")
    parser.add_argument("--limit", type=int, default=200, metavar="NUMBER", help="so many lines at most; default: 200")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    service, (environment, site) = platform.service(options.service).name, _site(platform, options.environment)
    until = platform.clock.now()
    since, limit = until - _duration(options.since), min(max(options.limit, 1), _MOST)
    if options.errors:
        lines = site.logs.errors(environment, service, since, until, _MOST)
        matching = lines if isinstance(lines, LogsMissing) else _matching(lines, options.match)[-limit:]
    else:
        matching = site.logs.search(environment, service, since, until, text=options.match, limit=limit)
    if isinstance(matching, LogsMissing):
        console.print(f"[bold red]There is nothing to show:[/] {escape(plain(matching.reason))}")
        return 1
    for line in matching:
        console.print(_shown(line))
    if not matching:
        console.print(f"{service} wrote no such line in {environment} since {since:%Y-%m-%d %H:%M:%S} UTC.")
    if options.errors:
        _print_kinds(console, site, environment, service, since, until)
    return 0


def _site(platform: Platform, name: str | None) -> tuple[str, Site]:
    environment = name or platform.environment_of(Phase.PRODUCTION).name
    if environment not in platform.sites:
        raise NotFound(f"No environment {environment!r} is declared.", f"Declared are: {', '.join(platform.sites)}.")
    return environment, platform.sites[environment]


def _duration(written: str) -> timedelta:
    try:
        return timedelta(seconds=parse_duration(written))
    except PydanticCustomError as error:
        raise PipelineError(f"--since: {error.message()}.", "Such as --since 15m.") from None


def _matching(lines: tuple[LogLine, ...], text: str) -> tuple[LogLine, ...]:
    return tuple(line for line in lines if text.casefold() in line.message.casefold())


def _shown(line: LogLine) -> str:
    style, kind = _STYLES.get(line.level, "dim"), f" ({line.signature})" if line.signature else ""
    words = escape(plain(f"{line.message}{kind}"))
    where = escape(plain(f"{line.replica} {line.release_key}"))
    return f"{line.at:%Y-%m-%d %H:%M:%S.%f} [{style}]{escape(plain(line.level or '-')):8}[/] [dim]{where}[/] {words}"


def _print_kinds(
    console: Console, site: Site, environment: str, service: str, since: datetime, until: datetime
) -> None:
    report = errors_against_before(site, environment, service, since, until)
    for cluster in report.clusters:
        console.print(_kind(cluster))
    for missing in report.missing:
        console.print(f"[yellow]{escape(plain(missing))}[/]")


def _kind(cluster: ErrorCluster) -> str:
    style = "bold red" if cluster.trend in (Trend.NEW, Trend.GROWN) else "dim"
    before = "" if cluster.expected is None else f", {cluster.expected:.0f} in a time as long before"
    first = f"; first seen in {cluster.first_release_key} at {cluster.first_at:%Y-%m-%d %H:%M:%S}"
    words = plain(f"{cluster.count}x {cluster.kind}{before}{first}")
    return f"[{style}]{cluster.trend.value}[/]: {escape(words)}"
