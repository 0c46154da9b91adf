"""What was verified before production, signed: a SLSA verification summary about the image.

It is made after the leave to deploy was given and before anything is changed, so nothing enters production without one.
It names the policy by the declaration's digest, the envelopes that it rests on, and in a field of ours the release and
the approvals by the hashes of their ledger entries. The level that is claimed is the first one unless the declaration
says otherwise (`attestations: {options: {build_level: "2"}}`): whether the machine that builds is nobody's own, only
its owner knows. The third one needs commands that are confined, which is looked at.

Source: SLSA verification summary attestation v1; SLSA v1.0, "Security levels".
"""

from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from shopkart_pipeline.domain.attestation import VERIFICATION, Statement
from shopkart_pipeline.domain.declaration import ATTESTING, Service, StageKind
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.domain.evidence import RawReport
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.signed_moment import RELEASE_FIELD
from shopkart_pipeline.ports.confinement import NotConfined
from shopkart_pipeline.services.approve_release import APPROVE
from shopkart_pipeline.services.attest_phase import attach_all, sign_all
from shopkart_pipeline.services.authorise_deploy import Authorisation
from shopkart_pipeline.services.drive_rollout import note
from shopkart_pipeline.services.keep_policy import declaration_report
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.release_statements import Named, about

VERIFIER = "https://shopkart.example/verifiers/pipeline/v1"
SUMMARY = "verification-summary"
_LEVEL_OPTION = "build_level"


def summarise_verification(
    platform: Platform, release: Release, environment: str, authorised: Authorisation
) -> tuple[RawReport, ...]:
    """Sign, attach and keep that a release was verified; nothing where the service leaves signing out.

    Raises:
        PipelineError: it is not signed; then nothing goes to production.
    """
    service = platform.service(release.service)
    if not any(stage.kind in ATTESTING for stage in service.stages):
        return ()
    predicate = _predicate(platform, release, environment, authorised, platform.clock.now())
    statement = Statement(release.service, authorised.digest, VERIFICATION, predicate)
    signed = sign_all(platform, [Named(SUMMARY, statement)])
    if not signed:
        raise ToolUnavailable("Nobody signs here, and production needs a signed summary.", "Start the signer.")
    _, lacks = attach_all(platform, release, authorised.digest, signed)
    kept = [platform.evidence.put_report(each.raw) for each in signed]
    text = "; ".join([f"verified and signed before {environment}: {kept[0].digest}", *lacks])
    note(platform, release, "rollout", text, {"action": "verification", "report": kept[0].digest})
    return (*(each.raw for each in signed), *declaration_report(platform))


def _predicate(
    platform: Platform,
    release: Release,
    environment: str,
    authorised: Authorisation,
    now: datetime,
) -> dict[str, Any]:
    service = platform.service(release.service)
    return {
        "verifier": {"id": VERIFIER},
        "timeVerified": now.isoformat(),
        "resourceUri": platform.registry.reference(release.service, authorised.digest),
        "policy": {"uri": platform.pipeline.file.name, "digest": {"sha256": _value(platform.pipeline.digest)}},
        "inputAttestations": [
            {"uri": report.name, "digest": {"sha256": _value(report.digest)}} for report in authorised.statements
        ],
        "verificationResult": "PASSED",
        "verifiedLevels": [f"SLSA_BUILD_LEVEL_{_level(platform, service)}"],
        "slsaVersion": "1.0",
        RELEASE_FIELD: {
            **about(release, now),
            "environment": environment,
            "verifier_version": version("shopkart-pipeline"),
            "approvals": _approvals(platform, release, authorised.approvers),
            "overrides": authorised.overrides,
            "gates": [result.line for result in authorised.verdict.results],
        },
    }


def _approvals(platform: Platform, release: Release, approvers: Sequence[str]) -> list[dict[str, str]]:
    entries = platform.ledger.entries(release.service, release.key)
    return [
        {"approver": entry.act.actor, "ledger_entry": entry.entry_hash}
        for entry in entries
        if entry.act.verb == APPROVE and entry.act.actor in approvers
    ]


def _level(platform: Platform, service: Service) -> int:
    """What is claimed. At the third level no build step may reach the key, so commands have to be confined."""
    stage = service.stage_of(StageKind.ATTESTATIONS)
    said = "1" if stage is None else stage.options.get(_LEVEL_OPTION, "1")
    claimed = int(said) if said in ("1", "2", "3") else 1
    return min(claimed, 2) if isinstance(platform.confinement(), NotConfined) else claimed


def _value(digest: str) -> str:
    return digest.partition(":")[2]
