"""Do the new version and the one in production get along on the same data?

During every rollout, and after every rollback, both read what the other one wrote. So the service's own tests are given
both, on staging's Redis and PostgreSQL: the new version is the one in staging, and the one in production is started
beside it with the configuration that it has there (`run_companion`). Where nothing is in production, or this very image
with this configuration, there is nothing to get along with, and the evidence says that. A version that does not start
proves nothing.

What was tested counts beside the version that it was tested with: once another one has taken production, the stage has
to run again.
"""

from collections.abc import Mapping
from dataclasses import replace

from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, StageRecord, Tool, ToolRun
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.release_unit import ReleaseUnit
from shopkart_pipeline.services.collect_evidence import collect_evidence
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import Placed, current
from shopkart_pipeline.services.run_companion import companion

OTHER_VERSIONS = "other_versions"
"""Measure: how many versions in production the new one has to get along with, 0 or 1."""
_RUNNING, _RUNNING_CONFIGURATION = "running_digest", "running_configuration"


def check_compatibility(platform: Platform, release: Release, stage: Stage, image: str | None, run_id: str) -> ToolRun:
    """Run the declared tests against the new version and the running one.

    Args:
        platform: the ports.
        release: which release.
        stage: of kind compatibility.
        image: digest of the release's image.
        run_id: holds the running version's lease.

    Raises:
        PipelineError: the running version can't be had beside the new one.
    """
    service, running = platform.service(release.service), _running(platform, release.service)
    if running is None:
        return _alone("nothing is in production yet: there is no data of another version", {})
    environment = platform.environment_of(Phase.STAGING)
    staging = platform.sites[environment.name].cluster.observe(environment.name, service.name)
    if staging.stable is not None and image == running.digest and running.unit.is_same(staging.stable.spec.unit):
        return _alone(f"production runs this very image, as {running.release_key}", _facts(running))
    if service.workload.manifests is not None and environment.platform == "kubernetes":
        return ToolRun(EvidenceMissing("manifests of the team's own describe one version, not a second one beside it"))
    with companion(platform, service, running, run_id) as beside:
        variables = {
            "SHOPKART_URL_NEW": staging.url,
            "SHOPKART_VERSION_NEW": staging.stable.spec.release_key if staging.stable else release.key,
            "SHOPKART_URL_RUNNING": beside.url,
            "SHOPKART_VERSION_RUNNING": running.release_key,
        }
        run = collect_evidence(platform, release, stage, image, variables)
    return replace(run, result=_about(run.result, running))


def compatibility_lines(platform: Platform, release: Release, records: Mapping[str, StageRecord]) -> tuple[str, ...]:
    """Why what was tested no longer counts for what is in production now; none where it does."""
    service, running = platform.service(release.service), _running(platform, release.service)
    if running is None or running.release_key == release.key:
        return ()
    names = (stage.name for stage in service.stages if stage.kind is StageKind.COMPATIBILITY)
    results = (records[name].result for name in names if name in records)
    tested = [_tested_beside(result) for result in results if isinstance(result, Evidence)]
    return tuple(
        f"compatibility: missing: it was tested beside {unit.told_beside(running.unit) if unit else 'nothing'}, but "
        f"production runs {running.unit.told_beside(unit)} now; run it again"
        for unit in tested
        if not running.unit.is_same(unit)
    )


def _running(platform: Platform, service: str) -> Placed | None:
    return current(platform, service, platform.environment_of(Phase.PRODUCTION).name)


def _alone(reason: str, facts: Mapping[str, str]) -> ToolRun:
    return ToolRun(Evidence(Tool("ledger", "1"), reason, {OTHER_VERSIONS: 0.0}, facts=facts))


def _facts(running: Placed) -> Mapping[str, str]:
    known = {} if running.configuration is None else {_RUNNING_CONFIGURATION: running.configuration}
    return {_RUNNING: running.digest, **known}


def _tested_beside(evidence: Evidence) -> ReleaseUnit | None:
    digest = evidence.facts.get(_RUNNING)
    return None if digest is None else ReleaseUnit(digest, evidence.facts.get(_RUNNING_CONFIGURATION))


def _about(result: Evidence | EvidenceMissing, running: Placed) -> Evidence | EvidenceMissing:
    if isinstance(result, EvidenceMissing):
        return result
    return replace(
        result,
        measures={**result.measures, OTHER_VERSIONS: 1.0},
        facts={**result.facts, **_facts(running)},
        notes=(*result.notes, f"Beside it ran {running.release_key}, which is in production ({running.digest})."),
    )
