"""Probes one replica for as long as it runs, and says what it found."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from shopkart_pipeline.adapters.local_cluster.health import (
    CALM_SECONDS,
    Answer,
    Health,
    after,
    path_of,
    reason_for_waiting,
    reason_to_restart,
    round_of,
)
from shopkart_pipeline.adapters.local_cluster.loopback import LoopbackClient
from shopkart_pipeline.adapters.local_cluster.state import ReplicaRecord

_TIMEOUT_SECONDS = 2.0


@dataclass(frozen=True)
class Found:
    """What the probes of a replica say."""

    ready: bool
    was_ready: bool
    calm: bool
    """It has been running for so long that its next crash is a first one."""
    failure: str | None
    """Why it counts as failed, if it does."""


class Prober:
    """Probes a replica.

    Args:
        record: the replica as it was when its run began or was taken over. One that was ready then counts as ready
            until it says otherwise.
        tell: is called with what was found, after every round.
    """

    def __init__(self, record: ReplicaRecord, tell: Callable[[Found], None]) -> None:
        self._probes = record.spec.probes
        self._client = LoopbackClient(record.port)
        self._health = Health(started=record.was_ready, ready=record.ready, was_ready=record.was_ready)
        self._tell = tell

    async def until_hopeless(self) -> Found:
        """Probe until the replica must be started anew; the result says why."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            while True:
                started = self._health.started
                for probe in round_of(self._health):
                    self._health = after(self._health, probe, await self._ask(path_of(probe, self._probes)))
                if self._health.started and not started:
                    continue
                age_seconds = loop.time() - began
                reason = reason_to_restart(self._health, self._probes, age_seconds)
                if reason is not None:
                    return self._found(age_seconds, reason)
                self._tell(self._found(age_seconds, reason_for_waiting(self._health, self._probes, age_seconds)))
                await asyncio.sleep(self._health.interval_seconds)
        finally:
            self._client.close()

    def _found(self, age_seconds: float, failure: str | None) -> Found:
        calm = self._health.ready and age_seconds > CALM_SECONDS
        return Found(self._health.ready, self._health.was_ready, calm, failure)

    async def _ask(self, path: str) -> Answer:
        try:
            reply = await self._client.get(path, _TIMEOUT_SECONDS)
        except TimeoutError:
            return Answer(False, True, f"no answer within {_TIMEOUT_SECONDS:g} s")
        except ConnectionRefusedError:
            return Answer(False, False, "nobody listens")
        except OSError as error:
            return Answer(False, True, f"no answer: {error}")
        return Answer(200 <= reply.status < 400, False, reply.text)
