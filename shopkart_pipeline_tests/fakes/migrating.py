"""A service of the world in memory that migrates its database."""

from dataclasses import replace

from shopkart_pipeline.domain.declaration import Phase, Service, Stage, StageKind
from shopkart_pipeline.domain.policy import Comparison, Gate, MeasureRule
from shopkart_pipeline_tests.fakes.world import PRODUCTION

EXPAND, CONTRACT = ("expand-schema", "--now"), ("contract-schema",)
TIMEOUT_SECONDS = 60.0


def migrating(service: Service, *, contract_after_seconds: float = 3600.0) -> Service:
    """The service with its migrations around its deployments."""
    production = replace(service.deployments[PRODUCTION], contract_after_seconds=contract_after_seconds)
    completed = MeasureRule("completed", Comparison.AT_LEAST, 1)
    gates = tuple(
        Gate("completed", kind.value, "it ran to its end", completed)
        for kind in (StageKind.STAGING_EXPAND, StageKind.PRODUCTION_EXPAND)
    )
    return replace(
        service,
        stages=tuple(each for stage in service.stages for each in _around(stage)),
        gates=(*service.gates, *gates),
        deployments={**service.deployments, PRODUCTION: production},
    )


def _around(stage: Stage) -> tuple[Stage, ...]:
    match stage.kind:
        case StageKind.STAGING:
            expand = _stage(StageKind.STAGING_EXPAND, Phase.STAGING, stage.needs, EXPAND)
            return expand, replace(stage, needs=(*stage.needs, expand.name))
        case StageKind.PRODUCTION:
            return (
                _stage(StageKind.PRODUCTION_EXPAND, Phase.PRODUCTION, stage.needs, EXPAND),
                replace(stage, needs=(*stage.needs, StageKind.PRODUCTION_EXPAND.value)),
                _stage(StageKind.CONTRACT, Phase.PRODUCTION, (stage.name,), CONTRACT),
            )
        case _:
            return (stage,)


def _stage(kind: StageKind, phase: Phase, needs: tuple[str, ...], command: tuple[str, ...]) -> Stage:
    return Stage(kind.value, kind, phase, needs, TIMEOUT_SECONDS, command=command, reuse=False)
