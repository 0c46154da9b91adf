"""An incident in Dagster: a partition, with an asset for each of its steps.

What can be done by itself is an operation (`dashboards`, `rollback`, `recovery`, `postmortem`); what people and alerts
do is shown as soon as it is in the incident's timeline. To press "materialize" does the same as the command, refusals
included. Two checks are red until users were seen to be well again, and until the action items are closed.
"""

# Dagster leaves type parameters of these functions open.
# pyright: reportUnknownVariableType=false

import warnings
from collections.abc import Callable, Iterator
from typing import TypedDict

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    AssetSpec,
    DynamicPartitionsDefinition,
    Failure,
    MaterializeResult,
    MetadataValue,
    ResourceParam,
    asset,
    define_asset_job,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._utils.warnings import PreviewWarning

from shopkart_pipeline.defs.keys import asset_key
from shopkart_pipeline.defs.show_incident import incident_metadata, pictures
from shopkart_pipeline.domain.declaration import Phase, Pipeline, StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.incident import Incident, IncidentStep
from shopkart_pipeline.domain.roles import Verb
from shopkart_pipeline.engine.asset_shapes import NarrowJob
from shopkart_pipeline.engine.launch import is_launched_by_key
from shopkart_pipeline.engine.places import GROUP_TAG, NO_LIMIT
from shopkart_pipeline.services.authenticate import check_button
from shopkart_pipeline.services.check_postmortem import check_postmortem
from shopkart_pipeline.services.close_incident import verify
from shopkart_pipeline.services.draft_postmortem import draft_postmortem, is_drafted
from shopkart_pipeline.services.gather_snapshot import gather_snapshot
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.roll_back_incident import roll_back_incident
from shopkart_pipeline.services.verify_recovery import NotRecovered

INCIDENT, INCIDENTS = "incident", "incidents"
ACTOR_TAG = "shopkart/actor"
"""Who had a run of this job made; a run without it was made in the web interface."""
RECOVERED, ACTION_ITEMS = "recovered", "action_items_closed"
PARTITIONS = DynamicPartitionsDefinition(name=INCIDENTS)
LOOK_SECONDS = 10.0
"""For how long one run looks for a recovery; it is asked for again."""
SHOWN = {
    "alert": IncidentStep.OPENED,
    "acknowledgement": IncidentStep.ACKNOWLEDGED,
    "dashboards": IncidentStep.INVESTIGATED,
    "logs": IncidentStep.LOGS_INSPECTED,
    "cause": IncidentStep.CAUSE_IDENTIFIED,
    "rollback": IncidentStep.ROLLED_BACK,
    "recovery": IncidentStep.RECOVERED,
    "postmortem": IncidentStep.POSTMORTEM_DRAFTED,
}
"""The eight steps, and by which entry of the timeline each is seen to be done."""
_DESCRIPTIONS = {
    "alert": "The alert, missed objective, rollback or person that opened the incident.",
    "acknowledgement": "Somebody looks at it: `shopkart incident ID ack`.",
    "dashboards": "Metrics as pictures, releases before it, and which one is suspected.",
    "logs": "Error lines by kind, counted against the time before.",
    "cause": "The root cause: `shopkart incident ID cause --text ...`.",
    "rollback": "Production without the suspected release.",
    "recovery": "Every objective is met again.",
    "postmortem": "What is learnt: drafted from facts, completed by people in the repository.",
}
_KINDS = {"acknowledgement": {"human"}, "cause": {"human"}, "dashboards": {"prometheus"}, "logs": {"loki"}}


def key_of(step: str) -> AssetKey:
    return AssetKey([INCIDENT, step])


def build_incidents(
    pipeline: Pipeline,
) -> tuple[list[AssetsDefinition | AssetSpec], UnresolvedAssetJobDefinition]:
    """The assets of the steps, and the job of those that can be done by itself."""
    owners = sorted({owner for service in pipeline.services.values() for owner in service.owners})
    done = [_dashboards(owners), _rollback(owners), _recovery(owners), _postmortem(owners)]
    by_others = [_spec(step, owners, _before(pipeline, step)) for step in ("alert", "acknowledgement", "logs", "cause")]
    job = define_asset_job(
        INCIDENT,
        selection=AssetSelection.assets(*(asset.key for asset in done)),
        description="What is done about an incident by itself: snapshot, declared rollback, recovery, postmortem.",
        tags={GROUP_TAG: NO_LIMIT},
    )
    return [*by_others, *done], NarrowJob.of(job)


def _before(pipeline: Pipeline, step: str) -> list[AssetKey]:
    """An incident comes from what is in production; each step from the one before."""
    steps = list(SHOWN)
    if step != steps[0]:
        return [key_of(steps[steps.index(step) - 1])]
    return [
        asset_key(service.name, stage.name)
        for service in pipeline.services.values()
        for stage in service.stages_of(Phase.PRODUCTION)
        if stage.kind is StageKind.PRODUCTION
    ]


