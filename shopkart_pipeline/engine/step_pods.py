"""Which tools of a stage work in a pod of its own, and how a platform gets them.

Where a stage's declaration says what its pod is like, its tool goes there. In runs of what nobody has reviewed every
tool goes there that runs code of the project, whatever is declared; a builder of images that does can't, and says so.
Without a place for such pods, as on one machine, everything stays as it is.
"""

from collections.abc import Mapping
from dataclasses import replace

from dagster import AssetExecutionContext

from shopkart_pipeline.adapters.step_pod.builder import BuilderInPod
from shopkart_pipeline.adapters.step_pod.errand import Errands
from shopkart_pipeline.adapters.step_pod.scanner import ScannerInPod
from shopkart_pipeline.domain.declaration import Stage
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.step_pods import StepPodPlace, StepPodsMode, pod_for
from shopkart_pipeline.ports.builder import BuiltImage, ImageBuilder, ImageRequest
from shopkart_pipeline.ports.step_pods import StepPods
from shopkart_pipeline.services.platform import Platform


def in_pods(platform: Platform, context: AssetExecutionContext, release: Release, stage: Stage) -> Platform:
    """The platform for one stage of one run."""
    place = platform.step_pods
    if place is None:
        return platform
    # dagster-k8s takes a while to import; only runs on Kubernetes need it.
    from shopkart_pipeline.engine.pipes_pods import PipesStepPods

    return with_pods(platform, PipesStepPods(context, place), release, stage)


def with_pods(
    platform: Platform, pods: StepPods, release: Release, stage: Stage, ports: tuple[int, int] | None = None
) -> Platform:
    """The same, with pods of whatever kind; `ports` are those to hand over at, None for the usual ones."""
    place = platform.step_pods
    if place is None:
        return platform
    errands = Errands(pods, place, pod_for(place.pod, stage.pod), platform.workspace.home / "private", ports)
    scanners = {
        kind: tuple(
            ScannerInPod(each, errands, platform.scm) if _goes(place, stage, each.runs_code) else each for each in those
        )
        for kind, those in platform.scanners.items()
    }
    builder = platform.application_builder
    if _goes(place, stage, True):
        builder = BuilderInPod(builder, errands, release, stage)
    here = [each for each in platform.image_builders if not (_unreviewed(place) and each.runs_code)]
    builders = tuple(each if each in here else _NotHere(each) for each in platform.image_builders)
    return replace(platform, scanners=scanners, application_builder=builder, image_builders=builders)


def _goes(place: StepPodPlace, stage: Stage, runs_code: bool) -> bool:
    return stage.pod is not None or (_unreviewed(place) and runs_code)


def _unreviewed(place: StepPodPlace) -> bool:
    return place.mode is StepPodsMode.PROPOSED


class _NotHere(ImageBuilder):
    """A builder that would run commands of the project in this very pod."""

    def __init__(self, inner: ImageBuilder) -> None:
        self.name, self.only_by_name, self.runs_code = inner.name, inner.only_by_name, inner.runs_code

    def unavailable(self) -> str:
        return f"{self.name} runs commands of the project, which nothing does beside a pull request's run"

    def inputs(self, request: ImageRequest) -> Mapping[str, str] | None:
        return None

    def build(self, request: ImageRequest) -> BuiltImage | EvidenceMissing:
        return EvidenceMissing(self.unavailable())
