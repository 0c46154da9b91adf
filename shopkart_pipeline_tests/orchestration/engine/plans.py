"""Jobs for comparing executors: each shows one thing that a plan can do."""

import asyncio
import warnings
from collections import Counter
from collections.abc import Callable

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator

PARTITIONS = dg.DynamicPartitionsDefinition(name="compared")


def gated_assets(*, passed: bool, executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    """Three assets in a row; the first has a blocking gate."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        gate = dg.AssetCheckSpec("gate", asset="first", blocking=True, partitions_def=PARTITIONS)

    @dg.asset(partitions_def=PARTITIONS, check_specs=[gate])
    def first() -> dg.MaterializeResult:
        return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="gate", passed=passed)])

    @dg.asset(partitions_def=PARTITIONS, deps=[first])
    def second() -> None: ...

    @dg.asset(partitions_def=PARTITIONS, deps=[second])
    def third() -> None: ...

    job = dg.define_asset_job("gated", executor_def=executor)
    return dg.Definitions(assets=[first, second, third], jobs=[job]).resolve_job_def("gated")


def passing_gate(executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    return gated_assets(passed=True, executor=executor)


def failing_gate(executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    return gated_assets(passed=False, executor=executor)


def failing_step(executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    @dg.op
    def breaks() -> int:
        raise ValueError("broken")

    @dg.op
    def works() -> int:
        return 1

    @dg.op
    def needs_both(left: int, right: int) -> int:
        return left + right

    @dg.job(executor_def=executor)
    def failing():
        needs_both(breaks(), works())

    return failing


def retried_step(executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    attempts = Counter[str]()

    @dg.op(retry_policy=dg.RetryPolicy(max_retries=3))
    def recovers(context: dg.OpExecutionContext) -> int:
        attempts[context.run_id] += 1
        if attempts[context.run_id] < 3:
            raise ValueError("not yet")
        return attempts[context.run_id]

    @dg.op
    def asks_for_time(context: dg.OpExecutionContext, value: int) -> None:
        if context.retry_number == 0:
            raise dg.RetryRequested(max_retries=1, seconds_to_wait=0.2)

    @dg.op(retry_policy=dg.RetryPolicy(max_retries=3))
    def gives_up() -> None:
        raise dg.Failure("final", allow_retries=False)

    @dg.job(executor_def=executor)
    def retried():
        asks_for_time(recovers())
        gives_up()

    return retried


def skipped_and_mapped_steps(executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    @dg.op(out={"left": dg.Out(is_required=False), "right": dg.Out(is_required=False)})
    def branches():
        yield dg.Output(1, "left")

    @dg.op
    def takes(value: int) -> int:
        return value

    @dg.op(out=dg.DynamicOut())
    def fans_out():
        for number in range(4):
            yield dg.DynamicOutput(number, mapping_key=str(number))

    @dg.op
    def collects(values: list[int]) -> int:
        return sum(values)

    @dg.job(executor_def=executor)
    def skipping():
        left, right = branches()
        takes.alias("after_left")(left)
        takes.alias("after_after_right")(takes.alias("after_right")(right))
        collects(fans_out().map(takes).collect())

    return skipping


def hooked_steps(executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    @dg.success_hook
    def praises(context: dg.HookContext) -> None: ...

    @dg.failure_hook
    def blames(context: dg.HookContext) -> None:
        raise RuntimeError("the hook itself is broken")

    @dg.op
    def works() -> None: ...

    @dg.op
    def breaks() -> None:
        raise ValueError("broken")

    @dg.job(executor_def=executor, hooks={praises, blames})
    def hooked():
        works()
        breaks()

    return hooked


def asynchronous_steps(executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    @dg.op
    async def waits() -> int:
        await asyncio.sleep(0.05)
        return 1

    @dg.op(out={"early": dg.Out(), "late": dg.Out()})
    async def yields():
        yield dg.Output(1, "early")
        await asyncio.sleep(0.05)
        yield dg.Output(2, "late")

    @dg.job(executor_def=executor)
    def asynchronous():
        waits()
        waits.alias("waits_too")()
        yields()

    return asynchronous


def broken_resource(executor: dg.ExecutorDefinition) -> dg.JobDefinition:
    @dg.resource
    def unreachable():
        raise ConnectionError("nobody there")

    @dg.op(required_resource_keys={"unreachable"})
    def needs_it() -> None: ...

    @dg.job(executor_def=executor, resource_defs={"unreachable": unreachable})
    def starved():
        needs_it()

    return starved


ALL: tuple[Callable[[dg.ExecutorDefinition], dg.JobDefinition], ...] = (
    passing_gate,
    failing_gate,
    failing_step,
    retried_step,
    skipped_and_mapped_steps,
    hooked_steps,
    asynchronous_steps,
    broken_resource,
)


def execute(instance: dg.DagsterInstance, job: dg.JobDefinition) -> tuple[dg.DagsterRun, list[dg.DagsterEvent]]:
    """Execute a job in this process with its own executor; the run as it ended and its stream of events."""
    tags = {"dagster/partition": "one"} if job.partitions_def else {}
    run = instance.create_run_for_job(job, tags=tags)
    events = list(execute_run_iterator(InMemoryJob(job), run, instance))
    ended = instance.get_run_by_id(run.run_id)
    assert ended is not None
    return ended, events
