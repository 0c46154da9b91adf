"""Killing a run at any moment and running it again ends in the same state as one clean run."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from itertools import dropwhile

import pytest

from shopkart_pipeline.domain.evidence import Evidence
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.rollout import RolloutPhase
from shopkart_pipeline.services.run_stage import run_stage
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.world import PRODUCTION, World


@dataclass(frozen=True)
class End:
    """What counts after a rollout."""

    stable: str | None
    canary: bool
    weight_percent: int
    phase: RolloutPhase
    concluded: bool
    verbs: tuple[tuple[str, str], ...]
    incidents: tuple[tuple[str, frozenset[str]], ...]
    released: float
    running: int


def end_of(world: World, release: Release) -> End:
    world.observe()  # What was told to leave has left.
    status, document = world.observe(), world.rollout()
    result = world.record(release, "production").result
    assert isinstance(result, Evidence)
    assert world.cluster.acquire_lease(PRODUCTION, "backend", "somebody else", 1, world.clock.now())
    return End(
        stable=status.stable.spec.digest if status.stable else None,
        canary=status.canary is not None,
        weight_percent=status.canary_weight_percent,
        phase=document.state.phase,
        concluded=document.concluded,
        verbs=tuple(world.verbs()),
        incidents=tuple(
            (incident.id, frozenset(entry.step.value for entry in incident.timeline))
            for incident in world.incidents.list()
        ),
        released=result.measures["released"],
        running=len(world.evidence.running("backend", release.key)),
    )


def good(world: World) -> Release:
    world.released()
    return world.approved()


def bad(world: World) -> Release:
    world.released()
    release = world.approved()
    world.metrics.error_ratios[world.digest(release)] = 0.5
    return release


def crashing(world: World) -> Release:
    world.released()
    release = world.approved()
    world.cluster.behaviours[world.digest(release)] = Behaviour.CRASHES
    return release


def first(world: World) -> Release:
    return world.approved()


def first_crashing(world: World) -> Release:
    release = world.approved()
    world.cluster.behaviours[world.digest(release)] = Behaviour.CRASHES
    return release


def clean(world: World, release: Release) -> tuple[End, int]:
    """The end of a clean run, and how many calls it takes."""
    fuse = Fuse()
    run_stage(fuse.fused(world.platform), release, "production", "run-a")
    return end_of(world, release), fuse.calls


def killed(world: World, release: Release, call: int, *, after: bool) -> End:
    """The end of a run that was killed at a call and run again."""
    with pytest.raises(Killed):
        run_stage(Fuse(call, after=after).fused(world.platform), release, "production", "run-a")
    world.clock.advance(16)
    if "production" not in world.evidence.latest("backend", release.key):
        run_stage(world.platform, release, "production", "run-b")
    return end_of(world, release)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "scene",
    [bad, *(pytest.param(each, marks=pytest.mark.thorough) for each in (good, crashing, first, first_crashing))],
)
def test_a_killed_run_that_is_run_again_ends_as_a_clean_one(
    world: World, scene: Callable[[World], Release], after: bool
) -> None:
    prepared = world, scene(world)
    wanted, calls = clean(*deepcopy(prepared))

    for call in range(1, calls + 1):
        world, release = deepcopy(prepared)
        ended = killed(world, release, call, after=after)

        assert ended == wanted, f"killed at call {call} of {calls}"
        assert not _sent_back_to_the_bad_one(world) or wanted.phase is RolloutPhase.RELEASED, call


def _sent_back_to_the_bad_one(world: World) -> bool:
    """Whether a version got traffic again after it had been turned back."""
    weights = [effect.split()[-1] for effect in world.cluster.effects if "set_weight production" in effect]
    return any(weight != "0" for weight in dropwhile(lambda weight: weight != "0", weights))
