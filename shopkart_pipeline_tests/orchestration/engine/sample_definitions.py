"""Definitions that the engine's tests run: stages without work, and one of everything that can go wrong."""

import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import dagster as dg

from shopkart_pipeline.engine import cancellation
from shopkart_pipeline.engine.executor import parallel_threads
from shopkart_pipeline.engine.launch import launch_once
from shopkart_pipeline.engine.places import RunLimits

RELEASES = dg.DynamicPartitionsDefinition(name="sample_releases")
STAGES = tuple(f"stage_{number:02}" for number in range(11))
_running: set[subprocess.Popen[bytes]] = set()


def scratch(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> Path:
    """A folder for what a test wants to see of a run."""
    folder = Path(context.instance.root_directory) / "scratch"
    folder.mkdir(exist_ok=True)
    return folder


def kill_children() -> None:
    for process in _running:
        os.killpg(process.pid, 9)


cancellation.on_cancel(kill_children)


def _stage(number: int) -> dg.AssetsDefinition:
    key = dg.AssetKey(["sample", STAGES[number]])
    before = [dg.AssetKey(["sample", STAGES[number - 1]])] if number else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)
        gate = dg.AssetCheckSpec("gate", asset=key, blocking=True, partitions_def=RELEASES)

    @dg.asset(key=key, deps=before, partitions_def=RELEASES, check_specs=[gate])
    def stage() -> dg.MaterializeResult:
        return dg.MaterializeResult(
            metadata={"number": number}, check_results=[dg.AssetCheckResult(check_name="gate", passed=True)]
        )

    return stage


stages = [_stage(number) for number in range(len(STAGES))]


def _sleeper(number: int) -> dg.AssetsDefinition:
    @dg.asset(name=f"sleeper_{number}", key_prefix="sleepers")
    def sleeper(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        began = time.monotonic()
        time.sleep(0.4)
        return dg.MaterializeResult(metadata={"began": began, "ended": time.monotonic()})

    return sleeper


sleepers = [_sleeper(number) for number in range(4)]


@dg.asset(group_name="endless")
def endless_tool(context: dg.AssetExecutionContext) -> None:
    """Runs a tool with a child of its own, in a process group of their own, that never ends."""
    script = (
        "import subprocess,sys,time; p=subprocess.Popen(['sleep','600']); print(p.pid, flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, start_new_session=True)
    _running.add(process)
    grandchild = process.stdout.readline().decode().strip()
    (scratch(context) / f"{context.run_id}.pids").write_text(f"{os.getpid()} {process.pid} {grandchild}")
    code = process.wait()
    process.stdout.close()
    _running.discard(process)
    raise RuntimeError(f"The tool ended with {code}.")


@dg.asset(group_name="endless")
def endless_python(context: dg.AssetExecutionContext) -> None:
    """Waits in Python without listening to anybody."""
    (scratch(context) / f"{context.run_id}.began").write_text(str(os.getpid()))
    try:
        while True:
            time.sleep(0.05)
    finally:
        (scratch(context) / f"{context.run_id}.finally").write_text("ran")


@dg.asset(group_name="endless")
def dies(context: dg.AssetExecutionContext) -> None:
    """Kills its own worker."""
    os.kill(os.getpid(), 9)


@dg.asset(group_name="short")
def waits_a_second(context: dg.AssetExecutionContext) -> None:
    (scratch(context) / f"{context.run_id}.began").write_text(str(os.getpid()))
    time.sleep(1.5)


@dg.asset(group_name="short")
def waits_ten_seconds(context: dg.AssetExecutionContext) -> None:
    (scratch(context) / f"{context.run_id}.began").write_text(str(os.getpid()))
    time.sleep(10)


@dg.asset(group_name="short")
def notes_its_time(context: dg.AssetExecutionContext) -> None:
    """Leaves a line when it begins and one when it ends."""
    with (scratch(context) / "times").open("a") as log:
        log.write(f"began {context.run_id}\n")
        log.flush()
        time.sleep(0.05)
        log.write(f"ended {context.run_id}\n")


def count_calls(instance: dg.DagsterInstance) -> None:
    """A wake-up: leaves a line with what was asked for when it began."""
    folder = Path(instance.root_directory) / "scratch"
    folder.mkdir(exist_ok=True)
    with (folder / "calls").open("a") as log:
        log.write(f"{os.getpid()}\n")
    time.sleep(0.5)


def launch_from_a_call(instance: dg.DagsterInstance) -> None:
    """What the drain of an inbox does."""
    launch_sample(instance, "from a call")


@dg.sensor(job_name="sample_ci", minimum_interval_seconds=3600)
def launching_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """What the pipeline's sensor does, in the code server."""
    launch_sample(context.instance, "from a sensor")
    return dg.SkipReason("It was launched by the sensor itself.")


def launch_sample(instance: dg.DagsterInstance, key: str) -> None:
    launch_once(
        instance,
        key=key,
        job_name="sample_ci",
        asset_selection=None,
        partition_key="r6",
        tags={"by": "another process"},
    )


def job(name: str, *selected: dg.AssetsDefinition, executor: dg.ExecutorDefinition = parallel_threads):
    selection = dg.AssetSelection.assets(*selected)
    return dg.define_asset_job(name, selection=selection, executor_def=executor, tags={"team": "engine"})


impatient = parallel_threads.configured({"cancel_grace_seconds": 1}, name="parallel_threads")


RUN_LIMITS = RunLimits(3, {"pull_requests": 2})

defs = dg.Definitions(
    assets=[*stages, *sleepers, endless_tool, endless_python, dies, waits_a_second, waits_ten_seconds, notes_its_time],
    sensors=[launching_sensor],
    jobs=[
        job("sample_ci", *stages),
        job("sleep", *sleepers),
        job("endless_tool_job", endless_tool),
        job("endless_python_job", endless_python),
        job("dies_job", dies),
        job("short_job", waits_a_second),
        job("timed_job", notes_its_time),
        job("waiting_job", waits_ten_seconds),
        job("deaf_job", waits_ten_seconds, executor=impatient),
    ],
)
