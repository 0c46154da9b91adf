"""Deployments of a service: how it runs in each environment, by which steps it gets there, and who must agree."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from shopkart_pipeline.domain.analysis import Objective
from shopkart_pipeline.domain.declaration import Approvals, Deployment, Environment, Phase
from shopkart_pipeline.domain.freeze import FreezeWindow
from shopkart_pipeline.domain.rollout import RolloutStep
from shopkart_pipeline.domain.scale_ahead import Scale
from shopkart_pipeline.spec.compile_analysis import check_names, compile_analysis, steps_of_budget
from shopkart_pipeline.spec.compile_freeze import compile_freeze
from shopkart_pipeline.spec.compile_pod import compile_route, compile_scale
from shopkart_pipeline.spec.compile_scale_ahead import compile_scale_ahead
from shopkart_pipeline.spec.faults import nearest
from shopkart_pipeline.spec.models.analysis import AnalysisSpec
from shopkart_pipeline.spec.models.delivery import (
    ApprovalsSpec,
    CanaryStep,
    DeploymentSpec,
    ObjectivesSpec,
)
from shopkart_pipeline.spec.scope import Scope
from shopkart_pipeline.spec.teams import people_behind

_DEFAULT_DEADLINE_SECONDS = 600.0
_DEFAULT_EXPIRY_SECONDS = 86400.0


@dataclass(frozen=True)
class Surroundings:
    """What deployments refer to outside of their service."""

    environments: Mapping[str, Environment]
    teams: Mapping[str, tuple[str, ...]]
    allowed_signers: Path | None


def compile_deployments(scope: Scope, around: Surroundings) -> dict[str, Deployment]:
    """The deployments of a service by name of the environment. Faults go to the scope."""
    declared = scope.spec.environments or {}
    for name in declared:
        if name not in around.environments:
            message = f"there is no environment {name}; {nearest(name, around.environments)}"
            scope.fault(message, "environments", name)
    return {name: _deployment(scope, name, declared.get(name), around) for name in around.environments}


def _deployment(scope: Scope, name: str, spec: DeploymentSpec | None, around: Surroundings) -> Deployment:
    spec = spec or DeploymentSpec()
    objectives = spec.objectives or ObjectivesSpec()
    analysis = compile_analysis(spec.analysis or AnalysisSpec())
    check_names(scope, name, analysis)
    promises = [("error_ratio", objectives.error_ratio), ("latency_p95_seconds", objectives.latency_p95_seconds)]
    replicas, autoscale = compile_scale(scope, name, spec)
    is_production = around.environments[name].phase is Phase.PRODUCTION
    windows = compile_scale_ahead(scope, name, spec.scale_ahead or [], Scale(replicas, autoscale), is_production)
    return Deployment(
        environment=name,
        replicas=replicas,
        steps=steps_of_budget(scope, name, analysis)
        if analysis.harm_budget
        else _steps(scope, name, spec.canary or []),
        deadline_seconds=spec.deadline or _DEFAULT_DEADLINE_SECONDS,
        analysis=analysis,
        objectives=tuple(
            Objective(measure, float(promise.at_most), promise.window) for measure, promise in promises if promise
        ),
        approvals=_approvals(scope, name, spec.approvals or ApprovalsSpec(), around),
        url=spec.url,
        autoscale=autoscale,
        route=compile_route(scope, name, spec.route),
        soak_seconds=_soak(scope, name, spec, around),
        freeze=(*_freeze(scope, name, spec, around), *windows.freeze),
        contract_after_seconds=_contract_after(scope, name, spec, around),
        scale_ahead=windows.scale,
    )


def _soak(scope: Scope, environment: str, spec: DeploymentSpec, around: Surroundings) -> float:
    if spec.soak and around.environments[environment].phase is not Phase.STAGING:
        message = f"a release soaks in staging before it goes on, and {environment} is not of phase staging"
        scope.fault(message, "environments", environment, "soak")
    return spec.soak or 0.0


def _contract_after(scope: Scope, environment: str, spec: DeploymentSpec, around: Surroundings) -> float:
    if spec.contract_after is not None and around.environments[environment].phase is not Phase.PRODUCTION:
        message = f"a release stands in production before it contracts, and {environment} is not of phase production"
        scope.fault(message, "environments", environment, "contract_after")
    return spec.contract_after or 0.0


def _freeze(scope: Scope, environment: str, spec: DeploymentSpec, around: Surroundings) -> tuple[FreezeWindow, ...]:
    if spec.freeze and around.environments[environment].phase is not Phase.PRODUCTION:
        message = f"production is frozen, and {environment} is not of phase production"
        scope.fault(message, "environments", environment, "freeze")
    return compile_freeze(scope, environment, spec.freeze or [])


def _steps(scope: Scope, environment: str, canary: list[CanaryStep]) -> tuple[RolloutStep, ...]:
    for index, (before, after) in enumerate(pairwise(canary), start=1):
        if after.weight <= before.weight:
            message = f"weights have to grow from step to step: {after.weight} comes after {before.weight}"
            scope.fault(message, "environments", environment, "canary", index, "weight")
    return tuple(RolloutStep(step.weight, step.bake) for step in canary)


def _approvals(scope: Scope, environment: str, spec: ApprovalsSpec, around: Surroundings) -> Approvals | None:
    required = spec.required or 0
    people = _people(scope, environment, spec.approvers or [], around)
    if people is not None and len(people) < required:
        message = (
            f"{environment} needs {required} approval{'s' if required > 1 else ''} "
            f"and has {len(people)} approver{'' if len(people) == 1 else 's'}; "
            "name them in `approvers`, or say `required: 0`"
        )
        scope.missing(message, "environments", environment, "approvals", "approvers")
    if required == 0:
        return None
    expiry = spec.expires_after or _DEFAULT_EXPIRY_SECONDS
    return Approvals(required, people or (), around.allowed_signers, expiry, spec.four_eyes is not False)


def _people(scope: Scope, environment: str, approvers: list[str], around: Surroundings) -> tuple[str, ...] | None:
    """The approvers with teams replaced by their members; None where that is not known, which is a fault by then."""
    found: list[str] = []
    known = True
    for index, name in enumerate(approvers):

        def fault(message: str, at: int = index) -> None:
            scope.fault(message, "environments", environment, "approvals", "approvers", at)

        people = people_behind(name, around.teams, fault)
        found += people or ()
        known = known and bool(people)
    return tuple(dict.fromkeys(found)) if known else None
