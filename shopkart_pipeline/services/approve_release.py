"""Approval: an authenticated statement of a person about one digest and its evidence.

The statement is text that the person signs; it names service, release, environment, image digest, the digest of the
configuration that production is to have, the digest over all evidence before production, and when it ends. Signature
and statement go into the ledger and are verified again whenever they are counted, so neither the ledger's writer nor a
re-run stage can stretch what a person agreed to. It ends when the statement says so, or earlier if today's policy says
so. Instead of a signature there may be the code host's word (`approval_proof`); two approvals by one person are one,
whatever way they came.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from shopkart_pipeline.domain.declaration import Approvals, Deployment, Phase
from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.domain.evidence import StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.domain.verdict import Outcome
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.ports.ledger import DELIVERY, Act, Entry, is_of_delivery
from shopkart_pipeline.services.approval_proof import (
    Proof,
    given_at,
    person_behind,
    proof_by_delivery,
    proof_by_signature,
)
from shopkart_pipeline.services.approval_statement import Statement, read_statement
from shopkart_pipeline.services.four_eyes import check_four_eyes
from shopkart_pipeline.services.judge_release import evidence_digest, image_digest, judge_records, phases_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.production_history import current, last_turn_back
from shopkart_pipeline.services.sign_ledger import sign_head
from shopkart_pipeline.services.specify_workload import declared_configuration, is_there

APPROVE = "approve"


@dataclass(frozen=True)
class ApprovalCount:
    """Who counts, and why others don't."""

    approvers: tuple[str, ...]
    required: int
    rejected: tuple[str, ...] = ()
    """Why a recorded approval does not count, one line each."""
    until: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    """When the approval of each who counts ends."""

    @property
    def is_enough(self) -> bool:
        return len(self.approvers) >= self.required


def statement_for(platform: Platform, release: Release, now: datetime) -> Statement:
    """The statement about a release as it stands. Raises `Refused` while something before production is not passed."""
    service = platform.service(release.service)
    deployment = platform.deployment_of(service, Phase.PRODUCTION)
    stages = phases_before(service, Phase.PRODUCTION)
    records = platform.evidence.latest(release.service, release.key)
    verdict = judge_records(platform, release, stages, records)
    if verdict.outcome is not Outcome.PASS:
        lines = "; ".join(result.line for result in verdict.blocking)
        raise Refused(f"{release.name} can't be approved: {lines}.", "Mend what blocks, then approve.")
    expires = now + timedelta(seconds=_policy(deployment).expires_after_seconds)
    return Statement(
        service=release.service,
        release_key=release.key,
        environment=deployment.environment,
        digest=image_digest(service, records) or "",
        evidence=evidence_digest(records, stages),
        expires_at=expires.isoformat(),
        configuration=declared_configuration(platform, release, Phase.PRODUCTION),
    )


def record_approval(platform: Platform, release: Release, statement: Statement, signature: str) -> Entry:
    """Verify a signed statement and put it into the ledger; the same person's same statement is recorded once.

    Raises:
        Refused: the person may not approve this release, or the statement is not about it as it stands now.
        UntrustedInput: the signature is wrong.
    """
    deployment = platform.deployment_of(platform.service(release.service), Phase.PRODUCTION)
    records, now = platform.evidence.latest(release.service, release.key), platform.clock.now()
    longest = _policy(deployment).expires_after_seconds
    if statement.expiry > now + timedelta(seconds=longest):
        raise Refused(
            f"The approval of {release.name} would count until {statement.expires_at}, which is too long.",
            f"In {deployment.environment} an approval counts for {longest:.0f} s at most.",
        )
    if statement.is_about_image_alone:
        raise Refused(f"The approval of {release.name} does not say with which configuration.", "Approve again.")
    proof = proof_by_signature(signature)
    principal = _check(platform, release, deployment, records, statement, proof, now)
    for entry in _approvals(platform, release):
        if entry.act.body.get("signature") == signature:
            return entry
    return _record(platform, release, now, principal, statement, proof)


def record_told_approval(platform: Platform, release: Release, delivery: Delivery) -> Entry:
    """Put an approval into the ledger that the code host told of, about the release as it stands; one delivery is
    recorded once.

    Raises:
        Refused: the person may not approve this release, something has ended only after they did, or what is in
            production has this release in it.
    """
    for entry in _approvals(platform, release):
        if is_of_delivery(entry.act, APPROVE, delivery.id):
            return entry
    deployment = platform.deployment_of(platform.service(release.service), Phase.PRODUCTION)
    _check_not_there(platform, release, deployment)
    records, now = platform.evidence.latest(release.service, release.key), platform.clock.now()
    proof = proof_by_delivery(platform, release, deployment.environment, delivery)
    statement = statement_for(platform, release, min(now, given_at(proof)))
    principal = _check(platform, release, deployment, records, statement, proof, now)
    return _record(platform, release, now, principal, statement, proof)


def _check_not_there(platform: Platform, release: Release, deployment: Deployment) -> None:
    """At a pull request nobody sees what went to production meanwhile; an older release would take it away again."""
    placed = current(platform, release.service, deployment.environment)
    if placed is None or (placed.release_key == release.key and not is_there(platform, release, placed)):
        return
    source = platform.service(release.service).source
    for sha in (placed.commit, release.sha):
        platform.scm.fetch(source, sha)
    if platform.scm.merge_base(source, placed.commit, release.sha) == release.sha:
        there = "" if placed.release_key == release.key else f", as a part of {placed.release_key}"
        raise Refused(f"{release.name} is in {deployment.environment} already{there}.", "Nothing is to be approved.")


