"""How the receiver is served: what uvicorn lets senders use of connections and headers."""

import uvicorn
from starlette.applications import Starlette

from shopkart_pipeline.masked_answers import MaskedAnswers

MOST_CONNECTIONS = 512
"""Further ones are answered with 503."""
_STOP_SECONDS = 10


def configured(app: Starlette, host: str, port: int) -> uvicorn.Config:
    """Of uvicorn's two parsers `h11` is the one that bounds a request's headers (64 KiB); the other one keeps as many
    as a sender sends, and at 200 requests a second it is not noticeably faster."""
    return uvicorn.Config(
        MaskedAnswers(app),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        http="h11",
        ws="none",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