def _spec(step: str, owners: list[str], deps: list[AssetKey]) -> AssetSpec:
    return AssetSpec(deps=deps, **_details(step, owners))


def _check(step: str, name: str, description: str) -> AssetCheckSpec:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PreviewWarning)
        return AssetCheckSpec(name, asset=key_of(step), description=description, partitions_def=PARTITIONS)


def _dashboards(owners: list[str]) -> AssetsDefinition:
    @asset(**_details("dashboards", owners), deps=[key_of("acknowledgement")])
    def dashboards(context: AssetExecutionContext, platform: ResourceParam[Platform]) -> MaterializeResult[object]:
        incident = _worked(lambda: gather_snapshot(platform, context.partition_key))
        return MaterializeResult(metadata=incident_metadata(platform, incident) | pictures(platform, incident))

    return dashboards


def _rollback(owners: list[str]) -> AssetsDefinition:
    @asset(**_details("rollback", owners), deps=[key_of("cause")])
    def rollback(context: AssetExecutionContext, platform: ResourceParam[Platform]) -> MaterializeResult[object]:
        incident = _worked(lambda: _roll_back(context, platform))
        return MaterializeResult(metadata=incident_metadata(platform, incident))

    return rollback


def _roll_back(context: AssetExecutionContext, platform: Platform) -> Incident:
    """By the declared rule, or by somebody who pressed the button."""
    by_itself = is_launched_by_key(context.run) and ACTOR_TAG in context.run.tags
    actor = context.run.tags[ACTOR_TAG] if by_itself else check_button(platform, Verb.HANDLE_INCIDENT)
    return roll_back_incident(platform, context.partition_key, actor, context.run.run_id)


def _recovery(owners: list[str]) -> AssetsDefinition:
    check = _check("recovery", RECOVERED, "Users are answered within every objective.")

    @asset(**_details("recovery", owners), deps=[key_of("rollback")], check_specs=[check])
    def recovery(
        context: AssetExecutionContext, platform: ResourceParam[Platform]
    ) -> Iterator[MaterializeResult[object] | AssetCheckResult]:
        found = verify(platform, context.partition_key, LOOK_SECONDS)
        if isinstance(found, NotRecovered):
            yield _result("recovery", RECOVERED, found.reason, passed=False)
            raise Failure(f"nobody sees a recovery: {found.reason}", allow_retries=False)
        words = next(entry.text for entry in found.timeline if entry.step is IncidentStep.RECOVERED)
        checks = [_result("recovery", RECOVERED, words, passed=True)]
        yield MaterializeResult(metadata=incident_metadata(platform, found), check_results=checks)

    return recovery


def _postmortem(owners: list[str]) -> AssetsDefinition:
    check = _check("postmortem", ACTION_ITEMS, "The postmortem is completed, and its action items are closed.")

    @asset(**_details("postmortem", owners), deps=[key_of("recovery")], check_specs=[check])
    def postmortem(
        context: AssetExecutionContext, platform: ResourceParam[Platform]
    ) -> Iterator[MaterializeResult[object]]:
        incident = platform.incidents.get(context.partition_key)
        if not is_drafted(incident):
            incident = _worked(lambda: draft_postmortem(platform, context.partition_key))
        state, page = check_postmortem(platform, incident), platform.incidents.postmortem(incident.id)
        words = "; ".join(state.open_lines) or f"{state.path} is complete at {state.commit}"
        shown = {"draft": MetadataValue.md(page or ""), "path": MetadataValue.text(state.path)}
        checks = [_result("postmortem", ACTION_ITEMS, words, passed=state.is_done)]
        yield MaterializeResult(metadata=incident_metadata(platform, incident) | shown, check_results=checks)

    return postmortem


class _Details(TypedDict):
    key: AssetKey
    partitions_def: DynamicPartitionsDefinition
    group_name: str
    owners: list[str]
    kinds: set[str]
    description: str


def _details(step: str, owners: list[str]) -> _Details:
    return {
        "key": key_of(step),
        "partitions_def": PARTITIONS,
        "group_name": INCIDENTS,
        "owners": owners,
        "kinds": _KINDS.get(step, {INCIDENT}),
        "description": _DESCRIPTIONS[step],
    }


def _result(step: str, name: str, words: str, *, passed: bool) -> AssetCheckResult:
    return AssetCheckResult(asset_key=key_of(step), check_name=name, passed=passed, description=words)


def _worked(work: Callable[[], Incident]) -> Incident:
    try:
        return work()
    except PipelineError as error:
        raise Failure(error.what, metadata={"fix": error.fix}, allow_retries=False) from None
