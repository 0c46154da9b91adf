"""A rollout as a state machine without effects.

`next_action(state, observed, judgement, now)` looks at what is, and names the one thing to do next; doing it twice
changes nothing. The state is saved beside the workload after each effect, so whoever finds it can go on.

The way: canary up -> for each step its weight, then its bake time under the judge -> stable takes the digest by a
rolling update -> canary leaves -> released. From anywhere before the end: traffic back to stable first, then the
stable digest, then the canary leaves -> rolled back. A first deployment has nothing to compare with: it is a plain
rolling update, and where it fails it leaves nothing behind, so that the next one is a first deployment again instead
of being measured against a version that never worked. Traffic weights never exceed the plan, and none goes to a
canary that isn't ready. Waiting has a deadline, and its end is a rollback: no data is never a pass. The rollback
itself waits no longer either: it ends, and its reason says what did not come back.

What somebody else changed by hand is not fought over. Another image on stable ends the rollout and stays where it is;
a weight beyond the plan is taken back, and so is one on a canary without a ready replica, but never from the only
version that still answers: traffic goes to stable when stable has a ready replica.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shopkart_pipeline.domain.judge import Judgement, Opinion
from shopkart_pipeline.domain.workload import ServiceStatus, WorkloadStatus


@dataclass(frozen=True)
class RolloutStep:
    """One step of a canary: how much traffic, and for how long at least."""

    weight_percent: int
    bake_seconds: float


@dataclass(frozen=True)
class RolloutPlan:
    """What a rollout is to do; fixed when it begins."""

    release_key: str
    digest: str
    previous_digest: str | None
    """The last good digest, where a rollback goes; None for a first deployment."""
    previous_release_key: str | None
    steps: tuple[RolloutStep, ...]
    deadline_seconds: float
    """For each phase that waits for the cluster, and for each bake beyond its own time."""


class RolloutPhase(StrEnum):
    """Where a rollout stands."""

    CANARY_STARTING = "canary_starting"
    BAKING = "baking"
    PROMOTING = "promoting"
    FINISHING = "finishing"
    ROLLING_BACK = "rolling_back"
    RELEASED = "released"
    ROLLED_BACK = "rolled_back"


FINAL_PHASES = frozenset({RolloutPhase.RELEASED, RolloutPhase.ROLLED_BACK})


@dataclass(frozen=True)
class RolloutState:
    """How far a rollout has come."""

    plan: RolloutPlan
    phase: RolloutPhase
    phase_since: datetime
    step_index: int = 0
    reason: str = ""
    """Why it was rolled back."""
    leaving_since: datetime | None = None
    """When something was first told to leave in this phase: that is waited for, but no longer than the deadline."""
    restoring_since: datetime | None = None
    """When stable was first told to go back to the last good digest."""
    stable_taken: bool = False
    """Whether stable has been seen with the new digest: whoever sets it back after that does so on purpose."""


class Action(StrEnum):
    """The one thing to do next. All are idempotent."""

    HOLD = "hold"
    DEPLOY_CANARY = "deploy_canary"
    SET_WEIGHT = "set_weight"
    UPDATE_STABLE = "update_stable"
    RESTORE_STABLE = "restore_stable"
    REMOVE_STABLE = "remove_stable"
    REMOVE_CANARY = "remove_canary"
    FINISH = "finish"


@dataclass(frozen=True)
class Decision:
    """What to do, in which state that leaves the rollout, and why in words."""

    action: Action
    state: RolloutState
    reason: str
    weight_percent: int = 0
    """For `SET_WEIGHT`."""


def begin(plan: RolloutPlan, now: datetime) -> RolloutState:
    """The first state of a rollout: a canary where there is something to compare with and a step to take."""
    canary = plan.previous_digest is not None and plan.previous_digest != plan.digest and bool(plan.steps)
    return RolloutState(plan, RolloutPhase.CANARY_STARTING if canary else RolloutPhase.PROMOTING, now)


def abort(state: RolloutState, reason: str, now: datetime) -> RolloutState:
    """The state that turns a rollout back; a rollout that has ended or turned back already stays as it is."""
    if state.phase in FINAL_PHASES or state.phase is RolloutPhase.ROLLING_BACK:
        return state
    return replace(_enter(state, RolloutPhase.ROLLING_BACK, now, step_index=state.step_index), reason=reason)


def resume(state: RolloutState, now: datetime) -> RolloutState:
    """The state for a successor: what its phase waits for is waited for anew."""
    if state.phase in FINAL_PHASES:
        return state
    return replace(state, phase_since=now, leaving_since=None, restoring_since=None)


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


def _enter(state: RolloutState, phase: RolloutPhase, now: datetime, *, step_index: int = 0) -> RolloutState:
    return replace(
        state, phase=phase, phase_since=now, step_index=step_index, leaving_since=None, restoring_since=None
    )


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
    action = Action.HOLD if _only_canary_answers(state, observed) else Action.SET_WEIGHT
    return Decision(action, turned, reason, weight_percent=0)


def _only_canary_answers(state: RolloutState, observed: ServiceStatus) -> bool:
    """Whether traffic that leaves the canary would find nobody."""
    stable, canary = observed.stable, observed.canary
    if observed.canary_weight_percent == 0 or canary is None or canary.updated_ready == 0:
        return False
    return canary.spec.digest == state.plan.digest and (stable is None or stable.ready == 0)


def _changed_stable(state: RolloutState, observed: ServiceStatus) -> str | None:
    """What somebody else did to stable; None where it is as the rollout left it. A worker that died before it saved
    that the last step was passed leaves stable with the new digest in that step."""
    stable, plan = observed.stable, state.plan
    if stable is None:
        return None
    found = stable.spec.digest
    if found == plan.previous_digest:
        set_back = state.stable_taken and found != plan.digest
        return "somebody else set stable back to the last good digest" if set_back else None
    last_step = state.phase is RolloutPhase.BAKING and state.step_index == len(plan.steps) - 1
    may_have_taken = last_step or state.phase in (RolloutPhase.PROMOTING, RolloutPhase.FINISHING)
    return None if may_have_taken and found == plan.digest else f"somebody else set stable to {found}"


def _excess(state: RolloutState, observed: ServiceStatus, limit_percent: int) -> Decision | None:
    """Takes back traffic that goes to a version that isn't ready or isn't the plan's, or is more than it allows."""
    canary, weight = observed.canary, observed.canary_weight_percent
    if weight == 0 or _only_canary_answers(state, observed):
        return None
    if canary is None or canary.spec.digest != state.plan.digest or canary.updated_ready == 0:
        return Decision(Action.SET_WEIGHT, state, "no traffic to a canary that is not ready", weight_percent=0)
    if weight > limit_percent and not observed.has_weight(limit_percent):
        reason = f"the canary has {weight} %, and {limit_percent} % is planned"
        return Decision(Action.SET_WEIGHT, state, reason, limit_percent)
    return None


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
    if canary is not None and canary.spec.digest != state.plan.digest:
        canary = None
    changed = _changed_stable(state, observed)
    if changed:
        return _turn_back(state, observed, changed, now)
    if observed.canary_weight_percent != 0 and (canary is None or not canary.complete):
        return Decision(Action.SET_WEIGHT, state, "no traffic to a canary that is not ready", weight_percent=0)
    if canary is None:
        stuck = _stuck(state, None, now)
        if stuck:
            return _turn_back(state, observed, f"canary did not start: {stuck}", now)
        return Decision(Action.DEPLOY_CANARY, state, "start the canary beside stable")
    if canary.complete:
        step = state.plan.steps[0]
        after = _enter(state, RolloutPhase.BAKING, now)
        return Decision(Action.SET_WEIGHT, after, f"canary is ready: {step.weight_percent} %", step.weight_percent)
    stuck = _stuck(state, canary, now)
    if stuck:
        return _turn_back(state, observed, f"canary did not get ready: {stuck}", now)
    return Decision(Action.HOLD, state, f"{canary.updated_ready} of {canary.spec.replicas} canary replicas ready")


