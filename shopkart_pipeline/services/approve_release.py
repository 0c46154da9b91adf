"""Approval: an authenticated statement of a person about one digest and its evidence.

The statement is text that the person signs; it names service, release, environment, image digest, the digest over
all evidence before production, and when it ends. Signature and statement go into the ledger and are verified again
whenever they are counted, so neither the ledger's writer nor a re-run stage can stretch what a person agreed to.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from shopkart_pipeline.domain.canonical import canonical_json
from shopkart_pipeline.domain.declaration import Approvals, Deployment, Phase
from shopkart_pipeline.domain.errors import PipelineError, Refused, UntrustedInput
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.ports.ledger import Act, Entry
from shopkart_pipeline.services.judge_release import evidence_digest, image_digest, judge_release, phases_before
from shopkart_pipeline.services.platform import Platform

APPROVE = "approve"


@dataclass(frozen=True)
class Statement:
    """What a person agrees to."""

    service: str
    release_key: str
    environment: str
    digest: str
    evidence: str
    expires_at: str
    kind: str = "shopkart approval, version 1"

    def to_bytes(self) -> bytes:
        """The bytes that are signed."""
        return canonical_json(self)


def statement_for(platform: Platform, release: Release, now: datetime) -> Statement:
    """The statement about a release as it stands. Raises `Refused` while something before production is not passed."""
    service = platform.service(release.service)
    deployment = platform.deployment_of(service, Phase.PRODUCTION)
    stages = phases_before(service, Phase.PRODUCTION)
    verdict = judge_release(platform, release, stages)
    if verdict.outcome is not Outcome.PASS:
        lines = "; ".join(result.line for result in verdict.blocking)
        raise Refused(f"{release.name} can't be approved: {lines}.", "Mend what blocks, then approve.")
    records = platform.evidence.latest(release.service, release.key)
    expires = now + timedelta(seconds=_policy(deployment).expires_after_seconds)
    return Statement(
        service=release.service,
        release_key=release.key,
        environment=deployment.environment,
        digest=image_digest(service, records) or "",
        evidence=evidence_digest(records, stages),
        expires_at=expires.isoformat(),
    )


def record_approval(platform: Platform, release: Release, statement: Statement, signature: str) -> Entry:
    """Verify a signed statement and put it into the ledger; the same person's same statement is recorded once.

    Raises:
        Refused: the person may not approve this release, or the statement is not about it as it stands now.
        UntrustedInput: the signature is wrong.
    """
    deployment = platform.deployment_of(platform.service(release.service), Phase.PRODUCTION)
    principal = _check(platform, release, deployment, statement, signature)
    for entry in platform.ledger.entries(release.service, release.key):
        if entry.act.verb == APPROVE and entry.act.body.get("signature") == signature:
            return entry
    body = {"statement": statement.to_bytes().decode(), "signature": signature}
    act = Act(platform.clock.now(), principal, APPROVE, release.service, release.key, statement.digest, body)
    return platform.ledger.append(act)


def valid_approvals(platform: Platform, release: Release, deployment: Deployment) -> tuple[str, ...]:
    """Everybody whose approval counts for the release as it stands now, each once."""
    found: set[str] = set()
    for entry in platform.ledger.entries(release.service, release.key):
        if entry.act.verb == APPROVE:
            try:
                statement = _read(entry.act.body.get("statement", ""))
                found.add(_check(platform, release, deployment, statement, entry.act.body.get("signature", "")))
            except PipelineError:
                continue
    return tuple(sorted(found))


def _check(platform: Platform, release: Release, deployment: Deployment, statement: Statement, signature: str) -> str:
    """The person behind a signed statement, if it counts for the release as it stands now."""
    policy, now = _policy(deployment), platform.clock.now()
    _check_subject(platform, release, deployment, statement, now)
    if policy.allowed_signers is None:
        raise Refused(
            f"Nobody can approve for {deployment.environment}: no allowed-signers file is declared.",
            f"Declare `allowed_signers` in {platform.pipeline.file}.",
        )
    principal = platform.verifier.signer_of(statement.to_bytes(), signature, policy.allowed_signers, now)
    if principal not in policy.approvers:
        raise Refused(
            f"{principal} is not among the approvers of {deployment.environment}.",
            f"Approvers are: {', '.join(policy.approvers)}.",
        )
    if policy.four_eyes and principal in release.people:
        raise Refused(
            f"{principal} wrote part of {release.name} and can't approve it (four eyes).",
            f"Ask one of: {', '.join(name for name in policy.approvers if name not in release.people)}.",
        )
    return principal


def _check_subject(
    platform: Platform, release: Release, deployment: Deployment, statement: Statement, now: datetime
) -> None:
    service = platform.service(release.service)
    records = platform.evidence.latest(release.service, release.key)
    wanted = {
        "service": release.service,
        "release_key": release.key,
        "environment": deployment.environment,
        "digest": image_digest(service, records) or "",
        "evidence": evidence_digest(records, phases_before(service, Phase.PRODUCTION)),
    }
    stated = asdict(statement)
    wrong = [f"{name} is {stated[name]}, not {value}" for name, value in wanted.items() if stated[name] != value]
    if statement.kind != Statement.kind:
        wrong.append(f"kind is {statement.kind}")
    if wrong:
        raise Refused(f"The approval is not about {release.name} as it stands: {'; '.join(wrong)}.", "Approve again.")
    if datetime.fromisoformat(statement.expires_at) <= now:
        raise Refused(f"The approval of {release.name} ended at {statement.expires_at}.", "Approve again.")


def _policy(deployment: Deployment) -> Approvals:
    if deployment.approvals is None:
        raise Refused(f"{deployment.environment} needs no approval.", "Nothing is to be done.")
    return deployment.approvals


def _read(text: str) -> Statement:
    try:
        statement = Statement(**json.loads(text))
        datetime.fromisoformat(statement.expires_at)
    except (TypeError, ValueError) as error:
        raise UntrustedInput("The approval can't be read.", "Approve again.") from error
    return statement
