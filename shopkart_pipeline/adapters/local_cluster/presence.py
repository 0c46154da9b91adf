"""Whether a controller is in charge of a home, as seen from outside.

What the documents say is worth something only while a controller keeps them true: nobody is told that a service is
healthy by a document that nobody looks after.
"""

from datetime import datetime, timedelta

import psutil

from shopkart_pipeline.adapters.local_cluster.folders import Folders
from shopkart_pipeline.adapters.local_cluster.state import CONTROLLER, ControllerState
from shopkart_pipeline.domain.errors import ToolUnavailable

STALE_AFTER = timedelta(seconds=10)
"""Twenty heartbeats: a busy machine may delay some."""
_FIX = "Start it with `shopkart up`."


def controller_state(folders: Folders, now: datetime) -> ControllerState:
    """The state of the controller in charge.

    Raises:
        ToolUnavailable: there is none, or it is stuck.
    """
    state = CONTROLLER.read(folders.controller)
    if state is None:
        raise ToolUnavailable("The local cluster is not running.", _FIX)
    if not psutil.pid_exists(state.pid):
        raise ToolUnavailable("The local cluster's controller has died; what it started still runs.", _FIX)
    age = now - state.heartbeat_at
    if age > STALE_AFTER:
        seconds = age.total_seconds()
        raise ToolUnavailable(f"The local cluster has not been heard of for {seconds:.0f} s.", _FIX)
    return state
