"""`shopkart plan`: what would run, for which services, in which order, with which gates. Runs nothing.

Needs no instance and does not import Dagster. `plan_of` makes the document that `--json` prints; the table is made
from it, so both say the same.
"""

import argparse
import json
from calendar import day_abbr
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from shopkart_pipeline.cli.validate import beside
from shopkart_pipeline.domain.code_host import CodeHostPolicy, Command
from shopkart_pipeline.domain.declaration import (
    Approvals,
    Deployment,
    Environment,
    Phase,
    Pipeline,
    Service,
    Stage,
    StageKind,
)
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence_bucket import EvidenceBucket
from shopkart_pipeline.domain.freeze import FreezeWindow
from shopkart_pipeline.domain.promise import Promise, in_words, promises
from shopkart_pipeline.domain.registry import Registry
from shopkart_pipeline.settings import from_environment
from shopkart_pipeline.spec.faults import nearest
from shopkart_pipeline.spec.graph import order, waves
from shopkart_pipeline.spec.loader import load
from shopkart_pipeline.spec.words import rule_in_words, seconds_in_words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="the declaration; default: shopkart.yaml")
    parser.add_argument("--service", metavar="NAME", action="append", default=[], help="only this service (repeatable)")
    parser.add_argument(
        "--changed",
        metavar="PATH",
        nargs="+",
        default=[],
        help="only services that a change of these paths, relative to their repository's root, concerns",
    )
    parser.add_argument("--json", action="store_true", help="print the same as JSON")


def run(options: argparse.Namespace) -> int:
    settings = from_environment()
    pipeline = load(options.file or beside(settings.declaration), home=settings.home)
    document = plan_of(pipeline, services=options.service, changed=options.changed)
    if options.json:
        print(json.dumps(document, indent=2))
    else:
        print_plan(Console(highlight=False), document)
    return 0


def plan_of(pipeline: Pipeline, *, services: Sequence[str] = (), changed: Sequence[str] = ()) -> dict[str, Any]:
    """What would run.

    Args:
        pipeline: as declared.
        services: names of the services to look at; all if empty.
        changed: paths relative to the root of the services' repositories; if there are any, services that they don't
            concern are named and left out.

    Raises:
        NotFound: there is no service of such a name.
    """
    for name in services:
        if name not in pipeline.services:
            raise NotFound(
                f"No service {name} is declared: {nearest(name, pipeline.services)}.", f"See {pipeline.file}."
            )
    ordered = [pipeline.services[name] for name in order({n: s.depends_on for n, s in pipeline.services.items()})]
    wanted = [service for service in ordered if not services or service.name in services]
    affected = [service for service in wanted if not changed or _concerns(service, changed)]
    return {
        "declaration": str(pipeline.file),
        "digest": pipeline.digest,
        "registry": _registry(pipeline.registry),
        "evidence": _evidence(pipeline.evidence_bucket) if pipeline.evidence_bucket else None,
        "github": _code_host(pipeline.code_host) if pipeline.code_host else None,
        "services": [_service(service, pipeline) for service in affected],
        "not_affected": [service.name for service in wanted if service not in affected],
    }


def _registry(registry: Registry) -> dict[str, Any]:
    return {
        "kind": registry.kind.value,
        "address": registry.address or registry.endpoint or None,
        "region": registry.region,
        "account": registry.account,
        "prefix": registry.prefix,
        "scan": registry.scanning.value,
        "reason": registry.scanning_reason or None,
    }


def _evidence(bucket: EvidenceBucket) -> dict[str, Any]:
    return {
        "bucket": f"s3://{bucket.bucket}/{bucket.prefix}",
        "region": bucket.region,
        "lock": bucket.lock.value.lower(),
        "retention_days": bucket.retention_days,
    }


def _code_host(policy: CodeHostPolicy) -> dict[str, Any]:
    return {
        "api": policy.api,
        "people": dict(policy.people),
        "commands": {command.value: list(policy.commands.get(command, ())) for command in Command},
        "branch_protection": {**asdict(policy.branch), "required_checks": list(policy.branch.required_checks)},
    }


