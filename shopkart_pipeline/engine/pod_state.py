"""How a step's pod stands, in words. A pod that can't be judged waits, until its time is over; none ended well but one
that the cluster calls succeeded.

Source: Kubernetes, "Pod Lifecycle" (phases, reasons of containers, `DeadlineExceeded`, `Evicted`).
"""

from dataclasses import dataclass
from typing import Any

from shopkart_pipeline.domain.step_pods import StepPodOrder

_PULLING = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable")
_STUCK = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff")
_WORDS = 300


@dataclass(frozen=True)
class Running:
    """Its container runs."""


@dataclass(frozen=True)
class Waiting:
    """It has not begun."""

    reason: str
    is_stuck: bool = False
    """Whether it won't begin unless somebody changes something."""


@dataclass(frozen=True)
class Ended:
    """It is over."""

    reason: str | None
    """Why it can't be relied on; None: it ended well."""


def look(pod: Any, order: StepPodOrder) -> Running | Waiting | Ended:
    """How a pod stands, as the client of Kubernetes has it."""
    status = pod.status
    containers: list[Any] = status.container_statuses or []
    if status.phase == "Succeeded":
        return Ended(None)
    if status.phase == "Failed":
        return Ended(_failure(status, containers, order))
    if pod.metadata.deletion_timestamp is not None:
        return Ended("somebody else removes it, or its node goes away")
    states: list[Any] = [each.state for each in containers if each.state is not None]
    if any(state.running is not None for state in states):
        return Running()
    for state in states:
        if state.waiting is not None and state.waiting.reason in _PULLING:
            return Waiting(f"its image can't be pulled: {_said(state.waiting.message)}", is_stuck=True)
        if state.waiting is not None and state.waiting.reason in _STUCK:
            return Waiting(f"it can't begin: {state.waiting.reason}: {_said(state.waiting.message)}", is_stuck=True)
    conditions: list[Any] = status.conditions or []
    for condition in conditions:
        if condition.type == "PodScheduled" and condition.status == "False":
            return Waiting(f"no node takes it: {_said(condition.message)}")
    return Waiting("it waits for its node")


def _failure(status: Any, containers: list[Any], order: StepPodOrder) -> str:
    if status.reason == "DeadlineExceeded":
        return f"it was killed at its deadline, {order.seconds:.0f} s after it began"
    if status.reason == "Evicted":
        return f"it was evicted: {_said(status.message)}"
    for each in containers:
        ended = each.state.terminated if each.state is not None else None
        if ended is not None and ended.reason == "OOMKilled":
            return f"it used more memory than its limit of {order.pod.resources.memory_limit}; raise `memory_limit`"
        if ended is not None and ended.exit_code != 0:
            return f"it ended with exit code {ended.exit_code}; the stage's log says why"
    return f"it failed: {_said(status.reason)} {_said(status.message)}".strip()


def _said(words: str | None) -> str:
    return (words or "the cluster does not say why")[:_WORDS]
