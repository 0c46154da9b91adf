"""The thread executor does what Dagster's in-process executor does, only at the same time."""

import itertools
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

import dagster as dg
import pytest

from shopkart_pipeline.engine.executor import parallel_threads
from shopkart_pipeline_tests.orchestration.engine import plans


@pytest.mark.parametrize("plan", plans.ALL, ids=lambda plan: plan.__name__)
def test_a_plan_makes_the_same_events_as_in_process(
    instance: dg.DagsterInstance, plan: Callable[[dg.ExecutorDefinition], dg.JobDefinition]
) -> None:
    instance.add_dynamic_partitions("compared", ["one"])
    expected_run, expected = plans.execute(instance, plan(dg.in_process_executor))

    run, events = plans.execute(instance, plan(parallel_threads))

    assert run.status == expected_run.status
    assert kinds(events) == kinds(expected)
    assert stored_kinds(instance, run) == stored_kinds(instance, expected_run)


def test_events_of_one_step_keep_their_order(instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("compared", ["one"])
    _, expected = plans.execute(instance, plans.passing_gate(dg.in_process_executor))

    _, events = plans.execute(instance, plans.passing_gate(parallel_threads))

    assert by_step(events) == by_step(expected)


def test_ready_steps_run_at_the_same_time_up_to_the_limit(instance: dg.DagsterInstance) -> None:
    job, intervals = sleeping_job(5)
    limited = parallel_threads.configured({"max_concurrent": 3}, name="parallel_threads")

    run, _ = plans.execute(instance, job(limited))

    assert run.is_success
    assert most_at_once(intervals) == 3


def test_a_pool_is_honoured_between_steps(instance: dg.DagsterInstance) -> None:
    instance.event_log_storage.set_concurrency_slots("one_at_a_time", 1)
    job, intervals = sleeping_job(2, pool="one_at_a_time")

    run, events = plans.execute(instance, job(parallel_threads))

    assert run.is_success
    assert most_at_once(intervals) == 1
    assert instance.event_log_storage.get_concurrency_info("one_at_a_time").active_slot_count == 0
    assert any("pool" in (event.message or "") for event in events)


def test_python_logs_are_told_under_the_step_that_made_them(instance: dg.DagsterInstance) -> None:
    both_run = threading.Barrier(2)

    @dg.op
    def speaks(context: dg.OpExecutionContext) -> None:
        both_run.wait(10)
        for _ in range(5):
            dg.get_dagster_logger().info("from %s", context.op_handle.name)
        both_run.wait(10)

    @dg.job(executor_def=parallel_threads)
    def speaking():
        speaks.alias("left")()
        speaks.alias("right")()

    run, _ = plans.execute(instance, speaking)

    entries = [entry for entry in instance.all_logs(run.run_id) if entry.user_message.startswith("from")]
    said = Counter((entry.step_key, entry.user_message) for entry in entries)
    assert said == {("left", "from left"): 5, ("right", "from right"): 5}


def test_output_is_captured_once_for_the_run(instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]) -> None:
    @dg.op
    def prints() -> None:
        print("to standard output", flush=True)

    @dg.job(executor_def=parallel_threads)
    def printing():
        prints()

    run, events = plans.execute(instance, printing)

    [captured] = [event.event_specific_data for event in events if event.event_type_value == "LOGS_CAPTURED"]
    logs = instance.compute_log_manager
    log = logs.get_log_data(logs.build_log_key_for_run(run.run_id, captured.file_key))
    assert log.stdout == b"to standard output\n"
    assert "to standard output" not in capfd.readouterr().out


@dg.job(executor_def=parallel_threads)
def raising():
    @dg.op
    def breaks() -> None:
        raise ValueError("broken")

    breaks()


def test_the_error_of_a_step_is_raised_when_that_is_asked_for(instance: dg.DagsterInstance) -> None:
    with pytest.raises(ValueError, match="broken"):
        dg.execute_job(dg.reconstructable(raising), instance, raise_on_error=True)

    [run] = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.FAILURE


def test_a_signal_interrupts_python_code_and_ends_the_run_cancelled(instance: dg.DagsterInstance) -> None:
    cleaned_up: list[str] = []

    @dg.op
    def never_ends(context: dg.OpExecutionContext) -> None:
        instance.report_run_canceling(context.dagster_run)
        try:
            for turn in itertools.count():
                if turn % 100 == 0:  # Again every two seconds: a signal that got lost once kept this from ever ending.
                    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
                time.sleep(0.02)
        finally:
            cleaned_up.append("finally ran")

    @dg.op(ins={"after": dg.In(dg.Nothing)})
    def never_starts() -> None: ...

    quick = parallel_threads.configured({"cancel_grace_seconds": 2}, name="parallel_threads")

    @dg.job(executor_def=quick)
    def endless():
        never_starts(after=never_ends())

    run, events = plans.execute(instance, endless)

    assert run.status == dg.DagsterRunStatus.CANCELED
    assert cleaned_up == ["finally ran"]
    [failed] = [event for event in events if event.is_step_failure]
    assert failed.step_key == "never_ends"
    assert "never_starts" not in {event.step_key for event in events}


def kinds(events: list[dg.DagsterEvent]) -> Counter[tuple[str | None, str]]:
    return Counter((event.step_key, event.event_type_value) for event in events)


def by_step(events: list[dg.DagsterEvent]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in events:
        if event.step_key:
            found.setdefault(event.step_key, []).append(event.event_type_value)
    return found


def stored_kinds(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Counter[tuple[str | None, str]]:
    entries = [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]
    return kinds(entries)


def sleeping_job(
    steps: int, pool: str | None = None
) -> tuple[Callable[[dg.ExecutorDefinition], dg.JobDefinition], list[tuple[float, float]]]:
    intervals: list[tuple[float, float]] = []

    @dg.op(pool=pool)
    def sleeps() -> None:
        began = time.monotonic()
        time.sleep(0.3)
        intervals.append((began, time.monotonic()))

    def make(executor: dg.ExecutorDefinition) -> dg.JobDefinition:
        @dg.job(executor_def=executor)
        def sleeping():
            for number in range(steps):
                sleeps.alias(f"sleeps_{number}")()

        return sleeping

    return make, intervals


def most_at_once(intervals: list[tuple[float, float]]) -> int:
    return max(sum(began <= moment < ended for began, ended in intervals) for moment, _ in intervals)
