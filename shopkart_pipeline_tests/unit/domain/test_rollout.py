"""The way of a rollout, step by step, and the laws that hold on every way."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shopkart_pipeline.domain.judge import NOT_JUDGED, Judgement, Opinion
from shopkart_pipeline.domain.next_action import next_action
from shopkart_pipeline.domain.rollout import (
    FINAL_PHASES,
    Action,
    Decision,
    RolloutPhase,
    RolloutPlan,
    RolloutState,
    RolloutStep,
    abort,
    begin,
)
from shopkart_pipeline.domain.traffic import Counts
from shopkart_pipeline.domain.workload import Probes, ServiceStatus, WorkloadSpec, WorkloadStatus

NOON = datetime(2025, 3, 4, 12, 0, 0, tzinfo=UTC)
NEW, OLD, ALIEN = "sha256:new", "sha256:old", "sha256:alien"
STEPS = (RolloutStep(10, 3.0), RolloutStep(40, 3.0))
DEADLINE_SECONDS = 20.0


def a_plan(previous: str | None = OLD, steps: tuple[RolloutStep, ...] = STEPS, digest: str = NEW) -> RolloutPlan:
    return RolloutPlan("key", digest, previous, "older" if previous else None, steps, DEADLINE_SECONDS)


def a_spec(digest: str, replicas: int = 2, **variables: str) -> WorkloadSpec:
    probes = Probes("/startup", "/ready", "/live", 10.0)
    return WorkloadSpec(digest, "key", "c" * 40, replicas, ("serve",), variables, probes, "/metrics", 5.0)


def a_unit_plan(wanted: WorkloadSpec, previous: WorkloadSpec | None, steps: tuple[RolloutStep, ...]) -> RolloutPlan:
    """A plan that knows the configurations."""
    return replace(
        a_plan(previous.digest if previous else None, steps, wanted.digest),
        configuration=wanted.configuration,
        previous_configuration=previous.configuration if previous else None,
    )


def a_status(digest: str, ready: int = 2, *, total: int | None = None, failure: str | None = None) -> WorkloadStatus:
    return WorkloadStatus(a_spec(digest), ready, ready, 2 if total is None else total, 0, failure)


def seen(stable: WorkloadStatus | None, canary: WorkloadStatus | None = None, weight: int = 0) -> ServiceStatus:
    return ServiceStatus(stable, canary, weight, "http://127.0.0.1:1")


def judged(opinion: Opinion) -> Judgement:
    return Judgement(opinion, f"it is {opinion.value}", Counts(100, 0), Counts(900, 0), 1.0)


GOOD, HOLD, BAD = (judged(opinion) for opinion in (Opinion.GOOD, Opinion.HOLD, Opinion.BAD))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def in_phase(phase: RolloutPhase, plan: RolloutPlan | None = None, step_index: int = 0) -> RolloutState:
    return RolloutState(plan or a_plan(), phase, NOON, step_index)


STABLE, CANARY = a_status(OLD), a_status(NEW)


# One decision at a time.


def test_a_canary_comes_up_before_it_gets_traffic() -> None:
    state = begin(a_plan(), NOON)

    first = next_action(state, seen(STABLE), NOT_JUDGED, NOON)
    waiting = next_action(state, seen(STABLE, a_status(NEW, 1)), NOT_JUDGED, at(1))
    ready = next_action(state, seen(STABLE, CANARY), NOT_JUDGED, at(2))

    assert (first.action, waiting.action) == (Action.DEPLOY_CANARY, Action.HOLD)
    assert (ready.action, ready.weight_percent, ready.state.phase) == (Action.SET_WEIGHT, 10, RolloutPhase.BAKING)


def test_a_stray_weight_is_taken_back_before_a_canary_is_deployed() -> None:
    decision = next_action(begin(a_plan(), NOON), seen(STABLE, a_status(ALIEN), weight=30), NOT_JUDGED, NOON)

    assert (decision.action, decision.weight_percent) == (Action.SET_WEIGHT, 0)
    assert decision.state.phase is RolloutPhase.CANARY_STARTING


def test_each_step_bakes_its_time_under_a_good_judgement() -> None:
    state, observed = in_phase(RolloutPhase.BAKING), seen(STABLE, CANARY, 10)

    early = next_action(state, observed, GOOD, at(2.9))
    unsure = next_action(state, observed, HOLD, at(3))
    passed = next_action(state, observed, GOOD, at(3))

    assert (early.action, unsure.action) == (Action.HOLD, Action.HOLD)
    assert (passed.action, passed.weight_percent, passed.state.step_index) == (Action.SET_WEIGHT, 40, 1)


def test_after_the_last_step_stable_takes_the_digest_and_the_canary_leaves() -> None:
    baked = next_action(in_phase(RolloutPhase.BAKING, step_index=1), seen(STABLE, CANARY, 40), GOOD, at(3))
    updating = next_action(baked.state, seen(a_status(NEW, 1), CANARY, 40), GOOD, at(4))
    updated = next_action(baked.state, seen(a_status(NEW), CANARY, 40), GOOD, at(5))
    shifted = next_action(updated.state, seen(a_status(NEW), CANARY, 0), GOOD, at(6))
    gone = next_action(shifted.state, seen(a_status(NEW)), GOOD, at(7))

    assert [each.action for each in (baked, updating, updated, shifted, gone)] == [
        Action.UPDATE_STABLE,
        Action.HOLD,
        Action.SET_WEIGHT,
        Action.REMOVE_CANARY,
        Action.FINISH,
    ]
    assert updated.weight_percent == 0
    assert gone.state.phase is RolloutPhase.RELEASED


def test_a_weight_that_somebody_changed_is_set_again() -> None:
    decision = next_action(in_phase(RolloutPhase.BAKING), seen(STABLE, CANARY, 90), GOOD, at(1))

    assert (decision.action, decision.weight_percent) == (Action.SET_WEIGHT, 10)


def test_a_bad_judgement_turns_back_at_once() -> None:
    decision = next_action(in_phase(RolloutPhase.BAKING), seen(STABLE, CANARY, 10), BAD, at(0.1))

    assert (decision.action, decision.weight_percent) == (Action.SET_WEIGHT, 0)
    assert (decision.state.phase, decision.state.reason) == (RolloutPhase.ROLLING_BACK, "it is bad")


def test_a_bad_judgement_turns_back_during_the_rolling_update_too() -> None:
    decision = next_action(in_phase(RolloutPhase.PROMOTING), seen(a_status(NEW, 1), CANARY, 40), BAD, at(1))

    assert decision.state.phase is RolloutPhase.ROLLING_BACK


@pytest.mark.parametrize("phase", [RolloutPhase.CANARY_STARTING, RolloutPhase.BAKING, RolloutPhase.PROMOTING])
def test_a_canary_that_fails_turns_back_at_once(phase: RolloutPhase) -> None:
    failing = seen(
        STABLE, a_status(NEW, 0, failure="crash loop"), 10 if phase is not RolloutPhase.CANARY_STARTING else 0
    )

    decision = next_action(in_phase(phase), failing, GOOD, at(0.1))

    assert decision.state.phase is RolloutPhase.ROLLING_BACK
    assert "crash loop" in decision.state.reason


@pytest.mark.parametrize("canary", [None, a_status(ALIEN)])
def test_a_canary_that_somebody_took_away_turns_back(canary: WorkloadStatus | None) -> None:
    decision = next_action(in_phase(RolloutPhase.BAKING), seen(STABLE, canary, 10), GOOD, at(1))

    assert decision.state.phase is RolloutPhase.ROLLING_BACK


def test_a_canary_that_lost_a_replica_gets_the_time_of_its_bake_and_the_deadline() -> None:
    state, observed = in_phase(RolloutPhase.BAKING), seen(STABLE, a_status(NEW, 1), 10)

    waiting = next_action(state, observed, GOOD, at(3 + DEADLINE_SECONDS))
    late = next_action(state, observed, GOOD, at(3 + DEADLINE_SECONDS + 1))

    assert waiting.action is Action.HOLD
    assert late.state.reason == "canary lost replicas: 1 of 2 canary replicas ready after 24 s"


@pytest.mark.parametrize(
    ("phase", "observed"),
    [
        (RolloutPhase.CANARY_STARTING, seen(STABLE)),
        (RolloutPhase.CANARY_STARTING, seen(STABLE, a_status(NEW, 1))),
        (RolloutPhase.BAKING, seen(STABLE, CANARY, 10)),
        (RolloutPhase.PROMOTING, seen(STABLE, CANARY, 40)),
        (RolloutPhase.PROMOTING, seen(a_status(NEW, 1), CANARY, 40)),
    ],
)
def test_waiting_ends_with_a_rollback(phase: RolloutPhase, observed: ServiceStatus) -> None:
    decision = next_action(in_phase(phase), observed, HOLD, at(3 + DEADLINE_SECONDS + 1))

    assert decision.state.phase is RolloutPhase.ROLLING_BACK
    assert decision.state.reason


def test_a_rollback_shifts_traffic_then_restores_the_digest_then_lets_the_canary_go() -> None:
    state = abort(in_phase(RolloutPhase.PROMOTING), "bad", NOON)
    mixed = a_status(NEW, 1)

    shifted = next_action(state, seen(mixed, CANARY, 40), BAD, at(1))
    restored = next_action(shifted.state, seen(mixed, CANARY, 0), BAD, at(2))
    leaving = next_action(restored.state, seen(a_status(OLD, 1), CANARY, 0), BAD, at(3))
    waiting = next_action(leaving.state, seen(a_status(OLD, 1)), BAD, at(4))
    ended = next_action(waiting.state, seen(STABLE), BAD, at(5))

    assert [each.action for each in (shifted, restored, leaving, waiting, ended)] == [
        Action.SET_WEIGHT,
        Action.RESTORE_STABLE,
        Action.REMOVE_CANARY,
        Action.HOLD,
        Action.FINISH,
    ]
    assert (ended.state.phase, ended.state.reason) == (RolloutPhase.ROLLED_BACK, "bad")


def test_a_rollback_whose_stable_does_not_come_back_ends_and_says_so() -> None:
    state = abort(in_phase(RolloutPhase.BAKING), "bad", NOON)
    broken = seen(a_status(OLD, 1, failure="no capacity"))

    waiting = next_action(state, broken, BAD, at(DEADLINE_SECONDS))
    ended = next_action(state, broken, BAD, at(DEADLINE_SECONDS + 1))

    assert waiting.action is Action.HOLD
    assert ended.state.phase is RolloutPhase.ROLLED_BACK
    assert ended.state.reason == "bad; stable did not get complete again: 1 of 2 replicas ready"


def test_a_canary_that_never_leaves_does_not_hold_up_the_end() -> None:
    stays = seen(STABLE, CANARY, 0)
    first = next_action(abort(in_phase(RolloutPhase.BAKING), "bad", NOON), stays, BAD, at(100))
    again = next_action(first.state, stays, BAD, at(100 + DEADLINE_SECONDS))
    ended = next_action(again.state, stays, BAD, at(100 + DEADLINE_SECONDS + 1))

    assert [first.action, again.action, ended.action] == [Action.REMOVE_CANARY, Action.REMOVE_CANARY, Action.FINISH]


def test_a_first_deployment_is_a_plain_rolling_update() -> None:
    state = begin(a_plan(previous=None), NOON)

    first = next_action(state, seen(None), NOT_JUDGED, NOON)
    ended = next_action(first.state, seen(a_status(NEW)), NOT_JUDGED, at(5))

    assert state.phase is RolloutPhase.PROMOTING
    assert (first.action, ended.action, ended.state.phase) == (
        Action.UPDATE_STABLE,
        Action.FINISH,
        RolloutPhase.RELEASED,
    )


def test_a_first_deployment_that_fails_leaves_nothing_behind() -> None:
    broken = seen(a_status(NEW, 0, failure="crash loop"))
    failed = next_action(begin(a_plan(previous=None), NOON), broken, NOT_JUDGED, at(1))
    removed = next_action(failed.state, broken, NOT_JUDGED, at(2))
    ended = next_action(removed.state, seen(None), NOT_JUDGED, at(3))

    assert [failed.action, removed.action, ended.action] == [
        Action.SET_WEIGHT,
        Action.REMOVE_STABLE,
        Action.FINISH,
    ]
    assert ended.state.phase is RolloutPhase.ROLLED_BACK


def test_a_first_deployment_that_fails_takes_nothing_of_others_away() -> None:
    state = abort(begin(a_plan(previous=None), NOON), "bad", NOON)

    assert next_action(state, seen(a_status(ALIEN)), NOT_JUDGED, at(1)).action is Action.FINISH


@pytest.mark.parametrize("plan", [a_plan(steps=()), a_plan(digest=OLD), a_plan(previous=None)])
def test_without_steps_or_anything_to_compare_with_there_is_no_canary(plan: RolloutPlan) -> None:
    assert begin(plan, NOON).phase is RolloutPhase.PROMOTING


@pytest.mark.parametrize("phase", [phase for phase in RolloutPhase if phase not in FINAL_PHASES])
def test_a_rollout_can_be_turned_back_from_every_phase_until_it_has_ended(phase: RolloutPhase) -> None:
    state = replace(in_phase(phase), reason="first" if phase is RolloutPhase.ROLLING_BACK else "")

    turned = abort(state, "by hand", at(1))

    assert turned.phase is RolloutPhase.ROLLING_BACK
    assert turned.reason == ("first" if phase is RolloutPhase.ROLLING_BACK else "by hand")


@pytest.mark.parametrize("phase", sorted(FINAL_PHASES))
def test_a_rollout_that_has_ended_stays_as_it_is(phase: RolloutPhase) -> None:
    state = in_phase(phase)

    assert abort(state, "by hand", at(1)) == state
    assert next_action(state, seen(STABLE, CANARY, 10), BAD, at(1)) == Decision(Action.FINISH, state, phase.value)


# What somebody else does meanwhile.


@pytest.mark.parametrize("weight", [10, 90])
def test_a_canary_without_a_ready_replica_keeps_no_traffic(weight: int) -> None:
    decision = next_action(in_phase(RolloutPhase.BAKING), seen(STABLE, a_status(NEW, 0), weight), GOOD, at(1))

    assert (decision.action, decision.weight_percent) == (Action.SET_WEIGHT, 0)
    assert decision.state.phase is RolloutPhase.BAKING


def test_a_weight_beyond_the_plan_is_taken_back_also_where_the_canary_lacks_replicas() -> None:
    baking = next_action(in_phase(RolloutPhase.BAKING), seen(STABLE, a_status(NEW, 1), 90), GOOD, at(1))
    promoting = next_action(in_phase(RolloutPhase.PROMOTING), seen(a_status(NEW, 1), CANARY, 90), GOOD, at(1))

    assert (baking.action, baking.weight_percent) == (Action.SET_WEIGHT, 10)
    assert (promoting.action, promoting.weight_percent) == (Action.SET_WEIGHT, 40)


def test_a_canary_that_somebody_replaced_loses_its_traffic_during_the_rolling_update() -> None:
    decision = next_action(in_phase(RolloutPhase.PROMOTING), seen(a_status(NEW, 1), a_status(ALIEN), 40), GOOD, at(1))

    assert (decision.action, decision.weight_percent) == (Action.SET_WEIGHT, 0)


@pytest.mark.parametrize("phase", [phase for phase in RolloutPhase if phase not in FINAL_PHASES])
def test_an_image_that_somebody_set_on_stable_ends_the_rollout_and_stays(phase: RolloutPhase) -> None:
    decision = next_action(in_phase(phase), seen(a_status(ALIEN)), GOOD, at(1))
    if decision.state.phase is not RolloutPhase.ROLLED_BACK:
        decision = next_action(decision.state, seen(a_status(ALIEN)), GOOD, at(2))

    assert (decision.action, decision.state.phase) == (Action.FINISH, RolloutPhase.ROLLED_BACK)
    assert decision.state.reason.endswith(f"stable runs {ALIEN}, as somebody else wants, and is left alone")


def test_a_stable_that_somebody_set_back_is_not_updated_again() -> None:
    seen_once = next_action(in_phase(RolloutPhase.PROMOTING), seen(a_status(NEW, 1)), GOOD, at(1))
    set_back = next_action(seen_once.state, seen(STABLE), GOOD, at(2))

    assert seen_once.state.stable_taken
    assert set_back.state.reason == "somebody else set stable back to the last good unit"


def test_what_stable_lost_before_the_canary_left_is_not_released() -> None:
    decision = next_action(in_phase(RolloutPhase.FINISHING), seen(None), GOOD, at(1))

    assert decision.state.phase is RolloutPhase.ROLLING_BACK
    assert decision.state.reason == "stable is no longer what was released"


def test_the_canary_keeps_its_traffic_until_stable_has_a_ready_replica_again() -> None:
    alone = seen(a_status(NEW, 0), CANARY, 40)
    turned = next_action(in_phase(RolloutPhase.PROMOTING), alone, BAD, at(1))
    restored = next_action(turned.state, alone, BAD, at(2))
    waiting = next_action(restored.state, seen(a_status(OLD, 0), CANARY, 40), BAD, at(3))
    ready = next_action(waiting.state, seen(a_status(OLD, 1), CANARY, 40), BAD, at(4))
    in_vain = next_action(waiting.state, seen(a_status(OLD, 0), CANARY, 40), BAD, at(3 + DEADLINE_SECONDS))

    actions = [each.action for each in (turned, restored, waiting, ready, in_vain)]
    shift = Action.SET_WEIGHT
    assert actions == [Action.HOLD, Action.RESTORE_STABLE, Action.HOLD, shift, shift]
    assert turned.state.phase is RolloutPhase.ROLLING_BACK


def test_a_clock_that_was_set_back_makes_nothing_wait_longer() -> None:
    state = replace(in_phase(RolloutPhase.CANARY_STARTING), phase_since=at(3600))
    first = next_action(state, seen(STABLE, a_status(NEW, 1)), HOLD, at(0))

    late = next_action(first.state, seen(STABLE, a_status(NEW, 1)), HOLD, at(DEADLINE_SECONDS + 1))

    assert late.state.phase is RolloutPhase.ROLLING_BACK


# The same image with another configuration.

BEFORE, AFTER = a_spec(OLD, MODE="before"), a_spec(OLD, MODE="after")
RECONFIGURATION = a_unit_plan(AFTER, BEFORE, STEPS)


def running(spec: WorkloadSpec) -> WorkloadStatus:
    return WorkloadStatus(spec, 2, 2, 2, 0)


def test_another_configuration_of_the_same_image_gets_a_canary() -> None:
    state = begin(RECONFIGURATION, NOON)

    first = next_action(state, seen(running(BEFORE)), NOT_JUDGED, NOON)
    ready = next_action(state, seen(running(BEFORE), running(AFTER)), NOT_JUDGED, NOON)

    assert (first.action, ready.action, ready.weight_percent) == (Action.DEPLOY_CANARY, Action.SET_WEIGHT, 10)


def test_a_canary_with_the_old_configuration_gets_no_traffic() -> None:
    state = begin(RECONFIGURATION, NOON)

    starting = next_action(state, seen(running(BEFORE), running(BEFORE)), NOT_JUDGED, NOON)
    baking = next_action(
        in_phase(RolloutPhase.BAKING, RECONFIGURATION), seen(running(BEFORE), running(BEFORE), 10), GOOD, at(1)
    )

    assert starting.action is Action.DEPLOY_CANARY
    assert baking.state.reason == "the canary was removed or replaced by somebody else"


def test_a_configuration_is_promoted_and_turned_back_by_itself() -> None:
    promoting = in_phase(RolloutPhase.PROMOTING, RECONFIGURATION)
    taken = next_action(promoting, seen(running(BEFORE), running(AFTER), 40), GOOD, at(1))
    back = next_action(abort(promoting, "bad", NOON), seen(running(AFTER)), BAD, at(1))

    assert (taken.action, back.action) == (Action.UPDATE_STABLE, Action.RESTORE_STABLE)


def test_a_configuration_that_somebody_set_ends_the_rollout_and_is_told_apart() -> None:
    alien = a_spec(OLD, MODE="by hand")

    turned = next_action(in_phase(RolloutPhase.PROMOTING, RECONFIGURATION), seen(running(alien)), GOOD, at(1))
    ended = next_action(turned.state, seen(running(alien)), GOOD, at(2))

    told = f"{OLD} with configuration {alien.configuration[7:19]}"
    assert turned.state.reason == f"somebody else set stable to {told}"
    assert ended.state.reason.endswith(f"stable runs {told}, as somebody else wants, and is left alone")


def test_what_runs_already_takes_its_number_of_replicas_once_and_needs_no_canary() -> None:
    plan = a_unit_plan(AFTER, AFTER, STEPS)
    once = next_action(begin(plan, NOON), seen(running(AFTER)), NOT_JUDGED, NOON)
    ended = next_action(once.state, seen(running(AFTER)), NOT_JUDGED, at(1))
    turned = next_action(abort(once.state, "by hand", at(1)), seen(running(AFTER)), NOT_JUDGED, at(2))

    assert (once.action, ended.action, turned.action) == (
        Action.UPDATE_STABLE,
        Action.FINISH,
        Action.RESTORE_STABLE,
    )


@pytest.mark.parametrize("phase", [phase for phase in RolloutPhase if phase not in FINAL_PHASES])
def test_a_plan_from_before_configurations_had_a_digest_goes_by_the_image_alone(phase: RolloutPhase) -> None:
    stable = NEW if phase is RolloutPhase.FINISHING else OLD
    observed = seen(running(a_spec(stable, ANY="thing")), running(a_spec(NEW, ANY="thing")), 10)

    decision = next_action(in_phase(phase), observed, GOOD, at(1))

    assert "somebody else" not in decision.state.reason
    assert decision.state.phase is not RolloutPhase.ROLLING_BACK or phase is RolloutPhase.ROLLING_BACK


# Any way at all.


@dataclass
class _Track:
    spec: WorkloadSpec
    ready: int = 0
    leaving: bool = False


@dataclass
class _Cluster:
    """A cluster that obeys in its own time, whose replicas come and go."""

    broken: frozenset[str] = frozenset()
    """Configurations whose replicas never get ready."""
    tracks: dict[str, _Track] = field(default_factory=dict[str, _Track])
    weight: int = 0

    def observe(self) -> ServiceStatus:
        return seen(self._status("stable"), self._status("canary"), self.weight)

    def act(self, decision: Decision, wanted: WorkloadSpec, previous: WorkloadSpec | None) -> None:
        match decision.action:
            case Action.DEPLOY_CANARY:
                self._apply("canary", wanted)
            case Action.UPDATE_STABLE:
                self._apply("stable", wanted)
            case Action.RESTORE_STABLE:
                assert previous is not None
                self._apply("stable", previous)
            case Action.REMOVE_CANARY:
                self._leave("canary")
            case Action.REMOVE_STABLE:
                self._leave("stable")
            case Action.SET_WEIGHT:
                self.weight = decision.weight_percent
            case Action.HOLD | Action.FINISH:
                pass

    def tick(self, happening: str) -> None:
        for name, track in list(self.tracks.items()):
            if track.leaving and happening != "slow":
                del self.tracks[name]
            elif happening == "lose" and track.ready:
                track.ready -= 1
            elif happening == "work" and track.spec.configuration not in self.broken:
                track.ready = min(track.ready + 1, track.spec.replicas)

    def state(self) -> object:
        return {name: (track.spec, track.ready, track.leaving) for name, track in self.tracks.items()}, self.weight

    def _status(self, name: str) -> WorkloadStatus | None:
        track = self.tracks.get(name)
        return track and WorkloadStatus(track.spec, track.ready, track.ready, track.spec.replicas, 0)

    def _apply(self, name: str, spec: WorkloadSpec) -> None:
        if name not in self.tracks or self.tracks[name].spec.unit != spec.unit:
            self.tracks[name] = _Track(spec)

    def _leave(self, name: str) -> None:
        if name in self.tracks:
            self.tracks[name].leaving = True
            self.weight = 0 if name == "canary" else self.weight


_OLD, _NEW, _RECONFIGURED = a_spec(OLD, IT="old"), a_spec(NEW, IT="new"), a_spec(OLD, IT="new")
_CHANGES = st.sampled_from([(_NEW, _OLD), (_NEW, None), (_NEW, _NEW), (_RECONFIGURED, _OLD), (_NEW, _RECONFIGURED)])
_STEPS = st.lists(st.integers(1, 100), max_size=3, unique=True).map(
    lambda weights: tuple(RolloutStep(weight, 3.0) for weight in sorted(weights))
)
_HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["work", "work", "work", "slow", "lose"]),
        st.sampled_from([GOOD, GOOD, GOOD, HOLD, BAD]),
        st.integers(1, 5),
        st.sampled_from([""] * 12 + ["abort"]),
    ),
    max_size=40,
)
_BOUND = 400
_ALLOWED_ORDER = [Action.SET_WEIGHT, Action.RESTORE_STABLE, Action.REMOVE_CANARY]


@settings(max_examples=150, deadline=None)
@given(
    change=_CHANGES,
    steps=_STEPS,
    is_old=st.booleans(),
    broken=st.frozensets(st.sampled_from([_NEW.configuration, _OLD.configuration])),
    happenings=_HAPPENINGS,
    in_the_end=st.sampled_from([("work", GOOD), ("work", HOLD), ("slow", GOOD), ("lose", HOLD)]),
)
def test_every_way_ends_within_bounds_and_keeps_the_laws(
    change: tuple[WorkloadSpec, WorkloadSpec | None],
    steps: tuple[RolloutStep, ...],
    is_old: bool,
    broken: frozenset[str],
    happenings: list[tuple[str, Judgement, int, str]],
    in_the_end: tuple[str, Judgement],
) -> None:
    cluster, (wanted, previous) = _Cluster(broken), change
    plan = a_unit_plan(wanted, previous, steps)
    if is_old and (previous is None or previous.digest != wanted.digest):
        plan = a_plan(plan.previous_digest, steps, plan.digest)
    if previous is not None:
        cluster.tracks["stable"] = _Track(previous, 2)
    weights = {0, *(step.weight_percent for step in plan.steps)}
    state, now = begin(plan, NOON), NOON

    for tick in range(_BOUND):
        known = tick < len(happenings)
        happening, judgement, seconds, wish = happenings[tick] if known else (*in_the_end, 1, "")
        now += timedelta(seconds=seconds)
        cluster.tick(happening)
        if wish == "abort":
            state = abort(state, "by hand", now)
        observed, before = cluster.observe(), cluster.state()

        decision = next_action(state, observed, judgement, now)

        _check_one(plan, weights, observed, decision)
        cluster.act(decision, wanted, previous)
        after = cluster.state()
        cluster.act(decision, wanted, previous)
        assert cluster.state() == after, "an action that is replayed changes nothing"
        assert decision.action not in (Action.HOLD, Action.FINISH) or after == before
        state = decision.state
        if decision.action is Action.FINISH:
            break

    assert state.phase in FINAL_PHASES, f"still {state.phase} after {_BOUND} ticks"
    _check_end(plan, state, cluster, slow=in_the_end[0] == "slow")


def _check_one(plan: RolloutPlan, weights: set[int], observed: ServiceStatus, decision: Decision) -> None:
    assert decision.reason
    assert decision.weight_percent in weights, "traffic never exceeds the plan's steps"
    canary = observed.canary
    if decision.action is Action.SET_WEIGHT and decision.weight_percent > 0:
        assert canary is not None, "no traffic without a canary"
        assert canary.complete or decision.weight_percent < observed.canary_weight_percent
        assert canary.updated_ready > 0
        assert canary.is_of(plan.unit)
    if decision.action in (Action.RESTORE_STABLE, Action.REMOVE_CANARY, Action.REMOVE_STABLE):
        nobody_else = observed.stable is None or observed.stable.ready == 0
        may_stay = nobody_else and decision.action is Action.RESTORE_STABLE
        assert observed.canary_weight_percent == 0 or may_stay, "traffic first"
    if decision.action is Action.REMOVE_CANARY and decision.state.phase is RolloutPhase.ROLLING_BACK:
        stable = observed.stable
        assert plan.previous_unit is None or (stable and stable.is_of(plan.previous_unit))
    if decision.action is Action.UPDATE_STABLE:
        assert decision.state.phase is RolloutPhase.PROMOTING


def _check_end(plan: RolloutPlan, state: RolloutState, cluster: _Cluster, *, slow: bool) -> None:
    observed = cluster.observe()
    assert observed.canary_weight_percent == 0
    assert observed.canary is None or slow
    if state.phase is RolloutPhase.RELEASED:
        assert observed.stable is not None
        assert observed.stable.is_of(plan.unit)
        assert observed.stable.complete
    elif plan.previous_digest is None:
        assert observed.stable is None or slow
        assert state.reason
    else:
        assert observed.stable is not None
        assert observed.stable.is_of(plan.previous_unit)
        assert observed.stable.complete or "stable did not get complete again" in state.reason


@given(steps=st.integers(1, 3), opinion=st.sampled_from([HOLD, NOT_JUDGED]))
def test_a_judgement_that_never_comes_ends_in_a_rollback(steps: int, opinion: Judgement) -> None:
    plan = a_plan(steps=tuple(RolloutStep(10 * each, 3.0) for each in range(1, steps + 1)))
    cluster = _Cluster(tracks={"stable": _Track(_OLD, 2)})
    state, now = begin(plan, NOON), NOON

    while state.phase not in FINAL_PHASES:
        assert now < at(200)
        now += timedelta(seconds=1)
        cluster.tick("work")
        decision = next_action(state, cluster.observe(), opinion, now)
        cluster.act(decision, a_spec(NEW), _OLD)
        state = decision.state

    assert state.phase is RolloutPhase.ROLLED_BACK
    assert state.reason == f"no verdict on the canary in time: {opinion.reason}"
