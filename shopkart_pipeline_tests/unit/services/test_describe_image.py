"""Bills of materials of a release."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shopkart_pipeline.domain.component import Component, PackageVersion
from shopkart_pipeline.domain.declaration import Phase
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.component_index import SBOM, DescribedRelease
from shopkart_pipeline.services.describe_image import application_sbom, image_sbom
from shopkart_pipeline_tests.fakes.world import World, a_component


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def published(world: World) -> tuple[Release, str]:
    """A release that went through continuous integration, and its image."""
    release = world.merge()
    world.run(release, Phase.CI)
    return release, world.digest(release)


def names(content: bytes) -> set[str]:
    return {each["name"] for each in json.loads(content)["components"]}


def notes(content: bytes) -> list[str]:
    told: list[Any] = json.loads(content)["metadata"]["properties"]
    return [each["value"] for each in told if each["name"] == "shopkart:note"]


def lock(world: World, *packages: tuple[str, str]) -> None:
    """The application's lock names these."""
    versions = [PackageVersion("PyPI", name, version) for name, version in packages]
    world.application_builder.lock = {
        each: Component(each, f"pkg:pypi/{each.name}@{each.version}", hashes=(f"sha256:{'c' * 64}",))
        for each in versions
    }


def test_an_images_bill_is_kept_and_indexed(world: World) -> None:
    release, digest = published(world)
    content = image_sbom(world.platform, release, digest)
    [note] = world.evidence.notes("backend", release.key, SBOM)
    assert world.evidence.get_report(str(note.data["report"])) == content
    [described] = world.components.described()
    assert described == DescribedRelease("backend", release.key, digest, str(note.data["report"]))
    assert world.components.packages(digest) == (PackageVersion("PyPI", "starlette", "0.37.2"),)


def test_describing_an_image_again_changes_nothing(world: World) -> None:
    release, digest = published(world)
    first = image_sbom(world.platform, release, digest)
    world.clock.advance(60)
    assert image_sbom(world.platform, release, digest) == first
    assert len(world.evidence.notes("backend", release.key, SBOM)) == 1


def test_the_image_of_a_pull_request_is_described_and_not_indexed(world: World) -> None:
    published(world)
    proposed = world.proposed()
    world.run(proposed, Phase.CI)
    assert names(image_sbom(world.platform, proposed, world.digest(proposed))) == {"starlette"}
    assert all(each.release_key != proposed.key for each in world.components.described())


def test_the_registry_is_asked_where_the_layout_is_gone(world: World) -> None:
    release, digest = published(world)
    shutil.rmtree(world.platform.workspace.layout(release))
    assert names(image_sbom(world.platform, release, digest)) == {"starlette"}


def test_a_layout_of_another_image_is_not_described(world: World) -> None:
    release, digest = published(world)
    world.image_files.components = {digest: (a_component("right"),)}
    index = world.platform.workspace.layout(release) / "index.json"
    index.write_text(index.read_text().replace(digest, f"sha256:{'0' * 64}"))
    assert names(image_sbom(world.platform, release, digest)) == {"right"}


def test_a_registry_that_gives_another_image_is_refused(world: World) -> None:
    release, digest = published(world)
    shutil.rmtree(world.platform.workspace.layout(release))
    files = world.registry.images["backend"][digest]
    files["index.json"] = files["index.json"].replace(digest.encode(), b"sha256:" + b"0" * 64)
    with pytest.raises(UntrustedInput, match="The registry gave sha256:000"):
        image_sbom(world.platform, release, digest)


def test_an_image_that_is_nowhere_is_not_described(world: World) -> None:
    release, _ = published(world)
    with pytest.raises(NotFound):
        image_sbom(world.platform, release, f"sha256:{'0' * 64}")
    assert world.components.described() == ()


def test_what_is_wrong_with_the_built_image_is_told_where_nobody_else_has_it(world: World) -> None:
    release = world.merge()
    for stage in ("source", "dependencies", "application", "lint", "unit_tests", "image"):
        world.stage(release, stage)
    (world.platform.workspace.layout(release) / "index.json").unlink()
    with pytest.raises(NotFound, match="is no layout"):
        image_sbom(world.platform, release, world.digest(release))


def test_without_a_format_nothing_is_described(world: World) -> None:
    release, digest = published(world)
    with pytest.raises(ToolUnavailable):
        image_sbom(replace(world.platform, bills=None), release, digest)


def test_the_applications_bill_is_about_what_lies_below_app(world: World) -> None:
    release, digest = published(world)
    system = replace(a_component("libc6"), places=(replace(a_component().places[0], path="var/lib/dpkg/status"),))
    world.image_files.components = {digest: (a_component(), system)}
    lock(world, ("starlette", "0.37.2"))
    content = application_sbom(world.platform, release)
    assert names(content) == {"starlette"}
    assert json.loads(content)["metadata"]["component"]["version"] == release.sha
    [only] = json.loads(content)["components"]
    assert only["externalReferences"][0]["hashes"] == [{"alg": "SHA-256", "content": "c" * 64}]


def test_what_the_lock_and_the_image_do_not_share_is_told(world: World) -> None:
    release, digest = published(world)
    own = replace(a_component("shop"), places=(replace(a_component().places[0], path="app/app/x/METADATA"),))
    world.image_files.components = {digest: (a_component(), a_component("stranger", "6.6"), own)}
    lock(world, ("starlette", "0.37.2"), ("colorama", "0.4.6"))
    content = application_sbom(world.platform, release)
    assert "Installed, and not named by the lock: stranger 6.6." in notes(content)
    assert "Named by the lock, and not installed in this image: colorama 0.4.6." in notes(content)
    assert names(content) == {"colorama", "shop", "starlette", "stranger"}


def test_a_lock_counts_as_git_has_it_and_not_as_a_build_left_it(world: World) -> None:
    """Builds and tests write to the tree, so what they say was locked is nobody's word."""
    release = world.merge({"backend/app.py": "x = 1\n", "backend/requirements.lock": "starlette==0.37.2\n"})
    world.run(release, Phase.CI)
    for written in (world.folder / "home").rglob("requirements.lock"):
        written.chmod(0o600)
        written.write_text("evil==1\n")

    application_sbom(world.platform, release)

    assert world.application_builder.locked_by == b"starlette==0.37.2\n"


def test_an_application_without_lock_is_told_to_have_none(world: World) -> None:
    release, _ = published(world)
    assert "No lock says which distributions were allowed." in notes(application_sbom(world.platform, release))


def test_a_release_without_image_has_no_bill_of_its_application(world: World) -> None:
    with pytest.raises(NotFound, match="has no image yet"):
        application_sbom(world.platform, world.merge())


def test_an_image_that_holds_no_application_has_no_bill_of_it(world: World) -> None:
    release, digest = published(world)
    elsewhere = replace(a_component(), places=(replace(a_component().places[0], path="usr/lib/METADATA"),))
    world.image_files.components = {digest: (elsewhere,)}
    with pytest.raises(NotFound, match="Nothing of"):
        application_sbom(world.platform, release)
