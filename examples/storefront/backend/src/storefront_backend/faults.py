"""How failures are answered: every one as JSON, none with a word from the inside."""

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler

from servicekit.faults import RETRY_AFTER_SECONDS, Unavailable, answer_client_left, note_failure
from storefront_backend.answers import Refusal


def exception_handlers() -> dict[type[Exception], ExceptionHandler]:
    """The answer to each kind of failure."""
    return {
        Refusal: _refused,
        HTTPException: _not_routed,
        Unavailable: _unavailable,
        ClientDisconnect: answer_client_left,
        Exception: _crashed,
    }


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status, headers)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101
    return _error(error.status, error.code, error.message)


async def _not_routed(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "refused")
    return _error(error.status_code, code, error.detail, dict(error.headers or {}))


async def _unavailable(request: Request, error: Exception) -> Response:
    note_failure(request.scope, error)
    retry = {"retry-after": str(RETRY_AFTER_SECONDS)}
    return _error(503, "unavailable", "The shop cannot do this at the moment. Please try again.", retry)


async def _crashed(_: Request, __: Exception) -> Response:
    return _error(500, "internal_error", "Something went wrong on our side.")
