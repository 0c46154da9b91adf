"""How long the webhook receiver takes to answer under a steady load: signature, one fsync, 202.

Requests are sent at fixed times, whether earlier ones have been answered or not, for ten seconds at most a burst, to
this machine alone. They are pushes to a repository that nobody declares, so the engine marks each of them as ignored
meanwhile. A latency counts from when its request was due. Measured are a receiver alone, whose inbox nobody empties,
and one with the whole pipeline beside it; each after one burst that does not count, in which processes come up.
"""

import asyncio
import json
import time
from uuid import uuid4

from shopkart_pipeline.adapters.github import signature_of
from shopkart_pipeline.cli.bench.measures import SHOPKART, Measure, Measurement, percentile
from shopkart_pipeline.cli.bench.surroundings import Surroundings, own_settings, running_pipeline
from shopkart_pipeline.cli.bench.webhook import NO_OP, NO_OP_DEFINITIONS, REPOSITORY
from shopkart_pipeline.cli.stack import Stack, start_receiver, wait_for_port
from shopkart_pipeline.domain.errors import ToolUnavailable
from shopkart_pipeline.settings import Settings, webhook_secrets_of

NAME = "receiver"
REQUESTS_PER_SECOND = 200
_CONNECTIONS = 16
_BURSTS = 3
_PERCENTILES = {"answer, 50th percentile": 50, "answer, 99th percentile": 99}
_LIMITS_MS = {"answer, 99th percentile": 50.0}
_BODY = json.dumps(
    {
        "ref": "refs/heads/main",
        "before": "0" * 40,
        "after": "1" * 40,
        "repository": {"full_name": "bench/nowhere"},
        "sender": {"login": "bench"},
    }
).encode()


def measure(around: Surroundings) -> Measurement:
    """Percentiles over all requests of a burst of `around.receiver_seconds`, for several bursts."""
    with around.folder() as folder:
        alone = _alone(own_settings(folder / "alone", NO_OP), around)
        with running_pipeline(folder / "home", NO_OP, REPOSITORY, NO_OP_DEFINITIONS) as pipeline:
            together = _bursts(pipeline.settings, around)
    measures = (
        *(Measure(SHOPKART, f"{words}, receiver alone", "ms", samples) for words, samples in alone.items()),
        *(Measure(SHOPKART, words, "ms", samples, _LIMITS_MS.get(words)) for words, samples in together.items()),
    )
    count = round(REQUESTS_PER_SECOND * around.receiver_seconds)
    note = f"Each burst: {count} requests at {REQUESTS_PER_SECOND} a second, all answered with 202."
    return Measurement(NAME, "Receiver under load", measures, (note,))


def _alone(settings: Settings, around: Surroundings) -> dict[str, tuple[float, ...]]:
    stack = Stack(settings)
    try:
        start_receiver(stack)
        wait_for_port(stack, settings.receiver_port)
        return _bursts(settings, around)
    finally:
        stack.stop()


def _bursts(settings: Settings, around: Surroundings) -> dict[str, tuple[float, ...]]:
    """Percentiles of each burst, by what they are called."""
    port, secret = settings.receiver_port, webhook_secrets_of(settings)[0]
    count = round(REQUESTS_PER_SECOND * around.receiver_seconds)
    bursts = [asyncio.run(send(port, secret, count)) for _ in range(1 + _BURSTS)][1:]
    return {words: tuple(percentile(each, percent) for each in bursts) for words, percent in _PERCENTILES.items()}


async def send(port: int, secret: str, count: int) -> list[float]:
    """Send requests at their times; milliseconds from then to the answer. Raises `ToolUnavailable` for a refusal."""
    due: asyncio.Queue[float] = asyncio.Queue()
    began = time.monotonic()
    for number in range(count):
        due.put_nowait(began + number / REQUESTS_PER_SECOND)
    found = await asyncio.gather(*(_sender(port, secret, due) for _ in range(_CONNECTIONS)))
    return [latency for each in found for latency in each]


async def _sender(port: int, secret: str, due: asyncio.Queue[float]) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    latencies: list[float] = []
    while not due.empty():
        at = due.get_nowait()
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        writer.write(_request(secret))
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 202 " not in head.partition(b"\r\n")[0]:
            raise ToolUnavailable(f"The receiver answered {head[:80]!r}.", "See its log in the bench's home.")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        latencies.append(1000 * (time.monotonic() - at))
    writer.close()
    return latencies


def _request(secret: str) -> bytes:
    headers = [
        "POST /webhooks/github HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        "X-GitHub-Event: push",
        f"X-GitHub-Delivery: {uuid4()}",
        f"X-Hub-Signature-256: {signature_of(_BODY, secret)}",
        f"Content-Length: {len(_BODY)}",
    ]
    return "\r\n".join([*headers, "", ""]).encode() + _BODY
