"""`shopkart metrics`: how software is delivered, in five figures, each with the releases and incidents behind it."""

import argparse
import json
from datetime import timedelta

from pydantic_core import PydanticCustomError
from rich.console import Console
from rich.table import Table

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.domain.delivery import Figure, Measures
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.services.measure_delivery import measure_delivery, services_of
from shopkart_pipeline.services.show_delivery import TITLES, in_words
from shopkart_pipeline.spec.durations import parse_duration

_MOST_NAMES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since",
        metavar="DURATION",
        type=_duration,
        default=_duration("30d"),
        help="how long ago the time begins; default: 30d",
    )
    parser.add_argument(
        "--until", metavar="DURATION", type=_duration, default=0.0, help="how long ago the time ends; default: now"
    )
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--service", metavar="SERVICE", help="of this one alone")
    one.add_argument("--team", metavar="TEAM", help="of the services that a team owns")
    parser.add_argument("--json", action="store_true", help="everything, for programs")


def run(options: argparse.Namespace) -> int:
    if options.until >= options.since:
        raise PipelineError("The time ends before it begins.", "Let `--since` be longer ago than `--until`.")
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    until = platform.clock.now() - timedelta(seconds=options.until)
    since = platform.clock.now() - timedelta(seconds=options.since)
    names = services_of(platform, options.service, options.team)
    measures = measure_delivery(platform, names, since, until)
    if options.json:
        print(json.dumps(_document(measures, names), indent=2))
        return 0
    console.print(f"{', '.join(names)}: {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC", markup=False)
    table = Table("measure", "value", "from", "missing")
    for name, figure in measures.figures.items():
        table.add_row(TITLES[name], in_words(name, figure), _behind(figure), figure.missing)
    console.print(table)
    return 0


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except PydanticCustomError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _behind(figure: Figure) -> str:
    names = (*figure.releases, *figure.incidents)
    more = f" and {len(names) - _MOST_NAMES} more (--json)" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[-_MOST_NAMES:]) + more


def _document(measures: Measures, names: tuple[str, ...]) -> dict[str, object]:
    return {
        "services": list(names),
        "since": measures.since.isoformat(),
        "until": measures.until.isoformat(),
        "measures": {
            name: {
                "value": figure.value,
                "missing": figure.missing,
                "releases": list(figure.releases),
                "incidents": list(figure.incidents),
            }
            for name, figure in measures.figures.items()
        },
    }
