"""`shopkart drill`: the case study's incident, on purpose, on an embedded platform of its own, scored.

The storefront gets the change that stores carts in a form which the running version can't read. It passes every gate
before production; the canary's error rate finds it, production goes back by itself, whoever is on call reads the logs
and names the cause, and the change that adds compatibility tests goes through. Whatever is declared here, the drill
plays with the shipped declaration in a folder of its own: it reaches no real inbox, code host or channel. Only the
targets are the declared ones.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.adapters._files import write_atomically
from shopkart_pipeline.cli.demo.run import Demo, empty_home
from shopkart_pipeline.cli.demo.story import Change, read_story
from shopkart_pipeline.cli.report import RELEASED, ROLLED_BACK
from shopkart_pipeline.cli.stack import free_port
from shopkart_pipeline.domain.drill import Score, score
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.incident_policy import IncidentPolicy
from shopkart_pipeline.settings import Settings, from_environment, set_apart
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline.wiring import build_platform

REDIS_SERIALIZATION = "redis-serialization"
_BEFORE, _FAULT, _REMEDY = 41, 43, 44
"""Pull requests of the story: what runs, what goes wrong, what mends it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("drill", nargs="?", choices=[REDIS_SERIALIZATION], default=REDIS_SERIALIZATION)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores as JSON to this file as well")


def run(options: argparse.Namespace) -> int:
    """Exit code 0 only if every score is met."""
    outer, console = from_environment(), Console(soft_wrap=True, highlight=False)
    policy = load(outer.declaration, home=outer.home).incidents
    settings = replace(set_apart(outer, outer.home / "drill"), receiver_port=free_port())
    empty_home(settings)
    before, *story = _story()
    demo = Demo(settings, console, story, present=(before,))
    try:
        document = demo.play()
    finally:
        demo.stop()
    scores = _scores(settings, document, policy)
    result = {"drill": options.drill, "at": document["began_at"], "scores": [asdict(each) for each in scores]}
    for path in (_kept(outer, document["began_at"]), *([options.json] if options.json else [])):
        write_atomically(path, json.dumps(result, indent=2).encode())
    _print(console, scores)
    for fault in document["faults"]:
        console.print(f"[bold red]not as it should be:[/] {escape(fault)}")
    return 0 if all(each.passed for each in scores) and not document["faults"] else 1


def _story() -> tuple[Change, ...]:
    """What runs before, the fault and its remedy; nothing has to be taken back first, as nothing else was merged."""
    by_number = {change.number: change for change in read_story()}
    return tuple(replace(by_number[number], reverts=None) for number in (_BEFORE, _FAULT, _REMEDY))


def _scores(settings: Settings, document: dict[str, Any], policy: IncidentPolicy) -> tuple[Score, ...]:
    incidents = build_platform(settings).incidents.list()
    if len(incidents) != 1:
        raise PipelineError(f"The drill led to {len(incidents)} incidents, not to one.", "See its home's logs.")
    verdicts = [release["verdict"] for release in document["releases"]]
    return (
        *score(incidents[0], policy),
        Score("the canary found it", verdicts[:1] == [ROLLED_BACK], f"the fault's release was {verdicts[0]}"),
        Score("the remedy, with compatibility tests, went through", verdicts[1:] == [RELEASED], verdicts[-1]),
    )


def _kept(settings: Settings, began_at: str) -> Path:
    name = "".join(each for each in began_at[:19] if each.isalnum())
    return settings.home / "drills" / f"{name}.json"


def _print(console: Console, scores: tuple[Score, ...]) -> None:
    table = Table("", "score", "measured", "target", box=None)
    for each in scores:
        mark = "[green]✔[/]" if each.passed else "[bold red]✘[/]"
        table.add_row(mark, each.what, escape(each.measured[:100]), each.target)
    console.print()
    console.print(table)
