"""A pod that carries out one step of a run, and ends."""

from abc import ABC, abstractmethod
from pathlib import Path

from shopkart_pipeline.domain.step_pods import StepPodOrder


class StepPods(ABC):
    """Runs pods of steps."""

    @abstractmethod
    def run(self, order: StepPodOrder, log: Path) -> str | None:
        """Run a pod to its end, however that comes; afterwards it is gone, also where this run is cancelled.

        Args:
            order: which pod.
            log: the stage's log; gets what the pod writes, as it writes it.

        Returns:
            Why it can't be relied on, as a part of a sentence (`its image can't be pulled: ...`); None where it ended
            well. Raises for programming errors alone.
        """
