"""`shopkart gate replay`: which past releases a policy and today's advisories would have let pass, and which not."""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic_core import PydanticCustomError
from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.cli.arguments import open_platform
from shopkart_pipeline.domain.declaration import Pipeline, Service, Stage
from shopkart_pipeline.domain.errors import PipelineError, UntrustedInput
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.replayed import Change, ReplayedRelease, ReplayReport
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.ports.advisory_book import AdvisorySet
from shopkart_pipeline.services.advisories_at_hand import ports, snapshot_of
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.replay_gates import Advisories, Replay, replay_gates
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.spec.durations import parse_duration
from shopkart_pipeline.spec.loader import load

_THEN, _TODAY = "then", "today"
_COLOURS = {Outcome.PASS: "green", Outcome.FAIL: "red", Outcome.MISSING: "yellow"}
_MOST_LINES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    words = "judge past releases again, by another policy and by today's advisories"
    replay = acts.add_parser("replay", help=words, description=words)
    replay.add_argument("--policy", type=Path, metavar="FILE", help="a declaration (default: the one that is in force)")
    replay.add_argument(
        "--since", required=True, metavar="DATE", help="such as 2026-08-01, or 90d for the last ninety days"
    )
    replay.add_argument("--service", metavar="SERVICE", help="only releases of this one")
    replay.add_argument(
        "--advisories",
        default=_TODAY,
        metavar="WHICH",
        help="`today` for the snapshots that the scans name now, `then` for what scans found, or a snapshot's folder",
    )
    replay.add_argument("--all", action="store_true", help="list also what is as it was")
    replay.add_argument("--json", action="store_true", help="every line of every verdict, for programs")


def run(options: argparse.Namespace) -> int:
    return show_replay(open_platform(), options)


def show_replay(platform: Platform, options: argparse.Namespace) -> int:
    """Print what another policy makes of past releases."""
    policy = load(options.policy, home=from_environment().home) if options.policy else platform.pipeline
    since = since_of(options.since, platform.clock.now())
    index, _ = ports(platform)
    words, advisories = advisories_of(platform, policy, options.advisories)
    replayed = tuple(replay_gates(platform, Replay(policy, since, advisories, index), options.service))
    report = ReplayReport(policy.digest, since, words, replayed)
    if options.json:
        print(json.dumps(document(report), indent=1))
    else:
        _print(Console(soft_wrap=True, highlight=False), report, everything=options.all)
    return 0


def since_of(text: str, now: datetime) -> datetime:
    """A moment, from a date or from how long ago it was; raises `UntrustedInput`."""
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except ValueError:
        pass
    try:
        return now - timedelta(seconds=parse_duration(text))
    except PydanticCustomError as error:
        raise UntrustedInput(f"--since {text!r} is no date and no duration.", "Write 2026-08-01, or 90d.") from error


def advisories_of(platform: Platform, policy: Pipeline, which: str) -> tuple[str, Advisories | None]:
    """By which advisories scans are judged, in words and as a choice for each stage."""
    _, book = ports(platform)
    if which == _THEN:
        return "what the scans found then", None
    if which != _TODAY:
        given = book.snapshot(Path(which))
        return given.source, lambda service, stage: given
    return "today's snapshots", _cached(lambda service, stage: _declared(platform, policy, service, stage))


def _declared(platform: Platform, policy: Pipeline, service: Service, stage: Stage) -> AdvisorySet | EvidenceMissing:
    _, book = ports(platform)
    try:
        return snapshot_of(platform, book, service, stage)
    except PipelineError as error:
        return EvidenceMissing(f"today's advisories can't be read: {error.what}")


def _cached(choose: Callable[[Service, Stage], AdvisorySet | EvidenceMissing]) -> Advisories:
    known: dict[tuple[str, str], AdvisorySet | EvidenceMissing] = {}

    def chosen(service: Service, stage: Stage) -> AdvisorySet | EvidenceMissing:
        place = service.name, stage.name
        if place not in known:
            known[place] = choose(service, stage)
        return known[place]

    return chosen


def document(report: ReplayReport) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "policy": report.policy,
        "since": report.since.isoformat(),
        "advisories": report.advisories,
        "changes": {change.value: report.count(change) for change in Change},
        "blocked_by": [
            {"stage": stage, "gate": gate, "outcome": outcome.value, "releases": count}
            for (stage, gate, outcome), count in report.blocked_by.items()
        ],
        "releases": [_release(each) for each in report.releases],
    }


def _release(each: ReplayedRelease) -> dict[str, Any]:
    return {
        "service": each.service,
        "release": each.release_key,
        "image": each.digest,
        "judged_as_of": each.moment.isoformat(),
        "went_to_production": each.went_to_production,
        "outcome": each.outcome.value,
        "change": each.change.value,
        "blocking": [line.line for line in each.verdict.blocking],
    }


def _print(console: Console, report: ReplayReport, *, everything: bool) -> None:
    console.print(f"[bold]{len(report.releases)} releases since {report.since:%Y-%m-%d %H:%M} UTC[/], ", end="")
    console.print(f"by policy {report.policy[:19]} and {report.advisories}", markup=False)
    changes = ", ".join(f"{report.count(change)} {change.value}" for change in Change)
    console.print(changes, markup=False)
    for (stage, gate, outcome), count in report.blocked_by.items():
        console.print(f"  {stage}.{gate} is {outcome.value} in {count}", markup=False)
    for each in report.releases:
        if everything or each.change is not Change.SAME:
            _print_release(console, each)


def _print_release(console: Console, each: ReplayedRelease) -> None:
    went = "went to production" if each.went_to_production else "did not go to production"
    outcome = f"[{_COLOURS[each.outcome]}]{each.outcome.value}[/]"
    console.print(f"[bold]{escape(each.name)}[/]  {went}; now {outcome}: {each.change.value}")
    lines = [line.line for line in each.verdict.blocking]
    for line in lines[:_MOST_LINES]:
        console.print(f"    {line}", markup=False)
    if len(lines) > _MOST_LINES:
        console.print(f"    and {len(lines) - _MOST_LINES} more lines")
