"""What is saved beside a workload while it is being rolled out: all that a successor needs to go on.

Looks at the metrics are kept as growth since the canary's first traffic, with resets of the counters taken out. Once
there are `MAXIMUM_LOOKS`, they are folded: every second one goes, and from then on looks are twice as far apart. So
the document stays small however long a canary bakes, nothing that was seen is forgotten, and the intervals that the
judge compares stay equally long.

Beside the looks it keeps what a rollout was decided by: the judge's policy and what it knew of stable's past, each
decision with the opinion behind it, and the times at which nothing was seen. So the report of a rollout is enough to
decide it again (`replay_rollout`).
"""

from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.history import History
from shopkart_pipeline.domain.incident import ErrorSignature
from shopkart_pipeline.domain.judge import JudgePolicy, Opinion
from shopkart_pipeline.domain.rollout import Action, RolloutPhase, RolloutState
from shopkart_pipeline.domain.traffic import LATENCY, Counts, MetricsMissing, TrafficSample
from shopkart_pipeline.domain.workload import WorkloadSpec
from shopkart_pipeline.ports.cluster import Cluster

MAXIMUM_LOOKS = 240
"""Even, so that folding keeps the newest."""
MAXIMUM_MARKS = 100
MAXIMUM_SILENCES = 50


@dataclass(frozen=True)
class Mark:
    """One decision, and what the judge thought at that moment."""

    at: datetime
    action: Action
    phase: RolloutPhase
    """After the decision."""
    step_index: int
    reason: str
    opinion: Opinion
    opinion_reason: str
    evidence_ratio: float
    weight_percent: int | None = None


@dataclass(frozen=True)
class Silence:
    """A time in which no look saw anything."""

    since: datetime
    until: datetime
    looks: int
    reason: str
    """That of the latest look."""


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
    """When stable was first told to take the unit."""
    detected_at: datetime | None = None
    shifted_back_at: datetime | None = None
    """When no request reached the version that is turned back any more."""
    concluded: bool = False
    """Whether ledger and incident tell of the end."""
    policy: JudgePolicy | None = None
    """By which the judge decided last."""
    history: History | None = None
    """What counts differed by before the rollout between versions that were alike; None where nobody knew."""
    trail: tuple[Mark, ...] = ()
    """Decisions, oldest first."""
    silences: tuple[Silence, ...] = ()
    declared_replicas: int | None = None
    """How many were declared when the rollout began; somebody's own number stays until that changes."""
    last_words: tuple[ErrorSignature, ...] | None = None
    """Errors in the logs of what was turned back, before it left; None: nobody has looked yet."""
    drift: tuple[str, ...] = ()
    """What somebody else changed by hand, as it was seen, one line each."""

    @property
    def wanted_replicas(self) -> frozenset[int]:
        """Numbers of stable's replicas that are the pipeline's own."""
        return frozenset({self.wanted.replicas, *([self.previous.replicas] if self.previous else [])})

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
        silences = _with_silence(document, look)
        return replace(document, unseen=look, failed_looks=document.failed_looks + 1, silences=silences)
    if document.counters is not None and look.at <= document.counters.at:
        return replace(document, unseen=None)  # A metrics server that looks less often than we ask has nothing new.
    seen = _told(look, document.counters)
    return replace(document, looks=_folded(_with(document, seen)), counters=seen, unseen=None)


def with_drift(document: RolloutDocument, line: str | None) -> RolloutDocument:
    """The document after something that somebody changed by hand was seen; each is kept once."""
    if line is None or line in document.drift:
        return document
    return replace(document, drift=(*document.drift, line)[-MAXIMUM_MARKS:])


def with_mark(document: RolloutDocument, mark: Mark) -> RolloutDocument:
    """The document after one more decision. Waiting is kept only where the opinion changed, and goes first where there
    are too many."""
    last = document.trail[-1] if document.trail else None
    if mark.action is Action.HOLD and last is not None and last.opinion is mark.opinion:
        return document
    trail = [*document.trail, mark]
    if len(trail) > MAXIMUM_MARKS:
        trail.remove(next((each for each in trail if each.action is Action.HOLD), trail[0]))
    return replace(document, trail=tuple(trail))


def _with_silence(document: RolloutDocument, look: MetricsMissing) -> tuple[Silence, ...]:
    *before, last = (*document.silences, Silence(look.at, look.at, 0, look.reason))
    if document.unseen is not None and before:
        *before, last = before
    longer = Silence(last.since, look.at, last.looks + 1, look.reason)
    return (*before, longer)[-MAXIMUM_SILENCES:]


def _told(look: TrafficSample, before: TrafficSample | None) -> TrafficSample:
    """The look, with what it did not see and earlier ones did named, and left as it was on both tracks: a stream that
    grew on one side alone would look like a difference."""
    if before is None:
        return look
    silent = (before.canary.streams | before.stable.streams) - (look.canary.streams & look.stable.streams)
    canary, stable = _as_before(look.canary, before.canary, silent), _as_before(look.stable, before.stable, silent)
    return TrafficSample(look.at, canary, stable, tuple(sorted(silent)))


def _as_before(now: Counts, before: Counts, silent: frozenset[str]) -> Counts:
    old = {name: count for name, count in before.events.items() if name in silent}
    events = {name: count for name, count in now.events.items() if name not in silent} | old
    return replace(now, events=events, latency=before.latency if LATENCY in silent else now.latency)


def _with(document: RolloutDocument, look: TrafficSample) -> tuple[TrafficSample, ...]:
    if not document.looks or document.counters is None:
        return (TrafficSample(look.at, look.canary - look.canary, look.stable - look.stable),)
    *_, last = known = document.looks
    canary, stable = look.growth_since(document.counters)
    grown = TrafficSample(look.at, last.canary + canary, last.stable + stable, look.silent)
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


def saved_rollout(cluster: Cluster, environment: str, service: str) -> RolloutDocument | None:
    """What is saved beside a service's workload; None where nothing is. Raises as `load` and the cluster do."""
    return load(cluster.load_rollout(environment, service))


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
