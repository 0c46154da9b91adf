"""Production waits for the soak in staging and for the services that a release depends on."""

import re
from dataclasses import replace

import pytest

from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.production_history import Placed, record_placement
from shopkart_pipeline.services.wait_before_deploy import Stay, last_stay
from shopkart_pipeline_tests.fakes.fake_clock import NOON
from shopkart_pipeline_tests.fakes.world import PRODUCTION, STAGING, World


@pytest.fixture
def soaking(world: World) -> World:
    staging = replace(world.pipeline.services["backend"].deployments[STAGING], soak_seconds=600.0)
    world.declare("backend", lambda it: replace(it, deployments={**it.deployments, STAGING: staging}))
    return world


def refusal(world: World, release: Release) -> str:
    before = list(world.cluster.effects)
    with pytest.raises(Refused) as refused:
        world.stage(release, "production")
    assert world.cluster.effects == before
    return refused.value.what


def test_a_release_that_has_not_soaked_is_refused_with_the_time_at_which_it_has(soaking: World) -> None:
    release = soaking.approved()
    soaking.clock.advance(100)

    line = refusal(soaking, release)

    found = re.search(r"soak: missing: (\d+) of 600 s in staging, over at 2025-03-04T12:\d\d:\d\d\+00:00", line)
    assert found, line
    assert 100 <= int(found[1]) < 110


def test_a_release_that_has_soaked_may_go(soaking: World) -> None:
    release = soaking.approved()
    soaking.clock.advance(600)

    assert soaking.stage(release, "production").passed


def test_a_release_that_lost_staging_to_another_one_stops_soaking(soaking: World) -> None:
    release, other = soaking.approved(), soaking.ready()
    soaking.clock.advance(600)

    line = refusal(soaking, release)

    assert f"s in staging, then {other.key} took it; run staging again" in line
    soaking.run(release, Phase.STAGING)
    soaking.approve(release)
    soaking.clock.advance(600)
    assert soaking.stage(release, "production").passed


def test_a_dependency_that_was_never_released_is_refused_by_name_and_then_not(world: World) -> None:
    world.declare("backend", lambda it: replace(it, depends_on=("frontend",)))
    release = world.approved()

    assert "depends_on: missing: frontend is not in production; release it first" in refusal(world, release)
    placed = Placed(world.clock.now(), "key", "sha256:frontend", "c" * 40, "promote")
    record_placement(world.platform, "promote", "frontend", STAGING, placed, "pipeline", "rolled out")
    assert "frontend is not in production" in refusal(world, release)
    record_placement(world.platform, "promote", "frontend", PRODUCTION, placed, "pipeline", "rolled out")

    assert world.stage(release, "production").passed


def _placed(*times: tuple[str, int]) -> list[Placed]:
    """Newest first."""
    return [Placed(NOON.replace(minute=minute), key, "sha256:x", "c" * 40, "promote") for key, minute in times][::-1]


@pytest.mark.parametrize(
    ("times", "stay"),
    [
        ([], None),
        ([("other", 1)], None),
        ([("it", 0)], Stay(30 * 60)),
        ([("it", 0), ("it", 10)], Stay(20 * 60)),
        ([("it", 0), ("other", 10)], Stay(10 * 60, "other")),
        ([("it", 0), ("other", 10), ("third", 20)], Stay(10 * 60, "other")),
        ([("it", 0), ("other", 10), ("it", 25)], Stay(5 * 60)),
    ],
)
def test_time_is_counted_since_it_last_came_until_it_left(times: list[tuple[str, int]], stay: Stay | None) -> None:
    assert last_stay(_placed(*times), "it", NOON.replace(minute=30)) == stay


def test_of_a_long_history_only_what_came_after_the_release_is_read() -> None:
    history = iter(_placed(("older", 0), ("it", 10), ("other", 20)))

    last_stay(history, "it", NOON.replace(minute=30))

    assert [each.release_key for each in history] == ["older"]
