"""Customers: `python -m shopkart_pipeline.cli.demo.traffic URL FILE` shops until SIGTERM and counts what it gets.

Each customer keeps a connection and a cart, browses, adds, looks and sometimes orders; new customers come and old
ones go. Counted by the version that answered: requests, and those answered with a server error. A request without
any answer counts as lost. The counts are written to FILE twice a second, whole or not at all.
"""

import asyncio
import contextlib
import json
import random
import signal
import sys
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from shopkart_pipeline.adapters._files import write_atomically

CUSTOMERS = 24
PAUSE_SECONDS = 0.35
VISITS_PER_CUSTOMER = 60


@dataclass
class Tally:
    """What was counted so far."""

    requests: Counter[str] = field(default_factory=Counter[str])
    server_errors: Counter[str] = field(default_factory=Counter[str])
    canary_errors: Counter[str] = field(default_factory=Counter[str])
    unexpected: Counter[str] = field(default_factory=Counter[str])
    lost: Counter[str] = field(default_factory=Counter[str])

    def as_json(self) -> bytes:
        return json.dumps(
            {
                "sent": sum(self.requests.values()) + sum(self.lost.values()),
                "requests": self.requests,
                "server_errors": self.server_errors,
                "server_errors_of_canary": self.canary_errors,
                "unexpected": self.unexpected,
                "lost": self.lost,
            }
        ).encode()


class Customer:
    """One visitor with a cart of its own."""

    def __init__(self, client: httpx.AsyncClient, tally: Tally, chance: random.Random) -> None:
        self._client, self._tally, self._chance = client, tally, chance
        self._cart = uuid.uuid4().hex
        self._filled = False

    async def visit(self) -> None:
        """One request, as customers make them."""
        kind = self._chance.random()
        if kind < 0.3:
            await self._ask("GET", "/catalogue")
        elif kind < 0.6 or not self._filled:
            item = {"sku": self._chance.choice(SKUS), "quantity": self._chance.randint(1, 3)}
            self._filled = await self._ask("POST", f"/carts/{self._cart}/items", item) or self._filled
        elif kind < 0.95:
            await self._ask("GET", f"/carts/{self._cart}")
        else:
            await self._ask("POST", "/orders", {"cart_id": self._cart}, expected=(201, 200, 409, 422))
            self._filled = False

    async def _ask(self, method: str, path: str, body: object = None, expected: tuple[int, ...] = (200, 201)) -> bool:
        try:
            answer = await self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            self._tally.lost[type(error).__name__] += 1
            return False
        version = answer.headers.get("x-shopkart-version", "unknown")
        self._tally.requests[version] += 1
        if answer.status_code >= 500:
            self._tally.server_errors[version] += 1
            if answer.headers.get("x-shopkart-track") == "canary":
                self._tally.canary_errors[version] += 1
        elif answer.status_code not in expected:
            self._tally.unexpected[f"{method} {path.split('/')[1]} {answer.status_code}"] += 1
        return answer.status_code < 400


SKUS: list[str] = []


async def _shop(url: str, tally: Tally, chance: random.Random, stop: asyncio.Event) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        while not stop.is_set():
            customer = Customer(client, tally, chance)
            for _ in range(VISITS_PER_CUSTOMER):
                if stop.is_set():
                    return
                await customer.visit()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), chance.uniform(0.5, 1.5) * PAUSE_SECONDS)


async def _write(path: Path, tally: Tally, stop: asyncio.Event) -> None:
    while not stop.is_set():
        write_atomically(path, tally.as_json())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.5)


async def shop(url: str, path: Path) -> None:
    """Shop until SIGTERM."""
    stop, tally = asyncio.Event(), Tally()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    SKUS.extend(await _skus(url))
    customers = [_shop(url, tally, random.Random(number), stop) for number in range(CUSTOMERS)]  # noqa: S311
    await asyncio.gather(_write(path, tally, stop), *customers)
    write_atomically(path, tally.as_json())


async def _skus(url: str) -> list[str]:
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        document: dict[str, Any] = (await client.get("/catalogue")).raise_for_status().json()
    return [product["sku"] for product in document["products"]]


if __name__ == "__main__":
    asyncio.run(shop(sys.argv[1], Path(sys.argv[2])))
