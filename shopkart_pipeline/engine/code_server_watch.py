"""Has the code server of a web interface replaced when it dies.

The daemon asks for a fresh one every minute by itself; a web interface would show an error until somebody presses
"Reload". A server counts as dead when it does not answer twice in a row: one that is busy answers in time.
"""

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager

# Private: Dagster's webserver is a command and no library. Its version is pinned.
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.remote_representation.code_location import GrpcServerCodeLocation
from dagster._core.workspace.context import WorkspaceProcessContext

_LOOK_SECONDS = 3.0
_logger = logging.getLogger(__name__)


class CodeServerWatch:
    """Looks after the code servers of one web interface."""

    def __init__(self, context: WorkspaceProcessContext) -> None:
        self._context = context
        self._silent: set[str] = set()
        self._replaced: set[str] = set()
        """Whose replacement failed, for instance because the database was away too."""

    def look(self) -> list[str]:
        """Replace who is dead; returns the names of their code locations."""
        replaced = list[str]()
        for name, entry in self._context.get_current_workspace().code_location_entries.items():
            location = entry.code_location
            if isinstance(location, GrpcServerCodeLocation):
                is_silent = not _answers(location)
                is_dead = is_silent and name in self._silent
                (self._silent.add if is_silent else self._silent.discard)(name)
            else:
                is_dead = name in self._replaced
            if is_dead:
                self._context.reload_code_location(name)
                self._silent.discard(name)
                self._replaced.add(name)
                replaced.append(name)
            elif location is not None:
                self._replaced.discard(name)
        return replaced


def _answers(location: GrpcServerCodeLocation) -> bool:
    try:
        location.client.ping("")
    except DagsterUserCodeUnreachableError:
        return False
    return True


@contextmanager
def code_servers_watched(context: WorkspaceProcessContext) -> Generator[None]:
    """Look every few seconds, in a thread of its own, until the block ends."""
    over = threading.Event()

    def watch() -> None:
        watched = CodeServerWatch(context)
        while not over.wait(_LOOK_SECONDS):
            try:
                for name in watched.look():
                    _logger.warning("The code server of %s was dead and is replaced", name)
            except Exception:
                _logger.exception("The code servers can't be looked after")

    thread = threading.Thread(target=watch, name="code-servers", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(5.0)
