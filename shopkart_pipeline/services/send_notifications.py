"""Send what waits to be told: each channel by itself, in its order, so that none of them holds up another.

A channel that does not take a notification is left alone, longer each time, and what comes after waits behind it; after
a day the notification is given up, as nobody wants to be woken by it any more. What was tried may have arrived. A
sender that dies leaves its channel to others when its turn has lapsed; one that hangs does so, too.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import uuid4

from shopkart_pipeline.domain.errors import PipelineError, Refused
from shopkart_pipeline.known_secrets import masked_data
from shopkart_pipeline.ports.notifier import NotDelivered, NotificationQueue, Notifier, Queued
from shopkart_pipeline.services.platform import Platform

TURN = timedelta(minutes=2)
"""Longer than any one sending may take."""
LONGEST_SECONDS = 25.0
"""Nobody is waited for after it; whoever sends in a sensor's tick has to end before Dagster gives it up."""
GIVE_UP_AFTER = timedelta(days=1)
_LONGEST_WAIT = timedelta(minutes=5)


@dataclass
class _Progress:
    """What the senders did so far; each adds to it from its own thread."""

    words: list[str] = field(default_factory=list[str])
    is_over: bool = False
    """Nothing more is begun."""


def send_notifications(
    platform: Platform, channels: Sequence[str] = (), longest_seconds: float = LONGEST_SECONDS
) -> tuple[str, ...]:
    """Send what is due, all channels at the same time; returns what was done, in words.

    Args:
        platform: the ports.
        channels: those to send by; empty: all for which something waits.
        longest_seconds: after which channels that are still at it are left to themselves.

    Raises:
        ToolUnavailable: the queue can't be read.
    """
    queue = platform.notifications
    if queue is None:
        return ()
    progress, senders = _Progress(), list[tuple[str, threading.Thread]]()
    for channel in channels or queue.waiting():
        if queue.due(channel, platform.clock.now()) is not None:
            # Ends with the process: a channel that hangs must not keep it.
            sender = threading.Thread(target=_send_by, args=(platform, queue, channel, progress), daemon=True)
            senders.append((channel, sender))
            sender.start()
    left = longest_seconds
    for channel, sender in senders:
        began = platform.clock.now()
        sender.join(max(0.0, left))
        left -= (platform.clock.now() - began).total_seconds()
        if sender.is_alive():
            progress.words.append(f"{channel}: still at it, and left to itself")
    progress.is_over = True
    return tuple(progress.words)


def _send_by(platform: Platform, queue: NotificationQueue, channel: str, progress: _Progress) -> None:
    holder, notifier = str(uuid4()), platform.notifiers.get(channel)
    try:
        while not progress.is_over:
            now = platform.clock.now()
            if not queue.take_turn(channel, holder, now + TURN, now):
                return
            queued = queue.due(channel, now)
            if queued is None:
                break
            progress.words.append(f"{channel}: {_send(queue, notifier, queued, now)}")
        queue.end_turn(channel, holder)
    except PipelineError as error:
        progress.words.append(f"{channel}: the queue can't be used: {error.what}")


def _send(queue: NotificationQueue, notifier: Notifier | None, queued: Queued, now: datetime) -> str:
    """Try one notification; returns what became of it."""
    key = queued.notification.key
    if notifier is None:
        reason = f"channel {queued.channel} is not declared any more"
        queue.give_up(queued.sequence, reason, now)
        return f"{key} given up: {reason}"
    queue.trying(queued.sequence)
    try:
        remote_id = notifier.send(masked_data(queued.notification), queued.remote_id, maybe_sent=queued.attempts > 0)
    except Refused as refusal:
        queue.give_up(queued.sequence, refusal.what, now)
        return f"{key} given up: {refusal.what}"
    except Exception as error:  # A fault of one channel must not keep what comes after it from being told.
        return _not_sent(queue, queued, error, now)
    queue.sent(queued.sequence, remote_id, now)
    return f"{key} sent"


def _not_sent(queue: NotificationQueue, queued: Queued, error: Exception, now: datetime) -> str:
    reason = error.what if isinstance(error, PipelineError) else f"it failed with {type(error).__name__}"
    if now - queued.put_at > GIVE_UP_AFTER:
        queue.give_up(queued.sequence, reason, now)
        return f"{queued.notification.key} given up after a day: {reason}"
    asked = timedelta(seconds=error.wait_seconds if isinstance(error, NotDelivered) else 0.0)
    wait = max(asked, min(timedelta(seconds=2 ** min(queued.attempts + 1, 10)), _LONGEST_WAIT))
    queue.postpone(queued.sequence, now + wait, reason)
    return f"{queued.notification.key} waits {wait.total_seconds():.0f} s: {reason}"
