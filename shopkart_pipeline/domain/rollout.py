"""A rollout as data: its plan, how far it has come, and what a decision about it says.

Where it begins and how it is turned back is here; what to do next is decided in `next_action`. The state is saved
beside the workload after each effect, so whoever finds it can go on.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from shopkart_pipeline.domain.release_unit import ReleaseUnit


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
    """None for a first deployment."""
    previous_release_key: str | None
    steps: tuple[RolloutStep, ...]
    deadline_seconds: float
    """For each phase that waits for the cluster, and for each bake beyond its own time."""
    configuration: str | None = None
    """Digest of what the image runs with; None in a plan from before configurations had one."""
    previous_configuration: str | None = None

    @property
    def unit(self) -> ReleaseUnit:
        """What is rolled out."""
        return ReleaseUnit(self.digest, self.configuration)

    @property
    def previous_unit(self) -> ReleaseUnit | None:
        """The last good unit, where a rollback goes; None for a first deployment."""
        return None if self.previous_digest is None else ReleaseUnit(self.previous_digest, self.previous_configuration)

    @property
    def runs_already(self) -> bool:
        """Whether what is rolled out is what runs."""
        return self.unit.is_same(self.previous_unit)

    @property
    def settles_around(self) -> bool:
        """Whether stable is only to take another number of replicas, or another route. Never so in a plan from before
        configurations had a digest: it may have been for another one."""
        return self.runs_already and self.configuration is not None


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
    """When stable was first told to go back to the last good unit."""
    stable_taken: bool = False
    """Whether stable has been seen with the new unit: whoever sets it back after that does so on purpose."""


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
    canary = plan.previous_digest is not None and not plan.runs_already and bool(plan.steps)
    return RolloutState(plan, RolloutPhase.CANARY_STARTING if canary else RolloutPhase.PROMOTING, now)


def abort(state: RolloutState, reason: str, now: datetime) -> RolloutState:
    """The state that turns a rollout back; a rollout that has ended or turned back already stays as it is."""
    if state.phase in FINAL_PHASES or state.phase is RolloutPhase.ROLLING_BACK:
        return state
    return replace(enter(state, RolloutPhase.ROLLING_BACK, now, step_index=state.step_index), reason=reason)


def resume(state: RolloutState, now: datetime) -> RolloutState:
    """The state for a successor: what its phase waits for is waited for anew."""
    if state.phase in FINAL_PHASES:
        return state
    return replace(state, phase_since=now, leaving_since=None, restoring_since=None)


def enter(state: RolloutState, phase: RolloutPhase, now: datetime, *, step_index: int = 0) -> RolloutState:
    """The state as it enters a phase: what that one waits for begins now."""
    return replace(state, phase=phase, phase_since=now, step_index=step_index, leaving_since=None, restoring_since=None)
