"""Decide a past rollout again, by another policy, from its own report.

Each look at the metrics is judged as it was then: with the looks up to it, in the step that was in force. What was seen
ends where the real rollout ended, so a policy that would have waited longer is said to have had no verdict by then,
never to have passed. Looks of a long bake were folded, so times are as exact as the distance of two looks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.judge import Judgement, JudgePolicy, Look, Opinion, judge
from shopkart_pipeline.domain.rollout import RolloutPhase
from shopkart_pipeline.domain.traffic import MetricsMissing
from shopkart_pipeline.services.rollout_document import Mark, RolloutDocument

_WATCHED = frozenset({RolloutPhase.BAKING, RolloutPhase.PROMOTING})


@dataclass(frozen=True)
class Change:
    """From this moment on, the opinion was another one."""

    seconds: float
    """Since the canary first had traffic."""
    step_index: int
    weight_percent: int | None
    judgement: Judgement


@dataclass(frozen=True)
class StepVerdict:
    """When a step could have passed."""

    step_index: int
    weight_percent: int
    seconds: float | None
    """Since the canary first had traffic; None: not by what was seen in that step."""
    reason: str


@dataclass(frozen=True)
class Replay:
    """What a policy makes of a rollout."""

    changes: tuple[Change, ...]
    steps: tuple[StepVerdict, ...]
    looks: int

    @property
    def abort(self) -> Change | None:
        """Where it would have turned back; None where it would not have by what was seen."""
        return next((change for change in self.changes if change.judgement.opinion is Opinion.BAD), None)


def replay(document: RolloutDocument, policy: JudgePolicy) -> Replay:
    """Judge what a rollout has measured, look by look, by a policy; nothing after an abort counts any more."""
    changes, passed = list[Change](), dict[int, StepVerdict]()
    looks = _looks(document)
    began = document.exposed_at or document.started_at
    for number, look in enumerate(looks, start=1):
        step = _step_at(document, look.at)
        if step is None:
            continue
        judgement = judge(looks[:number], policy, step.at, document.history)
        seconds = (look.at - began).total_seconds()
        if not changes or changes[-1].judgement.opinion is not judgement.opinion:
            changes.append(Change(seconds, step.step_index, _weight(document, step), judgement))
        if judgement.opinion is Opinion.BAD:
            break
        _pass(document, step, look.at, seconds, judgement, passed)
    return Replay(tuple(changes), tuple(_steps(document, passed)), len(looks))


def decided_abort(document: RolloutDocument) -> float | None:
    """Seconds after which the real rollout was turned back, whoever did it; None where it went through."""
    if document.detected_at is None:
        return None
    return (document.detected_at - (document.exposed_at or document.started_at)).total_seconds()


def _looks(document: RolloutDocument) -> Sequence[Look]:
    """Looks and silences by time. Of a silence only its end is kept, as it was the latest look for that long."""
    silent: list[Look] = [MetricsMissing(each.until, each.reason) for each in document.silences]
    return sorted([*document.looks, *silent], key=lambda look: look.at)


def _step_at(document: RolloutDocument, at: datetime) -> Mark | None:
    """The decision by which the step in force at that moment began; None where nothing was judged. A decision follows
    the look of its own tick, so it holds from the next one."""
    entered: Mark | None = None
    for mark in document.trail:
        if mark.at >= at:
            break
        if entered is None or (mark.phase, mark.step_index) != (entered.phase, entered.step_index):
            entered = mark
    return entered if entered is not None and entered.phase in _WATCHED else None


def _pass(
    document: RolloutDocument,
    step: Mark,
    at: datetime,
    seconds: float,
    judgement: Judgement,
    passed: dict[int, StepVerdict],
) -> None:
    if step.phase is not RolloutPhase.BAKING or step.step_index in passed:
        return
    planned = document.state.plan.steps[step.step_index]
    if judgement.opinion is Opinion.GOOD and (at - step.at).total_seconds() >= planned.bake_seconds:
        passed[step.step_index] = StepVerdict(step.step_index, planned.weight_percent, seconds, judgement.reason)


def _steps(document: RolloutDocument, passed: dict[int, StepVerdict]) -> Iterator[StepVerdict]:
    entered = {mark.step_index for mark in document.trail if mark.phase is RolloutPhase.BAKING}
    for index in sorted(entered):
        weight = document.state.plan.steps[index].weight_percent
        yield passed.get(index) or StepVerdict(index, weight, None, "no verdict that it is good while that step lasted")


def _weight(document: RolloutDocument, step: Mark) -> int | None:
    in_plan = step.phase is RolloutPhase.BAKING
    return document.state.plan.steps[step.step_index].weight_percent if in_plan else None
