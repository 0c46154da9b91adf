"""A release as data for people and programs: read from evidence, ledger and incidents alone, no Dagster needed."""

from collections.abc import Mapping, Sequence
from typing import Any

from shopkart_pipeline.domain.declaration import Phase, Stage, StageKind
from shopkart_pipeline.domain.evidence import Evidence, EvidenceMissing, StageRecord
from shopkart_pipeline.domain.flaky_test import FlakyTest
from shopkart_pipeline.domain.incident import Incident, IncidentStep
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import GateResult, Outcome, Verdict
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.approval_status import approval_status
from shopkart_pipeline.services.approve_release import APPROVE
from shopkart_pipeline.services.flaky_tests import flaky_tests
from shopkart_pipeline.services.judge_release import image_digest, phases_before, stage_lines, stages_before
from shopkart_pipeline.services.phase_state import phase_state
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import BOOTSTRAP
from shopkart_pipeline.services.pull_requests import CANCELLED as CANCELLED_RUN
from shopkart_pipeline.services.pull_requests import applicable_stages, judge_pull_request, name_of, reason_to_end
from shopkart_pipeline.services.requests import PullRequestName
from shopkart_pipeline.services.rerun_stages import VERB as RERUN

RELEASED, ROLLED_BACK, STOPPED, UNDER_WAY = "released", "rolled_back", "stopped", "under_way"
TAKEN_OVER = "taken_over"
"""It ran before the pipeline did."""
PASSED, CANCELLED = "passed", "cancelled"
"""A pull request ends with continuous integration, or because it moved on."""
NOT_AFFECTED = "not_affected"


def release_report(platform: Platform, release: Release) -> dict[str, Any]:
    """Everything about one release: stages, gates, approvals, rollout, verdict."""
    service = platform.service(release.service)
    records = platform.evidence.latest(release.service, release.key)
    running = {start.stage: start for start in platform.evidence.running(release.service, release.key)}
    flaky = flaky_tests(platform, release.service)
    stages = [
        _stage(platform, release, stage, records, running) | _flaky(flaky.get(stage.name, ()))
        for phase in Phase
        for stage in applicable_stages(service, release, phase)
    ]
    return {
        "service": release.service,
        "release": release.key,
        "title": release.title,
        "author": release.author.name,
        "commit": release.sha,
        "digest": image_digest(service, records),
        "received_at": release.received_at.isoformat(),
        "pull_request": _pull_request(release),
        "verdict": (verdict := verdict_of(platform, release)),
        "awaited": _awaited(platform, release, records) if verdict == UNDER_WAY else None,
        "stages": stages,
        "approvers": approvers_of(platform, release),
        "rollout": _rollout(platform, release),
        "refusals": _messages(platform, release, "refused"),
        "cancelled": _messages(platform, release, CANCELLED_RUN),
        "reruns": _reruns(platform, release),
    }


def _awaited(platform: Platform, release: Release, records: Mapping[str, StageRecord]) -> dict[str, Any] | None:
    """Whom and what production waits for; None where what comes before it is not through."""
    if phase_state(platform, release, Phase.STAGING, records).outcome is not Outcome.PASS:
        return None
    status = approval_status(platform, release)
    return {
        "state": status.words,
        "approvals_missing": status.missing,
        "people": status.awaited_people if status.missing else (),
        "how": status.how if status.missing else (),
        "agreed": {who: ends.isoformat() for who, ends in status.agreed.items()},
        "not_counted": status.not_counted,
        "also": [each.line for each in status.also_awaited],
    }


def not_affected_report(note: Note) -> dict[str, Any]:
    """What did not become a release of a service, and why."""
    return {
        "service": note.service,
        "release": note.release_key,
        "verdict": NOT_AFFECTED,
        "reason": note.message,
        "received_at": note.at.isoformat(),
        **note.data,
    }


def _messages(platform: Platform, release: Release, kind: str) -> list[str]:
    return [note.message for note in platform.evidence.notes(release.service, release.key, kind)]


def _pull_request(release: Release) -> dict[str, Any] | None:
    proposed = release.pull_request
    if proposed is None:
        return None
    return {
        "number": proposed.number,
        "base": proposed.base_sha,
        "from_fork": proposed.from_fork,
        "merge_group": proposed.merge_group,
    }


def _reruns(platform: Platform, release: Release) -> list[dict[str, str]]:
    acts = [entry.act for entry in platform.ledger.entries(release.service, release.key) if entry.act.verb == RERUN]
    return [{"at": act.at.isoformat(), "actor": act.actor, **act.body} for act in acts]


def approvers_of(platform: Platform, release: Release) -> list[str]:
    """Who approved, as the ledger tells."""
    entries = platform.ledger.entries(release.service, release.key)
    return sorted({entry.act.actor for entry in entries if entry.act.verb == APPROVE})


def verdict_of(platform: Platform, release: Release) -> str:
    """How the release ended, or that it has not."""
    service = platform.service(release.service)
    records = platform.evidence.latest(release.service, release.key)
    outcomes = {stage.name: stage_outcome(platform, release, stage, records) for stage in service.stages}
    name = name_of(release)
    if name is not None:
        return _verdict_of_pull_request(platform, release, name, outcomes)
    production = [stage.name for stage in service.stages_of(Phase.PRODUCTION) if stage.kind is StageKind.PRODUCTION]
    if all(outcomes[name] == "passed" for name in production):
        return RELEASED
    if any(outcomes[name] == "failed" for name in production):
        return ROLLED_BACK
    if any(outcome in ("failed", "missing") for outcome in outcomes.values()):
        return STOPPED
    acts = {entry.act.verb for entry in platform.ledger.entries(release.service, release.key)}
    return TAKEN_OVER if BOOTSTRAP in acts else UNDER_WAY


