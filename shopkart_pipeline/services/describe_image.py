"""Bills of materials of a release: of its image, and of the application in it.

Both are read out of the image itself, from the layers that its digest stands for: what a build meant to install is one
thing, and what lies in the image another. The application is what the image holds below `/app`; what its lock allows,
as git has it, is put beside it, and what is locked and not there, or there and not locked, is said. The layout of the
build is used where it is that image, else the registry's copy.

The image's bill is kept in the evidence store, a note says whose it is, and the component index learns of it: the index
can be made again from notes and bills alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from shopkart_pipeline.domain.component import (
    CYCLONEDX,
    BillKind,
    BillOfMaterials,
    Component,
    ImageContents,
    PackageVersion,
)
from shopkart_pipeline.domain.errors import NotFound, PipelineError, ToolUnavailable, UntrustedInput
from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.bill_format import BillFormat
from shopkart_pipeline.ports.component_index import SBOM, DescribedRelease
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.judge_release import image_digest
from shopkart_pipeline.services.platform import Platform

IMAGE_BILL, APPLICATION_BILL = "image.cdx.json", "application.cdx.json"
_APPLICATION, _OWN = "app/", "app/app/"
_MOST_NAMED = 10


def image_sbom(platform: Platform, release: Release, digest: str) -> bytes:
    """The bill of an image as CycloneDX; the same image gives the same bytes. It is kept, and indexed.

    Args:
        platform: the ports.
        release: whose image.
        digest: which image.

    Raises:
        PipelineError: it can't be told what the image holds.
    """
    bills = _format(platform)
    found = _contents(platform, release, digest)
    bill = BillOfMaterials(
        kind=BillKind.IMAGE,
        name=release.service,
        version=digest,
        digest=digest,
        made_at=found.created_at or _committed_at(platform, release),
        components=found.components,
        notes=found.notes,
        properties=found.properties,
    )
    content = bills.write(bill)
    _remember(platform, release, digest, content, bills.packages(content))
    return content


def application_sbom(platform: Platform, release: Release) -> bytes:
    """The bill of the application in a release's image as CycloneDX.

    Raises:
        PipelineError: there is no image yet, or it can't be told what it holds.
    """
    bills, service = _format(platform), platform.service(release.service)
    digest = image_digest(service, platform.evidence.latest(release.service, release.key))
    if digest is None:
        raise NotFound(f"{release.name} has no image yet.", "Its application is described from the image.")
    found = _contents(platform, release, digest)
    installed = [each for each in map(_of_application, found.components) if each.places]
    read = partial(platform.scm.read_file, service.source, release.sha)
    locked = platform.application_builder.locked(service, read)
    if not installed and not locked:
        raise NotFound(f"Nothing of {release.name} is below /{_APPLICATION} in {digest}.", "Look at its Dockerfile.")
    bill = BillOfMaterials(
        kind=BillKind.APPLICATION,
        name=release.service,
        version=release.sha,
        digest=digest,
        made_at=_committed_at(platform, release),
        components=tuple(sorted(_with_locks(installed, locked), key=lambda each: each.package)),
        notes=(*found.notes, *_differences(installed, locked)),
    )
    content = bills.write(bill)
    platform.evidence.put_report(RawReport(APPLICATION_BILL, CYCLONEDX, content))
    return content


def _format(platform: Platform) -> BillFormat:
    if platform.bills is None:
        raise ToolUnavailable("Nobody here makes bills of materials.", "Wire a format of them.")
    return platform.bills


def _contents(platform: Platform, release: Release, digest: str) -> ImageContents:
    problem: PipelineError | None = None
    try:
        found = platform.image_files.contents(platform.workspace.layout(release))
        if found.digest == digest:
            return found
    except (NotFound, UntrustedInput) as error:
        problem = error
    with platform.workspace.scratch() as scratch:
        try:
            platform.registry.pull(platform.service(release.service).name, digest, scratch / "image")
        except NotFound as error:
            # What is wrong with the image that was built says more than that nobody else has it.
            raise problem or error from error
        found = platform.image_files.contents(scratch / "image")
    if found.digest != digest:
        raise UntrustedInput(f"The registry gave {found.digest} for {digest}.", "Find out who changed it.")
    return found


def _committed_at(platform: Platform, release: Release) -> datetime:
    return platform.scm.commit(platform.service(release.service).source, release.sha).committed_at


def _of_application(component: Component) -> Component:
    return replace(component, places=tuple(each for each in component.places if each.path.startswith(_APPLICATION)))


def _with_locks(installed: Iterable[Component], locked: Mapping[PackageVersion, Component]) -> Iterable[Component]:
    """What is installed, with the hashes that its lock allows; and what is locked and not there."""
    there = {each.package: each for each in installed}
    for package, component in there.items():
        named = locked.get(package)
        yield component if named is None else replace(component, hashes=named.hashes)
    yield from (named for package, named in locked.items() if package not in there)


def _differences(installed: Iterable[Component], locked: Mapping[PackageVersion, Component]) -> Iterable[str]:
    there = {each.package for each in installed}
    ecosystems = {each.ecosystem for each in locked}
    strange = sorted(
        f"{each.package.name} {each.package.version}"
        for each in installed
        if each.package.ecosystem in ecosystems
        and each.package not in locked
        and not all(place.path.startswith(_OWN) for place in each.places)
    )
    absent = sorted(f"{each.name} {each.version}" for each in locked if each not in there)
    if not locked:
        yield "No lock says which distributions were allowed."
    if strange:
        yield f"Installed, and not named by the lock: {_named(strange)}."
    if absent:
        yield f"Named by the lock, and not installed in this image: {_named(absent)}."


def _named(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _remember(
    platform: Platform, release: Release, digest: str, content: bytes, packages: tuple[PackageVersion, ...]
) -> None:
    report = platform.evidence.put_report(RawReport(IMAGE_BILL, CYCLONEDX, content))
    if release.pull_request is not None:
        return  # Its image is never pushed: nobody will ask what it affects.
    described = DescribedRelease(release.service, release.key, digest, report.digest)
    data = {"image": digest, "report": report.digest}
    note = Note(release.service, release.key, platform.clock.now(), SBOM, f"{digest} {report.digest}", data)
    platform.evidence.note_once(note)
    if platform.components is not None:
        platform.components.add(described, packages)
