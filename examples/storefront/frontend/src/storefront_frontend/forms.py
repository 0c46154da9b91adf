"""What a browser sends: cookies and forms. Nothing of it is believed before it is checked."""

import re
import secrets
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

CART_COOKIE = "cart"
CART_COOKIE_SECONDS = 14 * 24 * 3600
FORM_LIMIT_BYTES = 4096
QUANTITY_LIMIT = 99
_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,64}")


class MalformedForm(Exception):
    """A form that our own pages do not send."""


def cart_id_of(request: Request) -> str | None:
    """The customer's cart, if the browser has one."""
    return checked_token(request.cookies.get(CART_COOKIE, ""))


def checked_token(value: str) -> str | None:
    """The value, where it looks like one that this module made."""
    return value if _TOKEN.fullmatch(value) else None


def new_token() -> str:
    """A fresh name for a cart or an order, which nobody can guess."""
    return secrets.token_urlsafe(24)


def keep_cart(response: Response, cart_id: str, *, secure: bool) -> None:
    """Has the browser remember the cart. Other sites cannot send the cookie with a form (SameSite)."""
    response.set_cookie(
        CART_COOKIE, cart_id, max_age=CART_COOKIE_SECONDS, httponly=True, samesite="lax", secure=secure
    )


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form.

    Raises:
        MalformedForm: where it is too long or not text.
    """
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > FORM_LIMIT_BYTES:
            raise MalformedForm
    try:
        return dict(parse_qsl(received.decode("ascii"), keep_blank_values=True))
    except ValueError as error:
        raise MalformedForm from error


def quantity_of(text: str) -> int:
    """A quantity from a form.

    Raises:
        MalformedForm: where it is not a whole number from 0 to `QUANTITY_LIMIT`.
    """
    if not re.fullmatch(r"[0-9]{1,2}", text):
        raise MalformedForm
    return int(text)
