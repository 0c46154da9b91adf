"""Give a tool what it needs, and keep what it says.

The tool is the one that the declaration names; `auto` takes the first of the preferred ones that is there. A kind of
stage without any usable tool has missing evidence, with every tool's own reason. Tests against a deployment count
only if it was this image that answered, with one configuration, which the evidence names: another release
may take staging in the middle of them.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shopkart_pipeline.domain.declaration import Phase, Service, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, ToolRun
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.release_unit import CONFIGURATION, short
from shopkart_pipeline.domain.workload import ServiceStatus
from shopkart_pipeline.ports.scanner import EARLIER_TESTS, Scanner, ScanRequest
from shopkart_pipeline.services.at_hand import environment_at_hand, layout_at_hand
from shopkart_pipeline.services.checkout_source import base_commit, base_tree, tree
from shopkart_pipeline.services.earlier_tests import earlier_tests
from shopkart_pipeline.services.flaky_tests import with_history
from shopkart_pipeline.services.judge_release import stages_before
from shopkart_pipeline.services.platform import Platform

_DEPLOYED_TESTS = frozenset({StageKind.INTEGRATION_TESTS, StageKind.ACCEPTANCE_TESTS, StageKind.COMPATIBILITY})
_NOTHING: Mapping[str, str] = {}


def collect_evidence(
    platform: Platform, release: Release, stage: Stage, image: str | None, variables: Mapping[str, str] = _NOTHING
) -> ToolRun:
    """Run the stage's tool.

    Args:
        platform: the ports.
        release: which release.
        stage: which stage.
        image: digest of the image that the stage is about; None for stages that come before there is one.
        variables: what the tool is told beside the usual.
    """
    scanner = choose_scanner(platform, stage)
    if isinstance(scanner, EvidenceMissing):
        return ToolRun(scanner)
    service = platform.service(release.service)
    if StageKind.STAGING not in _kinds_before(service, stage):
        return _scan(platform, release, stage, image, scanner, variables)
    before = _running(platform, release, image)
    if isinstance(before, EvidenceMissing):
        return ToolRun(before)
    run = _scan(platform, release, stage, image, scanner, variables)
    after = _running(platform, release, image)
    if isinstance(after, EvidenceMissing):
        return ToolRun(after, run.raw)
    if after != before:
        what = f"the configuration of what was tested changed from {short(before)} to {short(after)} meanwhile"
        return ToolRun(EvidenceMissing(what), run.raw)
    return ToolRun(_about(run.result, after), run.raw)


def scan_inputs(platform: Platform, release: Release, stage: Stage, image: str | None) -> Mapping[str, str] | None:
    """What the chosen tool's result depends on beside the service's files; None where it can't tell.

    Raises:
        PipelineError, OSError: what the tool looks at can't be read.
    """
    scanner = choose_scanner(platform, stage)
    if isinstance(scanner, EvidenceMissing):
        return None
    with platform.workspace.scratch() as scratch:
        inputs = scanner.inputs(_request(platform, release, stage, image, scratch))
    return None if inputs is None else {"tool": scanner.name, **inputs}


def _scan(
    platform: Platform,
    release: Release,
    stage: Stage,
    image: str | None,
    scanner: Scanner,
    variables: Mapping[str, str],
) -> ToolRun:
    with platform.workspace.scratch() as scratch:
        request = _request(platform, release, stage, image, scratch)
        run = scanner.scan(replace(request, variables={**request.variables, **variables}))
    return with_history(platform, release, stage, run)


def _running(platform: Platform, release: Release, image: str | None) -> str | EvidenceMissing:
    """The configuration with which this image runs in staging, or why what answers there is not this image."""
    name, stable = platform.environment_of(Phase.STAGING).name, _in_staging(platform, release).stable
    if stable is None:
        return EvidenceMissing(f"nothing runs in {name}: the tests would prove nothing")
    if stable.spec.digest != image:
        return EvidenceMissing(f"{name} runs {stable.spec.digest}, not {image}: the tests would prove nothing")
    return stable.spec.configuration


def _about(result: Evidence | EvidenceMissing, configuration: str) -> Evidence | EvidenceMissing:
    if isinstance(result, EvidenceMissing):
        return result
    return replace(result, facts={**result.facts, CONFIGURATION: configuration})


def _kinds_before(service: Service, stage: Stage) -> set[StageKind]:
    return {service.stage(name).kind for name in stages_before(service, stage)}


def choose_scanner(platform: Platform, stage: Stage) -> Scanner | EvidenceMissing:
    """The tool that a stage names, or the first that can run; or every tool's reason."""
    reasons: list[str] = []
    for scanner in platform.scanners.get(stage.kind, ()):
        if stage.tool in ("auto", scanner.name):
            reason = scanner.unavailable()
            if reason is None:
                return scanner
            reasons.append(f"{scanner.name}: {reason}")
    return EvidenceMissing("; ".join(reasons) or f"no tool called {stage.tool} serves {stage.kind.value}")


