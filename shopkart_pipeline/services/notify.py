"""Tell people something: keep it for every channel that is told first, and leave the sending to `send_notifications`.

This never raises for what can go wrong with keeping it, because whoever has something to tell has something better to
do than to fail; the answer says so, and so does the log.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from shopkart_pipeline.domain.errors import PipelineError, words_of
from shopkart_pipeline.domain.notification import Notification
from shopkart_pipeline.known_secrets import masked_data
from shopkart_pipeline.services.platform import Platform

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Told:
    """What became of a notification so far."""

    channels: tuple[str, ...]
    """It waits to be sent by these; those for which its key was told before are not among them."""
    problem: str = ""
    """Why it waits nowhere; empty where it does, or did before."""


def notify(platform: Platform, notification: Notification, channels: Sequence[str] | None = None) -> Told:
    """Keep a notification until it is sent; doing it again changes nothing.

    Args:
        platform: the ports.
        notification: what to tell.
        channels: names of declared channels; None: those that are told first.
    """
    policy = platform.pipeline.notifications
    if policy is None or platform.notifications is None:
        return Told((), "no channel is declared under `notifications`")
    try:
        kept = platform.notifications.put(masked_data(notification), channels or policy.first, platform.clock.now())
    except (PipelineError, OSError) as error:
        reason = error.what if isinstance(error, PipelineError) else words_of(error)
        _LOG.error("%s is told to nobody: %s", notification.key, reason)
        return Told((), reason)
    return Told(kept)