def _concerns(service: Service, changed: Sequence[str]) -> bool:
    # Imported here because the use case brings more with it than a plan of everything needs.
    from shopkart_pipeline.services.affected_services import is_affected

    return is_affected(service, tuple(path.removeprefix("./") for path in changed))


def _service(service: Service, pipeline: Pipeline) -> dict[str, Any]:
    environments = pipeline.environments
    return {
        "service": service.name,
        "owners": list(service.owners),
        "depends_on": list(service.depends_on),
        "phases": [{"phase": phase.value, "steps": _steps(service, phase)} for phase in Phase],
        "environments": [_deployment(service, each, environments[name]) for name, each in service.deployments.items()],
        "left_out": [{"stage": each.stage, "gate": each.gate, "reason": each.reason} for each in service.left_out],
    }


def _steps(service: Service, phase: Phase) -> list[list[dict[str, Any]]]:
    """The stages of a phase; those of one step run at the same time."""
    groups = waves({stage.name: stage.needs for stage in service.stages_of(phase)})
    return [[_stage(service, service.stage(name)) for name in group] for group in groups]


def _stage(service: Service, stage: Stage) -> dict[str, Any]:
    return {
        "stage": stage.name,
        "kind": stage.kind.value,
        "needs": list(stage.needs),
        "tool": stage.tool,
        "command": list(stage.command),
        "timeout_seconds": stage.timeout_seconds,
        "gates": [
            {"gate": gate.name, "rule": rule_in_words(gate.rule), "description": gate.description}
            for gate in service.gates
            if gate.stage == stage.name
        ],
    }


def _deployment(service: Service, deployment: Deployment, environment: Environment) -> dict[str, Any]:
    contracts = environment.phase is Phase.PRODUCTION and service.stage_of(StageKind.CONTRACT) is not None
    return {
        "environment": environment.name,
        "phase": environment.phase.value,
        "platform": environment.platform,
        "replicas": deployment.replicas,
        "canary": [
            {"weight_percent": step.weight_percent, "bake_seconds": step.bake_seconds} for step in deployment.steps
        ],
        "deadline_seconds": deployment.deadline_seconds,
        "soak_seconds": deployment.soak_seconds,
        "contract_after_seconds": deployment.contract_after_seconds if contracts else None,
        "freeze": [_frozen(window) for window in deployment.freeze],
        "cannot_judge": environment.cannot_judge(deployment),
        "promises": [in_words(promise) for promise in _promises(deployment)],
        "objectives": [
            {"measure": each.measure, "limit": each.limit, "window_seconds": each.window_seconds}
            for each in deployment.objectives
        ],
        "health": asdict(environment.health) if environment.health and deployment.objectives else None,
        "approvals": _approvals(deployment.approvals) if deployment.approvals else None,
    }


def _frozen(window: FreezeWindow) -> str:
    if window.begins_at is not None and window.ends_at is not None:
        moments = (each.isoformat(timespec="minutes") for each in (window.begins_at, window.ends_at))
        return f"{window.name}: {' to '.join(moments)}"
    return f"{window.name}: {', '.join(day_abbr[day] for day in sorted(window.weekdays))} ({window.time_zone})"


def _promises(deployment: Deployment) -> Sequence[Promise]:
    """What the judge can promise, where it is declared how much traffic there is."""
    analysis, weights = deployment.analysis, [step.weight_percent for step in deployment.steps]
    return promises(weights, analysis.policy, analysis.traffic) if analysis.traffic else ()


def _approvals(approvals: Approvals) -> dict[str, Any]:
    return {
        "required": approvals.required,
        "approvers": list(approvals.approvers),
        "expires_after_seconds": approvals.expires_after_seconds,
        "four_eyes": approvals.four_eyes,
    }


def print_plan(console: Console, document: Mapping[str, Any]) -> None:
    """The plan for people."""
    for service in document["services"]:
        console.print(_tree(service))
        console.print()
    for name in document["not_affected"]:
        console.print(f"{name}: not affected")
    console.print(f"[bold]registry[/] {escape(_registry_in_words(document['registry']))}")
    if document["evidence"]:
        words = "{bucket} in {region}, locked for {retention_days} days ({lock})".format_map(document["evidence"])
        console.print(f"[bold]evidence[/] {escape(words)}")
    if document["github"]:
        console.print(f"[bold]github[/] {escape(_code_host_in_words(document['github']))}")
    if document["services"]:
        console.print("[dim]Stages of a phase with the same number run at the same time. Nothing was run.[/]")


