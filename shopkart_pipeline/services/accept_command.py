"""A comment at a pull request may be a command: of somebody who may use it, it is carried out; otherwise it is refused.

Order: what became of the delivery before, who asks, what they ask for, the acts, and last the note about it. A process
that dies in between leaves acts that are known by the delivery, and no note; the next one does the rest.
"""

from shopkart_pipeline.domain.comment_command import CommandLine, asked_by, command_in
from shopkart_pipeline.ports.forge import CommentEvent
from shopkart_pipeline.ports.inbox import Delivery
from shopkart_pipeline.services.approval_proof import person_allowed
from shopkart_pipeline.services.carry_out_command import REFUSALS, Result, carry_out, in_words
from shopkart_pipeline.services.command_history import CommandOutcome, outcome_of, remember_outcome
from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.requests import Accepted, PullRequestName, RollbackRequest, rollback_key


def accept_command(platform: Platform, delivery: Delivery, event: CommentEvent) -> Accepted:
    """Decide what a comment asks for, and do what is not a run. Raises as `accept` does."""
    line = command_in(event.text)
    if line is None:
        return Accepted((), "ignored: the comment is no command")
    if not platform.pipeline.services_in(event.repository):
        return Accepted((), f"ignored: no service is released from {event.repository}")
    name = PullRequestName(event.repository, event.number)
    became = outcome_of(platform, name, delivery) or _decide(platform, delivery, event, line, name)
    rollbacks = tuple(
        RollbackRequest(
            key=rollback_key(delivery.id, service),
            service=service,
            release_key=key,
            actor=became.person,
            reason=f"{line} by {event.login} at {name}",
            asked_in=delivery.id,
        )
        for service, key in became.taken_back.items()
    )
    return Accepted((), f"{name}: {event.login} {line}: {became.outcome}", pull_request=name, rollbacks=rollbacks)


def _decide(
    platform: Platform, delivery: Delivery, event: CommentEvent, line: CommandLine, name: PullRequestName
) -> CommandOutcome:
    known = platform.pipeline.code_host
    try:
        person = person_allowed(known, event.login, line.command)
        results = carry_out(platform, delivery, name, line.command, asked_by(line), person)
    except REFUSALS as refusal:
        results = (Result(False, in_words(refusal)),)
    return remember_outcome(
        platform,
        delivery,
        event,
        line,
        person=(known.person(event.login) if known else None) or "",
        is_done=all(result.is_done for result in results),
        outcome="; ".join(result.words for result in results),
        taken_back={service: key for result in results for service, key in result.taken_back.items()},
    )
