"""Bring a digest to an environment, tick by tick, until it is released or rolled back.

A lease keeps two workers off the same service; a worker that died loses it by time, and whoever comes next finds the
saved state: the same release goes on where it stopped, another release first turns the unfinished one back. The
lease is renewed every tick, so losing it means that somebody else may act, and this worker stops at once.
"""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.declaration import Deployment, Phase, Service
from shopkart_pipeline.domain.errors import Conflict
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, RawReport, Tool, ToolRun
from shopkart_pipeline.domain.judge import Judgement
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.rollout import (
    FINAL_PHASES,
    Action,
    Decision,
    RolloutPhase,
    RolloutPlan,
    abort,
    begin,
)
from shopkart_pipeline.domain.workload import Probes, WorkloadSpec
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.advance_rollout import advance
from shopkart_pipeline.services.judge_release import image_digest
from shopkart_pipeline.services.open_incident import open_incident
from shopkart_pipeline.services.platform import Platform, Site
from shopkart_pipeline.services.production_history import PROMOTE, Placed, record_placement
from shopkart_pipeline.services.rollout_document import RolloutDocument, dump, load

LEASE_SECONDS = 15.0
TICK_SECONDS = 0.25
ABORT = "abort"


def roll_out(platform: Platform, release: Release, phase: Phase, run_id: str) -> ToolRun:
    """Roll a release out to the environment of a phase.

    Measures: `released` (1 or 0), `canary_requests`, `canary_errors`, `seconds`. A rollback is evidence too: its
    gate fails, an incident is open, and what the judge saw is in the report.
    """
    service = platform.service(release.service)
    deployment = platform.deployment_of(service, phase)
    site = platform.sites[deployment.environment]
    digest = image_digest(service, platform.evidence.latest(release.service, release.key))
    if digest is None:
        return ToolRun(EvidenceMissing("there is no image to deploy"))
    with leased(platform, deployment, service.name, run_id):
        document = _begin_or_resume(platform, site, deployment, service, release, digest, run_id)
        document, judgement = drive(platform, site, deployment, release, document, run_id)
        return _conclude(platform, deployment, release, document, judgement)


@contextmanager
def leased(platform: Platform, deployment: Deployment, service: str, holder: str) -> Generator[None]:
    """Hold the lease on a service; wait for a dead holder's to end, and no longer than a rollout may take."""
    waited, environment = 0.0, deployment.environment
    cluster = platform.sites[environment].cluster
    while not cluster.acquire_lease(environment, service, holder, LEASE_SECONDS, platform.clock.now()):
        if waited > deployment.deadline_seconds + LEASE_SECONDS:
            raise Conflict(f"Somebody else is changing {service} in {environment}.", "Wait for that run to end.")
        platform.clock.sleep(TICK_SECONDS)
        waited += TICK_SECONDS
    try:
        yield
    finally:
        cluster.release_lease(environment, service, holder)


def _begin_or_resume(
    platform: Platform,
    site: Site,
    deployment: Deployment,
    service: Service,
    release: Release,
    digest: str,
    run_id: str,
) -> RolloutDocument:
    saved = load(site.cluster.load_rollout(deployment.environment, service.name))
    if saved is not None and saved.state.phase not in FINAL_PHASES:
        if saved.state.plan.digest == digest and saved.state.plan.release_key == release.key:
            _note(platform, release, "rollout", f"resumed in {saved.state.phase.value}", {})
            return saved
        leftover = platform.evidence.release(service.name, saved.state.plan.release_key)
        reason = f"superseded by {release.name}"
        turned = replace(saved, state=abort(saved.state, reason, platform.clock.now()))
        drive(platform, site, deployment, leftover, turned, run_id)
    return _begin(platform, site, deployment, service, release, digest)


def _begin(
    platform: Platform, site: Site, deployment: Deployment, service: Service, release: Release, digest: str
) -> RolloutDocument:
    now, stable = platform.clock.now(), site.cluster.observe(deployment.environment, service.name).stable
    plan = RolloutPlan(
        release_key=release.key,
        digest=digest,
        previous_digest=stable.spec.digest if stable else None,
        previous_release_key=stable.spec.release_key if stable else None,
        steps=deployment.steps,
        deadline_seconds=deployment.deadline_seconds,
    )
    wanted = workload_spec(service, deployment, release, digest)
    document = RolloutDocument(begin(plan, now), wanted, stable.spec if stable else None, now)
    site.cluster.save_rollout(deployment.environment, service.name, dump(document))
    return document


