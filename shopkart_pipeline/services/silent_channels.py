"""Which channels don't get through to people, and why.

A channel is silent while something waits that was tried in vain, and for a day after something was given up; what
merely waits for its turn does not count.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.send_notifications import GIVE_UP_AFTER

_MOST = 1000
_SOME_DAY = datetime.max.replace(tzinfo=UTC)


def silent_channels(platform: Platform) -> Mapping[str, str]:
    """Reasons by name of the channel, the newest one each. Raises `ToolUnavailable` where the queue can't be read."""
    queue = platform.notifications
    if queue is None:
        return {}
    recently, found = platform.clock.now() - GIVE_UP_AFTER, dict[str, str]()
    for untold in queue.untold(_MOST):
        counts = untold.put_at > recently if untold.given_up else untold.attempts > 0
        if counts:
            words = "given up" if untold.given_up else f"tried {untold.attempts} times"
            found.setdefault(untold.channel, f"{untold.notification.key}, {words}: {untold.reason or 'no answer'}")
    for channel in queue.waiting():  # After a storm what was tried is the oldest of more than were looked at.
        head = queue.due(channel, _SOME_DAY)
        if head is not None and head.attempts > 0:
            found.setdefault(channel, f"{head.notification.key}, tried {head.attempts} times: much waits behind it")
    return found
