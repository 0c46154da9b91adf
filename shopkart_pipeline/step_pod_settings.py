"""Where the steps of a run become pods, as the run's own pod is told. `settings` reads the environment."""

from collections.abc import Mapping

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.step_pods import StepPodPlace, StepPodsMode

MODE, NAMESPACE, IMAGE, ADDRESS = (
    "SHOPKART_STEP_PODS",
    "SHOPKART_STEP_NAMESPACE",
    "SHOPKART_IMAGE",
    "SHOPKART_POD_ADDRESS",
)


def read_place(given: Mapping[str, str]) -> StepPodPlace | None:
    """None: every stage runs where its run runs. Raises `PipelineError` for what can't be used."""
    said = given.get(MODE) or StepPodsMode.NEVER
    try:
        mode = StepPodsMode(said)
    except ValueError:
        raise PipelineError(f"{MODE} is {said!r}.", f"Use one of: {', '.join(StepPodsMode)}.") from None
    if mode is StepPodsMode.NEVER:
        return None
    missing = [name for name in (NAMESPACE, IMAGE, ADDRESS) if not given.get(name)]
    if missing:
        raise PipelineError(
            f"{MODE} is {said!r}, and {', '.join(missing)} is not said.", "Make pods of runs as `cluster-files` does."
        )
    return StepPodPlace(mode, given[NAMESPACE], given[IMAGE], given[ADDRESS])