def workload_spec(service: Service, deployment: Deployment, release: Release, digest: str) -> WorkloadSpec:
    """The wanted state of a release in an environment."""
    workload = service.workload
    return WorkloadSpec(
        digest=digest,
        release_key=release.key,
        commit=release.sha,
        replicas=deployment.replicas,
        command=workload.command,
        variables=workload.variables,
        probes=Probes(
            workload.startup_path,
            workload.readiness_path,
            workload.liveness_path,
            workload.startup_deadline_seconds,
        ),
        metrics_path=workload.metrics_path,
        drain_seconds=workload.drain_seconds,
    )


def drive(
    platform: Platform,
    site: Site,
    deployment: Deployment,
    release: Release,
    document: RolloutDocument,
    run_id: str,
) -> tuple[RolloutDocument, Judgement | None]:
    """Tick until the end; the last judgement that looked at traffic is returned beside the document."""
    last: Judgement | None = None
    while True:
        now = platform.clock.now()
        held = site.cluster.acquire_lease(deployment.environment, release.service, run_id, LEASE_SECONDS, now)
        if not held:
            raise Conflict(f"The lease on {release.service} was lost to somebody else.", "Look at the other run.")
        document = _turn_back_on_request(platform, deployment, document, now)
        decision, judgement, document = advance(site, deployment, release.service, document, now)
        last = judgement if document.samples else last
        _tell(platform, release, decision, judgement)
        if decision.action is Action.FINISH:
            return document, last
        if decision.action is Action.HOLD:
            platform.clock.sleep(TICK_SECONDS)


def _turn_back_on_request(
    platform: Platform, deployment: Deployment, document: RolloutDocument, now: datetime
) -> RolloutDocument:
    """People ask through the ledger, so that whoever drives the rollout sees it, and auditors do too."""
    for entry in platform.ledger.entries(release_key=document.state.plan.release_key):
        act = entry.act
        asked = act.verb == ABORT and act.body.get("environment") == deployment.environment
        if asked and act.at >= document.started_at:
            reason = f"turned back by {act.actor}: {act.body.get('reason', '')}"
            return replace(document, state=abort(document.state, reason, now))
    return document


def _tell(platform: Platform, release: Release, decision: Decision, judgement: Judgement) -> None:
    if decision.action is Action.HOLD:
        return
    data: dict[str, str | float | int | bool | None] = {
        "action": decision.action.value,
        "phase": decision.state.phase.value,
        "weight_percent": decision.weight_percent if decision.action is Action.SET_WEIGHT else None,
        "opinion": judgement.opinion.value,
        "canary_requests": judgement.canary.requests,
        "canary_errors": judgement.canary.errors,
    }
    _note(platform, release, "rollout", decision.reason, data)


def _note(
    platform: Platform, release: Release, kind: str, text: str, data: dict[str, str | float | int | bool | None]
) -> None:
    platform.evidence.note(Note(release.service, release.key, platform.clock.now(), kind, text, data))


def _conclude(
    platform: Platform,
    deployment: Deployment,
    release: Release,
    document: RolloutDocument,
    judgement: Judgement | None,
) -> ToolRun:
    now, plan = platform.clock.now(), document.state.plan
    released = document.state.phase is RolloutPhase.RELEASED
    notes: tuple[str, ...] = () if plan.previous_digest else ("First deployment: there was nothing to compare with.",)
    if released:
        placed = Placed(now, release.key, plan.digest, release.sha, PROMOTE)
        record_placement(platform, PROMOTE, release.service, deployment.environment, placed, "pipeline", "rolled out")
        summary = f"{plan.digest} runs in {deployment.environment}"
    else:
        summary = f"rolled back: {document.state.reason}"
        incident = open_incident(platform, deployment, release, document, judgement)
        notes = (*notes, f"Incident {incident.id} is open; its postmortem is drafted.")
    measures = {"released": float(released), "seconds": (now - document.started_at).total_seconds()}
    if judgement is not None:
        measures |= {"canary_requests": judgement.canary.requests, "canary_errors": judgement.canary.errors}
    facts = {"digest": plan.digest, "previous_digest": plan.previous_digest or "none", "reason": document.state.reason}
    evidence = Evidence(Tool("rollout", "1"), summary, measures, facts=facts, notes=notes)
    return ToolRun(evidence, (RawReport("rollout.json", "application/json", canonical_json(document)),))
