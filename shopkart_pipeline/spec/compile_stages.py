"""Stages of a service: shipped ones and those of its own, complete, in an order that can be run.

`stage_graph` has the rules of that order; here are the faults of single stages and of what they say about each other.
"""

import difflib
from collections.abc import Collection, Mapping

from shopkart_pipeline.domain.declaration import LeftOut, Phase, Stage, StageKind
from shopkart_pipeline.domain.step_pods import StagePod
from shopkart_pipeline.spec.compile_load_test import compile_load_test
from shopkart_pipeline.spec.compile_run_pods import compile_stage_pod
from shopkart_pipeline.spec.faults import nearest, show
from shopkart_pipeline.spec.models.load_test import LoadTestStage
from shopkart_pipeline.spec.models.run_pods import StagePodSpec
from shopkart_pipeline.spec.models.stage import DECLARED_COMMAND, StageDetails, StageSpec
from shopkart_pipeline.spec.models.stages import SHIPPED_STAGES, OwnStage
from shopkart_pipeline.spec.placeholders import placeholders
from shopkart_pipeline.spec.scope import Scope
from shopkart_pipeline.spec.stage_graph import Arrangement, StageNode, arrange
from shopkart_pipeline.spec.text_types import IDENTIFIER

_DEPLOYED_TESTS = (StageKind.INTEGRATION_TESTS, StageKind.ACCEPTANCE_TESTS, StageKind.COMPATIBILITY)
_STAGING = (
    StageKind.CODE_REVIEW,
    StageKind.STAGING_EXPAND,
    StageKind.STAGING,
    *_DEPLOYED_TESTS,
    StageKind.LOAD_TEST,
    StageKind.STAGING_ATTESTATIONS,
)
_PRODUCTION = (StageKind.PRODUCTION_EXPAND, StageKind.PRODUCTION, StageKind.CONTRACT)
_TESTS = (StageKind.UNIT_TESTS, *_DEPLOYED_TESTS)
_RANK = {phase: rank for rank, phase in enumerate(Phase)}
_TAKEN = ("approval", "rescan")
"""Assets of a service that are no stages."""
_TOO_ALIKE = 0.9
_DEFAULT_TIMEOUT_SECONDS = 900.0


def compile_stages(scope: Scope, absent: Collection[str] = ()) -> tuple[tuple[Stage, ...], tuple[LeftOut, ...]]:
    """The stages of a service in order, and those that it leaves out. Faults go to the scope.

    Args:
        scope: the service.
        absent: shipped stages that have nothing to do here, which is no choice of the declaration's.
    """
    written = scope.spec.stages.by_name() if scope.spec.stages else {}
    declared = {name: spec for name, spec in written.items() if name not in absent}
    details = {name: spec.details() for name, spec in declared.items()}
    phases = {name: _phase(name, spec) for name, spec in declared.items()}
    for name, spec in declared.items():
        _check_stage(scope, name, details[name], own=isinstance(spec, OwnStage))
    arrangement = arrange(
        tuple(
            StageNode(name, phases[name], _needs(scope, name, spec, phases), details[name].disabled is not None)
            for name, spec in declared.items()
        )
    )
    _report(scope, arrangement)
    stages = tuple(
        _stage(scope, name, declared[name], details[name], phases[name], needs)
        for name, needs in arrangement.needs.items()
    )
    left_out = [(name, detail.disabled) for name, detail in details.items() if detail.disabled]
    return stages, tuple(LeftOut(scope.service, name, None, reason) for name, reason in left_out)


def _phase(name: str, spec: StageSpec) -> Phase:
    if isinstance(spec, OwnStage):
        return Phase(spec.phase or Phase.CI)
    if name in _STAGING:
        return Phase.STAGING
    return Phase.PRODUCTION if name in _PRODUCTION else Phase.CI


