"""Every stage may be the first of its run on its machine: what earlier ones made is made again, or fetched, or it is
said which stage makes it."""

import shutil

import pytest

from shopkart_pipeline.adapters.fetching_source import FetchingSource
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline_tests.fakes.fake_scm import FakeSourceControl
from shopkart_pipeline_tests.fakes.world import World
from shopkart_pipeline_tests.unit.services.test_reuse_result import SAME, same_content


def another_machine(world: World) -> None:
    """What comes next runs in a pod that has nothing of what came before."""
    shutil.rmtree(world.platform.workspace.home / "work", ignore_errors=True)


def test_a_release_goes_to_production_with_every_stage_on_another_machine(world: World) -> None:
    release = world.merge(SAME)
    for stage in world.pipeline.services["backend"].stages:
        if stage.phase is Phase.PRODUCTION and stage.name == "production":
            world.approve(release)
        # Until it is pushed, the image is nowhere but where it was built.
        if stage.name not in ("image_scan", "published_image"):
            another_machine(world)
        outcome = world.stage(release, stage.name)
        assert outcome.passed, (stage.name, outcome.record.result)
    assert world.registry.resolve("backend", release.key) == world.digest(release)


def test_an_image_that_was_not_pushed_is_said_to_be_made_by_its_stage(world: World) -> None:
    release = world.merge(SAME)
    world.run(release, Phase.CI, ["source", "dependencies", "lint", "unit_tests", "application", "image", "image_scan"])
    another_machine(world)
    for stage in ("image_scan", "published_image"):
        result = world.stage(release, stage).record.result
        if isinstance(result, EvidenceMissing):
            assert f"shopkart rerun {release.name} image" in result.reason
    assert world.registry.resolve("backend", release.key) is None

    world.stage(release, "image")
    assert world.stage(release, "image_scan").passed


def test_what_was_published_is_looked_at_again_in_the_registry_s_copy(world: World) -> None:
    release = world.merge(SAME)
    world.run(release, Phase.CI)
    digest = world.digest(release)
    another_machine(world)
    assert world.stage(release, "image_scan").passed
    assert world.platform.image_files.labels(world.platform.workspace.layout(release)) is not None
    another_machine(world)
    assert world.stage(release, "published_image").passed
    assert world.digest(release) == digest


def test_an_image_of_the_same_content_is_taken_over_from_the_registry(world: World) -> None:
    world.let_inputs_be_known()
    first = world.merge(SAME)
    world.run(first, Phase.CI)
    world.clock.advance(60)
    another_machine(world)
    second = same_content(world)
    world.run(second, Phase.CI)
    record = world.record(second, "image")
    assert world.digest(second) == world.digest(first)
    assert record.reused is not None
    assert record.reused.release_key == first.key
    assert world.record(second, "dependencies").reused is None


def test_what_can_not_be_made_again_is_missing_evidence_that_names_the_stage(world: World) -> None:
    release = world.merge(SAME)
    world.run(release, Phase.CI, ["source", "dependencies"])
    another_machine(world)
    world.application_builder.broken = "the index of packages does not answer"
    result = world.stage(release, "unit_tests").record.result
    assert isinstance(result, EvidenceMissing)
    assert "the index of packages does not answer" in result.reason
    assert f"shopkart rerun {release.name} dependencies" in result.reason


def test_a_commit_is_fetched_by_whoever_reads_it_first_and_once(world: World) -> None:
    remote = FakeSourceControl(local=False)
    source = world.pipeline.services["backend"].source
    first, second = remote.add({"backend/a": b"1"}), remote.add({"backend/a": b"2"})
    with pytest.raises(NotFound):
        remote.commit(source, second)
    here = FetchingSource(remote)

    assert here.commits(source, first, second)[-1].sha == second
    assert here.read_file(source, second, "backend/a") == b"2"
    assert here.changed_paths(source, first, second) == ("backend/a",)
    assert sorted(remote.fetched) == sorted([first, second])
    with pytest.raises(NotFound):
        here.commit(source, "0" * 40)


def test_a_remote_that_does_not_answer_is_not_taken_for_a_commit_that_there_is_not(world: World) -> None:
    remote = FakeSourceControl(local=False)
    sha = remote.add({"a": b"1"})
    remote.unreachable = "connection refused"
    with pytest.raises(ToolUnavailable):
        FetchingSource(remote).commit(world.pipeline.services["backend"].source, sha)
