"""Replicas are raised before a window and are as declared after it, whoever is killed, whatever else goes on."""

from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from shopkart_pipeline.domain.errors import Conflict
from shopkart_pipeline.domain.pod import Autoscale
from shopkart_pipeline.domain.rollout import RolloutPhase
from shopkart_pipeline.domain.scale_ahead import Scale
from shopkart_pipeline.domain.scale_window import ScaleWindow
from shopkart_pipeline.domain.workload import Track, WorkloadSpec
from shopkart_pipeline.services.find_drift import note_drift
from shopkart_pipeline.services.roll_back import roll_back
from shopkart_pipeline.services.run_stage import run_stage
from shopkart_pipeline.services.tend_scale import SCALE, bounds_line, tend_scale
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World

_BOUNDS = Autoscale(2, 30, 70)


def _declare(world: World, *, begins: float = 60, lasts: float = 3600, autoscale: Autoscale | None = None) -> None:
    """A window that begins in so many seconds."""
    now = world.clock.now()
    window = ScaleWindow(
        "sale", minimum=10, begins_at=now + timedelta(seconds=begins), ends_at=now + timedelta(seconds=begins + lasts)
    )
    _change(world, scale_ahead=(window,), autoscale=autoscale)


def _change(world: World, **changes: Any) -> None:
    production = replace(world.pipeline.services["backend"].deployments[PRODUCTION], **changes)
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, PRODUCTION: production}))


def _spec(world: World) -> WorkloadSpec:
    stable = world.observe().stable
    assert stable is not None
    return stable.spec


def _acts(world: World) -> list[tuple[str, str, str]]:
    acts = [entry.act for entry in world.ledger.entries("backend", verbs=(SCALE,))]
    return [(act.actor, act.body["to"], act.body["reason"]) for act in acts]


def test_a_fixed_number_is_raised_and_lowered_once_and_the_ledger_says_why(world: World) -> None:
    world.released()
    _declare(world)
    assert tend_scale(world.platform) == ()
    world.clock.advance(60)

    done = [tend_scale(world.platform), tend_scale(world.platform)]

    assert [len(each) for each in done] == [1, 0]
    assert _spec(world).replicas == 10
    assert note_drift(world.platform) == ()
    world.clock.advance(3600)
    tend_scale(world.platform)
    tend_scale(world.platform)
    assert _spec(world).replicas == 2
    assert [act[:2] for act in _acts(world)] == [("pipeline", "10 replicas"), ("pipeline", "2 replicas")]
    assert "for sale, until 2025-03-04T13:" in _acts(world)[0][2]
    assert _acts(world)[1][2].startswith("2 replicas again, as sale of 2025-03-04T")


def test_the_bounds_of_an_autoscaler_are_raised_and_lowered(world: World) -> None:
    _change(world, autoscale=_BOUNDS)
    world.released()
    _declare(world, autoscale=_BOUNDS)
    world.clock.advance(60)
    tend_scale(world.platform)
    assert _spec(world).autoscale == replace(_BOUNDS, minimum=10)
    assert note_drift(world.platform) == ()
    world.clock.advance(3600)
    tend_scale(world.platform)
    assert _spec(world).autoscale == _BOUNDS
    assert [act[1] for act in _acts(world)] == ["10 to 30 replicas", "2 to 30 replicas"]


def test_a_window_that_is_taken_out_of_the_declaration_while_it_is_on_is_over(world: World) -> None:
    world.released()
    _declare(world, begins=0)
    tend_scale(world.platform)
    _change(world, scale_ahead=())
    tend_scale(world.platform)
    assert _spec(world).replicas == 2


def test_a_release_in_a_window_comes_with_the_windows_replicas(world: World) -> None:
    world.released()
    _declare(world, begins=0, lasts=86400)
    tend_scale(world.platform)
    release = world.released()
    assert (_spec(world).release_key, _spec(world).replicas) == (release.key, 10)
    roll_back(world.platform, "backend", "maya@shopkart.example", "slow", "run-back")
    assert (_spec(world).release_key != release.key, _spec(world).replicas) == (True, 10)
    assert note_drift(world.platform) == ()