def _registry_in_words(registry: Mapping[str, Any]) -> str:
    where = [registry[key] for key in ("kind", "address", "region", "account") if registry[key]]
    because = f" ({registry['reason']})" if registry["reason"] else ""
    return f"{' '.join(where)}, repositories {registry['prefix']}SERVICE, its own scan {registry['scan']}{because}"


def _code_host_in_words(policy: Mapping[str, Any]) -> str:
    commands = [f"/{command} by {', '.join(people) or 'nobody'}" for command, people in policy["commands"].items()]
    protection = [f"{key} {_plain(value)}" for key, value in policy["branch_protection"].items() if value != []]
    return f"{policy['api']}; {'; '.join(commands)}; branches: {', '.join(protection)}"


def _plain(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(cast("list[str]", value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tree(service: Mapping[str, Any]) -> Tree:
    after = f", after {', '.join(service['depends_on'])}" if service["depends_on"] else ""
    tree = Tree(f"[bold]{service['service']}[/] [dim]{escape(', '.join(service['owners']))}{after}[/]")
    for phase in service["phases"]:
        branch = tree.add(f"[bold cyan]{phase['phase']}[/]")
        for deployment in service["environments"]:
            if deployment["phase"] == phase["phase"]:
                place = branch.add(f"[cyan]{deployment['environment']}[/]: {escape(_in_words(deployment))}")
                if deployment["cannot_judge"]:
                    place.add(f"[yellow]{escape(deployment['cannot_judge'])}[/]")
                for promise in deployment["promises"]:
                    place.add(f"[dim]{escape(promise)}[/]")
        for number, step in enumerate(phase["steps"], start=1):
            for stage in step:
                leaf = branch.add(f"{number} {stage['stage']} [dim]{escape(_runs(stage))}[/]")
                for gate in stage["gates"]:
                    leaf.add(f"[green]{escape(gate['rule'])}[/] [dim]{escape(gate['description'])}[/]")
    for each in service["left_out"]:
        name = f"{each['stage']}.{each['gate']}" if each["gate"] else each["stage"]
        tree.add(f"[yellow]left out[/] {escape(name)}: {escape(each['reason'])}")
    return tree


def _runs(stage: Mapping[str, Any]) -> str:
    what = " ".join(stage["command"]) or stage["tool"]
    return f"{what}, at most {seconds_in_words(stage['timeout_seconds'])}"


def _in_words(deployment: Mapping[str, Any]) -> str:
    steps = [
        f"{step['weight_percent']} % for {seconds_in_words(step['bake_seconds'])}" for step in deployment["canary"]
    ]
    replicas = f"{deployment['replicas']} replica" + ("" if deployment["replicas"] == 1 else "s")
    words = [
        f"{replicas} on {deployment['platform']}",
        f"canary {', '.join(steps)}" if steps else "rolling update",
        f"deadline {seconds_in_words(deployment['deadline_seconds'])}",
    ]
    if deployment["contract_after_seconds"] is not None:
        words.append(f"the database is contracted {seconds_in_words(deployment['contract_after_seconds'])} after")
    if deployment["soak_seconds"]:
        words.append(f"soaks for {seconds_in_words(deployment['soak_seconds'])} before production")
    words += [f"frozen {window}" for window in deployment["freeze"]]
    words += [
        f"{each['measure']} <= {each['limit']:g} over {seconds_in_words(each['window_seconds'])}"
        for each in deployment["objectives"]
    ]
    if watch := deployment["health"]:
        bake, every = seconds_in_words(watch["bake_seconds"]), seconds_in_words(watch["every_seconds"])
        words.append(f"watched for {bake} after a release, every {every}")
    approvals = deployment["approvals"]
    if approvals:
        eyes = ", four eyes" if approvals["four_eyes"] else ""
        expiry = seconds_in_words(approvals["expires_after_seconds"])
        words.append(
            f"{approvals['required']} of {', '.join(approvals['approvers'])} must approve{eyes}, valid {expiry}"
        )
    return "; ".join(words)
