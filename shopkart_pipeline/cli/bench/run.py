"""`shopkart bench`: one measurement after another, then JSON and tables."""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from rich.console import Console

from shopkart_pipeline.adapters.system_clock import SystemClock
from shopkart_pipeline.cli.bench import judge
from shopkart_pipeline.cli.bench.judging.plot import svg
from shopkart_pipeline.cli.bench.machine import load_facts, machine_facts
from shopkart_pipeline.cli.bench.report import markdown, print_table, write_between_marks
from shopkart_pipeline.cli.bench.surroundings import DEFAULT_PEERS, PEERS, Surroundings
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.settings import from_environment

MEASUREMENTS = (
    "webhook",
    "transitions",
    "processor",
    "receiver",
    "storefront",
    "services",
    "releases",
    "past",
    "judge",
)
"""Modules beside this one, in the order in which they run."""
_REPEATS = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(MEASUREMENTS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to this file")
    parser.add_argument("--table", type=Path, metavar="FILE", help="write the tables between the marks of this file")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw what the judge's simulation found, as SVG")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, metavar="NAME", help=f"one of: {names}")
    parser.add_argument("--peers", default=",".join(DEFAULT_PEERS), help=f"of {', '.join(PEERS)} (default %(default)s)")
    for name, sizes in (("services", Surroundings.service_counts), ("releases", Surroundings.release_counts)):
        shown = ",".join(map(str, sizes))
        text = f"how many {name} a growth curve has (default {shown})"
        parser.add_argument(f"--{name}", type=_sizes, default=sizes, metavar="N,N", help=text)
    parser.add_argument("--repeats", type=int, default=_REPEATS, help=f"samples of each kind (default {_REPEATS})")


def run(options: argparse.Namespace) -> int:
    """Exit code 0 whether limits are kept or not: a busy machine is no defect."""
    console = Console(soft_wrap=True, highlight=False)
    around = Surroundings(
        from_environment(),
        max(1, options.repeats),
        _peers(options.peers),
        service_counts=options.services,
        release_counts=options.releases,
    )
    document = take_measurements(around, options.only or MEASUREMENTS, console)
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if options.plot:
        _draw(document, options.plot)
    if options.table:
        write_between_marks(options.table, markdown(document))
    return 0


def _draw(document: dict[str, Any], path: Path) -> None:
    drawn = [each for each in document["measurements"] if each["name"] == judge.NAME]
    if not drawn:
        raise PipelineError("There is nothing to draw: the judge was not simulated.", "Add --only judge.")
    path.write_text(svg(drawn[0], judge.FALSE, f"{judge.FOUND}: {judge.TENFOLD.name}"))


def _sizes(given: str) -> tuple[int, ...]:
    return tuple(sorted({int(size.replace("_", "")) for size in given.split(",")}))


def _peers(given: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    if unknown := [name for name in names if name not in PEERS]:
        raise PipelineError(f"There is no peer {unknown[0]!r}.", f"Choose from: {', '.join(PEERS)}.")
    return names


def take_measurements(around: Surroundings, names: Sequence[str], console: Console) -> dict[str, Any]:
    """The document that `--json` writes."""
    clock = SystemClock()
    began_at, began = clock.now(), time.monotonic()
    load_before, measurements = load_facts(), list[dict[str, Any]]()
    for name in names:
        console.print(f"[bold]{name}[/] …")
        measurement = measurement_module(name).measure(around).as_json()
        print_table(console, measurement)
        measurements.append(measurement)
    return {
        "began_at": began_at.isoformat(),
        "seconds": time.monotonic() - began,
        "command": " ".join(["shopkart", *map(shlex.quote, sys.argv[1:])]),
        "repeats": around.repeats,
        "peers": list(around.peers),
        "machine": machine_facts(),
        "load_before": load_before,
        "load_after": load_facts(),
        "measurements": measurements,
    }


def measurement_module(name: str) -> ModuleType:
    """A module with `NAME` and `measure(around) -> Measurement`."""
    return import_module(f"shopkart_pipeline.cli.bench.{name}")
