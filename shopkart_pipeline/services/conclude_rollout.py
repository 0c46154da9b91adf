"""What the end of a rollout leaves behind: an entry in the ledger, an incident where it was turned back, evidence.

All of it follows from the document, and saying it again changes nothing. So a worker that was killed between the end
and here has its successor conclude the same rollout, instead of beginning it anew and sending people to a version
that was turned back a moment ago.
"""

from dataclasses import replace
from functools import partial

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.declaration import Deployment, Phase
from shopkart_pipeline.domain.evidence import Evidence, RawReport, Tool, ToolRun
from shopkart_pipeline.domain.judge import Judgement
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.release_unit import CONFIGURATION, NOT_RECORDED
from shopkart_pipeline.domain.rollout import RolloutPhase, RolloutPlan
from shopkart_pipeline.services.advance_rollout import judge_document
from shopkart_pipeline.services.drive_rollout import keep_lease
from shopkart_pipeline.services.open_incident import open_incident
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import PROMOTE, Placed, record_placement, record_turn_back
from shopkart_pipeline.services.recall_workload import keep_workload
from shopkart_pipeline.services.rollout_document import RolloutDocument, dump

ACTOR = "pipeline"


def conclude(
    platform: Platform, deployment: Deployment, release: Release, document: RolloutDocument, holder: str
) -> ToolRun:
    """Record the end of a rollout, and return it as evidence; the caller holds the lease.

    Measures: `released` (1 or 0), `seconds`, and `canary_requests` and `canary_errors` where they were measured. A
    rollback is evidence too: its gate fails, what the judge saw is in the report, and in production an incident is
    open (in staging there is nobody to be hurt, and no traffic by which recovery could be seen).
    """
    plan, environment = document.state.plan, deployment.environment
    judgement = judge_document(document, deployment.analysis) if document.was_measured else None
    ended = _ended(platform, release, document)
    notes: tuple[str, ...] = () if plan.previous_digest else ("First deployment: there was nothing to compare with.",)
    if document.state.phase is RolloutPhase.RELEASED:
        record_placement(platform, PROMOTE, release.service, environment, ended, ACTOR, "rolled out")
        summary = f"{plan.digest} runs in {environment}"
    else:
        record_turn_back(platform, release.service, environment, ended, ACTOR, document.state.reason)
        summary = f"rolled back: {document.state.reason}"
        if platform.pipeline.environments[environment].phase is Phase.PRODUCTION:
            wait = partial(keep_lease, platform, deployment, release.service, holder)
            incident = open_incident(platform, deployment, release, document, judgement, wait)
            notes = (*notes, f"Incident {incident.id} is open; its postmortem is drafted.")
    keep_lease(platform, deployment, release.service, holder)
    cluster = platform.sites[environment].cluster
    cluster.save_rollout(environment, release.service, dump(replace(document, concluded=True)))
    return _evidence(document, judgement, summary, notes)


def _ended(platform: Platform, release: Release, document: RolloutDocument) -> Placed:
    """What a rollout brought, or was to bring, with all that it runs as; not where it was planned before configurations
    had a digest: what was told of it then must be told again in the same words."""
    plan = document.state.plan
    ended = Placed(document.state.phase_since, release.key, plan.digest, release.sha, PROMOTE)
    return ended if plan.configuration is None else keep_workload(platform, ended, document.wanted)


def _evidence(document: RolloutDocument, judgement: Judgement | None, summary: str, notes: tuple[str, ...]) -> ToolRun:
    state = document.state
    measures = {
        "released": float(state.phase is RolloutPhase.RELEASED),
        "seconds": (state.phase_since - document.started_at).total_seconds(),
    }
    if judgement is not None:
        measures |= {"canary_requests": judgement.canary.requests, "canary_errors": judgement.canary.errors}
    facts = {
        "digest": state.plan.digest,
        CONFIGURATION: state.plan.configuration or NOT_RECORDED,
        "previous_digest": state.plan.previous_digest or "none",
        "previous_configuration": _previous_configuration(state.plan),
        **_changes(document),
        "reason": state.reason,
    }
    if document.drift:
        facts["drift"] = "; ".join(document.drift)
    evidence = Evidence(Tool("rollout", "1"), summary, measures, facts=facts, notes=(*notes, *document.drift))
    return ToolRun(evidence, (RawReport("rollout.json", "application/json", canonical_json(document)),))


def _previous_configuration(plan: RolloutPlan) -> str:
    return "none" if plan.previous_digest is None else plan.previous_configuration or NOT_RECORDED


def _changes(document: RolloutDocument) -> dict[str, str]:
    """What is configured otherwise than in the version before, by name; values are in the report alone."""
    changed = document.wanted.changed_since(document.previous) if document.previous is not None else ()
    return {"configuration_changes": ", ".join(changed)} if changed else {}
