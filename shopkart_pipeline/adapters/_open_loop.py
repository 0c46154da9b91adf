"""Sends requests at the moments for which they are intended, whatever became of those before, and counts what comes of
them.

A request that finds every connection busy waits for one; its latency has run since its intended moment, and so has its
time. The generator's own lateness is counted apart: only that says whether it kept up. `stop_all` is what the engine
calls when a run is terminated.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from itertools import cycle

from shopkart_pipeline.domain.load_report import LOG_BOUNDS, NOT_SENT, TIMED_OUT, LoadReport, Second, StepResult
from shopkart_pipeline.domain.load_test import LoadRequest, LoadTest

Send = Callable[[LoadRequest], Awaitable[str]]
"""Sends one request, reads the answer to its end and says how it ended: a status, or a word of `load_report`."""
_FIRST_ERROR_STATUS = 400
_LOOK_SECONDS = 0.2
"""A pause is never longer without a look at whether to stop."""
_running: set["OpenLoop"] = set()


class Stopped(Exception):
    """The run was cancelled."""


def stop_all() -> None:
    """Have every test end; returns at once."""
    for each in tuple(_running):
        each.stop()


class OpenLoop:
    """One load test.

    Args:
        plan: with a known peak.
        send: sends one request.
    """

    def __init__(self, plan: LoadTest, send: Send) -> None:
        self._plan, self._send = plan, send
        self._slots = asyncio.Semaphore(plan.connections)
        self._results = tuple(StepResult(step) for step in plan.steps)
        self._seconds: dict[int, Second] = {}
        self._in_flight = 0
        self._stopped = False

    def stop(self) -> None:
        """May be called by any thread."""
        self._stopped = True

    async def run(self) -> LoadReport:
        """Send everything, and wait until every request has ended.

        Raises:
            Stopped: the run was cancelled meanwhile.
        """
        _running.add(self)
        try:
            async with asyncio.TaskGroup() as requests:
                await self._dispatch(requests)
        except BaseExceptionGroup as several:
            # One request that raises what is no end of a request ends the test, and is what there is to say.
            raise several.exceptions[0] from None
        finally:
            _running.discard(self)
        return LoadReport(self._results, self._seconds)

    async def _dispatch(self, requests: asyncio.TaskGroup) -> None:
        clock, kinds = asyncio.get_running_loop().time, cycle(self._plan.order)
        start = clock()
        for result in self._results:
            for offset, measured in result.step.arrivals():
                await self._wait_until(start + offset)
                if clock() - start - offset > self._plan.request_timeout_seconds:
                    return  # Nobody would wait for these any more, and what was sent says that it was too little.
                requests.create_task(self._one(start, offset, next(kinds), result if measured else None))
                await asyncio.sleep(0)  # It begins now, also while those behind it are late already.
        await self._wait_until(start + self._plan.duration_seconds)

    async def _wait_until(self, moment: float) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            if self._stopped:
                raise Stopped
            left = moment - clock()
            if left <= 0:
                return
            await asyncio.sleep(min(left, _LOOK_SECONDS))

    async def _one(self, start: float, offset: float, request: LoadRequest, result: StepResult | None) -> None:
        clock = asyncio.get_running_loop().time
        intended, began = start + offset, clock()
        second = self._seconds.setdefault(int(offset), Second())
        if result is not None:
            result.lags[_bucket(began - intended)] += 1
            result.dispatched_in_time += began - start <= result.step.ends
        end = NOT_SENT
        try:
            async with asyncio.timeout_at(intended + self._plan.request_timeout_seconds), self._slots:
                end = TIMED_OUT
                self._note_sent(second, result, clock() - start)
                try:
                    end = await self._send(request)
                finally:
                    self._in_flight -= 1
        except TimeoutError:
            pass
        self._note_end(second, result, end, clock() - intended)

    def _note_sent(self, second: Second, result: StepResult | None, at: float) -> None:
        self._in_flight += 1
        second.sent += 1
        if result is not None:
            result.sent_in_time += at <= result.step.ends
            result.most_in_flight = max(result.most_in_flight, self._in_flight)

    def _note_end(self, second: Second, result: StepResult | None, end: str, latency_seconds: float) -> None:
        answered = end.isdecimal()
        failed = not answered or int(end) >= _FIRST_ERROR_STATUS
        second.answered += answered
        second.failed += failed
        timed = answered or end in (TIMED_OUT, NOT_SENT)
        if timed:
            second.latencies[_bucket(latency_seconds)] += 1
        if result is not None:
            result.ends[end] += 1
            result.failed += failed
            if timed:
                result.latencies[_bucket(latency_seconds)] += 1
                result.longest_seconds = max(result.longest_seconds, latency_seconds)


def _bucket(seconds: float) -> int:
    return bisect_left(LOG_BOUNDS, seconds)
