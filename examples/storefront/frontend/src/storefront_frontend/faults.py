"""How failures are answered: with a page that says what a customer can do, and no word from the inside."""

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from servicekit.faults import RETRY_AFTER_SECONDS, Unavailable, answer_client_left, note_failure
from storefront_frontend.forms import MalformedForm
from storefront_frontend.shop import Refused
from storefront_frontend.views import Views


def exception_handlers(views: Views) -> dict[type[Exception], ExceptionHandler]:
    """The answer to each kind of failure."""

    async def not_routed(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return views.problem(status, "Not found", "There is nothing at this address.")

    async def malformed(_: Request, __: Exception) -> Response:
        return views.problem(422, "That did not work", "Please go back, reload the page and try again.")

    async def refused(_: Request, error: Exception) -> Response:
        words = error.message if isinstance(error, Refused) else ""
        return views.problem(409, "That did not work", words)

    async def unavailable(request: Request, error: Exception) -> Response:
        note_failure(request.scope, error)
        retry = {"retry-after": str(RETRY_AFTER_SECONDS)}
        return views.problem(503, "One moment", "The shop is busy. Please try again in a moment.", retry)

    async def crashed(_: Request, __: Exception) -> Response:
        return views.problem(500, "Our mistake", "Something went wrong on our side. Your cart is safe.")

    return {
        HTTPException: not_routed,
        MalformedForm: malformed,
        Refused: refused,
        Unavailable: unavailable,
        ClientDisconnect: answer_client_left,
        Exception: crashed,
    }
