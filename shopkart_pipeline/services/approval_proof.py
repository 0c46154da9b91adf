"""Who is behind an approval, proved by a signature over its statement, or by the code host's own word.

The code host's word is a delivery: a comment at the release's pull request, or a review of a deployment of its commit.
Its body is kept in the evidence store and named in the ledger by digest, and it is read again whenever the approval is
counted: so what counts is what was delivered, under today's list of people. It is weaker than a signature, because
whoever holds the webhook's secret could have made it up; a declaration that wants signatures alone names nobody for
`approve`.

It speaks of evidence that was there when it was written. The code host dates it, to the second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shopkart_pipeline.domain.code_host import CodeHostPolicy, Command
from shopkart_pipeline.domain.comment_command import asked_by, command_in
from shopkart_pipeline.domain.declaration import Approvals, Phase
from shopkart_pipeline.domain.errors import Refused
from shopkart_pipeline.domain.evidence import RawReport, StageRecord
from shopkart_pipeline.domain.release import Release
from shopkart_pipeline.ports.forge import CommentEvent, DeploymentReviewEvent
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.ports.ledger import DELIVERY
from shopkart_pipeline.services.judge_release import phases_before
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.pull_requests import standing
from shopkart_pipeline.services.requests import PullRequestName

_PAYLOAD, _EVENT, _CREATED_AT = "payload", "event", "created_at"

Proof = Mapping[str, str]
"""What the ledger keeps beside the statement: `signature`, or what `proof_by_delivery` makes."""


@dataclass(frozen=True)
class _Told:
    """An approval as the code host told it."""

    login: str
    url: str
    at: datetime


def proof_by_signature(signature: str) -> Proof:
    return {"signature": signature}


def proof_by_delivery(platform: Platform, release: Release, environment: str, delivery: Delivery) -> Proof:
    """Keep a delivery as the proof of an approval.

    Raises:
        Refused: it does not approve this release.
    """
    told = _told(platform, release, environment, delivery)
    payload = platform.evidence.put_report(RawReport(f"{delivery.event}.json", "application/json", delivery.body))
    return {
        DELIVERY: delivery.id,
        _EVENT: delivery.event,
        _PAYLOAD: payload.digest,
        "login": told.login,
        "url": told.url,
        _CREATED_AT: told.at.isoformat(),
    }


def given_at(proof: Proof) -> datetime:
    """When the code host says that an approval of `proof_by_delivery` was given."""
    return datetime.fromisoformat(proof[_CREATED_AT])


def person_behind(
    platform: Platform,
    release: Release,
    environment: str,
    policy: Approvals,
    statement: bytes,
    proof: Proof,
    records: Mapping[str, StageRecord],
) -> str:
    """The person who agreed to a statement, as `approvers` names them.

    Args:
        platform: the ports.
        release: what the statement is about.
        environment: where it would go.
        policy: who may approve there.
        statement: the statement's bytes.
        proof: what the ledger keeps beside it.
        records: the evidence that the statement is about.

    Raises:
        Refused: the proof is not one, or not any more.
        UntrustedInput: the signature is wrong.
    """
    if _PAYLOAD in proof:
        return _commander(platform, release, environment, policy, proof, records)
    if policy.allowed_signers is None:
        raise Refused(
            f"Nobody can sign for {environment}: no allowed-signers file is declared.",
            f"Declare `allowed_signers` in {platform.pipeline.file}.",
        )
    now = platform.clock.now()
    return platform.verifier.signer_of(statement, proof.get("signature", ""), policy.allowed_signers, now)


def _commander(
    platform: Platform,
    release: Release,
    environment: str,
    policy: Approvals,
    proof: Proof,
    records: Mapping[str, StageRecord],
) -> str:
    content = platform.evidence.get_report(proof[_PAYLOAD])
    delivery = Delivery(proof.get(DELIVERY, ""), proof.get(_EVENT, ""), platform.clock.now(), content)
    told = _told(platform, release, environment, delivery)
    late = _later_than(told.at, platform, release, records)
    if late:
        what = f"The approval of {release.name} was written before {', '.join(late)} ended: it can't speak of that."
        raise Refused(what, "Look at what there is now, and approve again.")
    person = person_allowed(platform.pipeline.code_host, told.login, Command.APPROVE)
    return next((each for each in policy.approvers if each.casefold() == person.casefold()), person)


def person_allowed(policy: CodeHostPolicy | None, login: str, command: Command) -> str:
    """The person behind a login, if they may use a command; raises `Refused` otherwise."""
    if policy is None:
        raise Refused("Commands in comments are not declared.", "Declare `github` with `people` and `commands`.")
    person = policy.person(login)
    if person is None:
        raise Refused(f"{login} is nobody whom the declaration knows.", "`github.people` says who is who.")
    if not policy.may(login, command):
        fix = f"`github.commands.{command.value}` says who may."
        raise Refused(f"{login} ({person}) may not use /{command.value}.", fix)
    return person


def _later_than(
    moment: datetime, platform: Platform, release: Release, records: Mapping[str, StageRecord]
) -> list[str]:
    stages = phases_before(platform.service(release.service), Phase.PRODUCTION)
    return [name for name in stages if name in records and records[name].finished_at > moment]


def _told(platform: Platform, release: Release, environment: str, delivery: Delivery) -> _Told:
    """What a delivery says, if it approves this release for this environment."""
    match platform.forge.read(delivery):
        case CommentEvent() as comment if _approves(platform, release, comment):
            return _Told(comment.login, comment.url, comment.created_at)
        case DeploymentReviewEvent() as review if (
            review.is_approved
            and (review.repository, review.sha) == (release.repository, release.sha)
            and review.environment.casefold() in (environment, f"{environment}/{release.service}")
        ):
            return _Told(review.login, review.url, review.known_at)
        case _:
            what = f"Delivery {delivery.id} does not approve {release.name} for {environment}."
            raise Refused(what, "Write `/approve` at its pull request.")


def _approves(platform: Platform, release: Release, comment: CommentEvent) -> bool:
    line = command_in(comment.text)
    if line is None or line.command is not Command.APPROVE or asked_by(line).service not in (None, release.service):
        return False
    stands = standing(platform, PullRequestName(comment.repository, comment.number))
    return comment.repository == release.repository and stands is not None and stands.merge_sha == release.sha
