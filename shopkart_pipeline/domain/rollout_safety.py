"""What holds on every way of a rollout, whoever else changes things meanwhile.

Traffic goes to no canary that isn't ready or isn't the plan's, and no more of it than the plan allows; but it isn't
taken from the only version that still answers. What somebody else did to stable is seen, and not fought over.
"""

from shopkart_pipeline.domain.rollout import Action, Decision, RolloutPhase, RolloutState
from shopkart_pipeline.domain.workload import ServiceStatus


def only_canary_answers(state: RolloutState, observed: ServiceStatus) -> bool:
    """Whether traffic that leaves the canary would find nobody."""
    stable, canary = observed.stable, observed.canary
    if observed.canary_weight_percent == 0 or canary is None or canary.updated_ready == 0:
        return False
    return canary.is_of(state.plan.unit) and (stable is None or stable.ready == 0)


def changed_stable(state: RolloutState, observed: ServiceStatus) -> str | None:
    """What somebody else did to stable; None where it is as the rollout left it. A worker that died before it saved
    that the last step was passed leaves stable with the new unit in that step."""
    stable, plan = observed.stable, state.plan
    if stable is None:
        return None
    if stable.is_of(plan.previous_unit):
        set_back = state.stable_taken and not stable.is_of(plan.unit)
        return "somebody else set stable back to the last good unit" if set_back else None
    last_step = state.phase is RolloutPhase.BAKING and state.step_index == len(plan.steps) - 1
    may_have_taken = last_step or state.phase in (RolloutPhase.PROMOTING, RolloutPhase.FINISHING)
    if may_have_taken and stable.is_of(plan.unit):
        return None
    return f"somebody else set stable to {stable.spec.unit.told_beside(plan.unit, plan.previous_unit)}"


def excess(state: RolloutState, observed: ServiceStatus, limit_percent: int) -> Decision | None:
    """Takes back traffic that goes to a version that isn't ready or isn't the plan's, or is more than it allows."""
    canary, weight = observed.canary, observed.canary_weight_percent
    if weight == 0 or only_canary_answers(state, observed):
        return None
    if canary is None or not canary.is_of(state.plan.unit) or canary.updated_ready == 0:
        return Decision(Action.SET_WEIGHT, state, "no traffic to a canary that is not ready", weight_percent=0)
    if weight > limit_percent and not observed.has_weight(limit_percent):
        reason = f"the canary has {weight} %, and {limit_percent} % is planned"
        return Decision(Action.SET_WEIGHT, state, reason, limit_percent)
    return None
