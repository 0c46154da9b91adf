"""Send what the outbox holds, one sender at a time, without ever stopping a release.

A notice that can't be sent now waits, longer each time; a code host that asks for a rest gets it, for everything. What
was tried before may have arrived, so it is looked for before it is made. What can never succeed is given up and stays
to be looked at.
"""

from datetime import datetime, timedelta
from uuid import uuid4

from shopkart_pipeline.domain.errors import NotFound, Refused
from shopkart_pipeline.domain.notice import Notice, ScanNotice
from shopkart_pipeline.ports.code_host import CodeHost, TryLater
from shopkart_pipeline.ports.outbox import Outgoing
from shopkart_pipeline.services.platform import Platform

TURN = timedelta(minutes=2)
"""Longer than any one request may take."""
LONGEST_TURN = timedelta(seconds=25)
"""Nothing more is begun after it; whoever sends in a sensor's tick has to end before Dagster gives it up."""
_LONGEST_WAIT = timedelta(minutes=10)


def send_notices(platform: Platform, limit: int = 50) -> tuple[str, ...]:
    """Send what is due; returns what was done, in words."""
    host, holder = platform.code_host, str(uuid4())
    if host is None or not platform.outbox.take_turn(holder, platform.clock.now() + TURN, platform.clock.now()):
        return ()
    told, began = list[str](), platform.clock.now()
    try:
        for outgoing in platform.outbox.pending(began, limit):
            now = platform.clock.now()
            if now - began > LONGEST_TURN or not platform.outbox.take_turn(holder, now + TURN, now):
                break
            words, go_on = _send(platform, host, outgoing, now)
            told.append(f"{outgoing.notice.about}: {words}")
            if not go_on:
                break
    finally:
        platform.outbox.end_turn(holder)
    return tuple(told)


def _send(platform: Platform, host: CodeHost, outgoing: Outgoing, now: datetime) -> tuple[str, bool]:
    """What became of one notice, and whether others may be sent."""
    outbox, number = platform.outbox, outgoing.sequence
    outbox.trying(number)
    try:
        sarif = _document(platform, outgoing.notice)
        name = host.send(outgoing.notice, outgoing.remote_id, maybe_sent=outgoing.attempts > 0, sarif=sarif)
    except TryLater as later:
        if later.everything:
            outbox.pause(later.until, later.what)
        else:
            outbox.postpone(number, max(later.until, now + _wait(outgoing.attempts)), later.what)
        return f"waits: {later.what}", not later.everything
    except (Refused, NotFound) as refusal:
        outbox.give_up(number, refusal.what, now)
        return f"given up: {refusal.what}", True
    outbox.sent(number, name, now)
    return f"sent as {name}", True


def _document(platform: Platform, notice: Notice) -> bytes:
    return platform.evidence.get_report(notice.sarif_digest) if isinstance(notice, ScanNotice) else b""


def _wait(attempts: int) -> timedelta:
    """2, 4, 8 ... seconds, no more than ten minutes."""
    return min(timedelta(seconds=2 ** min(attempts + 1, 10)), _LONGEST_WAIT)
