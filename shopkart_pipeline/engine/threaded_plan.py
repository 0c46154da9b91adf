"""Drives one execution plan with steps in threads: what starts, in which order things are told, how it is stopped.

Dagster's own state machine (`ActiveExecution`) decides which steps are ready, skipped, abandoned, retried or wait for
a pool; this module feeds it from the main thread only. Ordering: an event is yielded, then told to the state machine;
when a step has ended come the skips that follow from it, then its hooks. Events of one step keep their order, steps
interleave.

On a termination signal nothing new starts and everything registered in `cancellation` is stopped. Python code that
still runs after half of the grace (two seconds at most) is interrupted. Steps that have not ended when the grace is
over are recorded as failed by interruption and left behind. Then DagsterExecutionInterruptedError is raised, which
Dagster records as CANCELED when somebody asked for it, as FAILURE otherwise. A step's own error ends the plan in the
same way when `raise_on_error` is set.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from dagster import DagsterEvent, DagsterExecutionInterruptedError

# Private: plan execution has no public interface; Dagster's own executors are made of the same parts.
from dagster._core.events import EngineEventData
from dagster._core.execution.compute_logs import create_compute_log_file_key
from dagster._core.execution.context.system import PlanExecutionContext
from dagster._core.execution.plan.active import ActiveExecution
from dagster._core.execution.plan.execute_plan import _trigger_hook  # pyright: ignore[reportPrivateUsage]
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.objects import ErrorSource, StepFailureData
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._utils.error import serializable_error_info_from_exc_info
from dagster_shared.error import SerializableErrorInfo

from shopkart_pipeline.engine import cancellation
from shopkart_pipeline.engine.step_threads import StepEnded, StepEvent, StepThreads

_POLL_SECONDS = 0.1
"""How soon a signal, a retry that is due or a free pool slot is noticed; events of steps wake the loop at once."""
_REPEAT_CANCEL_SECONDS = 0.5


@dataclass(frozen=True)
class Limits:
    """How much may run at once, and how long it may take to stop."""

    max_concurrent: int
    cancel_grace_seconds: float
    tags: tuple[Mapping[str, Any], ...] = ()
    """Dagster's `tag_concurrency_limits` for the steps of one run."""


def drive(
    context: PlanExecutionContext, plan: ExecutionPlan, pools: InstanceConcurrencyContext, limits: Limits
) -> Iterator[DagsterEvent]:
    """Yield the events of all steps of a plan, with the run's standard output and error captured.

    Raises:
        DagsterExecutionInterruptedError: the run was cancelled.
        Exception: a step's own error, when the run was started with `raise_on_error`.
    """
    active = plan.start(
        retry_mode=context.retry_mode,
        max_concurrent=limits.max_concurrent,
        tag_concurrency_limits=[dict(limit) for limit in limits.tags],
        instance_concurrency_context=pools,
        step_dependency_config=context.step_dependency_config,
    )
    with active, ExitStack() as capture:
        yield _start_capture(context, plan, capture)
        run = _ThreadedPlan(context, active, limits)
        try:
            yield from run.events()
        finally:
            run.stop_threads()
        try:
            capture.close()
        except Exception:
            yield _capture_problem(context, "Exception while cleaning up compute log capture")