def _verdict_of_pull_request(
    platform: Platform, release: Release, name: PullRequestName, outcomes: Mapping[str, str]
) -> str:
    if judge_pull_request(platform, release).outcome is Outcome.PASS:
        return PASSED
    is_over = reason_to_end(platform, name, release.service, release.key) is not None
    was_ended = bool(platform.evidence.notes(release.service, release.key, CANCELLED_RUN))
    if any(outcome in ("failed", "missing") for outcome in outcomes.values()) and not (is_over and was_ended):
        return STOPPED
    return CANCELLED if is_over else UNDER_WAY


def is_settled(platform: Platform, release: Release) -> bool:
    """Whether nothing of the release runs, or could still start by itself."""
    service = platform.service(release.service)
    records = platform.evidence.latest(release.service, release.key)
    outcomes = {stage.name: stage_outcome(platform, release, stage, records) for stage in service.stages}
    due = [
        stage.name
        for phase in (Phase.CI, Phase.STAGING)
        for stage in applicable_stages(service, release, phase)
        if outcomes[stage.name] == "not_run"
        and all(outcomes[name] == "passed" for name in {*stages_before(service, stage), *phases_before(service, phase)})
    ]
    return not due and not platform.evidence.running(release.service, release.key)


def stage_outcome(platform: Platform, release: Release, stage: Stage, records: Mapping[str, StageRecord]) -> str:
    """`passed`, `failed`, `missing` or `not_run`."""
    record = records.get(stage.name)
    if record is None:
        return "not_run"
    outcome = Verdict(stage_lines(platform, release, record, records)).outcome
    return {Outcome.PASS: "passed", Outcome.FAIL: "failed", Outcome.MISSING: "missing"}[outcome]


def _stage(
    platform: Platform,
    release: Release,
    stage: Stage,
    records: Mapping[str, StageRecord],
    running: Mapping[str, Any],
) -> dict[str, Any]:
    record = records.get(stage.name)
    shown: dict[str, Any] = {"stage": stage.name, "phase": stage.phase.value}
    if stage.name in running:
        return shown | {"status": "running", "started_at": running[stage.name].started_at.isoformat()}
    if record is None:
        return shown | {"status": "not_run"}
    return shown | {
        "status": stage_outcome(platform, release, stage, records),
        "started_at": record.started_at.isoformat(),
        "finished_at": record.finished_at.isoformat(),
        "duration_seconds": round(record.duration_seconds, 3),
        "run_id": record.run_id,
        "reused": _reused(record),
        "image": record.subject_digest,
        "tool": _tool(record),
        "summary": record.result.summary if isinstance(record.result, Evidence) else record.result.reason,
        "gates": [_gate(gate) for gate in stage_lines(platform, release, record, records)],
        "findings": _findings(record),
        "notes": list(record.result.notes) if isinstance(record.result, Evidence) else [],
    }


def _reused(record: StageRecord) -> dict[str, str] | None:
    if record.reused is None:
        return None
    return {
        "release": record.reused.release_key,
        "commit": record.reused.commit,
        "run_id": record.reused.run_id,
        "produced_at": record.reused.produced_at.isoformat(),
    }


def _flaky(tests: Sequence[FlakyTest]) -> dict[str, Any]:
    """How often tests of a stage were flaky over the latest releases; nothing where none was."""
    shown = [{"test": test.name, "releases": test.releases, "of_releases": test.of_releases} for test in tests]
    return {"flaky_tests": shown} if shown else {}


def _tool(record: StageRecord) -> str | None:
    tool = record.result.tool
    return None if tool is None else f"{tool.name} {tool.version}".strip()


def _gate(gate: GateResult) -> dict[str, Any]:
    return {
        "gate": gate.gate,
        "stage": gate.stage,
        "outcome": gate.outcome.value,
        "value": gate.value,
        "limit": gate.limit,
        "comparison": gate.comparison.value if gate.comparison else None,
        "reason": gate.reason,
        "exempted": gate.exempted,
        "waived": list(gate.waived),
    }


def _findings(record: StageRecord) -> list[dict[str, Any]]:
    if isinstance(record.result, EvidenceMissing):
        return []
    return [
        {
            "rule": finding.rule,
            "fingerprint": finding.fingerprint,
            "severity": finding.severity.name.lower(),
            "message": finding.message,
            "path": finding.path,
            "line": finding.line,
            "package": finding.package,
            "fixed_in": finding.fixed_in,
            "new": finding.is_new,
        }
        for finding in record.result.findings
    ]


def _rollout(platform: Platform, release: Release) -> list[dict[str, Any]]:
    notes = platform.evidence.notes(release.service, release.key, "rollout")
    return [{"at": note.at.isoformat(), "what": note.message, **note.data} for note in notes]


def incident_report(incident: Incident) -> dict[str, Any]:
    """An incident's times and what was found."""
    times = {step.value: incident.time_of(step) for step in IncidentStep}
    return {
        "id": incident.id,
        "service": incident.service,
        "release": incident.suspected_release,
        "reason": incident.reason,
        "source": incident.source.value,
        "severity": incident.severity.value,
        "suspects": [{"release": each.name, "reasons": list(each.reasons)} for each in incident.suspects],
        "outage_minutes": incident.outage_minutes,
        "failed_requests": incident.failed_requests,
        "answered_requests": incident.answered_requests,
        "times": {name: at.isoformat() if at else None for name, at in times.items()},
        "signatures": [vars(signature) for signature in incident.signatures],
        "missing": list(incident.missing),
    }
