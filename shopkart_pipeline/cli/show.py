"""`shopkart show RELEASE`: stages, gates with value and limit, approvals, rollout."""

import argparse
import json
from typing import Any

from rich.console import Console
from rich.markup import escape

from shopkart_pipeline.cli.arguments import add_release, find_release, open_platform
from shopkart_pipeline.cli.report import release_report
from shopkart_pipeline.cli.words import MARKS, STYLES

_FLAKY_TESTS = 10
"""The worst of them are shown; the JSON has them all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_release(parser)
    parser.add_argument("--json", action="store_true", help="print the same as JSON")


def run(options: argparse.Namespace) -> int:
    platform = open_platform()
    report = release_report(platform, find_release(platform, options.release))
    if options.json:
        print(json.dumps(report, indent=2))
    else:
        print_report(Console(soft_wrap=True, highlight=False), report)
    return 0


def print_report(console: Console, report: dict[str, Any]) -> None:
    """One release for people."""
    verdict = report["verdict"]
    console.print(f"[bold]{report['service']}@{report['release']}[/]  {escape(report['title'])} ({report['author']})")
    console.print(f"commit {report['commit']}\nimage  {report['digest'] or 'none'}")
    console.print(f"verdict [{STYLES[verdict]}]{verdict.replace('_', ' ')}[/]")
    if report["approvers"]:
        console.print(f"approved by {', '.join(report['approvers'])}")
    for stage in report["stages"]:
        _print_stage(console, stage)
    for step in report["rollout"]:
        console.print(f"  {step['at'][11:19]} {escape(step['what'])}")
    for refusal in report["refusals"]:
        console.print(f"[bold red]refused[/] {escape(refusal)}")


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
