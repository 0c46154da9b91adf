"""Builds the image of a release once more, from its commit alone, and compares it with the recorded one.

Everything is made again in a place that did not exist before: the tree, the environment, the application and the
image, by the builder that the evidence names and without its cache. Where an image was taken over from an earlier
release with the same content, that release is built: the image says which. The declaration is today's, so a changed
command or base image shows as a difference, and so does another version of the builder, which is noted.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from shopkart_pipeline.domain.declaration import Stage, StageKind
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Tool, ToolRun
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.builder import BuiltImage, ImageBuilder
from shopkart_pipeline.services.build_artifacts import (
    VERSION_LABEL,
    build_application,
    image_request,
    install_dependencies,
)
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.workspace import Workspace

_Result = TypeVar("_Result", Evidence, BuiltImage)


@dataclass(frozen=True)
class Rebuild:
    """What came out of building a release's image once more."""

    release: str
    """The release that was built; another one than was asked for where its image was taken over."""
    recorded_digest: str
    rebuilt_digest: str
    recorded_by: Tool
    rebuilt_by: Tool
    difference: str | None
    """What differs first, in words; None where both are the same."""

    @property
    def same(self) -> bool:
        return self.recorded_digest == self.rebuilt_digest


def verify_rebuild(platform: Platform, release: Release) -> Rebuild:
    """Build a release's image once more and compare.

    Raises:
        NotFound: no image of the release is recorded.
        ToolUnavailable: the builder is not here, or did not build it.
    """
    stage = next(stage for stage in platform.service(release.service).stages if stage.kind is StageKind.IMAGE)
    recorded = _recorded(platform, release, stage)
    digest, builder = recorded.facts["digest"], _builder(platform, recorded.tool.name)
    with platform.workspace.scratch() as folder:
        layout = _pull(platform, release, digest, folder / "recorded")
        source = release if layout is None else _built_from(platform, release, layout)
        rebuilt = _build(replace(platform, workspace=Workspace(folder)), source, builder)
        if rebuilt.digest == digest:
            difference = None
        elif layout is None:
            difference = "the registry does not hold the recorded image, so where it differs can't be told"
        else:
            difference = platform.image_files.first_difference(layout, rebuilt.layout)
    return Rebuild(source.name, digest, rebuilt.digest, recorded.tool, rebuilt.tool, difference)


def _recorded(platform: Platform, release: Release, stage: Stage) -> Evidence:
    record = platform.evidence.latest(release.service, release.key).get(stage.name)
    if record is None or not isinstance(record.result, Evidence):
        raise NotFound(f"No image of {release.name} is recorded.", "Run its stage `image` first.")
    return record.result


def _builder(platform: Platform, name: str) -> ImageBuilder:
    builder = next((builder for builder in platform.image_builders if builder.name == name), None)
    reason = "it is not part of this platform" if builder is None else builder.unavailable()
    if builder is None or reason is not None:
        raise ToolUnavailable(f"The image was built by {name}, which can't build here: {reason}.", "Try where it can.")
    return builder


def _pull(platform: Platform, release: Release, digest: str, layout: Path) -> Path | None:
    if not platform.registry.has(release.service, digest):
        return None
    platform.registry.pull(release.service, digest, layout)
    return layout


def _built_from(platform: Platform, release: Release, layout: Path) -> Release:
    key = platform.image_files.labels(layout).get(VERSION_LABEL, release.key)
    return release if key == release.key else platform.evidence.release(release.service, key)


def _build(platform: Platform, release: Release, builder: ImageBuilder) -> BuiltImage:
    stages = {stage.kind: stage for stage in platform.service(release.service).stages}
    steps: dict[StageKind, Callable[[Platform, Release, Stage], ToolRun]] = {
        StageKind.DEPENDENCIES: install_dependencies,
        StageKind.APPLICATION: build_application,
    }
    for kind, step in steps.items():
        if kind in stages:
            _given(step(platform, release, stages[kind]).result)
    built = builder.build(replace(image_request(platform, release, stages[StageKind.IMAGE]), fresh=True))
    return _given(built)


def _given(result: _Result | EvidenceMissing) -> _Result:
    if isinstance(result, EvidenceMissing):
        raise ToolUnavailable(f"The release can't be built again: {result.reason}.", "Mend that, and try again.")
    return result
