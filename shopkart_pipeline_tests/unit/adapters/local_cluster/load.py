"""Steady traffic over connections that are kept open, as a browser or another service makes it."""

import asyncio
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

import httpx


@dataclass
class Load:
    """Requests against one address until the block ends.

    Args:
        url: where to.
        per_second: how many requests; they are spread over `clients` connections.
    """

    url: str
    per_second: int = 100
    clients: int = 8
    failures: list[str] = field(default_factory=list[str])
    versions: Counter[str] = field(default_factory=Counter[str])

    def __enter__(self) -> "Load":
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def sent(self) -> int:
        return self.versions.total() + len(self.failures)

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=10.0, limits=httpx.Limits(keepalive_expiry=60.0)) as client:
            await asyncio.gather(*(self._one(client) for _ in range(self.clients)))

    async def _one(self, client: httpx.AsyncClient) -> None:
        while not self._stop.is_set():
            try:
                # A POST shows more: nothing on its way may send it twice to hide that it was lost.
                method = "POST" if self.sent % 3 == 0 else "GET"
                answer = await client.request(method, self.url, content=b"order" if method == "POST" else None)
                if answer.status_code == 200:
                    self.versions[json.loads(answer.content)["version"]] += 1
                else:
                    self.failures.append(f"{answer.status_code} {answer.text[:80]}")
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
            await asyncio.sleep(self.clients / self.per_second)
