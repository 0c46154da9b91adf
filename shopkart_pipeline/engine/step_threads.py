"""Runs the steps of one run in threads and hands what they yield to the main thread, in one stream.

A thread writes its step's events to the event log as Dagster always does; what it hands over is the same events for
the plan's state machine, in the order in which the step made them, closed by one `StepEnded`. Whether a step may
start, and what its events mean for others, is the executor's affair.

Threads are daemons: a step that does not listen to a cancellation must not keep the process from ending.
"""

import asyncio
import contextvars
import ctypes
import queue
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType

from dagster import DagsterEvent, DagsterExecutionInterruptedError

# Private: plan execution has no public interface; an executor is made of these parts.
from dagster._core.execution.context.system import PlanExecutionContext, StepExecutionContext
from dagster._core.execution.plan.execute_plan import dagster_event_sequence_for_step
from dagster._core.execution.plan.state import KnownExecutionState
from dagster._core.execution.plan.step import ExecutionStep

from shopkart_pipeline.engine import step_log
from shopkart_pipeline.engine.own_materializations import RunDataVersions
from shopkart_pipeline.engine.storage import WarmEventLog

_WRITING = ("dagster._core.storage", "dagster._core.instance", "sqlalchemy", "shopkart_pipeline.engine")


@dataclass(frozen=True)
class StepEvent:
    """A step made an event; it is in the event log already."""

    step_key: str
    event: DagsterEvent


@dataclass(frozen=True)
class StepEnded:
    """A step's thread is done. `error` is what Dagster would have raised into the run, if anything."""

    step_key: str
    error: BaseException | None


@dataclass
class _Work:
    context: StepExecutionContext
    thread: threading.Thread
    events: list[DagsterEvent] = field(default_factory=list[DagsterEvent])
    interrupted: bool = False


class StepThreads:
    """The threads of one run; used from the main thread only."""

    def __init__(self, run_context: PlanExecutionContext) -> None:
        self._run_context = run_context
        self._log = step_log.StepLogManager.of(run_context.log)
        self._work: dict[str, _Work] = {}
        self._stream: queue.SimpleQueue[StepEvent | StepEnded] = queue.SimpleQueue()

    @property
    def step_keys(self) -> list[str]:
        """Steps whose thread has not been taken off with `take_off`."""
        return list(self._work)

    def start(self, step: ExecutionStep, known_state: KnownExecutionState) -> None:
        """Run a step in a thread of its own."""
        loop = asyncio.new_event_loop()  # One loop can't be run by two threads, so async steps get their own.
        run_context = PlanExecutionContext(
            plan_data=self._run_context.plan_data,
            execution_data=self._run_context._execution_data,  # pyright: ignore[reportPrivateUsage]
            log_manager=self._log,
            output_capture=self._run_context.output_capture,
            event_loop=loop,
        )
        context = run_context.for_step(step, known_state)
        event_log = context.instance.event_log_storage
        if isinstance(event_log, WarmEventLog):
            context._data_version_cache = RunDataVersions(context, event_log)  # pyright: ignore[reportPrivateUsage]
        thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._run, context, loop),
            name=f"step {step.key}",
            daemon=True,
        )
        self._work[step.key] = _Work(context, thread)
        thread.start()

    def _run(self, context: StepExecutionContext, loop: asyncio.AbstractEventLoop) -> None:
        key = context.step.key
        error: BaseException | None = None
        step_log.claim_thread(key)
        try:
            for event in dagster_event_sequence_for_step(context):
                self._stream.put(StepEvent(key, event))
        except BaseException as raised:
            error = raised
        finally:
            step_log.release_thread()
            loop.close()
            self._stream.put(StepEnded(key, error))

    def drain(self, timeout_seconds: float) -> Iterator[StepEvent | StepEnded]:
        """What has arrived; waits at most `timeout_seconds` for the first item."""
        try:
            yield self._stream.get(timeout=timeout_seconds)
            while True:
                yield self._stream.get_nowait()
        except queue.Empty:
            return

    def note(self, item: StepEvent) -> None:
        """Keep an event for the step's hooks."""
        self._work[item.step_key].events.append(item.event)

    def take_off(self, step_key: str) -> tuple[StepExecutionContext, list[DagsterEvent]]:
        """Forget a step that has ended, or that is given up. Returns its context and its events for hooks."""
        work = self._work.pop(step_key)
        return work.context, work.events

    def interrupt(self) -> None:
        """Raise DagsterExecutionInterruptedError in every thread that is in user code, once per thread.

        Only Python code feels it; a thread inside a system call feels it when that returns. A thread that is
        writing an event is left for the next call, so that the event gets written.
        """
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
        for work in self._work.values():
            ident = work.thread.ident
            if work.interrupted or ident is None or ident not in frames or _is_writing(frames[ident]):
                continue
            work.interrupted = True
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(ident), ctypes.py_object(DagsterExecutionInterruptedError)
            )


def _is_writing(frame: FrameType | None) -> bool:
    """Whether a stack is inside Dagster's storage, seen from its innermost frame up to this module's own."""
    while frame is not None and frame.f_globals.get("__name__") != __name__:
        if str(frame.f_globals.get("__name__", "")).startswith(_WRITING):
            return True
        frame = frame.f_back
    return False
