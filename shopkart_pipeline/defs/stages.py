"""One asset per stage of a service, one blocking check per gate.

Checks show; `run_stage` enforces: it refuses a stage whose predecessors are not passed for this commit and image,
whoever pressed the button and whatever the event log says. Missing evidence leaves failed checks and no
materialization, because there is nothing that could be shown as a result.
"""

import warnings
from collections.abc import Iterator
from functools import lru_cache

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    Failure,
    MaterializeResult,
    MetadataValue,
    PreviewWarning,
    ResourceParam,
    asset,
)

from shopkart_pipeline.defs.by_hand import ask_for_what_follows, note_by_hand
from shopkart_pipeline.defs.display import check_name, check_result, record_metadata
from shopkart_pipeline.defs.keys import APPROVAL, NO_REUSE_TAG, asset_key, op_prefix, releases_of
from shopkart_pipeline.defs.load_test import load_metadata
from shopkart_pipeline.defs.release_metadata import release_metadata
from shopkart_pipeline.defs.show_approval import awaited_metadata
from shopkart_pipeline.domain.declaration import MIGRATIONS, Phase, Service, Stage, StageKind
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import EvidenceMissing
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.engine.asset_shapes import of_shape
from shopkart_pipeline.engine.doorbell import ring
from shopkart_pipeline.engine.step_pods import in_pods
from shopkart_pipeline.services.judge_release import gates_of, skipped
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.run_stage import StageOutcome, run_stage
from shopkart_pipeline.settings import dagster_home_of

_DESCRIPTIONS = {
    StageKind.SOURCE: "The repository at the release's commit.",
    StageKind.DEPENDENCIES: "The service's dependencies, installed exactly as locked.",
    StageKind.LINT: "What the linters say about the source.",
    StageKind.UNIT_TESTS: "Results and coverage of the unit tests.",
    StageKind.QUALITY: "Code quality of what is new: violations, coverage, duplication, security hotspots.",
    StageKind.SECRET_SCAN: "Credentials in the tree and in the commits of the release.",
    StageKind.DEPENDENCY_SCAN: "Known vulnerabilities of the locked dependencies.",
    StageKind.APPLICATION: "The built application with its runtime dependencies.",
    StageKind.IMAGE: "The container image, named by its digest from here on.",
    StageKind.IMAGE_SCAN: "Known vulnerabilities and misconfiguration of the image.",
    StageKind.PUBLISHED_IMAGE: "The image in the registry, its digest confirmed by the registry.",
    StageKind.ATTESTATIONS: "Signed statements about the image: provenance, bills of materials, results of stages.",
    StageKind.CODE_REVIEW: "The pull requests and reviews behind everything that the release brings to production.",
    StageKind.STAGING_EXPAND: "Staging's database with what the release needs.",
    StageKind.STAGING: "The image running in staging.",
    StageKind.INTEGRATION_TESTS: "Integration tests against the release in staging.",
    StageKind.ACCEPTANCE_TESTS: "User acceptance tests against the release in staging.",
    StageKind.COMPATIBILITY: "The new version beside the one in production on the same data, in both directions.",
    StageKind.LOAD_TEST: "Staging under multiples of production's peak: latency and errors at each.",
    StageKind.STAGING_ATTESTATIONS: "Signed statements about what staging showed of the image.",
    StageKind.PRODUCTION_EXPAND: "Production's database with what the release needs.",
    StageKind.PRODUCTION: "The image running in production: canary first, then a rolling update.",
    StageKind.CONTRACT: "The databases without what only older releases need, once it is time.",
    StageKind.COMMAND: "A stage that the service declares.",
}
_KINDS = {
    StageKind.SOURCE: {"git"},
    StageKind.DEPENDENCIES: {"python"},
    StageKind.UNIT_TESTS: {"pytest"},
    StageKind.IMAGE: {"docker"},
    StageKind.IMAGE_SCAN: {"docker"},
    StageKind.PUBLISHED_IMAGE: {"docker"},
    StageKind.ATTESTATIONS: {"intoto"},
    StageKind.CODE_REVIEW: {"github"},
    StageKind.STAGING_ATTESTATIONS: {"intoto"},
    StageKind.STAGING: {"kubernetes"},
    StageKind.PRODUCTION: {"kubernetes"},
    **{kind: {"sql"} for kind in MIGRATIONS},
}

_ANY_SERVICE = "service"
"""In the names of inputs and outputs, which are the same for every service."""


def build_stages(service: Service) -> list[AssetsDefinition | AssetSpec]:
    """The assets of a service, and the approval as an asset that people make."""
    return [*(_stage_asset(service, stage) for stage in service.stages), _approval(service)]


def group_of(service: Service, phase: Phase) -> str:
    return f"{op_prefix(service.name)}_{phase.value}"


