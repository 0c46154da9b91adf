"""An image becomes the registry's: pushed once, its digest confirmed from the registry's side, its scan read back.

The order matters: nothing of a pull request is ever pushed; what is not confirmed is not published; and where the
declaration requires the registry's own scan, an image without a result counts as not published, though it is there.
Pushing again changes nothing, so the stage may be run again when the scan is through.

The registry's findings are measured like any others against what is in production, by what the registry says of that
image. Where its scanner does not say whether a version fixes something, this release's own image scan may; where
nobody knows, the finding counts as if it could be fixed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.errors import Conflict, PipelineError, Refused
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, Finding, RawReport, Tool, ToolRun
from shopkart_pipeline.domain.registry import RegistryScanning
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.registry import NotScanned
from shopkart_pipeline.services.at_hand import layout_at_hand
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current

_SCANS, _VULNERABILITIES = "registry_scans", "registry_vulnerabilities"


def publish_image(platform: Platform, release: Release, stage: Stage, digest: str) -> ToolRun:
    """Push the image that the evidence names, and read the registry's scan of it.

    Raises:
        Refused: the release is a pull request.
        Conflict: the registry holds another image under the release's name.
    """
    deadline = platform.clock.now() + timedelta(seconds=stage.timeout_seconds)
    evidence = push_image(platform, release, digest)
    if isinstance(evidence, EvidenceMissing):
        return ToolRun(evidence)
    scan = _scan(platform, release, digest, deadline)
    if isinstance(scan, EvidenceMissing):
        return ToolRun(scan)
    return ToolRun(
        replace(evidence, measures=scan.measures, findings=scan.findings, notes=scan.notes),
        scan.raw,
    )


def push_image(platform: Platform, release: Release, digest: str) -> Evidence | EvidenceMissing:
    """Push the image that the evidence names, and have the registry confirm its digest; raises as `publish_image`."""
    if release.pull_request is not None:
        raise Refused(
            f"{release.name} is pull request {release.pull_request.number}: its image is not pushed.",
            "Merge it; the merge becomes a release.",
        )
    repository = platform.service(release.service).name
    pushed = platform.registry.push(layout_at_hand(platform, release, digest), repository, release.key)
    if pushed != digest:
        return EvidenceMissing(f"the image on disk is {pushed}, not {digest}; build the image again")
    confirmed = platform.registry.resolve(repository, release.key)
    if confirmed != digest or not platform.registry.has(repository, digest):
        raise Conflict(f"The registry holds {confirmed} under {release.key}, not {digest}.", "Look who pushed it.")
    reference = platform.registry.reference(repository, digest)
    return Evidence(
        tool=Tool(platform.registry.name, "1"),
        summary=reference,
        facts={"digest": digest, "repository": repository, "tag": release.key, "reference": reference},
    )


@dataclass(frozen=True)
class _Scanned:
    """What the registry's scan adds to the evidence."""

    measures: Mapping[str, float]
    notes: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    raw: tuple[RawReport, ...] = ()


def _scan(platform: Platform, release: Release, digest: str, deadline: datetime) -> _Scanned | EvidenceMissing:
    declared = platform.pipeline.registry
    if declared.scanning is RegistryScanning.OFF:
        return _Scanned({_SCANS: 0.0}, (f"The registry's own scan is not asked for: {declared.scanning_reason}.",))
    scan = platform.registry.scan_findings(release.service, digest, deadline)
    if isinstance(scan, NotScanned):
        if declared.scanning is RegistryScanning.REQUIRED:
            return EvidenceMissing(f"the image is in the registry, but there is no result of its scan: {scan.reason}")
        return _Scanned({_SCANS: 0.0}, (f"There is no result of the registry's own scan: {scan.reason}.",))
    who = f"Scanned by {scan.tool.name} ({scan.tool.rules}) on {scan.scanned_at:%Y-%m-%d %H:%M} UTC."
    known, base = _known(platform, release)
    fixes = _fixes(platform, release, digest)
    findings = tuple(
        replace(_with_fix(finding, fixes), is_new=finding.fingerprint not in known) for finding in scan.findings
    )
    open_ended = sum(finding.fix_unknown for finding in findings)
    unknown = (f"Whether a version fixes {open_ended} of the findings is unknown; they count.",) if open_ended else ()
    measures = {_SCANS: 1.0, _VULNERABILITIES: float(len(findings))}
    return _Scanned(measures, (who, *base, *unknown), findings, (scan.raw,))


def _known(platform: Platform, release: Release) -> tuple[frozenset[str], tuple[str, ...]]:
    """Fingerprints that the registry knows of the image in production, and a note where it can't say."""
    placed = current(platform, release.service, platform.environment_of(Phase.PRODUCTION).name)
    if placed is None:
        return frozenset(), ("Everything counts as new: nothing is in production.",)
    try:
        scan = platform.registry.scan_findings(release.service, placed.digest, platform.clock.now())
    except PipelineError as error:
        scan = NotScanned(error.what)
    if isinstance(scan, NotScanned):
        return frozenset(), (f"Everything counts as new: of the image in production there is no scan: {scan.reason}.",)
    return frozenset(finding.fingerprint for finding in scan.findings), ()


def _fixes(platform: Platform, release: Release, digest: str) -> Mapping[str, str | None]:
    """What this release's own scans of the image say about remedies, by fingerprint."""
    service, found = platform.service(release.service), dict[str, str | None]()
    records = platform.evidence.latest(release.service, release.key)
    for stage in service.stages:
        record = records.get(stage.name) if stage.kind is StageKind.IMAGE_SCAN else None
        if record is not None and record.subject_digest == digest and isinstance(record.result, Evidence):
            found.update((each.fingerprint, each.fixed_in) for each in record.result.findings if not each.fix_unknown)
    return found


def _with_fix(finding: Finding, fixes: Mapping[str, str | None]) -> Finding:
    if not finding.fix_unknown or finding.fingerprint not in fixes:
        return finding
    return replace(finding, fixed_in=fixes[finding.fingerprint], fix_unknown=False)
