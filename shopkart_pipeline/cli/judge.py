"""`shopkart judge`: what the judge can promise for a service, and a past rollout decided again by another policy.

`promise` takes the traffic from the arguments, else from the declaration, else from the newest rollout that measured
it. `replay` needs nothing but the report that the rollout left as evidence.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.cli.arguments import add_release, find_release, open_platform
from shopkart_pipeline.domain.declaration import Deployment, Phase
from shopkart_pipeline.domain.detection import ExpectedTraffic
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.promise import Promise, in_words, promises
from shopkart_pipeline.services.past_rollouts import history_of_rollouts
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.replay_rollout import Change, Replay, StepVerdict, decided_abort, replay
from shopkart_pipeline.services.rollout_document import RolloutDocument
from shopkart_pipeline.services.rollout_reports import measured_traffic, past_rollout
from shopkart_pipeline.spec.policy_file import load_policy


def add_arguments(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
    words = "how soon regressions are seen in production, and how often a good canary is aborted"
    promise = acts.add_parser("promise", help=words, description=words)
    promise.add_argument("service", metavar="SERVICE")
    promise.add_argument("--requests-per-second", type=float, metavar="N", help="of both versions together")
    promise.add_argument("--error-ratio", type=float, metavar="R", help="0 to 1, what usually fails")
    words = "decide a past rollout again by another policy"
    again = acts.add_parser("replay", help=words, description=words)
    add_release(again)
    again.add_argument(
        "--policy", type=Path, metavar="FILE", help="`version: 1` and `analysis:`; default: what it was judged by"
    )
    for each in (promise, again):
        each.add_argument("--json", action="store_true", help="print the same as JSON")


def run(options: argparse.Namespace) -> int:
    platform = open_platform()
    return show_promise(platform, options) if options.act == "promise" else show_replay(platform, options)


def show_promise(platform: Platform, options: argparse.Namespace) -> int:
    """Print what holds for a service's canary in production."""
    deployment = platform.deployment_of(platform.service(options.service), Phase.PRODUCTION)
    traffic, source = _traffic(platform, deployment, options)
    weights = [step.weight_percent for step in deployment.steps]
    if not weights:
        raise NotFound(f"{options.service} has no canary in {deployment.environment}.", "Declare its steps.")
    found = promises(weights, deployment.analysis.policy, traffic, history_of_rollouts(platform, options.service))
    if options.json:
        print(json.dumps({"traffic": asdict(traffic), "from": source, "promises": list(map(asdict, found))}, indent=2))
    else:
        _print_promises(Console(soft_wrap=True, highlight=False), found, source)
    return 0


def _traffic(platform: Platform, deployment: Deployment, options: argparse.Namespace) -> tuple[ExpectedTraffic, str]:
    given = options.requests_per_second, options.error_ratio
    if None not in given:
        if not (given[0] > 0 and 0 < given[1] < 1):
            raise NotFound("There is no such traffic.", "Give more than no requests, and a ratio between 0 and 1.")
        return ExpectedTraffic(*given), "the arguments"
    if deployment.analysis.traffic is not None:
        return deployment.analysis.traffic, "the declaration"
    measured = measured_traffic(platform, options.service)
    if measured is None:
        raise NotFound(
            f"Nobody knows how much traffic {options.service} gets.",
            "Give --requests-per-second and --error-ratio, or declare `analysis: {traffic: ...}`.",
        )
    return measured, "the newest rollout that was measured"


def _print_promises(console: Console, found: tuple[Promise, ...], source: str) -> None:
    for promise in found:
        console.print(escape(in_words(promise)))
    console.print(f"[dim]Traffic from {source}. How it is worked out: docs/judge.md.[/]")


def show_replay(platform: Platform, options: argparse.Namespace) -> int:
    """Print what another policy makes of a release's rollout."""
    release = find_release(platform, options.release)
    document = past_rollout(platform, release)
    policy = load_policy(options.policy) if options.policy else document.policy
    if policy is None:
        raise NotFound("The rollout does not say by what it was judged.", "Give a policy with --policy FILE.")
    again = replay(document, policy)
    if options.json:
        actual = {"phase": document.state.phase.value, "reason": document.state.reason}
        shown = {"release": release.name, "actual": actual, "policy": asdict(policy), "replay": asdict(again)}
        print(json.dumps(shown, indent=2, default=str))
    else:
        _print_replay(Console(soft_wrap=True, highlight=False), release.name, document, again)
    return 0


def _print_replay(console: Console, name: str, document: RolloutDocument, again: Replay) -> None:
    console.print(f"[bold]{escape(name)}[/]  {again.looks} looks at the metrics")
    turned = decided_abort(document)
    how = "went through" if turned is None else f"was turned back after {turned:.1f} s: {document.state.reason}"
    console.print(f"then  it {escape(how)}")
    console.print(f"now   {escape(_outcome(document, again))}")
    for change in again.changes:
        console.print(f"  {escape(_change(change))}")
    for step in again.steps:
        console.print(f"  {escape(_step(step))}")


def _outcome(document: RolloutDocument, again: Replay) -> str:
    abort = again.abort
    if abort is not None:
        return f"it would be turned back after {abort.seconds:.1f} s: {abort.judgement.reason}"
    if again.looks < 2:
        return "nothing was measured, so there is nothing to decide again"
    if decided_abort(document) is not None:
        return "it would not have been turned back by what was seen until then"
    held = [step for step in again.steps if step.seconds is None]
    return f"{len(held)} of its steps would still have been held" if held else "it would go through too"


def _change(change: Change) -> str:
    weight = f"{change.weight_percent} %" if change.weight_percent is not None else "promoting"
    return f"{change.seconds:7.1f} s  {weight:<9} {change.judgement.opinion.value:<4}  {change.judgement.reason}"


def _step(step: StepVerdict) -> str:
    when = f"could pass after {step.seconds:.1f} s" if step.seconds is not None else step.reason
    return f"step {step.step_index + 1} ({step.weight_percent} %): {when}"
