"""Does an operation of a database again whose connection was lost, until it is done or patience is at its end.

A connection is lost where none can be made, or where the one at hand broke. What a server refuses (a constraint, the
time limit of a statement, a password) is an error at once, since waiting mends none of it. Operations within operations
don't wait on their own: the outermost one is done again, as a whole.

One absence of the database is waited out once: who comes when patience was at its end tries, and doesn't wait, until
somebody gets through.

Source: PostgreSQL's documentation, "PostgreSQL Error Codes"; PEP 249 (`OperationalError`, `InterfaceError`).
"""

import functools
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, TimeoutError

_T = TypeVar("_T")
_PATIENCE_SECONDS = 120.0
"""A managed database in two zones fails over in one to two minutes."""
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 5.0
_REFUSED_CODES = frozenset({"57014", "55P03", "28P01", "28000", "3D000", "42501"})
"""Cancelled by its own time limit, lock not free, wrong password, no such user, no such database, no right."""
_REFUSED_WORDS = ("password authentication failed", "no pg_hba.conf entry", "does not exist", "no password supplied")
"""A connection that is refused has no code."""
_logger = logging.getLogger(__name__)
_under_way = threading.local()


class Patience:
    """How long one storage waits for its database.

    Args:
        seconds: from the first failure on, whoever met it.
        pause: sleeps.
        elapsed: gives a monotonic time in seconds.
    """

    def __init__(
        self,
        seconds: float = _PATIENCE_SECONDS,
        pause: Callable[[float], object] = time.sleep,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._pause = pause
        self._elapsed = elapsed
        self._gives_up_at: float | None = None
        """None while the database answers."""

    def keep_trying(self, operation: Callable[[bool], _T]) -> _T:
        """What the operation gives; it is told whether it was tried before. Raises what the last attempt raised."""
        if getattr(_under_way, "is_set", False):
            return operation(False)
        _under_way.is_set = True
        try:
            return self._keep_trying(operation)
        finally:
            _under_way.is_set = False

    def _keep_trying(self, operation: Callable[[bool], _T]) -> _T:
        pause_seconds, is_again = _FIRST_PAUSE_SECONDS, False
        while True:
            try:
                result = operation(is_again)
            except Exception as error:
                if not is_lost(error):
                    raise
                now = self._elapsed()
                gives_up_at = self._gives_up_at = self._gives_up_at or now + self._seconds
                if now >= gives_up_at:
                    raise
                _logger.warning("The connection to Dagster's database is lost (%s); trying again", type(error).__name__)
            else:
                self._gives_up_at = None
                return result
            self._pause(pause_seconds)
            pause_seconds, is_again = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS), True


def patient(method: Callable[..., _T]) -> Callable[..., _T]:
    """A method of a storage (with `patience`) that is done again where the connection is lost."""

    @functools.wraps(method)
    def tried(self: Any, *arguments: Any, **named: Any) -> _T:
        patience: Patience = self.patience
        return patience.keep_trying(lambda _: method(self, *arguments, **named))

    return tried


def is_lost(error: BaseException) -> bool:
    """Whether an error says that there is no connection, and not that the server refuses."""
    cause = error.__cause__ if type(error).__name__ == "DagsterPostgresException" else error
    if isinstance(cause, TimeoutError):
        return True
    if not isinstance(cause, DBAPIError):
        return False
    code, words = getattr(cause.orig, "pgcode", None), str(cause.orig)
    if code in _REFUSED_CODES or any(word in words for word in _REFUSED_WORDS):
        return False
    return cause.connection_invalidated or isinstance(cause, OperationalError | InterfaceError)
