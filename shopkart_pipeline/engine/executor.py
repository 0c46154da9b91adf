"""The executor `parallel_threads`: ready steps of a run concurrently, in threads of the run's own process.

Dagster has executors that run steps one after another or in a process each; a process costs four seconds of imports
for stages that mostly wait for a tool. This one is the in-process executor with threads in it: the same events, the
same resources for the whole run, one captured log per run. How the steps are driven is decided in `threaded_plan`.
"""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from dagster import DagsterEvent, Executor, Field, InitExecutorContext, Int, executor

# Private: plan execution has no public interface; Dagster's own executors are made of the same parts.
from dagster._core.events import EngineEventData
from dagster._core.execution.api import ExecuteRunWithPlanIterable
from dagster._core.execution.context.system import PlanExecutionContext, PlanOrchestrationContext
from dagster._core.execution.context_creation_job import PlanExecutionContextManager
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode, get_retries_config
from dagster._core.execution.tags import get_tag_concurrency_limits_config
from dagster_shared.utils.timing import format_duration

from shopkart_pipeline.engine import cancellation
from shopkart_pipeline.engine.threaded_plan import Limits, drive

DEFAULT_MAX_CONCURRENT = 4
DEFAULT_CANCEL_GRACE_SECONDS = 10


class ParallelThreadsExecutor(Executor):
    """Runs the steps of a run in threads; see the module."""

    def __init__(self, retries: RetryMode, limits: Limits) -> None:
        self._retries = retries
        self._limits = limits

    @property
    def retries(self) -> RetryMode:
        return self._retries

    def execute(self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        """Yield the events of all steps; DagsterExecutionInterruptedError comes out when the run was cancelled."""
        progress = _Progress(plan_context, execution_plan.step_keys_to_execute)
        yield progress.event(f"Executing steps in threads (pid: {os.getpid()})")
        began = time.monotonic()
        yield from ExecuteRunWithPlanIterable(
            execution_plan=plan_context.execution_plan,
            iterator=self._iterate,
            execution_context_manager=PlanExecutionContextManager(
                job=plan_context.job,
                retry_mode=plan_context.retry_mode,
                execution_plan=plan_context.execution_plan,
                run_config=plan_context.run_config,
                dagster_run=plan_context.dagster_run,
                instance=plan_context.instance,
                raise_on_error=plan_context.raise_on_error,
                output_capture=plan_context.output_capture,
            ),
        )
        took = format_duration((time.monotonic() - began) * 1000)
        yield progress.event(f"Finished steps in threads (pid: {os.getpid()}) in {took}")

    def _iterate(self, job_context: PlanExecutionContext, execution_plan: ExecutionPlan) -> Iterator[DagsterEvent]:
        cancellation.reset()
        try:
            with InstanceConcurrencyContext(job_context.instance, job_context.dagster_run) as pools:
                yield from drive(job_context, execution_plan, pools, self._limits)
        finally:
            cancellation.reset()


@dataclass(frozen=True)
class _Progress:
    context: PlanOrchestrationContext
    step_keys: Sequence[str]

    def event(self, message: str) -> DagsterEvent:
        data = EngineEventData.in_process(os.getpid(), list(self.step_keys))
        return DagsterEvent.engine_event(self.context, message, event_specific_data=data)


@executor(
    name="parallel_threads",
    config_schema={
        "max_concurrent": Field(
            Int, default_value=DEFAULT_MAX_CONCURRENT, description="How many steps of a run may run at once."
        ),
        "cancel_grace_seconds": Field(
            Int,
            default_value=DEFAULT_CANCEL_GRACE_SECONDS,
            description="How long steps may take to end after the run was cancelled.",
        ),
        "tag_concurrency_limits": get_tag_concurrency_limits_config(),
        "retries": get_retries_config(),
    },
)
def parallel_threads(init_context: InitExecutorContext) -> Executor:
    """Runs ready steps concurrently in threads of the run's process."""
    config = cast("Mapping[str, Any]", init_context.executor_config)
    [retries] = config["retries"]
    return ParallelThreadsExecutor(
        retries=RetryMode(retries),
        limits=Limits(
            max_concurrent=config["max_concurrent"],
            cancel_grace_seconds=config["cancel_grace_seconds"],
            tags=tuple(config.get("tag_concurrency_limits") or ()),
        ),
    )
