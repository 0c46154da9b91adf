"""What is saved beside a workload while it is being rolled out: all that a successor needs to go on.

Looks at the metrics are kept as growth since the canary's first traffic, with resets of the counters taken out. Once
there are `MAXIMUM_LOOKS`, they are folded: every second one goes, and from then on looks are twice as far apart. So
the document stays small however long a canary bakes, nothing that was seen is forgotten, and the intervals that the
judge compares stay equally long.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.rollout import RolloutState
from shopkart_pipeline.domain.traffic import Counts, MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import WorkloadSpec

MAXIMUM_LOOKS = 240
"""Even, so that folding keeps the newest."""


@dataclass(frozen=True)
class RolloutDocument:
    """State, specification of both sides, and what was measured."""

    state: RolloutState
    wanted: WorkloadSpec
    previous: WorkloadSpec | None
    """What stable was before, whole: image, configuration and all go back together."""
    started_at: datetime
    looks: tuple[TrafficSample, ...] = ()
    """Growth since the first look, oldest first."""
    counters: TrafficSample | None = None
    """What the counters themselves said last."""
    unseen: MetricsMissing | None = None
    """Why the latest look saw nothing; None while it did."""
    failed_looks: int = 0
    exposed_at: datetime | None = None
    """When the canary first got traffic."""
    promoted_at: datetime | None = None
    """When stable was first told to take the digest."""
    detected_at: datetime | None = None
    shifted_back_at: datetime | None = None
    """When no request reached the version that is turned back any more."""
    concluded: bool = False
    """Whether ledger and incident tell of the end."""

    @property
    def samples(self) -> tuple[TrafficSample | MetricsMissing, ...]:
        """What the judge looks at."""
        return self.looks if self.unseen is None else (*self.looks, self.unseen)

    @property
    def was_measured(self) -> bool:
        return len(self.looks) >= 2


def with_look(document: RolloutDocument, look: TrafficSample | MetricsMissing) -> RolloutDocument:
    """The document after one more look at the metrics."""
    if isinstance(look, MetricsMissing):
        return replace(document, unseen=look, failed_looks=document.failed_looks + 1)
    return replace(document, looks=_folded(_with(document, look)), counters=look, unseen=None)


def _with(document: RolloutDocument, look: TrafficSample) -> tuple[TrafficSample, ...]:
    if not document.looks or document.counters is None:
        return (TrafficSample(look.at, Counts(0, 0), Counts(0, 0)),)
    *_, last = known = document.looks
    grown = TrafficSample(
        look.at,
        last.canary + (look.canary - document.counters.canary),
        last.stable + (look.stable - document.counters.stable),
    )
    return (*(known[:-1] if _is_short(known) else known), grown)


def _is_short(looks: tuple[TrafficSample, ...]) -> bool:
    """Whether the newest interval is not yet as long as the ones that were folded; clocks tick unevenly."""
    if len(looks) <= MAXIMUM_LOOKS // 2:
        return False
    return looks[-1].at - looks[-2].at < 0.95 * (looks[1].at - looks[0].at)


def _folded(looks: tuple[TrafficSample, ...]) -> tuple[TrafficSample, ...]:
    return looks[::2] if len(looks) > MAXIMUM_LOOKS else looks


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
