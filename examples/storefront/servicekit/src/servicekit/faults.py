"""Failures that are not the service's own: something outside is away, or the client has left.

Neither counts as a fault of the release that met it: the first is answered with 503 and `Retry-After`, the
second has nobody left to be answered and is recorded with the customary status 499.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

FAILURE_KEY = "servicekit.failure"
RETRY_AFTER_SECONDS = 1
CLIENT_LEFT = 499


class Unavailable(Exception):
    """Something that this service needs cannot be used now; the same request may succeed in a moment."""

    def __init__(self, dependency: str) -> None:
        super().__init__(f"{dependency} is unavailable")
        self.dependency = dependency


def note_failure(scope: Scope, error: Exception) -> None:
    """Tells the shell why a request that a handler answers with an orderly error has failed."""
    scope[FAILURE_KEY] = error


async def answer_client_left(_: Request, __: Exception) -> Response:
    """The handler of `starlette.requests.ClientDisconnect`."""
    return Response(status_code=CLIENT_LEFT)
