"""Rollouts measure what is declared, hold while it is silent, and their report is enough to decide them again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shopkart_pipeline.domain.analysis import Analysis
from shopkart_pipeline.domain.declaration import Service
from shopkart_pipeline.domain.errors import NotFound
from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.domain.history import History
from shopkart_pipeline.domain.judge import EventRule, LatencyRule, Opinion
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.rollout import Action
from shopkart_pipeline.domain.sequential_test import PRIOR, Dispersion
from shopkart_pipeline.services.past_rollouts import history_of_rollouts
from shopkart_pipeline.services.replay_rollout import decided_abort, replay
from shopkart_pipeline.services.rollout_document import RolloutDocument
from shopkart_pipeline.services.rollout_reports import measured_traffic, past_rollout
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

CHECKOUTS = EventRule("checkouts", "POST", (303, 303))
PLAIN = Analysis().policy


def judged_by(world: World, **analysis: object) -> None:
    def with_analysis(service: Service) -> Service:
        deployment = service.deployments[PRODUCTION]
        changed = replace(deployment, analysis=replace(deployment.analysis, **analysis))  # pyright: ignore
        return replace(service, deployments={**service.deployments, PRODUCTION: changed})

    world.declare("backend", with_analysis)


def rolled_out(world: World, arrange: Callable[[str], object] = lambda digest: None) -> tuple[Release, RolloutDocument]:
    """A release beside another one, with something arranged for its digest; and what its report says."""
    world.released()
    release = world.approved()
    arrange(world.digest(release))
    world.stage(release, "production", "run-x")
    return release, past_rollout(world.platform, release)


def test_a_release_that_loses_checkouts_is_turned_back_though_nothing_fails(world: World) -> None:
    judged_by(world, events=(CHECKOUTS,))

    _, document = rolled_out(world, lambda digest: world.metrics.event_ratios.update({digest: 0.0}))

    assert "checkouts" in document.state.reason
    assert document.detected_at is not None
    assert document.looks[-1].stable.events["checkouts"] > 0


def test_a_slower_release_is_turned_back(world: World) -> None:
    judged_by(world, latency=LatencyRule())

    _, document = rolled_out(world, lambda digest: world.metrics.seconds.update({digest: 0.5}))

    assert "of the canary's requests took up to" in document.state.reason


def test_a_release_that_is_as_good_goes_through_with_all_that_is_declared(world: World) -> None:
    judged_by(world, events=(CHECKOUTS,), latency=LatencyRule())

    _, document = rolled_out(world)

    assert document.detected_at is None
    assert document.policy == replace(PLAIN, events=(CHECKOUTS,), latency=LatencyRule())


def test_what_nobody_declared_is_not_kept(world: World) -> None:
    _, document = rolled_out(world)

    assert document.looks[-1].stable.streams == frozenset()


def test_events_that_can_not_be_counted_end_in_a_rollback_at_the_deadline(world: World) -> None:
    judged_by(world, events=(CHECKOUTS,))
    world.metrics.events_missing = "the counter is gone"

    _, document = rolled_out(world)

    assert "no verdict on the canary in time: checkouts can't be judged" in document.state.reason


def test_what_stable_showed_against_itself_is_part_of_the_report(world: World) -> None:
    now = world.clock.now()
    world.metrics.past = History(now - timedelta(hours=1), now, {"errors": Dispersion(1.1, 60)})

    _, document = rolled_out(world)

    assert document.history == world.metrics.past


def test_rollouts_that_went_through_teach_the_next_one(world: World) -> None:
    for release in (world.released(), second := world.approved()):
        world.metrics.error_ratios[world.digest(release)] = 0.05
    world.stage(second, "production", "run-x")
    third = world.approved()

    world.stage(third, "production", "run-y")

    learned = past_rollout(world.platform, third).history
    assert learned is not None
    assert learned.dispersions["errors"].intervals > PRIOR.intervals
    assert learned.until == past_rollout(world.platform, second).looks[-1].at


def test_a_rollout_that_was_turned_back_teaches_nothing(world: World) -> None:
    _, document = rolled_out(world, lambda digest: world.metrics.error_ratios.update({digest: 0.5}))

    assert document.detected_at is not None
    assert history_of_rollouts(world.platform, "backend") is None


def test_every_decision_is_in_the_report_with_the_opinion_behind_it(world: World) -> None:
    _, document = rolled_out(world)

    acts = [mark.action for mark in document.trail if mark.action is not Action.HOLD]
    assert acts == [
        Action.DEPLOY_CANARY,
        Action.SET_WEIGHT,
        Action.SET_WEIGHT,
        Action.UPDATE_STABLE,
        Action.SET_WEIGHT,
        Action.REMOVE_CANARY,
        Action.FINISH,
    ]
    assert [mark.weight_percent for mark in document.trail if mark.weight_percent is not None] == [10, 40, 0]
    assert any(mark.opinion is Opinion.GOOD and mark.opinion_reason for mark in document.trail)


def test_a_replay_by_the_same_policy_decides_the_same_at_the_same_time(world: World) -> None:
    _, document = rolled_out(world, lambda digest: world.metrics.error_ratios.update({digest: 0.1}))
    assert document.policy is not None

    again = replay(document, document.policy)

    assert again.abort is not None
    assert again.abort.judgement.reason == document.state.reason
    assert again.abort.seconds == decided_abort(document)


def test_a_stricter_policy_would_have_turned_back_what_went_through(world: World) -> None:
    _, document = rolled_out(world, lambda digest: world.metrics.error_ratios.update({digest: 0.3}))
    assert decided_abort(document) is not None

    lenient = replay(document, replace(PLAIN, false_abort_probability=1e-30, floor_error_ratio=0.9))
    strict = replay(document, replace(PLAIN, floor_error_ratio=0.05))

    assert lenient.abort is None
    assert strict.abort is not None
    assert "floor" in strict.abort.judgement.reason
    assert strict.abort.seconds < (decided_abort(document) or 0.0)


def test_a_policy_that_asks_for_more_requests_would_have_held(world: World) -> None:
    _, document = rolled_out(world)

    again = replay(document, replace(PLAIN, minimum_canary_requests=10**6))

    assert again.abort is None
    assert [step.seconds for step in again.steps] == [None, None]


def test_a_policy_that_passes_says_when_each_step_could_have_passed(world: World) -> None:
    _, document = rolled_out(world)

    again = replay(document, PLAIN)

    assert [step.weight_percent for step in again.steps] == [10, 40]
    assert all(step.seconds is not None and step.seconds >= 1.0 for step in again.steps)


def test_a_release_that_was_never_rolled_out_has_no_report(world: World) -> None:
    with pytest.raises(NotFound, match="no report of a rollout"):
        past_rollout(world.platform, world.merge())


def test_traffic_is_what_the_newest_rollout_measured(world: World) -> None:
    assert measured_traffic(world.platform, "backend") is None

    _, document = rolled_out(world)
    traffic = measured_traffic(world.platform, "backend")

    assert traffic is not None
    seconds = (document.looks[-1].at - document.looks[0].at).total_seconds()
    total = document.looks[-1].canary.requests + document.looks[-1].stable.requests
    assert traffic.requests_per_second == pytest.approx(total / seconds)
    assert 0 < traffic.error_ratio < 0.01


def test_the_report_is_one_piece_of_evidence(world: World, tmp_path: Path) -> None:
    release, _ = rolled_out(world)

    record = world.evidence.latest("backend", release.key)["production"]

    assert isinstance(record.result, Evidence)
    assert [report.name for report in record.result.reports] == ["rollout.json"]