@pytest.mark.parametrize("behaviour", [Behaviour.GETS_READY, Behaviour.CRASHES])
def test_a_window_that_begins_in_a_rollout_raises_stable_at_once_whichever_way_it_ends(
    world: World, behaviour: Behaviour
) -> None:
    world.released()
    release = world.approved()
    _declare(world, begins=0.2, lasts=86400)
    world.cluster.behaviours[world.digest(release)] = behaviour
    before = len(world.cluster.effects)

    world.stage(release, "production")

    effects = world.cluster.effects[before:]
    assert "rescale production/backend 10 replicas" in effects
    assert (_spec(world).release_key == release.key) == (behaviour is Behaviour.GETS_READY)
    assert _spec(world).replicas == 10
    assert tend_scale(world.platform)[0].act is not None
    assert note_drift(world.platform) == ()


def test_nothing_is_lowered_while_a_rollout_is_under_way(world: World) -> None:
    world.released()
    _declare(world, begins=0, lasts=600)
    tend_scale(world.platform)
    release = world.approved()
    fuse = Fuse(when=lambda: world.rollout().state.phase is RolloutPhase.BAKING)
    with pytest.raises(Killed):
        run_stage(fuse.fused(world.platform), release, "production", "lost")
    world.clock.advance(900)
    assert "a rollout is under way" in tend_scale(world.platform)[0].line
    assert _spec(world).replicas == 10


def test_what_somebody_set_by_hand_within_a_window_stays_until_it_ends(world: World) -> None:
    world.released()
    _declare(world, begins=0)
    tend_scale(world.platform)
    world.cluster.scale(PRODUCTION, "backend", Track.STABLE, 14)
    assert tend_scale(world.platform) == ()
    assert _spec(world).replicas == 14
    assert note_drift(world.platform) == ("drift: stable was scaled to 14 by hand (wanted 10): the number is kept",)
    world.clock.advance(3600)
    tend_scale(world.platform)
    assert _spec(world).replicas == 2


def test_what_somebody_stopped_is_not_started_for_a_sale(world: World) -> None:
    world.released()
    world.cluster.scale(PRODUCTION, "backend", Track.STABLE, 0)
    _declare(world, begins=0)
    assert "scaled it to nothing" in tend_scale(world.platform)[0].line
    assert _spec(world).replicas == 0


def test_bounds_that_somebody_set_by_hand_are_told_and_left(world: World) -> None:
    _change(world, autoscale=_BOUNDS)
    world.released()
    _declare(world, begins=0, autoscale=_BOUNDS)
    tend_scale(world.platform)
    world.cluster.bounds_by_hand[PRODUCTION, "backend"] = (3, 9)
    stable = world.observe().stable
    assert stable is not None
    told = bounds_line(world.platform, "backend", PRODUCTION, stable)
    assert told == "drift: the autoscaler's bounds were set to 3 to 9 by hand (wanted 10 to 30): they are left"
    assert told in tend_scale(world.platform)[0].line


def test_one_cluster_that_refuses_hides_no_other_service(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.released()
    _declare(world, begins=0)

    def refuse(*_: object) -> None:
        raise Conflict("kubectl has set spec.minReplicas.", "Agree with them.")

    monkeypatch.setattr(world.cluster, "rescale", refuse)
    tend_scale(world.platform)
    [told] = tend_scale(world.platform)
    assert told.line == "backend in production is not scaled: kubectl has set spec.minReplicas. Agree with them."
    assert len(_acts(world)) == 1


def test_whatever_was_missed_or_killed_after_a_window_everything_is_as_declared(world: World) -> None:
    """Ticks at any distance, each killed at its n-th call, before or after its effect."""
    world.released()

    @given(
        st.lists(st.tuples(st.integers(0, 1200), st.integers(1, 14), st.booleans()), min_size=1, max_size=8),
        st.booleans(),
    )
    @settings(max_examples=25, deadline=None, phases=[Phase.generate])
    def check(ticks: list[tuple[int, int, bool]], scaled: bool) -> None:
        tried, bounds = deepcopy(world), _BOUNDS if scaled else None
        tried.cluster.rescale(PRODUCTION, "backend", Scale(2, bounds))
        _declare(tried, begins=300, lasts=1800, autoscale=bounds)
        for seconds, call, after in ticks:
            tried.clock.advance(seconds)
            with suppress(Killed):
                tend_scale(Fuse(call, after=after).fused(tried.platform))
        tried.clock.advance(4000)
        tend_scale(tried.platform)
        spec = _spec(tried)
        assert Scale(spec.replicas, spec.autoscale) == Scale(2, bounds)
        assert tend_scale(tried.platform) == note_drift(tried.platform) == ()
        in_window = Scale(10, bounds and replace(bounds, minimum=10)).words
        assert [act[1] for act in _acts(tried)] in ([], [in_window, Scale(2, bounds).words])

    check()