def _check_stage(scope: Scope, name: str, details: StageDetails, *, own: bool) -> None:
    """Faults of a stage by itself."""
    keys = ("stages", name)
    if own:
        _check_name(scope, name)
    if own and not details.command and not details.disabled:
        scope.missing("a stage of one's own has to say its `command`", *keys, "command")
    if not own and details.command and not (details.junit or details.sarif or details.checkstyle):
        report = "junit" if name in _TESTS else "sarif"
        scope.missing(f"say in `{report}` where the command writes its report", *keys, report)
    if name not in _TESTS and details.command and details.tool not in ("auto", DECLARED_COMMAND):
        message = f"the stage has both the tool {details.tool} and a command; take one of them away"
        scope.fault(message, *keys, "command")
    for report in ("sarif", "checkstyle"):
        if getattr(details, report) and not details.command:
            scope.fault("no `command` is there to write it; a tool's own report is found without", *keys, report)
    if details.retries and not details.junit:
        scope.fault("without `junit` nobody knows which tests failed; say where it is", *keys, "retries")
    for index, argument in enumerate(details.command):
        for placeholder in placeholders(argument) if "{" in argument else ():
            if placeholder != "python" and difflib.get_close_matches(placeholder, ["python"], cutoff=0.75):
                message = f"{{{placeholder}}} is not known here; did you mean {{python}}?"
                scope.fault(message, *keys, "command", index)


def _check_name(scope: Scope, name: str) -> None:
    if not IDENTIFIER.fullmatch(name):
        message = f"{show(name)} is not a name of at most 60 lower-case letters, digits and underscores"
        scope.fault(message, "stages", name)
        return
    if name in _TAKEN:
        scope.fault(f"the pipeline itself shows something as {name}; give the stage another name", "stages", name)
        return
    alike = difflib.get_close_matches(name, SHIPPED_STAGES, n=1, cutoff=_TOO_ALIKE)
    if alike:
        message = f"no shipped stage is called so; did you mean {alike[0]}? A stage of one's own needs another name"
        scope.fault(message, "stages", name)


def _needs(scope: Scope, name: str, spec: StageSpec, phases: Mapping[str, Phase]) -> tuple[str, ...]:
    """What a stage says that it needs, or the default; what it can't need is a fault and left out."""
    if spec.needs is None:
        return ("staging",) if phases[name] is Phase.STAGING else ("dependencies",)
    known: dict[str, None] = {}
    for index, need in enumerate(spec.needs):
        if need not in phases:
            message = f"there is no stage {need}; {nearest(need, phases)}"
            scope.fault(message, "stages", name, "needs", index)
        elif _RANK[phases[need]] > _RANK[phases[name]]:
            message = f"{name} runs in phase {phases[name]} and can't wait for {need}, which runs in {phases[need]}"
            scope.fault(message, "stages", name, "needs", index)
        else:
            known[need] = None
    return tuple(known)


def _report(scope: Scope, arrangement: Arrangement) -> None:
    for cycle in arrangement.cycles:
        said = [name for name in cycle[:-1] if scope.says("stages", name, "needs")]
        message = f"stages wait for each other: {' -> '.join(cycle)}; take one of these needs away"
        scope.fault(message, "stages", *((said[0], "needs") if said else ()))
    for name, subject in arrangement.too_early:
        message = f"{name} works on what {subject} makes: it has to need {subject}, directly or not"
        scope.fault(message, "stages", name, "needs")


def _stage(
    scope: Scope, name: str, spec: StageSpec, details: StageDetails, phase: Phase, needs: tuple[str, ...]
) -> Stage:
    timeout_seconds = spec.timeout or _DEFAULT_TIMEOUT_SECONDS
    return Stage(
        name=name,
        kind=StageKind.COMMAND if isinstance(spec, OwnStage) else StageKind(name),
        phase=phase,
        needs=needs,
        timeout_seconds=timeout_seconds,
        tool=details.tool,
        command=details.command,
        junit=details.junit,
        coverage=details.coverage,
        sarif=details.sarif,
        checkstyle=details.checkstyle,
        retries=details.retries,
        reuse=spec.reuse is not False,
        options=details.options,
        load=compile_load_test(scope, spec, timeout_seconds) if isinstance(spec, LoadTestStage) else None,
        pod=_stage_pod(scope, name, spec.own_pod),
    )


def _stage_pod(scope: Scope, name: str, spec: StagePodSpec | None) -> StagePod | None:
    if spec is None:
        return None
    return compile_stage_pod(spec, lambda message: scope.fault(message, "stages", name, "pod", "resources"))
