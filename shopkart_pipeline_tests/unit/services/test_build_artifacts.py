"""Built once, named by its digest, shared where nothing differs."""

from dataclasses import replace
from pathlib import Path

from shopkart_pipeline.domain.declaration import Service, StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing
from shopkart_pipeline.ports.builder import BuiltImage, ImageRequest
from shopkart_pipeline.services.build_artifacts import build_image, environment
from shopkart_pipeline_tests.fakes.fake_builder import FakeBuilder
from shopkart_pipeline_tests.fakes.world import World

APP = "backend/app.py"


def environments(world: World, *trees: dict[str, str]) -> list[Path]:
    return [environment(world.platform, world.merge({APP: f"n = {n}", **tree})) for n, tree in enumerate(trees)]


def test_releases_that_lock_the_same_share_an_environment(world: World) -> None:
    one, other = environments(world, {"backend/requirements.lock": "a==1"}, {})

    assert one == other


def test_another_lock_makes_another_environment(world: World) -> None:
    one, other = environments(world, {"backend/requirements.lock": "a==1"}, {"backend/requirements.lock": "a==2"})

    assert one != other


def test_a_lock_of_another_name_counts_where_it_is_declared(world: World) -> None:
    def named(service: Service) -> Service:
        stages = [
            replace(stage, options={"lock": "pins/dev.txt"}) if stage.kind is StageKind.DEPENDENCIES else stage
            for stage in service.stages
        ]
        return replace(service, stages=tuple(stages))

    world.declare("backend", named)

    one, same, other = environments(world, {"backend/pins/dev.txt": "a==1"}, {}, {"backend/pins/dev.txt": "a==2"})

    assert one == same != other


def test_without_a_lock_no_two_commits_share_an_environment(world: World) -> None:
    one, other = environments(world, {}, {})

    assert one != other


def test_the_first_builder_that_can_work_builds_and_says_whom_it_stands_in_for(world: World) -> None:
    class Absent(FakeBuilder):
        name = "engine"

        def unavailable(self) -> str | None:
            return "no engine answers"

    release = world.ready()
    platform = replace(world.platform, image_builders=(Absent(), world.builder))

    result = build_image(platform, release, world.pipeline.services["backend"].stage("image")).result

    assert isinstance(result, Evidence)
    assert result.notes == ("engine was not used: no engine answers",)


def test_one_that_works_by_name_alone_is_left_out_unless_it_is_named(world: World) -> None:
    class Named(FakeBuilder):
        name = "named"
        only_by_name = True

    stage = world.pipeline.services["backend"].stage("image")
    release, named = world.ready(), Named()
    platform = replace(world.platform, image_builders=(named, world.builder))

    by_itself = build_image(platform, release, stage).result
    assert named.requests == []
    wanted = build_image(platform, release, replace(stage, tool="named")).result

    assert len(named.requests) == 1
    assert isinstance(by_itself, Evidence)
    assert isinstance(wanted, Evidence)
    assert by_itself.notes == ()
    assert wanted.notes == ()


def test_an_image_that_is_not_reproducible_says_why(world: World) -> None:
    class Doubtful(FakeBuilder):
        def build(self, request: ImageRequest) -> BuiltImage | EvidenceMissing:
            built = super().build(request)
            assert isinstance(built, BuiltImage)
            return replace(built, reproducible=False, doubt="named without a digest: python:3.11")

    release = world.ready()
    platform = replace(world.platform, image_builders=(Doubtful(),))

    result = build_image(platform, release, world.pipeline.services["backend"].stage("image")).result

    assert isinstance(result, Evidence)
    assert result.measures["reproducible"] == 0
    assert result.notes == ("Building this commit again may give another digest: named without a digest: python:3.11.",)


def test_no_builder_that_can_work_is_missing_evidence(world: World) -> None:
    platform = replace(world.platform, image_builders=())

    result = build_image(platform, world.merge(), world.pipeline.services["backend"].stage("image")).result

    assert result == EvidenceMissing("no image builder is called auto")


def test_the_same_commit_gives_the_same_digest(world: World) -> None:
    release = world.ready()
    first = world.digest(release)

    world.stage(release, "image")

    assert world.digest(release) == first


def test_the_image_says_where_it_comes_from(world: World) -> None:
    release = world.ready()

    labels = world.builder.requests[-1].labels

    assert labels["org.opencontainers.image.revision"] == release.sha
    assert labels["org.opencontainers.image.version"] == release.key
