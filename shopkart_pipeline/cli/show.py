"""`shopkart show RELEASE`: stages, gates with value and limit, approvals, rollout.

Of a key that is no release of the service, because the change did not concern it, the reason is shown.
"""

import argparse
import json
from typing import Any

from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.cli.arguments import add_release, find_not_affected, find_release, open_platform
from shopkart_pipeline.cli.report import not_affected_report, release_report
from shopkart_pipeline.cli.words import MARKS, STYLES
from shopkart_pipeline.services.platform import Platform

_FLAKY_TESTS = 10
"""The worst of them are shown; the JSON has them all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_release(parser)
    parser.add_argument("--json", action="store_true", help="print the same as JSON")


def run(options: argparse.Namespace) -> int:
    platform, console = open_platform(), Console(soft_wrap=True, highlight=False)
    untouched = find_not_affected(platform, options.release)
    report = not_affected_report(untouched) if untouched else _report(platform, options.release)
    if options.json:
        print(json.dumps(report, indent=2))
    elif untouched:
        _print_not_affected(console, report)
    else:
        print_report(console, report)
    return 0


def _report(platform: Platform, name: str) -> dict[str, Any]:
    return release_report(platform, find_release(platform, name))


def _print_not_affected(console: Console, report: dict[str, Any]) -> None:
    console.print(f"[bold]{report['service']}@{report['release']}[/]  not affected")
    console.print(f"commit {report['commit']}\nbase   {report['base'] or 'none'}")
    console.print(escape(report["reason"]))


def print_report(console: Console, report: dict[str, Any]) -> None:
    """One release for people."""
    verdict = report["verdict"]
    console.print(
        f"[bold]{report['service']}@{report['release']}[/]  {escape(report['title'])} ({escape(report['author'])})"
    )
    console.print(f"commit {report['commit']}\nimage  {report['digest'] or 'none'}")
    console.print(f"verdict [{STYLES[verdict]}]{verdict.replace('_', ' ')}[/]")
    if report["pull_request"]:
        console.print(_proposed(report["pull_request"]))
    if report["approvers"]:
        console.print(f"approved by {', '.join(report['approvers'])}")
    if report["awaited"]:
        _print_awaited(console, report["awaited"])
    for stage in report["stages"]:
        _print_stage(console, stage)
    for step in report["rollout"]:
        console.print(f"  {step['at'][11:19]} {escape(step['what'])}")
    for refusal in report["refusals"]:
        console.print(f"[bold red]refused[/] {escape(refusal)}")
    for ended in report["cancelled"]:
        console.print(f"[dim]cancelled[/] {escape(ended)}")
    for rerun in report["reruns"]:
        console.print(f"[dim]run again[/] {escape(rerun['stages'])} by {escape(rerun['actor'])} at {rerun['at'][:19]}")


def _proposed(pull_request: dict[str, Any]) -> str:
    fork = " from a fork, without secrets" if pull_request["from_fork"] else ""
    what = "merge group up to pull request" if pull_request["merge_group"] else "pull request"
    base = f"measured against {pull_request['base'][:12]}"
    return f"{what} {pull_request['number']}{fork}, {base}; nothing is pushed or deployed"


def _print_awaited(console: Console, awaited: dict[str, Any]) -> None:
    console.print(f"[bold]awaited[/] {escape(awaited['state'])}")
    for way in awaited["how"]:
        console.print(f"  agree with: {escape(way)}")
    for who, ends in awaited["agreed"].items():
        console.print(f"  {escape(who)} agreed; that counts until {ends[:19]}")
    for line in awaited["not_counted"]:
        console.print(f"  [dim]{escape(line)}[/]")


def _print_stage(console: Console, stage: dict[str, Any]) -> None:
    status = stage["status"]
    seconds = f"{stage['duration_seconds']:6.1f} s" if "duration_seconds" in stage else " " * 8
    head = f"[{STYLES[status]}]{MARKS[status]} {stage['stage']:<18}[/]{seconds}"
    console.print(f"{head}  {escape(stage.get('summary', ''))}")
    for gate in stage.get("gates", []):
        if gate["gate"] != "evidence" or gate["outcome"] != "pass":
            console.print(f"      [{STYLES[_status(gate)]}]{escape(_gate_line(gate))}[/]")
    if stage.get("reused"):
        reused = stage["reused"]
        console.print(f"      [dim]reused from {reused['release']} (run {reused['run_id'][:8]}): the same inputs[/]")
    for note in stage.get("notes", []):
        console.print(f"      [dim]{escape(note)}[/]")
    for test in stage.get("flaky_tests", [])[:_FLAKY_TESTS]:
        often = f"flaky in {test['releases']} of the last {test['of_releases']} releases"
        console.print(f"      [yellow]{escape(test['test'])}: {often}[/]")
    if stage.get("tool"):
        console.print(f"      [dim]by {escape(stage['tool'])}[/]")


def _status(gate: dict[str, Any]) -> str:
    return {"pass": "passed", "fail": "failed", "missing": "missing", "skipped": "skipped"}[gate["outcome"]]


def _gate_line(gate: dict[str, Any]) -> str:
    name = gate["gate"] if gate["outcome"] != "skipped" or gate["gate"] != "evidence" else gate["stage"]
    return f"{name}: {gate['reason']}"
