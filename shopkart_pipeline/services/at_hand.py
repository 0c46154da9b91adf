"""What an earlier run made, here too: the environment, the application and the image of a release, made again where
this machine does not have them.

An environment and an application come from the tree, as their stages make them. The image is not built again: it is the
registry's copy by the digest that the evidence names, which the registry's client verifies, and the layout is read
again for it. Where nobody has it any more, what is told is which stage makes it.
"""

import shutil
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock

from shopkart_pipeline.domain.declaration import Stage, StageKind
from shopkart_pipeline.domain.errors import NotFound, ToolUnavailable
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.services.build_artifacts import build_application, environment, install_dependencies
from shopkart_pipeline.services.platform import Platform

_MAKING = Lock()
"""Stages of a run are threads of one process: one of them makes what several need."""


def environment_at_hand(platform: Platform, release: Release) -> Path:
    """The environment of tests and checks. Raises `ToolUnavailable` where it can't be made again."""
    place = environment(platform, release)
    with _MAKING:
        if not place.is_dir():
            stage = _stage(platform, release, StageKind.DEPENDENCIES)
            _refuse_missing(install_dependencies(platform, release, stage).result, release, stage)
    return place


def application_at_hand(platform: Platform, release: Release) -> Path:
    """The built application. Raises `ToolUnavailable` where it can't be made again."""
    place, service = platform.workspace.application(release), platform.service(release.service)
    stage = service.stage_of(StageKind.APPLICATION)
    if stage is None or place.is_dir():
        return place
    if service.stage_of(StageKind.DEPENDENCIES) is not None:
        environment_at_hand(platform, release)
    with _MAKING:
        if not place.is_dir():
            _refuse_missing(build_application(platform, release, stage).result, release, stage)
    return place


def layout_at_hand(platform: Platform, release: Release, digest: str | None) -> Path:
    """The image as a layout on this machine, from the registry where nothing was built here.

    Args:
        platform: the ports.
        release: whose image.
        digest: which image the evidence names.

    Raises:
        ToolUnavailable: nobody has it.
        PipelineError: the registry does not answer, or gives something else.
    """
    place = platform.workspace.layout(release)
    with _MAKING:
        if not place.is_dir() and digest is not None and not pulled(platform, release, digest, place):
            stage = _stage(platform, release, StageKind.IMAGE)
            raise ToolUnavailable(
                f"Image {digest} was built on another machine, and the registry does not have it.",
                _again(release, stage),
            )
    return place


def pulled(platform: Platform, release: Release, digest: str, place: Path) -> bool:
    """Whether the registry has an image, which is at a place then, complete or not at all.

    Raises:
        PipelineError: the registry does not answer, or gives something else.
    """
    repository = platform.service(release.service).name
    if not platform.registry.has(repository, digest):
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        platform.registry.pull(repository, digest, fresh / "image")
        (fresh / "image").rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return True


def _stage(platform: Platform, release: Release, kind: StageKind) -> Stage:
    stage = platform.service(release.service).stage_of(kind)
    if stage is None:
        raise NotFound(f"{release.service} has no stage of kind {kind.value}.", "Declare one.")
    return stage


def _refuse_missing(result: object, release: Release, stage: Stage) -> None:
    if isinstance(result, EvidenceMissing):
        what = f"What stage {stage.name} made is not on this machine, and can't be made again: {result.reason}."
        raise ToolUnavailable(what, _again(release, stage))


def _again(release: Release, stage: Stage) -> str:
    return f"Run `shopkart rerun {release.name} {stage.name}`."
