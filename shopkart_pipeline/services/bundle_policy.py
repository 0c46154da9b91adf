"""The policy by which a release went to production, as a program without the declaration's compiler can read it.

It says which stages and gates there are, who may approve, who wrote the release, and which waivers counted when
production was begun. The declaration itself lies beside it; this is what it means.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shopkart_pipeline.domain.declaration import Phase, Service, StageKind
from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.domain.evidence import Evidence, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.waiver import Waiver
from shopkart_pipeline.services.checkout_source import base_commit
from shopkart_pipeline.services.four_eyes import writers_since
from shopkart_pipeline.services.judge_release import MAXIMUM_EVIDENCE_AGE_SECONDS, is_about_image, phases_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import newest_placements
from shopkart_pipeline.services.provenance import builder_of
from shopkart_pipeline.services.waivers import END_WAIVER

VERIFIED = "verification"
"""How the note about a signed summary calls what was done."""


def policy_document(
    platform: Platform, release: Release, records: Mapping[str, StageRecord], moment: datetime
) -> dict[str, Any]:
    """What the declaration asks of a release.

    Args:
        platform: the ports.
        release: which release.
        records: what its stages left.
        moment: when production was begun, or now.
    """
    service = platform.service(release.service)
    deployment = platform.deployment_of(service, Phase.PRODUCTION)
    approvals = deployment.approvals
    return {
        "declaration": platform.pipeline.digest,
        "environment": deployment.environment,
        "maximum_age_seconds": MAXIMUM_EVIDENCE_AGE_SECONDS,
        "stages": [
            {
                "name": stage.name,
                "kind": stage.kind,
                "phase": stage.phase,
                "about_image": is_about_image(service, stage),
            }
            for stage in service.stages
        ],
        "builder": builder_of(service),
        "summaries": summaries(platform, release, records),
        "stages_before": phases_before(service, Phase.PRODUCTION),
        "gates": service.gates,
        "left_out": service.left_out,
        "waivers": _waivers(platform, service, records, moment),
        "approvals": approvals
        and {
            "required": approvals.required,
            "approvers": approvals.approvers,
            "four_eyes": approvals.four_eyes,
            "expires_after_seconds": approvals.expires_after_seconds,
        },
        "writers": _writers(platform, release),
    }


def summaries(platform: Platform, release: Release, records: Mapping[str, StageRecord]) -> list[str]:
    """Digests of signed verification summaries that notes name and no record does: a worker that was killed on its way
    to production left them, and its successor verified nothing anew."""
    named = {report.digest for record in records.values() for report in record.result.reports}
    notes = platform.evidence.notes(release.service, release.key, "rollout")
    found = [
        str(note.data["report"]) for note in notes if note.data.get("action") == VERIFIED and "report" in note.data
    ]
    return [] if named.intersection(found) else found[-1:]


def _waivers(
    platform: Platform, service: Service, records: Mapping[str, StageRecord], moment: datetime
) -> list[Waiver]:
    """Those that the release's commit holds and that had not ended at that moment; expiry is told by the clock."""
    source = service.stage_of(StageKind.SOURCE)
    record = records.get(source.name) if source is not None else None
    declared = record.result.waivers if record is not None and isinstance(record.result, Evidence) else ()
    acts = [entry.act for entry in platform.ledger.entries(service.name)] if declared else []
    ended = {act.body["waiver"] for act in acts if act.verb == END_WAIVER and act.at <= moment}
    return [waiver for waiver in declared if waiver.id not in ended]


def _writers(platform: Platform, release: Release) -> list[str] | None:
    """Everybody who has a part in what the release brought to production; None where the source can't tell."""
    try:
        source = platform.service(release.service).source
        base = _base(platform, release)
        for sha in (base, release.sha):
            if sha is not None:
                platform.scm.fetch(source, sha)
        return sorted(writers_since(platform, release, base))
    except PipelineError:
        return None


def _base(platform: Platform, release: Release) -> str | None:
    """The commit that was in production before the release was; the one that is there now if it never was."""
    environment = platform.environment_of(Phase.PRODUCTION).name
    placed = newest_placements(platform, release.service, environment)
    if not any(each.release_key == release.key for each in placed):
        return base_commit(platform, release)
    before = next((each for each in placed if each.release_key != release.key), None)
    return before.commit if before is not None else release.previous_sha
