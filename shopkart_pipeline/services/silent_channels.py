"""Which channels don't get through to people, and why.

A channel is silent while something waits that was tried in vain, and for a day after something was given up; what
merely waits for its turn does not count.
"""

from collections.abc import Mapping

from shopkart_pipeline.services.platform import Platform
from shopkart_pipeline.services.send_notifications import GIVE_UP_AFTER

_MOST = 1000


def silent_channels(platform: Platform) -> Mapping[str, str]:
    """Reasons by name of the channel, the newest one each. Raises `ToolUnavailable` where the queue can't be read."""
    if platform.notifications is None:
        return {}
    recently, found = platform.clock.now() - GIVE_UP_AFTER, dict[str, str]()
    for untold in platform.notifications.untold(_MOST):
        counts = untold.put_at > recently if untold.given_up else untold.attempts > 0
        if counts:
            words = "given up" if untold.given_up else f"tried {untold.attempts} times"
            found.setdefault(untold.channel, f"{untold.notification.key}, {words}: {untold.reason or 'no answer'}")
    return found
