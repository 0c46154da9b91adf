"""What a rollout does next: a state machine without effects.

`next_action(state, observed, judgement, now)` looks at what is, and names the one thing to do next; doing it twice
changes nothing. The state is saved beside the workload after each effect, so whoever finds it can go on.

The way: canary up -> for each step its weight, then its bake time under the judge -> stable takes the release unit
(image and configuration) by a rolling update -> canary leaves -> released. From anywhere before the end: traffic back
to stable first, then stable's unit, then the canary leaves -> rolled back. A unit that runs already needs no canary:
only its number of replicas and its route are applied. A first deployment has nothing to compare with: it is a plain
rolling update, and where it fails it leaves nothing behind, so that the next one is a first deployment again instead
of being measured against a version that never worked. Traffic weights never exceed the plan, and none goes to a
canary that isn't ready. Waiting has a deadline, and its end is a rollback: no data is never a pass. The rollback
itself waits no longer either: it ends, and its reason says what did not come back.

What somebody else changed by hand is not fought over. Another unit on stable ends the rollout and stays where it is;
a weight beyond the plan is taken back, and so is one on a canary without a ready replica, but never from the only
version that still answers: traffic goes to stable when stable has a ready replica.
"""

from dataclasses import replace
from datetime import datetime

from shopkart_pipeline.domain.judge import Judgement, Opinion
from shopkart_pipeline.domain.rollout import (
    FINAL_PHASES,
    Action,
    Decision,
    RolloutPhase,
    RolloutState,
    abort,
    enter,
)
from shopkart_pipeline.domain.rollout_safety import changed_stable, excess, only_canary_answers
from shopkart_pipeline.domain.workload import ServiceStatus, WorkloadStatus


def next_action(state: RolloutState, observed: ServiceStatus, judgement: Judgement, now: datetime) -> Decision:
    """The next thing to do, from what is stored and what is seen."""
    state = _not_of_the_future(state, now)
    match state.phase:
        case RolloutPhase.CANARY_STARTING:
            return _start_canary(state, observed, now)
        case RolloutPhase.BAKING:
            return _bake(state, observed, judgement, now)
        case RolloutPhase.PROMOTING:
            return _promote(state, observed, judgement, now)
        case RolloutPhase.FINISHING:
            return _finish(state, observed, now)
        case RolloutPhase.ROLLING_BACK:
            return _roll_back(state, observed, now)
        case RolloutPhase.RELEASED | RolloutPhase.ROLLED_BACK:
            return Decision(Action.FINISH, state, state.reason or state.phase.value)


def _not_of_the_future(state: RolloutState, now: datetime) -> RolloutState:
    """A clock that was set back must not make anything wait for longer than it may."""
    if state.phase in FINAL_PHASES:
        return state
    leaving, restoring = state.leaving_since, state.restoring_since
    return replace(
        state,
        phase_since=min(state.phase_since, now),
        leaving_since=leaving and min(leaving, now),
        restoring_since=restoring and min(restoring, now),
    )


def _turn_back(state: RolloutState, observed: ServiceStatus, reason: str, now: datetime) -> Decision:
    turned = abort(state, reason, now)
    action = Action.HOLD if only_canary_answers(state, observed) else Action.SET_WEIGHT
    return Decision(action, turned, reason, weight_percent=0)


def _seconds_in_phase(state: RolloutState, now: datetime) -> float:
    return (now - state.phase_since).total_seconds()


def _stuck(state: RolloutState, status: WorkloadStatus | None, now: datetime) -> str | None:
    """Why waiting any longer makes no sense; None while it does."""
    if status is not None and status.failure is not None:
        return status.failure
    waited = _seconds_in_phase(state, now)
    if waited <= state.plan.deadline_seconds:
        return None
    ready = (
        "no replica exists" if status is None else f"{status.updated_ready} of {status.spec.replicas} replicas ready"
    )
    hindrance = f": {status.hindrance}" if status is not None and status.hindrance else ""
    return f"{ready} after {waited:.0f} s (limit {state.plan.deadline_seconds:.0f} s){hindrance}"


