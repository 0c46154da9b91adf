"""What is saved beside a workload while it is being rolled out: all that a successor needs to go on.

The samples are folded: only the ends of finished stretches of equal length matter for the sums, but the sequential
test needs each interval, so the newest `MAXIMUM_SAMPLES` are kept and the document stays below 100 KB.
"""

from dataclasses import dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.rollout import RolloutState
from shopkart_pipeline.domain.traffic import MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import WorkloadSpec

MAXIMUM_SAMPLES = 600


@dataclass(frozen=True)
class RolloutDocument:
    """State, specification of both sides, and what was measured."""

    state: RolloutState
    wanted: WorkloadSpec
    previous: WorkloadSpec | None
    """What stable was before, whole: image, configuration and all go back together."""
    started_at: datetime
    samples: tuple[TrafficSample | MetricsMissing, ...] = ()
    exposed_at: datetime | None = None
    """When the canary first got traffic."""
    detected_at: datetime | None = None
    shifted_back_at: datetime | None = None


_DOCUMENT = TypeAdapter(RolloutDocument)


def dump(document: RolloutDocument) -> str:
    """As JSON."""
    return _DOCUMENT.dump_json(document).decode()


def load(text: str | None) -> RolloutDocument | None:
    """From JSON; None where nothing was saved."""
    if text is None:
        return None
    try:
        return _DOCUMENT.validate_json(text)
    except ValidationError as error:
        raise PipelineError(
            f"The rollout state beside the workload can't be read: {error.error_count()} faults.",
            "Look at what changed it; then remove it and start the rollout again.",
        ) from error
