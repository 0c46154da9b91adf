"""HTTP for load: very many requests to one server at a time, over connections that are kept.

`_http.py` asks one thing, tries again and says what went wrong; here a request is sent once, nothing is followed, and
all that is wanted of an answer is its status and that it came to its end. aiohttp does the work.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp

from shopkart_pipeline.adapters._open_loop import Send
from shopkart_pipeline.domain.load_report import NO_CONNECTION
from shopkart_pipeline.domain.load_test import LoadRequest

TOO_BIG = "answer too large"
VERSION = aiohttp.__version__
_ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
_KEPT_SECONDS = 15.0
_NAMES_SECONDS = 10


@asynccontextmanager
async def sending(address: str, connections: int) -> AsyncGenerator[Send]:
    """What sends requests to a server.

    Args:
        address: its base address.
        connections: how many there are at most; each is used again once its answer was read.
    """
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=_KEPT_SECONDS, ttl_dns_cache=_NAMES_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "shopkart-load-test", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None),
        auto_decompress=False,
        trust_env=False,
    ) as session:
        base = address.rstrip("/")

        async def send(request: LoadRequest) -> str:
            headers = {"Content-Type": request.content_type} if request.content_type else {}
            body = request.body.encode() or None
            try:
                asked = session.request(
                    request.method, f"{base}{request.path}", data=body, headers=headers, allow_redirects=False
                )
                async with asked as response:
                    size_bytes = 0
                    async for piece in response.content.iter_any():
                        size_bytes += len(piece)
                        if size_bytes > _ANSWER_LIMIT_BYTES:
                            response.close()
                            return TOO_BIG
                    return str(response.status)
            except (aiohttp.ClientError, OSError):
                return NO_CONNECTION

        yield send