class _ThreadedPlan:
    def __init__(self, context: PlanExecutionContext, active: ActiveExecution, limits: Limits) -> None:
        self._context = context
        self._active = active
        self._limits = limits
        self._threads = StepThreads(context)
        self._stopping_because: BaseException | None = None
        self._stopping_since = 0.0
        self._cancelled_at = 0.0

    def events(self) -> Iterator[DagsterEvent]:
        while self._threads.step_keys or not (self._stopping_because or self._active.is_complete):
            if self._active.check_for_interrupts() and not self._stopping_because:
                yield self._say_that_it_stops()
                self._stop(DagsterExecutionInterruptedError("The run received a termination signal."))
            if self._stopping_because:
                self._press_on()
            else:
                yield from self._start_ready_steps()
            for item in self._threads.drain(_POLL_SECONDS):
                yield from self._take(item)
            if self._stopping_because and self._stopping_seconds() > self._limits.cancel_grace_seconds:
                yield from self._give_up()
        if self._stopping_because:
            raise self._stopping_because

    def _start_ready_steps(self) -> Iterator[DagsterEvent]:
        yield from self._active.plan_events_iterator(self._context)
        for step in self._active.get_steps_to_execute(limit=self._limits.max_concurrent):
            known = self._active.get_known_state()
            self._threads.start(step, known._replace(ready_outputs=set(known.ready_outputs)))
        yield from self._active.concurrency_event_iterator(self._context)

    def _take(self, item: StepEvent | StepEnded) -> Iterator[DagsterEvent]:
        match item:
            case StepEvent(step_key, event):
                if step_key in self._threads.step_keys:
                    yield event
                    self._threads.note(item)
                    if not event.is_step_up_for_retry:
                        self._active.handle_event(event)
            case StepEnded(step_key, error):
                if step_key in self._threads.step_keys:
                    yield from self._close(step_key)
                if error and not self._stopping_because:
                    self._stop(error)

    def _close(self, step_key: str) -> Iterator[DagsterEvent]:
        step_context, events = self._threads.take_off(step_key)
        for retry in [event for event in events if event.is_step_up_for_retry]:
            self._active.handle_event(retry)  # Told only now, or the step could start again beside its old thread.
        self._active.verify_complete(self._context, step_key)
        for event in self._active.plan_events_iterator(self._context):
            events.append(event)
            yield event
        yield from _trigger_hook(step_context, events)

    def _say_that_it_stops(self) -> DagsterEvent:
        return DagsterEvent.engine_event(
            self._context,
            "Received a termination signal: stopping the steps that run",
            EngineEventData.interrupted(self._threads.step_keys),
        )

    def _stop(self, because: BaseException) -> None:
        self._stopping_because = because
        self._stopping_since = time.monotonic()
        self._active.mark_interrupted()

    def _stopping_seconds(self) -> float:
        return time.monotonic() - self._stopping_since

    def _press_on(self) -> None:
        now = time.monotonic()
        if now - self._cancelled_at >= _REPEAT_CANCEL_SECONDS:
            self._cancelled_at = now
            cancellation.cancel()
        if self._stopping_seconds() > min(2.0, self._limits.cancel_grace_seconds / 2):
            self._threads.interrupt()

    def _give_up(self) -> Iterator[DagsterEvent]:
        for step_key in self._threads.step_keys:
            step_context, _ = self._threads.take_off(step_key)
            message = f"The step did not stop within {self._limits.cancel_grace_seconds:g} seconds."
            failure = StepFailureData(
                error=SerializableErrorInfo(message, [], "DagsterExecutionInterruptedError"),
                user_failure_data=None,
                error_source=ErrorSource.INTERRUPT,
            )
            event = DagsterEvent.step_failure_event(step_context, failure)  # pyright: ignore[reportUnknownMemberType]
            yield event
            self._active.handle_event(event)

    def stop_threads(self) -> None:
        """Leave no thread working for a plan that is over, also when its consumer broke off."""
        if self._threads.step_keys:
            cancellation.cancel()
            self._threads.interrupt()


def _start_capture(context: PlanExecutionContext, plan: ExecutionPlan, capture: ExitStack) -> DagsterEvent:
    logs = context.instance.compute_log_manager
    step_keys = [step.key for step in plan.get_steps_to_execute_in_topo_order()]
    try:
        log_key = logs.build_log_key_for_run(context.run_id, create_compute_log_file_key())
        log_context = capture.enter_context(logs.capture_logs(log_key))
        return DagsterEvent.capture_logs(context, step_keys, list(log_key), log_context)
    except Exception:
        return _capture_problem(context, "Exception while setting up compute log capture")


def _capture_problem(context: PlanExecutionContext, message: str) -> DagsterEvent:
    info = serializable_error_info_from_exc_info(sys.exc_info())
    return DagsterEvent.engine_event(context, message, EngineEventData(error=info))
