"""What happened, as a table and as JSON, and whether the story went exactly as it should."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shopkart_pipeline.cli.report import ROLLED_BACK, STOPPED
from shopkart_pipeline.cli.words import STYLES

_STEPS = (
    "introduced",
    "detected",
    "rolled_back",
    "recovered",
    "acknowledged",
    "investigated",
    "logs_inspected",
    "cause_identified",
    "closed",
    "postmortem_drafted",
)
"""That an incident of the story has to go through."""


def faults_of(document: dict[str, Any], expected: Sequence[str]) -> list[str]:
    """Every way in which the story did not go as it should; empty if it did."""
    releases = document["releases"]
    faults = [
        f"release {number} ({release['title']}) ended as {release['verdict']}, not {wanted}"
        for number, (release, wanted) in enumerate(zip(releases, expected, strict=False), start=1)
        if release["verdict"] != wanted
    ]
    if len(releases) != len(expected):
        faults.append(f"{len(releases)} releases instead of {len(expected)}")
    for release in releases:
        faults += _faults_of_release(release)
    faults += _faults_of_incidents(document)
    return faults + _faults_of_traffic(document)


def _faults_of_release(release: dict[str, Any]) -> list[str]:
    name, stages = release["release"], {stage["stage"]: stage for stage in release["stages"]}
    not_passed = [each for each, stage in stages.items() if stage["status"] != "passed"]
    match release["verdict"]:
        case "released":
            faults = [f"{name} is released, but {each} is not passed" for each in not_passed]
            return faults + ([] if release["approvers"] else [f"{name} is released without an approval"])
        case "stopped":
            has_image = release["digest"] is not None or stages["image"]["status"] != "not_run"
            return [f"{name} was stopped, but has an image"] if has_image else []
        case "rolled_back":
            return [f"{name} was rolled back, but {each} is not passed" for each in not_passed if each != "production"]
        case verdict:
            return [f"{name} is {verdict}"]


def _faults_of_incidents(document: dict[str, Any]) -> list[str]:
    bad = [release["release"] for release in document["releases"] if release["verdict"] == ROLLED_BACK]
    incidents = document["incidents"]
    faults = [] if [each["release"] for each in incidents] == bad else [f"{len(incidents)} incidents for {len(bad)}"]
    for incident in incidents:
        faults += [f"incident {incident['id']}: {each} is unknown" for each in _STEPS if not incident["times"][each]]
        faults += [f"incident {incident['id']}: {text}" for text in incident["missing"]]
    return faults


def _faults_of_traffic(document: dict[str, Any]) -> list[str]:
    traffic = document["traffic"]
    bad = {release["release"] for release in document["releases"] if release["verdict"] == ROLLED_BACK}
    faults = [f"{count} requests were lost ({kind})" for kind, count in traffic["lost"].items()]
    faults += [f"{count} unexpected answers ({kind})" for kind, count in traffic["unexpected"].items()]
    for version, count in traffic["server_errors"].items():
        by_canary = traffic["server_errors_of_canary"].get(version, 0)
        if version not in bad or by_canary != count:
            faults.append(f"{count - by_canary if version in bad else count} server errors from {version} as stable")
    if not traffic["requests"]:
        faults.append("there was no traffic")
    return faults


def print_summary(console: Console, document: dict[str, Any]) -> None:
    """The table at the end, and what people would ask next: why did it stop, what happened then."""
    table = Table("", "change", "verdict", "seconds", "approved by", "answers", "errors", box=None)
    traffic = document["traffic"]
    for number, release in enumerate(document["releases"], start=1):
        verdict, key = release["verdict"], release["release"]
        table.add_row(
            str(number),
            release["title"],
            f"[{STYLES[verdict]}]{verdict.replace('_', ' ')}[/]",
            f"{release['seconds']:.1f}",
            ", ".join(name.partition("@")[0] for name in release["approvers"]),
            str(traffic["requests"].get(key, 0)),
            str(traffic["server_errors"].get(key, 0)),
        )
    console.print()
    console.print(table)
    for number, release in enumerate(document["releases"], start=1):
        for gate in _stopped_by(release):
            console.print(f"  {number}: [red]{escape(gate)}[/]")
    for incident in document["incidents"]:
        _print_incident(console, incident)
    lost = sum(traffic["lost"].values())
    console.print(
        f"\nproduction was asked {traffic['sent']} times, {lost} requests were lost; {document['seconds']:.0f} s"
    )


def _print_incident(console: Console, incident: dict[str, Any]) -> None:
    times = {name: datetime.fromisoformat(at) for name, at in incident["times"].items() if at}
    console.print(f"\nincident {incident['id']}")
    shown = [f"{name.replace('_', ' ')} {at:%H:%M:%S}" for name, at in sorted(times.items(), key=lambda item: item[1])]
    console.print(f"  {', '.join(shown)}")
    console.print(f"  {incident['failed_requests']} requests failed; {escape(incident['reason'])}")
    console.print(f"  postmortem: {incident['postmortem']}")


def _stopped_by(release: dict[str, Any]) -> list[str]:
    """The gates that a release did not pass, with their reasons."""
    if release["verdict"] not in (STOPPED, ROLLED_BACK):
        return []
    return [
        f"{stage['stage']}.{gate['gate']}: {gate['reason']}"
        for stage in release["stages"]
        for gate in stage.get("gates", [])
        if gate["outcome"] != "pass"
    ]
