"""Step pods that are function calls: the pod's side at work in this process, in a home of its own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from shopkart_pipeline.adapters.step_pod.carry_out import Tools, carry_out
from shopkart_pipeline.adapters.step_pod.errand import ADDRESS, PACKAGE_DIGEST, WORD, Errands
from shopkart_pipeline.domain.step_pods import DEFAULT_STEP_POD, StepPodOrder, StepPodPlace, StepPodsMode
from shopkart_pipeline.ports.step_pods import StepPods
from shopkart_pipeline_tests.pipeline_installation import IMAGE

PLACE = StepPodPlace(StepPodsMode.PROPOSED, "shopkart-pipeline-steps", IMAGE, "127.0.0.1")
ANY_PORT = (0, 0)


@dataclass
class LocalStepPods(StepPods):
    """Carries out what is ordered; or does whatever else a test wants of a pod."""

    tools: Tools | None = None
    behave: Callable[[StepPodOrder], str | None] | None = None
    """In place of the pod's entry; gives what the port gives."""
    orders: list[StepPodOrder] = field(default_factory=list[StepPodOrder])

    def run(self, order: StepPodOrder, log: Path) -> str | None:
        self.orders.append(order)
        if self.behave is not None:
            return self.behave(order)
        assert self.tools is not None
        carry_out(order.extras[ADDRESS], order.extras[WORD], order.extras[PACKAGE_DIGEST], self.tools)
        return None


def errands(pods: StepPods, scratch: Path) -> Errands:
    return Errands(pods, PLACE, DEFAULT_STEP_POD, scratch, ANY_PORT)
