"""Pods of runs: what is said of each kind, over what is shipped for it."""

from collections.abc import Callable, Mapping, Sequence

from shopkart_pipeline.domain.pod import Resources
from shopkart_pipeline.domain.run_pods import DEFAULT_PODS, RunKind, RunPod
from shopkart_pipeline.domain.step_pods import DEFAULT_STEP_POD, StagePod
from shopkart_pipeline.spec.compile_pod import destination_problem, memory_bytes
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.delivery import ResourcesSpec
from shopkart_pipeline.spec.models.run_pods import RunPodSpec, RunPodsSpec, StagePodSpec, StepsSpec


def compile_run_pods(spec: RunPodsSpec | None, faults: Faults) -> Mapping[RunKind, RunPod]:
    """The pods of every kind of run; faults go to `faults`."""
    said: dict[RunKind, RunPodSpec | None] = {kind: getattr(spec, kind.value, None) for kind in RunKind}
    return {kind: _pod(kind, said[kind] or RunPodSpec(), faults) for kind in RunKind}


def compile_step_pod(spec: StepsSpec | None, faults: Faults) -> RunPod:
    """What stages in pods of their own may use unless they say otherwise; faults go to `faults`."""
    default, said = DEFAULT_STEP_POD, spec or StepsSpec()
    _check_egress("steps", said.egress, faults)
    return RunPod(
        resources=_resources("steps", default.resources, said.resources or ResourcesSpec(), faults),
        deadline_seconds=default.deadline_seconds if said.deadline is None else said.deadline,
        node_selector=dict(said.node_selector or default.node_selector),
        egress=default.egress if said.egress is None else tuple(said.egress),
        seccomp_profile=said.seccomp_profile,
    )


def compile_stage_pod(spec: StagePodSpec, fault: Callable[[str], None]) -> StagePod:
    """What a stage says of its pod; `fault` gets what is wrong with it."""
    resources = None
    if spec.resources is not None:
        default, said = DEFAULT_STEP_POD.resources, spec.resources
        resources = Resources(
            said.cpu or default.cpu,
            said.memory or said.memory_limit or default.memory,
            said.memory_limit or said.memory or default.memory_limit,
        )
        if memory_bytes(resources.memory_limit) < memory_bytes(resources.memory):
            fault(f"it may not use {resources.memory_limit} if it is to get {resources.memory}; raise `memory_limit`")
    return StagePod(resources, spec.deadline, spec.node_selector)


def _check_egress(kind: str, egress: Sequence[str] | None, faults: Faults) -> None:
    for index, destination in enumerate(egress or ()):
        problem = destination_problem(destination)
        if problem:
            faults.add(("run_pods", kind, "egress", index), problem)


def _pod(kind: RunKind, spec: RunPodSpec, faults: Faults) -> RunPod:
    default = DEFAULT_PODS[kind]
    _check_egress(kind, spec.egress, faults)
    return RunPod(
        resources=_resources(kind, default.resources, spec.resources or ResourcesSpec(), faults),
        deadline_seconds=default.deadline_seconds if spec.deadline is None else spec.deadline,
        node_selector=dict(spec.node_selector or default.node_selector),
        egress=default.egress if spec.egress is None else tuple(spec.egress),
        seccomp_profile=spec.seccomp_profile,
    )


def _resources(kind: str, default: Resources, spec: ResourcesSpec, faults: Faults) -> Resources:
    memory, limit = spec.memory or default.memory, spec.memory_limit or default.memory_limit
    if memory_bytes(limit) < memory_bytes(memory):
        path = ("run_pods", kind, "resources", "memory_limit" if spec.memory_limit else "memory")
        faults.add(path, f"a run may not use {limit} if it is to get {memory}; raise `memory_limit`")
    return Resources(spec.cpu or default.cpu, memory, limit)