def _bake(state: RolloutState, observed: ServiceStatus, judgement: Judgement, now: datetime) -> Decision:
    step, canary = state.plan.steps[state.step_index], observed.canary
    if judgement.opinion is Opinion.BAD:
        return _turn_back(state, observed, judgement.reason, now)
    if canary is None or canary.spec.digest != state.plan.digest:
        return _turn_back(state, observed, "the canary was removed or replaced by somebody else", now)
    if canary.failure is not None:
        return _turn_back(state, observed, f"canary failed: {canary.failure}", now)
    changed = _changed_stable(state, observed)
    if changed:
        return _turn_back(state, observed, changed, now)
    baked = _seconds_in_phase(state, now)
    late = baked > step.bake_seconds + state.plan.deadline_seconds
    if not canary.complete:
        ready = f"{canary.updated_ready} of {canary.spec.replicas} canary replicas ready"
        if late:
            return _turn_back(state, observed, f"canary lost replicas: {ready} after {baked:.0f} s", now)
        return _excess(state, observed, step.weight_percent) or Decision(Action.HOLD, state, ready)
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
        after = _enter(state, RolloutPhase.BAKING, now, step_index=index)
        return Decision(Action.SET_WEIGHT, after, f"step passed: {weight} %", weight)
    after = _enter(state, RolloutPhase.PROMOTING, now)
    return Decision(Action.UPDATE_STABLE, after, "canary verified: stable takes the digest")


