"""Deliveries that failed are asked for again; GitHub does not try twice by itself.

Looked at is what GitHub wanted to deliver within three days, as long as it keeps deliveries, or since everything had
arrived. What is in the inbox has arrived, whatever GitHub believes (an answer that came too late counts as a failure
there). The longer a delivery fails the longer it is left alone, so that an outage of hours does not use up the
attempts; after five it is given up, and that is said once. A delivery that arrives late changes nothing about what
polling found already.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from shopkart_pipeline.domain.errors import PipelineError
from shopkart_pipeline.ports.code_host import CodeHostReader, HookDelivery, TryLater
from shopkart_pipeline.ports.evidence_store import Note
from shopkart_pipeline.services.platform import Platform

MAXIMUM_ATTEMPTS = 5
_LOOKED_BACK = timedelta(days=3)
_FIRST_PAUSE = timedelta(minutes=1)
_LONGER_EACH_TIME = 8
"""After a minute, eight minutes, an hour, nine hours."""
_TIME_TO_BE_LISTED = timedelta(minutes=10)
_NOTED_EVERY = timedelta(hours=1)
_DELIVERIES = "deliveries"
_GIVEN_UP, _SETTLED = "delivery_given_up", "deliveries_settled"
"""Kinds of the notes, which are kept under the repository's name and `deliveries`."""


def redeliver(platform: Platform) -> tuple[str, ...]:
    """Ask for failed deliveries again; returns what was asked for and what was given up, in words."""
    reader, lines = platform.code_reader, list[str]()
    if reader is None:
        return ()
    repositories = [*dict.fromkeys(service.source.repository for service in platform.pipeline.services.values())]
    for repository in repositories[:1] if reader.has_one_webhook else repositories:
        try:
            lines += _redeliver(platform, reader, repository)
        except PipelineError as error:
            lines.append(f"failed deliveries of {repository} could not be asked for: {error.what} {error.fix}".strip())
            if isinstance(error, TryLater) and error.everything:
                break
    return tuple(lines)


def _redeliver(platform: Platform, reader: CodeHostReader, repository: str) -> list[str]:
    now, lines = platform.clock.now(), list[str]()
    deliveries = reader.hook_deliveries(repository, max(_settled_until(platform, repository), now - _LOOKED_BACK))
    failed = [delivery for delivery in deliveries if not delivery.is_delivered]
    arrived = platform.inbox.known([delivery.guid for delivery in failed])
    open_ones = [delivery for delivery in failed if delivery.guid not in arrived]
    for delivery in open_ones:
        lines += _once_more(platform, reader, repository, delivery)
    if all(delivery.attempts >= MAXIMUM_ATTEMPTS for delivery in open_ones):
        _settle(platform, repository, now - _TIME_TO_BE_LISTED)
    return lines


def _settled_until(platform: Platform, repository: str) -> datetime:
    """Before that moment everything arrived or was given up, and need not be listed again."""
    notes = platform.evidence.notes(repository, _DELIVERIES, _SETTLED)
    return notes[-1].at if notes else datetime.min.replace(tzinfo=UTC)


def _settle(platform: Platform, repository: str, until: datetime) -> None:
    if until - _settled_until(platform, repository) >= _NOTED_EVERY:
        platform.evidence.note(Note(repository, _DELIVERIES, until, _SETTLED, "all deliveries have arrived", {}))


def _once_more(platform: Platform, reader: CodeHostReader, repository: str, delivery: HookDelivery) -> Iterator[str]:
    name = f"{delivery.event} {delivery.guid}"
    if delivery.attempts >= MAXIMUM_ATTEMPTS:
        now = platform.clock.now()
        words = f"{name} was given up after {delivery.attempts} attempts"
        data = {"event": delivery.event, "latest_at": delivery.latest_at.isoformat()}
        if platform.evidence.note_once(Note(repository, _DELIVERIES, now, _GIVEN_UP, words, data)):
            yield words
        return
    pause = _FIRST_PAUSE * _LONGER_EACH_TIME ** (delivery.attempts - 1)
    if platform.clock.now() >= delivery.latest_at + pause:
        reader.deliver_again(repository, delivery)
        yield f"{name} is delivered again, after {delivery.attempts} attempts"
