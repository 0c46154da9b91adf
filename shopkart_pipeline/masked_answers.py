"""Keeps secrets that this process knows out of what an ASGI application answers, over HTTP and over websockets."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from shopkart_pipeline.known_secrets import KNOWN

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class MaskedAnswers:
    """Middleware. Bodies keep their length, which has been announced by then."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        async def masked_send(message: Message) -> None:
            if message.get("body"):
                message["body"] = KNOWN.blotted(message["body"])
            if message.get("text"):
                message["text"] = KNOWN.masked(message["text"])
            if message.get("headers"):
                message["headers"] = [(name, KNOWN.masked_bytes(value)) for name, value in message["headers"]]
            await send(message)

        await self._app(scope, receive, masked_send)