def _promote(state: RolloutState, observed: ServiceStatus, judgement: Judgement, now: datetime) -> Decision:
    stable, canary = observed.stable, observed.canary
    if judgement.opinion is Opinion.BAD:
        return _turn_back(state, observed, judgement.reason, now)
    if canary is not None and canary.failure is not None:
        return _turn_back(state, observed, f"canary failed: {canary.failure}", now)
    changed = _changed_stable(state, observed)
    if changed:
        return _turn_back(state, observed, changed, now)
    planned = state.plan.steps[-1].weight_percent if state.plan.steps else 0
    excess = _excess(state, observed, planned)
    if excess:
        return excess
    if stable is None or stable.spec.digest != state.plan.digest:
        stuck = _stuck(state, None, now)
        if stuck:
            return _turn_back(state, observed, f"stable did not take the digest: {stuck}", now)
        return Decision(Action.UPDATE_STABLE, state, "stable takes the digest")
    state = replace(state, stable_taken=True)
    if stable.complete:
        return _finish(_enter(state, RolloutPhase.FINISHING, now), observed, now)
    stuck = _stuck(state, stable, now)
    if stuck:
        return _turn_back(state, observed, f"rolling update is stuck: {stuck}", now)
    return Decision(Action.HOLD, state, f"{stable.updated_ready} of {stable.spec.replicas} stable replicas updated")


def _finish(state: RolloutState, observed: ServiceStatus, now: datetime) -> Decision:
    stable = observed.stable
    if stable is None or stable.spec.digest != state.plan.digest:
        changed = _changed_stable(state, observed) or "stable is no longer what was released"
        return _turn_back(state, observed, changed, now)
    if _only_canary_answers(state, observed):
        if _seconds_in_phase(state, now) > state.plan.deadline_seconds:
            return _turn_back(state, observed, "stable lost all its replicas before the canary left", now)
        return Decision(Action.HOLD, state, "stable lost its replicas: the canary keeps its traffic")
    return _retire_canary(state, observed, RolloutPhase.RELEASED, now)


def _roll_back(state: RolloutState, observed: ServiceStatus, now: datetime) -> Decision:
    previous, stable = state.plan.previous_digest, observed.stable
    restored = stable is not None and stable.spec.digest == previous
    alone = _only_canary_answers(state, observed) and _is_in_time(state, now)
    if observed.canary_weight_percent != 0 and not alone:
        return Decision(Action.SET_WEIGHT, state, "traffic back to stable", weight_percent=0)
    if previous is None:
        if stable is not None and stable.spec.digest == state.plan.digest and _waits(state, now):
            return _leave(state, Action.REMOVE_STABLE, "nothing ran here before: what failed leaves", now)
        return _retire_canary(state, observed, RolloutPhase.ROLLED_BACK, now)
    foreign = stable is not None and stable.spec.digest not in (previous, state.plan.digest)
    if not restored and not foreign and (state.restoring_since is None or _is_in_time(state, now)):
        after = replace(state, restoring_since=state.restoring_since or now)
        return Decision(Action.RESTORE_STABLE, after, "stable goes back to the last good digest")
    if alone:
        return Decision(Action.HOLD, state, "traffic stays with the canary until stable has a ready replica")
    if stable is None or not restored:
        left = f"stable runs {stable.spec.digest}, as somebody else wants, and is left alone" if stable and foreign else ""
        state = _with_reason(state, left or f"stable did not go back to {previous}")
    elif not stable.complete and (observed.canary is None or not _waits(state, now)):
        if _is_in_time(state, now):
            return Decision(Action.HOLD, state, "wait for stable to be complete again")
        ready = f"{stable.updated_ready} of {stable.spec.replicas} replicas ready"
        state = _with_reason(state, f"stable did not get complete again: {ready}")
    return _retire_canary(state, observed, RolloutPhase.ROLLED_BACK, now)


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
    after = _enter(state, end, now, step_index=state.step_index)
    return Decision(Action.FINISH, after, state.reason or end.value)


def _leave(state: RolloutState, action: Action, reason: str, now: datetime) -> Decision:
    return Decision(action, replace(state, leaving_since=state.leaving_since or now), reason)


def _waits(state: RolloutState, now: datetime) -> bool:
    """Whether something may still take its time to leave; what never leaves must not hold up the end for ever."""
    began = state.leaving_since or now
    return (now - began).total_seconds() <= state.plan.deadline_seconds
