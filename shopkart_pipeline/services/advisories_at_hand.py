"""Which advisories there are to ask: the snapshots that the services' scans name, at the tip of their branches.

They were reviewed as any other file of the repository, so whoever asks today is answered by what was agreed last.
"""

from pathlib import Path

from shopkart_pipeline.domain.declaration import Service, Stage
from shopkart_pipeline.domain.errors import PipelineError, ToolUnavailable
from shopkart_pipeline.ports.advisory_book import AdvisoryBook, AdvisorySet
from shopkart_pipeline.ports.component_index import ComponentIndex
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.scan_running import rescanned_stages

_SNAPSHOT_FOLDER = "advisories"
"""Where a repository keeps its snapshot, unless a stage's option `advisories` says otherwise."""


def ports(platform: Platform) -> tuple[ComponentIndex, AdvisoryBook]:
    """The index and the advisories; raises `ToolUnavailable`."""
    if platform.components is None or platform.advisories is None:
        raise ToolUnavailable("Nobody here keeps bills of materials.", "Wire a component index and advisories.")
    return platform.components, platform.advisories


def snapshots(platform: Platform, book: AdvisoryBook, name: str | None = None) -> tuple[list[AdvisorySet], list[str]]:
    """The snapshots that the services' scans name, at the tip of their branches; and what can't be read of them."""
    sets, notes = list[AdvisorySet](), list[str]()
    places = {
        (service.source.repository, service.source.branch, _folder(stage)): (service, stage)
        for service in platform.pipeline.services.values()
        for stage in rescanned_stages(service)
    }
    for service, stage in places.values():
        try:
            sets.append(snapshot_of(platform, book, service, stage, name))
        except (PipelineError, OSError) as error:
            what = error.what if isinstance(error, PipelineError) else str(error.strerror)
            notes.append(f"The advisories of {service.source.repository} can't be read: {what}")
    return sets, notes


def snapshot_of(
    platform: Platform, book: AdvisoryBook, service: Service, stage: Stage, name: str | None = None
) -> AdvisorySet:
    """The snapshot that a stage of a service names, at the tip of its branch; raises as `AdvisoryBook.snapshot`, and
    where the branch can't be looked at."""
    return book.snapshot(_tip(platform, service) / _folder(stage), name)


def _folder(stage: Stage) -> str:
    return stage.options.get("advisories", _SNAPSHOT_FOLDER)


def _tip(platform: Platform, service: Service) -> Path:
    source = service.source
    sha = platform.scm.head(source)
    destination = platform.workspace.tree(source.repository, sha)
    if not destination.exists():
        platform.scm.fetch(source, sha, None)
        platform.scm.export(source, sha, destination)
    return destination
