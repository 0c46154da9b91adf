"""Pods of runs: what is said of each kind, over what is shipped for it."""

from collections.abc import Mapping

from shopkart_pipeline.domain.pod import Resources
from shopkart_pipeline.domain.run_pods import DEFAULT_PODS, RunKind, RunPod
from shopkart_pipeline.spec.compile_pod import destination_problem, memory_bytes
from shopkart_pipeline.spec.faults import Faults
from shopkart_pipeline.spec.models.delivery import ResourcesSpec
from shopkart_pipeline.spec.models.run_pods import RunPodSpec, RunPodsSpec


def compile_run_pods(spec: RunPodsSpec | None, faults: Faults) -> Mapping[RunKind, RunPod]:
    """The pods of every kind of run; faults go to `faults`."""
    said: dict[RunKind, RunPodSpec | None] = {kind: getattr(spec, kind.value, None) for kind in RunKind}
    return {kind: _pod(kind, said[kind] or RunPodSpec(), faults) for kind in RunKind}


def _pod(kind: RunKind, spec: RunPodSpec, faults: Faults) -> RunPod:
    default = DEFAULT_PODS[kind]
    for index, destination in enumerate(spec.egress or ()):
        problem = destination_problem(destination)
        if problem:
            faults.add(("run_pods", kind.value, "egress", index), problem)
    return RunPod(
        resources=_resources(kind, spec.resources or ResourcesSpec(), faults),
        deadline_seconds=default.deadline_seconds if spec.deadline is None else spec.deadline,
        node_selector=dict(spec.node_selector or default.node_selector),
        egress=default.egress if spec.egress is None else tuple(spec.egress),
        seccomp_profile=spec.seccomp_profile,
    )


def _resources(kind: RunKind, spec: ResourcesSpec, faults: Faults) -> Resources:
    default = DEFAULT_PODS[kind].resources
    memory, limit = spec.memory or default.memory, spec.memory_limit or default.memory_limit
    if memory_bytes(limit) < memory_bytes(memory):
        path = ("run_pods", kind.value, "resources", "memory_limit" if spec.memory_limit else "memory")
        faults.add(path, f"a run may not use {limit} if it is to get {memory}; raise `memory_limit`")
    return Resources(spec.cpu or default.cpu, memory, limit)
