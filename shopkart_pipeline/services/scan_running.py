"""Runs the scanners over what runs in production: the image of that digest, and the locks of that commit.

Advisories that live in the repository, and waivers, are those at the head of the branch: they were reviewed since. A
finding that the release was let through with, because production had it already, is not new today either; every other
one is. Nothing is recorded as a stage of the release.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shopkart_pipeline.domain.declaration import Service, Stage, StageKind
from shopkart_pipeline.domain.errors import NotFound, PipelineError, words_of
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import Waived
from shopkart_pipeline.ports.scanner import ScanRequest
from shopkart_pipeline.services.build_artifacts import environment
from shopkart_pipeline.services.checkout_source import exported, tree
from shopkart_pipeline.services.collect_evidence import choose_scanner
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.waivers import in_force

RESCAN = "rescan"
_KINDS = (StageKind.DEPENDENCY_SCAN, StageKind.IMAGE_SCAN)


def rescanned_stages(service: Service) -> tuple[Stage, ...]:
    """The stages of a service that a rescan runs again."""
    return tuple(stage for stage in service.stages if stage.kind in _KINDS)


def scan_running(
    platform: Platform, service: Service, release: Release, digest: str
) -> tuple[Mapping[str, Evidence | EvidenceMissing], Waived]:
    """Results by stage, and today's waivers.

    Raises:
        PipelineError: the branch can't be looked at, so nobody knows today's advisories.
    """
    head = _head(platform, release)
    records = platform.evidence.latest(service.name, release.key)
    results: dict[str, Evidence | EvidenceMissing] = {}
    with platform.workspace.scratch() as scratch:
        for stage in rescanned_stages(service):
            folder = scratch / stage.name
            folder.mkdir()
            try:
                result = _scan(platform, release, stage, digest, folder, head)
            except (PipelineError, OSError) as error:
                result = EvidenceMissing(words_of(error))
            results[stage.name] = _with_known(result, records.get(stage.name), digest)
    return results, in_force(platform, service, head)


def _head(platform: Platform, release: Release) -> Path:
    """The repository at the tip of the branch today."""
    source = platform.service(release.service).source
    return exported(platform, release, platform.scm.head(source))


def _scan(
    platform: Platform, release: Release, stage: Stage, digest: str, folder: Path, head: Path
) -> Evidence | EvidenceMissing:
    scanner = choose_scanner(platform, stage)
    if isinstance(scanner, EvidenceMissing):
        return scanner
    image = None
    if stage.kind is StageKind.IMAGE_SCAN:
        image = folder / "layout"
        if not platform.registry.has(release.service, digest):
            raise NotFound(f"The registry does not hold {digest}.", "It runs from an image that nobody can look at.")
        platform.registry.pull(release.service, digest, image)
    reports, installed = folder / "reports", environment(platform, release)
    reports.mkdir()
    request = ScanRequest(
        release=release,
        service=platform.service(release.service),
        stage=stage,
        tree=tree(platform, release),
        scratch=reports,
        log=platform.workspace.log(release, f"{RESCAN}-{stage.name}"),
        base_commit=None,
        base_tree=None,
        environment=installed if installed.is_dir() else None,
        image=image,
        image_digest=digest if image is not None else None,
        advisory_tree=head,
    )
    return scanner.scan(request).result


def _with_known(
    result: Evidence | EvidenceMissing, record: StageRecord | None, digest: str
) -> Evidence | EvidenceMissing:
    """Findings that the release was let through with, because production had them already, are not new."""
    if isinstance(result, EvidenceMissing) or record is None or not isinstance(record.result, Evidence):
        return result
    if record.subject_digest not in (None, digest):
        return result
    known = {finding.fingerprint for finding in record.result.findings if not finding.is_new}
    findings = tuple(replace(finding, is_new=finding.fingerprint not in known) for finding in result.findings)
    return replace(result, findings=findings)