def _start_canary(state: RolloutState, observed: ServiceStatus, now: datetime) -> Decision:
    canary = observed.canary
    if canary is not None and not canary.is_of(state.plan.unit):
        canary = None
    by_others = changed_stable(state, observed)
    if by_others:
        return _turn_back(state, observed, by_others, now)
    if observed.canary_weight_percent != 0 and (canary is None or not canary.complete):
        return Decision(Action.SET_WEIGHT, state, "no traffic to a canary that is not ready", weight_percent=0)
    if canary is None:
        stuck = _stuck(state, None, now)
        if stuck:
            return _turn_back(state, observed, f"canary did not start: {stuck}", now)
        return Decision(Action.DEPLOY_CANARY, state, "start the canary beside stable")
    if canary.complete:
        step = state.plan.steps[0]
        after = enter(state, RolloutPhase.BAKING, now)
        return Decision(Action.SET_WEIGHT, after, f"canary is ready: {step.weight_percent} %", step.weight_percent)
    stuck = _stuck(state, canary, now)
    if stuck:
        return _turn_back(state, observed, f"canary did not get ready: {stuck}", now)
    return Decision(Action.HOLD, state, f"{canary.updated_ready} of {canary.spec.replicas} canary replicas ready")


def _bake(state: RolloutState, observed: ServiceStatus, judgement: Judgement, now: datetime) -> Decision:
    step, canary = state.plan.steps[state.step_index], observed.canary
    if judgement.opinion is Opinion.BAD:
        return _turn_back(state, observed, judgement.reason, now)
    if canary is None or not canary.is_of(state.plan.unit):
        return _turn_back(state, observed, "the canary was removed or replaced by somebody else", now)
    if canary.failure is not None:
        return _turn_back(state, observed, f"canary failed: {canary.failure}", now)
    by_others = changed_stable(state, observed)
    if by_others:
        return _turn_back(state, observed, by_others, now)
    baked = _seconds_in_phase(state, now)
    late = baked > step.bake_seconds + state.plan.deadline_seconds
    if not canary.complete:
        ready = f"{canary.updated_ready} of {canary.spec.replicas} canary replicas ready"
        if late:
            return _turn_back(state, observed, f"canary lost replicas: {ready} after {baked:.0f} s", now)
        return excess(state, observed, step.weight_percent) or Decision(Action.HOLD, state, ready)
    if not observed.has_weight(step.weight_percent):
        return Decision(Action.SET_WEIGHT, state, f"set {step.weight_percent} %", step.weight_percent)
    if baked < step.bake_seconds:
        return Decision(Action.HOLD, state, f"bake {step.weight_percent} %: {baked:.0f} of {step.bake_seconds:.0f} s")
    if judgement.opinion is not Opinion.GOOD:
        if late:
            return _turn_back(state, observed, f"no verdict on the canary in time: {judgement.reason}", now)
        return Decision(Action.HOLD, state, judgement.reason)
    return _advance(state, now)


def _advance(state: RolloutState, now: datetime) -> Decision:
    index = state.step_index + 1
    if index < len(state.plan.steps):
        weight = state.plan.steps[index].weight_percent
        after = enter(state, RolloutPhase.BAKING, now, step_index=index)
        return Decision(Action.SET_WEIGHT, after, f"step passed: {weight} %", weight)
    after = enter(state, RolloutPhase.PROMOTING, now)
    return Decision(Action.UPDATE_STABLE, after, "canary verified: stable takes its unit")


def _promote(state: RolloutState, observed: ServiceStatus, judgement: Judgement, now: datetime) -> Decision:
    stable, canary = observed.stable, observed.canary
    if judgement.opinion is Opinion.BAD:
        return _turn_back(state, observed, judgement.reason, now)
    if canary is not None and canary.failure is not None:
        return _turn_back(state, observed, f"canary failed: {canary.failure}", now)
    by_others = changed_stable(state, observed)
    if by_others:
        return _turn_back(state, observed, by_others, now)
    planned = state.plan.steps[-1].weight_percent if state.plan.steps else 0
    beyond = excess(state, observed, planned)
    if beyond:
        return beyond
    if stable is None or not stable.is_of(state.plan.unit):
        stuck = _stuck(state, None, now)
        if stuck:
            return _turn_back(state, observed, f"stable did not take the unit: {stuck}", now)
        return Decision(Action.UPDATE_STABLE, state, "stable takes the unit")
    if state.plan.settles_around and not state.stable_taken:
        after = replace(state, stable_taken=True)
        return Decision(Action.UPDATE_STABLE, after, "the unit runs already: stable takes its replicas and route")
    state = replace(state, stable_taken=True)
    if stable.complete:
        return _finish(enter(state, RolloutPhase.FINISHING, now), observed, now)
    stuck = _stuck(state, stable, now)
    if stuck:
        return _turn_back(state, observed, f"rolling update is stuck: {stuck}", now)
    return Decision(Action.HOLD, state, f"{stable.updated_ready} of {stable.spec.replicas} stable replicas updated")