def _approvals(platform: Platform, release: Release) -> Iterator[Entry]:
    entries = platform.ledger.entries(release.service, release.key)
    return (entry for entry in entries if entry.act.verb == APPROVE)


def _record(
    platform: Platform, release: Release, now: datetime, principal: str, statement: Statement, proof: Proof
) -> Entry:
    body = {"statement": statement.to_bytes().decode(), **proof}
    act = Act(now, principal, APPROVE, release.service, release.key, statement.digest, body)
    entry = platform.ledger.append_once(act) if DELIVERY in proof else platform.ledger.append(act)
    sign_head(platform)
    return entry


def valid_approvals(platform: Platform, release: Release, deployment: Deployment) -> tuple[str, ...]:
    """Everybody whose approval is about the release as it stands now, each once."""
    records = platform.evidence.latest(release.service, release.key)
    return _count(platform, release, deployment, records, after=0).approvers


def weigh_approvals(
    platform: Platform,
    release: Release,
    deployment: Deployment,
    records: Mapping[str, StageRecord],
    since: datetime | None = None,
) -> ApprovalCount:
    """Who counts towards deploying the release now: valid, given after it was last turned back, not before `since`."""
    after = last_turn_back(platform, release.service, release.key, deployment.environment)
    return _count(platform, release, deployment, records, after, since)


def _count(
    platform: Platform,
    release: Release,
    deployment: Deployment,
    records: Mapping[str, StageRecord],
    after: int,
    since: datetime | None = None,
) -> ApprovalCount:
    if deployment.approvals is None:
        return ApprovalCount((), 0)
    found, rejected = dict[str, datetime](), list[str]()
    for entry in _approvals(platform, release):
        try:
            if entry.sequence < after:
                raise Refused(f"{release.name} was turned back after {entry.act.actor} approved it.", "Approve again.")
            if since is not None and entry.act.at < since:
                raise Refused(f"{entry.act.actor} approved {release.name} before the freeze.", "Approve again.")
            statement = read_statement(entry.act.body.get("statement", ""))
            principal = _check(platform, release, deployment, records, statement, entry.act.body, entry.act.at)
            if principal != entry.act.actor:
                raise Refused(f"{entry.act.actor} approved, whose proof is {principal}'s now.", "Approve again.")
            ends = _ends(deployment, statement, entry.act.at)
            found[principal] = max(ends, found.get(principal, ends))
        except PipelineError as error:
            rejected.append(error.what)
    return ApprovalCount(tuple(sorted(found)), deployment.approvals.required, tuple(rejected), found)


def _check(
    platform: Platform,
    release: Release,
    deployment: Deployment,
    records: Mapping[str, StageRecord],
    statement: Statement,
    proof: Proof,
    recorded_at: datetime,
) -> str:
    """The person behind a statement, if it counts for the release as it stands now."""
    policy, now = _policy(deployment), platform.clock.now()
    _check_subject(platform, release, deployment, records, statement)
    ends = _ends(deployment, statement, recorded_at)
    if ends <= now:
        raise Refused(f"The approval of {release.name} ended at {ends.isoformat()}.", "Approve again.")
    environment, signed = deployment.environment, statement.to_bytes()
    principal = person_behind(platform, release, environment, policy, signed, proof, records)
    if principal not in policy.approvers:
        raise Refused(
            f"{principal} is not among the approvers of {deployment.environment}.",
            f"Approvers are: {', '.join(policy.approvers)}.",
        )
    if policy.four_eyes:
        check_four_eyes(platform, release, principal, policy)
    return principal


def _ends(deployment: Deployment, statement: Statement, recorded_at: datetime) -> datetime:
    """When an approval ends: as it says itself, or earlier, if that is today's policy."""
    return min(statement.expiry, recorded_at + timedelta(seconds=_policy(deployment).expires_after_seconds))


def _check_subject(
    platform: Platform,
    release: Release,
    deployment: Deployment,
    records: Mapping[str, StageRecord],
    statement: Statement,
) -> None:
    service = platform.service(release.service)
    wanted = {
        "service": release.service,
        "release_key": release.key,
        "environment": deployment.environment,
        "digest": image_digest(service, records) or "",
        "evidence": evidence_digest(records, phases_before(service, Phase.PRODUCTION)),
    }
    if not statement.is_about_image_alone:
        wanted["configuration"] = declared_configuration(platform, release, Phase.PRODUCTION)
    stated = asdict(statement)
    wrong = [f"{name} is {stated[name]}, not {value}" for name, value in wanted.items() if stated[name] != value]
    if statement.kind != Statement.kind and not statement.is_about_image_alone:
        wrong.append(f"kind is {statement.kind}")
    if wrong:
        raise Refused(f"The approval is not about {release.name} as it stands: {'; '.join(wrong)}.", "Approve again.")


def _policy(deployment: Deployment) -> Approvals:
    if deployment.approvals is None:
        raise Refused(f"{deployment.environment} needs no approval.", "Nothing is to be done.")
    return deployment.approvals
