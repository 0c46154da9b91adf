"""Stages in pods of their own: which ones, and where such pods are.

A stage is carried out in a pod of its own where its declaration says what that pod is like (`pod`), and, where runs are
pods themselves, on every pull request if its tool runs code of the project: tests, builds, installations, and linters
whose configuration is code. On one machine nothing of it applies, and commands are confined there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from shopkart_pipeline.domain.pod import Resources
from shopkart_pipeline.domain.run_pods import RunPod

HANDOVER_PORTS = (8650, 8681)
"""First and last of the ports at which a run hands over what its step pods work on; each step has one of its own."""
START_SECONDS = 900.0
"""From asking for a pod to its first word: a node may have to come first."""
MARGIN_SECONDS = 120.0
"""Beyond the time that a stage has: for fetching what it works on, and bringing back what it found."""
DEFAULT_STEP_POD = RunPod(Resources("1", "2Gi", "4Gi"), 3600.0, egress=())


@dataclass(frozen=True)
class StagePod:
    """What the declaration of a stage says of the pod of its own that it gets; None for what it leaves to `steps`."""

    resources: Resources | None = None
    deadline_seconds: float | None = None
    node_selector: Mapping[str, str] | None = None


def pod_for(usual: RunPod, own: StagePod | None) -> RunPod:
    """The pod of a stage: the usual one, with what the stage says of its own."""
    if own is None:
        return usual
    return replace(
        usual,
        resources=own.resources or usual.resources,
        deadline_seconds=usual.deadline_seconds if own.deadline_seconds is None else own.deadline_seconds,
        node_selector=usual.node_selector if own.node_selector is None else own.node_selector,
    )


class StepPodsMode(StrEnum):
    """Which stages a run puts into pods."""

    NEVER = "never"
    DECLARED = "declared"
    """Those whose declaration says so."""
    PROPOSED = "proposed"
    """Those too that run code which nobody has reviewed."""


@dataclass(frozen=True)
class StepPodPlace:
    """Where a run's step pods are made."""

    mode: StepPodsMode
    namespace: str
    """Theirs alone: nothing that they could use is in it, no secret and no account with rights."""
    image: str
    """The pipeline's own, by digest."""
    address: str
    """Of the run's own pod, as others reach it."""
    pod: RunPod = DEFAULT_STEP_POD
    """What a step may use unless its stage says otherwise."""


@dataclass(frozen=True)
class StepPodOrder:
    """One pod to be run."""

    step: str
    """Names the order; unique, of a-z, 0-9 and dashes."""
    pod: RunPod
    seconds: float
    """After which it is killed, from the start of its container's node on."""
    extras: Mapping[str, str] = field(repr=False)
    """What its entry is told: where to fetch its work, and the word by which it may. Everything in it is in the pod's
    manifest, too."""


def steps_namespace(namespace: str) -> str:
    """Where the steps of a pipeline's runs are, by the pipeline's own namespace."""
    return f"{namespace}-steps"


def seconds_of(pod: RunPod, timeout_seconds: float) -> float:
    """How long a step's pod may live: no longer than its stage needs, whatever is declared."""
    return min(pod.deadline_seconds, timeout_seconds + MARGIN_SECONDS)
