"""From a merge to production, with nobody's help but the approver's."""

from copy import deepcopy

import pytest

from shopkart_pipeline.domain.declaration import Phase, StageKind
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, Severity, Tool
from shopkart_pipeline.services.bootstrap_environment import build_present_version, take_over
from shopkart_pipeline.services.requests import RunRequest
from shopkart_pipeline_tests.fakes.fake_cluster import Behaviour
from shopkart_pipeline_tests.fakes.fuse import Fuse, Killed
from shopkart_pipeline_tests.fakes.world import MAYA, PRODUCTION, STAGING, World


def phases(requests: list[RunRequest]) -> list[tuple[str, Phase]]:
    return [(request.service, request.phase) for request in requests]


def test_a_merge_goes_to_staging_by_itself_and_to_production_with_an_approval(world: World) -> None:
    world.push(world.commit())

    assert phases(world.play()) == [("backend", Phase.CI), ("backend", Phase.STAGING)]
    [release] = world.evidence.releases()
    assert world.observe(STAGING).stable is not None
    assert world.observe(PRODUCTION).stable is None

    world.approve(release)

    assert phases(world.play()) == [("backend", Phase.PRODUCTION)]
    status = world.observe(PRODUCTION)
    assert status.stable is not None
    assert status.stable.spec.digest == world.digest(release)
    assert [entry.act.verb for entry in world.ledger.entries("backend")] == ["promote", "approve", "promote"]
    assert world.ledger.verify() is None
    assert world.inbox.pending() == ()


def test_four_releases_as_in_the_story(world: World) -> None:
    world.released()
    good = world.released()
    world.play()

    stopped_sha = world.commit()
    leak = Finding("S105", Severity.HIGH, "a credential", "f1", path="backend/app.py", line=3)
    fine = world.scanners[StageKind.LINT].result
    world.scanners[StageKind.LINT].result = Evidence(Tool("fake", "1"), "bad", {"new_violations": 1}, (leak,))
    world.push(stopped_sha, good.sha)
    assert phases(world.play()) == [("backend", Phase.CI)]
    [stopped, *_] = world.evidence.releases("backend")
    assert "image" not in world.evidence.latest("backend", stopped.key)
    world.scanners[StageKind.LINT].result = fine

    bad = world.approved()
    world.metrics.error_ratios[world.digest(bad)] = 0.4
    assert not world.stage(bad, "production").passed
    assert [incident.suspected_release for incident in world.incidents.list()] == [bad.key]

    fixed = world.released()

    stable = world.observe().stable
    assert stable is not None
    assert stable.spec.release_key == fixed.key
    assert world.rollout().state.plan.previous_digest == world.digest(good)


def test_delivering_everything_again_makes_nothing_run_again(world: World) -> None:
    delivery = world.push(world.commit())
    world.play()
    [release] = world.evidence.releases()
    world.approve(release)
    world.play()
    attempts = len(world.evidence.attempts)

    assert not world.inbox.put(delivery)
    assert world.play() == []
    assert len(world.evidence.attempts) == attempts


def test_an_unaffected_service_is_left_alone(world: World) -> None:
    before = world.commit({"backend/a.py": "x = 1", "frontend/a.py": "x = 1"})
    world.push(world.commit({"frontend/a.py": "x = 2"}), before)

    assert {service for service, _ in phases(world.play())} == {"frontend"}


# What ran before the pipeline did.


def present(world: World, sha: str) -> None:
    take_over(world.platform, *build_present_version(world.platform, "backend", sha, "shop-team"))


def test_what_runs_already_is_taken_over_into_both_environments(world: World) -> None:
    sha = world.commit()

    present(world, sha)

    for environment in (STAGING, PRODUCTION):
        stable = world.observe(environment).stable
        assert stable is not None
        assert (stable.spec.commit, stable.complete) == (sha, True)
        assert [verb for verb, _ in world.verbs(environment)] == ["bootstrap"]


def test_the_first_release_after_that_has_a_canary(world: World) -> None:
    present(world, world.commit())
    release = world.released()

    assert world.rollout().exposed_at is not None
    assert world.verbs()[-1] == ("promote", release.key)


def test_an_environment_that_had_a_release_is_not_taken_over(world: World) -> None:
    world.released()

    with pytest.raises(Refused, match="already"):
        present(world, world.commit())


def test_another_version_is_not_taken_over_afterwards(world: World) -> None:
    present(world, world.commit())

    with pytest.raises(Refused, match="already"):
        present(world, world.commit())


def test_taking_over_can_be_killed_anywhere_and_done_again(world: World) -> None:
    release, digest = build_present_version(world.platform, "backend", world.commit(), "shop-team")
    fuse = Fuse()
    take_over(fuse.fused(deepcopy(world).platform), release, digest)

    for call in range(1, fuse.calls + 1):
        tried = deepcopy(world)
        with pytest.raises(Killed):
            take_over(Fuse(call, after=True).fused(tried.platform), release, digest)

        take_over(tried.platform, release, digest)

        assert [verb for verb, _ in tried.verbs(STAGING)] == ["bootstrap"]
        assert [verb for verb, _ in tried.verbs(PRODUCTION)] == ["bootstrap"]


def test_a_present_version_that_can_not_be_built_is_an_error(world: World) -> None:
    world.builder.missing = "no space left"

    with pytest.raises(PipelineError, match="no space left"):
        present(world, world.commit())


@pytest.mark.parametrize("behaviour", [Behaviour.CRASHES, Behaviour.STALLS])
def test_a_present_version_that_does_not_start_is_an_error(world: World, behaviour: Behaviour) -> None:
    release, digest = build_present_version(world.platform, "backend", world.commit(), "shop-team")
    world.cluster.behaviours[digest] = behaviour

    with pytest.raises(PipelineError, match=r"does not start|was not ready"):
        take_over(world.platform, release, digest)

    assert world.verbs() == []


def test_a_service_is_released_although_its_neighbour_is_not(world: World) -> None:
    """Two services of one commit have one key, and nothing else in common."""
    world.push(world.commit({"backend/a.py": "x = 1", "frontend/a.py": "x = 1"}))
    world.scanners[StageKind.ACCEPTANCE_TESTS].result = EvidenceMissing("the browser did not start")
    world.play()
    [*releases] = world.evidence.releases()
    assert len({release.key for release in releases}) == 1
    assert len(releases) == 2
    backend = world.evidence.release("backend", releases[0].key)
    world.scanners[StageKind.ACCEPTANCE_TESTS].result = Evidence(Tool("fake", "1"), "fine", {"tests": 3, "failed": 0})
    assert world.stage(backend, "acceptance_tests").passed

    assert world.approve(backend).act.actor == MAYA
    world.play()

    assert world.observe(PRODUCTION, "backend").stable is not None
    assert world.observe(PRODUCTION, "frontend").stable is None
