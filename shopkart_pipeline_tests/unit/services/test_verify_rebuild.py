"""Building a release once more: from its commit alone, by the recorded builder, without its cache."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from shopkart_pipeline.adapters.oci_files import OciImageFiles
from shopkart_pipeline.adapters.oci_layout import OciLayoutBuilder
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.builder import BuiltImage, ImageRequest
from shopkart_pipeline.services.build_artifacts import build_image
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.publish_image import push_image
from shopkart_pipeline.services.verify_rebuild import verify_rebuild
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder
from shopkart_pipeline_tests.fakes.world import World


def with_real_images(world: World) -> Platform:
    world.builder = OciLayoutBuilder(world.folder / "layers")  # pyright: ignore[reportAttributeAccessIssue]
    return replace(world.platform, image_files=OciImageFiles())


def test_a_release_of_the_embedded_builder_is_the_same_bit_for_bit(world: World) -> None:
    platform = with_real_images(world)
    release = world.ready()

    rebuild = verify_rebuild(platform, release)

    assert rebuild.same
    assert rebuild.rebuilt_digest == world.digest(release)
    assert (rebuild.release, rebuild.difference) == (release.name, None)
    assert rebuild.recorded_by == rebuild.rebuilt_by


def test_nothing_of_the_first_build_is_used_again(world: World) -> None:
    release = world.ready()
    platform = world.platform
    (first,) = world.builder.requests

    verify_rebuild(platform, release)

    again = world.builder.requests[-1]
    assert again.fresh
    assert not first.fresh
    for path in (again.tree, again.application, again.layout):
        assert path.is_relative_to(platform.workspace.home / "work" / "scratch")
        assert not path.exists()


def test_a_changed_file_is_found_and_named(world: World) -> None:
    platform = with_real_images(world)
    release = world.ready()
    digest = rerecord(world, platform, release, {"content.json": "somebody was here"})

    rebuild = verify_rebuild(platform, release)

    assert not rebuild.same
    assert rebuild.recorded_digest == digest
    assert rebuild.difference is not None
    assert rebuild.difference.startswith("layer 1 of 1: app/content.json: size 17 is now ")


def test_an_image_that_was_taken_over_is_built_for_the_release_that_it_names(world: World) -> None:
    platform = with_real_images(world)
    first = world.ready()
    second = world.merge({"backend/app.py": "same"})
    record = world.record(first, "image")
    world.evidence.finish(replace(record, release_key=second.key, commit=second.sha, run_id="reuse"))

    rebuild = verify_rebuild(platform, second)

    assert rebuild.same
    assert rebuild.release == first.name


def test_an_image_that_no_registry_holds_is_compared_by_digest(world: World) -> None:
    platform = with_real_images(world)
    release = world.ready()
    world.registry.images.clear()

    assert verify_rebuild(platform, release).same


def test_a_difference_without_the_recorded_image_says_what_is_lacking(world: World) -> None:
    platform = with_real_images(world)
    release = world.ready()
    record = world.record(release, "image")
    assert isinstance(record.result, Evidence)
    facts = {**record.result.facts, "digest": f"sha256:{'0' * 64}"}
    world.evidence.finish(replace(record, run_id="other", result=replace(record.result, facts=facts)))

    rebuild = verify_rebuild(platform, release)

    assert not rebuild.same
    assert rebuild.difference is not None
    assert "registry does not hold the recorded image" in rebuild.difference


def test_a_release_without_an_image_is_not_found(world: World) -> None:
    release = world.merge()

    with pytest.raises(NotFound, match="No image of backend@"):
        verify_rebuild(world.platform, release)


def test_another_builder_does_not_stand_in(world: World) -> None:
    class Other(FakeBuilder):
        name = "other"

    class Gone(FakeBuilder):
        def unavailable(self) -> str | None:
            return "the engine is away"

    release = world.ready()

    for builders, reason in (((Other(),), "not part of this platform"), ((Gone(), Other()), "the engine is away")):
        with pytest.raises(ToolUnavailable, match=reason):
            verify_rebuild(replace(world.platform, image_builders=builders), release)


def test_a_builder_that_fails_is_an_error_and_no_difference(world: World) -> None:
    class Failing(FakeBuilder):
        def build(self, request: ImageRequest) -> BuiltImage | EvidenceMissing:
            return EvidenceMissing("the disk is full")

    release = world.ready()

    with pytest.raises(ToolUnavailable, match="the disk is full"):
        verify_rebuild(replace(world.platform, image_builders=(Failing(),)), release)


def rerecord(world: World, platform: Platform, release: Release, files: Mapping[str, str]) -> str:
    """As if the release had been built from other files; returns the digest that is now recorded and published."""
    for name, text in files.items():
        (platform.workspace.application(release) / name).write_text(text)
    run = build_image(platform, release, world.pipeline.services["backend"].stage("image"))
    assert isinstance(run.result, Evidence)
    world.evidence.finish(replace(world.record(release, "image"), run_id="other", result=run.result))
    world.registry.tags.clear()
    push_image(platform, release, run.result.facts["digest"])
    return run.result.facts["digest"]