def _approval(service: Service) -> AssetSpec:
    """Shown between staging and production; recorded by `shopkart approve`, never materialized by a run."""
    policies = [each.approvals for each in service.deployments.values() if each.approvals is not None]
    who = "; ".join(f"{each.required} of {', '.join(each.approvers)}" for each in policies) or "nobody"
    before = [stage.name for stage in service.stages_of(Phase.STAGING)]
    return AssetSpec(
        asset_key(service.name, APPROVAL),
        deps=[asset_key(service.name, name) for name in before],
        description=f"Signed statements of people about the image and its evidence. Needed from: {who}. Give one with "
        f"`shopkart approve {service.name}@RELEASE`; the newest observation of a release says whom it waits for.",
        group_name=group_of(service, Phase.PRODUCTION),
        owners=list(service.owners),
        kinds={"human"},
        partitions_def=releases_of(service.name),
    )


def _stage_asset(service: Service, stage: Stage) -> AssetsDefinition:
    checks = _checks(service, stage)
    needs = (*stage.needs, *([APPROVAL] if stage.phase is Phase.PRODUCTION else []))
    spec = AssetSpec(
        asset_key(service.name, stage.name),
        deps=[asset_key(service.name, name) for name in needs],
        partitions_def=releases_of(service.name),
        group_name=group_of(service, stage.phase),
        owners=list(service.owners),
        kinds=_KINDS.get(stage.kind, {stage.phase.value}),
        description=_DESCRIPTIONS[stage.kind],
        tags={"shopkart/phase": stage.phase.value, "shopkart/kind": stage.kind.value},
    )
    template = _template(stage.name, needs, tuple(check.name for check in checks))
    name = f"{op_prefix(service.name)}__{stage.name}"
    return of_shape(template, name, spec, checks, lambda key: asset_key(service.name, key.path[-1]))


@lru_cache(maxsize=1024)
def _template(stage_name: str, needs: tuple[str, ...], checks: tuple[str, ...]) -> AssetsDefinition:
    """The stage of any service: what it works for, it learns from the context."""

    @asset(
        key=asset_key(_ANY_SERVICE, stage_name),
        deps=[asset_key(_ANY_SERVICE, name) for name in needs],
        check_specs=[AssetCheckSpec(name, asset=asset_key(_ANY_SERVICE, stage_name)) for name in checks],
    )
    def run(
        context: AssetExecutionContext, platform: ResourceParam[Platform]
    ) -> Iterator[MaterializeResult[object] | AssetCheckResult]:
        service_name = context.asset_key.path[0]
        release = platform.evidence.release(service_name, context.partition_key)
        stage = platform.service(service_name).stage(stage_name)
        try:
            note_by_hand(context, platform, release, stage)
            reuse = context.run.tags.get(NO_REUSE_TAG) != "true"
            tools = in_pods(platform, context, release, stage)
            outcome = run_stage(tools, release, stage_name, context.run.run_id, reuse=reuse)
        except Refused as refusal:
            shown = {"fix": MetadataValue.text(refusal.fix), **awaited_metadata(platform, release, stage)}
            raise Failure(refusal.what, metadata=shown, allow_retries=False) from None
        follows = outcome.passed and ask_for_what_follows(context, platform, release, stage)
        if outcome.phase_passed or follows:
            ring(dagster_home_of(platform.workspace.home))
        yield from _events(platform, context.asset_key, release, outcome)

    return run


def _events(
    platform: Platform, key: AssetKey, release: Release, outcome: StageOutcome
) -> Iterator[MaterializeResult[object] | AssetCheckResult]:
    log = str(platform.workspace.log(release, outcome.record.stage))
    stage = platform.service(release.service).stage(outcome.record.stage)
    metadata = record_metadata(release, outcome, log) | load_metadata(platform, stage, outcome.record)
    metadata |= release_metadata(platform, release, outcome)
    checks = [check_result(key, gate) for gate in outcome.gates]
    result = outcome.record.result
    if isinstance(result, EvidenceMissing):
        yield from checks
        raise Failure(result.reason, metadata=metadata, allow_retries=False)
    yield MaterializeResult(asset_key=key, metadata=metadata, check_results=checks)


def _checks(service: Service, stage: Stage) -> list[AssetCheckSpec]:
    gates = gates_of(service, stage.name)
    named = {gate.name: gate.description for gate in gates} or {"evidence": "The stage left evidence."}
    without = {check_name(line.gate, line.stage, stage.name): line.reason for line in skipped(service, stage.name)}
    with warnings.catch_warnings():
        # Partitioned checks are a preview; without them one release's result would overwrite another's.
        warnings.simplefilter("ignore", PreviewWarning)
        return [
            AssetCheckSpec(
                name,
                asset=asset_key(service.name, stage.name),
                description=description,
                blocking=name in named,
                partitions_def=releases_of(service.name),
            )
            for name, description in (named | without).items()
        ]