def _request(platform: Platform, release: Release, stage: Stage, image: str | None, scratch: Path) -> ScanRequest:
    service = platform.service(release.service)
    before = _kinds_before(service, stage)
    deployed = _in_staging(platform, release) if stage.phase is Phase.STAGING else None
    folder = scratch / "stage"
    folder.mkdir()
    return ScanRequest(
        release=release,
        service=service,
        stage=stage,
        tree=tree(platform, release),
        scratch=folder,
        log=platform.workspace.log(release, stage.name),
        base_commit=base_commit(platform, release),
        base_tree=base_tree(platform, release),
        environment=environment_at_hand(platform, release) if StageKind.DEPENDENCIES in before else None,
        image=_layout(platform, release, stage, image) if StageKind.IMAGE in before else None,
        image_digest=image,
        url=deployed.url if deployed is not None else None,
        variables=_variables(platform, release, stage, deployed),
        reports=_reports(platform, release, stage, scratch),
    )


def _layout(platform: Platform, release: Release, stage: Stage, image: str | None) -> Path:
    """The image for whoever looks into it; tests against a deployment don't, and are not kept waiting for it."""
    if stage.kind in _DEPLOYED_TESTS:
        return platform.workspace.layout(release)
    return layout_at_hand(platform, release, image)


def _in_staging(platform: Platform, release: Release) -> ServiceStatus:
    name = platform.environment_of(Phase.STAGING).name
    return platform.sites[name].cluster.observe(name, release.service)


def _variables(platform: Platform, release: Release, stage: Stage, deployed: ServiceStatus | None) -> Mapping[str, str]:
    """What tests against a deployment are told: which version has to answer.

    An image that was taken over from an earlier release goes on under the version that it was first deployed as; that
    it is this image is compared by digest.
    """
    if stage.kind not in _DEPLOYED_TESTS:
        return {}
    stable = deployed.stable if deployed is not None else None
    return {"SHOPKART_EXPECTED_VERSION": stable.spec.release_key if stable is not None else release.key}


def _reports(platform: Platform, release: Release, stage: Stage, scratch: Path) -> Mapping[str, Path]:
    """Raw reports of the stages before, written out for tools that build on them, and an earlier list of tests."""
    service = platform.service(release.service)
    records = platform.evidence.latest(release.service, release.key)
    found: dict[str, Path] = {}
    for name in stages_before(service, stage):
        record = records.get(name)
        if record is None or not isinstance(record.result, Evidence):
            continue
        for report in record.result.reports:
            path = scratch / "reports" / name / Path(report.name).name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(platform.evidence.get_report(report.digest))
            found[f"{name}/{path.name}"] = path
    if stage.junit and (tests := earlier_tests(platform, release, stage)) is not None:
        found[EARLIER_TESTS] = scratch / "earlier-tests.json"
        found[EARLIER_TESTS].write_bytes(tests)
    return found