def _finish(state: RolloutState, observed: ServiceStatus, now: datetime) -> Decision:
    stable = observed.stable
    if stable is None or not stable.is_of(state.plan.unit):
        by_others = changed_stable(state, observed) or "stable is no longer what was released"
        return _turn_back(state, observed, by_others, now)
    if only_canary_answers(state, observed):
        if _seconds_in_phase(state, now) > state.plan.deadline_seconds:
            return _turn_back(state, observed, "stable lost all its replicas before the canary left", now)
        return Decision(Action.HOLD, state, "stable lost its replicas: the canary keeps its traffic")
    return _retire_canary(state, observed, RolloutPhase.RELEASED, now)


def _roll_back(state: RolloutState, observed: ServiceStatus, now: datetime) -> Decision:
    previous, stable = state.plan.previous_unit, observed.stable
    settled = state.plan.settles_around and state.stable_taken and state.restoring_since is None
    restored = stable is not None and stable.is_of(previous) and not settled
    alone = only_canary_answers(state, observed) and _is_in_time(state, now)
    if observed.canary_weight_percent != 0 and not alone:
        return Decision(Action.SET_WEIGHT, state, "traffic back to stable", weight_percent=0)
    if previous is None:
        if stable is not None and stable.is_of(state.plan.unit) and _waits(state, now):
            return _leave(state, Action.REMOVE_STABLE, "nothing ran here before: what failed leaves", now)
        return _retire_canary(state, observed, RolloutPhase.ROLLED_BACK, now)
    foreign = stable is not None and not restored and not stable.is_of(state.plan.unit)
    if not restored and not foreign and (state.restoring_since is None or _is_in_time(state, now)):
        after = replace(state, restoring_since=state.restoring_since or now)
        return Decision(Action.RESTORE_STABLE, after, "stable goes back to the last good unit")
    if alone:
        return Decision(Action.HOLD, state, "traffic stays with the canary until stable has a ready replica")
    if stable is None or not restored:
        state = _with_reason(state, _not_restored(state, observed))
    elif not stable.complete and (observed.canary is None or not _waits(state, now)):
        if _is_in_time(state, now):
            return Decision(Action.HOLD, state, "wait for stable to be complete again")
        ready = f"{stable.updated_ready} of {stable.spec.replicas} replicas ready"
        state = _with_reason(state, f"stable did not get complete again: {ready}")
    return _retire_canary(state, observed, RolloutPhase.ROLLED_BACK, now)


def _not_restored(state: RolloutState, observed: ServiceStatus) -> str:
    stable, plan = observed.stable, state.plan
    if stable is not None and not stable.is_of(plan.unit):
        found = stable.spec.unit.told_beside(plan.unit, plan.previous_unit)
        return f"stable runs {found}, as somebody else wants, and is left alone"
    return f"stable did not go back to {plan.previous_unit and plan.previous_unit.told_beside(plan.unit)}"


def _is_in_time(state: RolloutState, now: datetime) -> bool:
    """Whether stable may still take its time to come back."""
    if state.restoring_since is None:
        return _seconds_in_phase(state, now) <= state.plan.deadline_seconds
    return (now - state.restoring_since).total_seconds() <= state.plan.deadline_seconds


def _with_reason(state: RolloutState, more: str) -> RolloutState:
    return state if more in state.reason else replace(state, reason=f"{state.reason}; {more}")


def _retire_canary(state: RolloutState, observed: ServiceStatus, end: RolloutPhase, now: datetime) -> Decision:
    if observed.canary_weight_percent != 0:
        return Decision(Action.SET_WEIGHT, state, "no more traffic to the canary", weight_percent=0)
    if observed.canary is not None and _waits(state, now):
        return _leave(state, Action.REMOVE_CANARY, "the canary leaves", now)
    after = enter(state, end, now, step_index=state.step_index)
    return Decision(Action.FINISH, after, state.reason or end.value)


def _leave(state: RolloutState, action: Action, reason: str, now: datetime) -> Decision:
    return Decision(action, replace(state, leaving_since=state.leaving_since or now), reason)


def _waits(state: RolloutState, now: datetime) -> bool:
    """Whether something may still take its time to leave; what never leaves must not hold up the end for ever."""
    began = state.leaving_since or now
    return (now - began).total_seconds() <= state.plan.deadline_seconds
